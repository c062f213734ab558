"""The face of a chain, what most chains inherit, and what can be done with any of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any, Protocol, Self, TypeVar

import torch
from torch import Tensor

from entropy_rl import _validate


class Chain(Protocol):
    """A joint action as conditionals along the path that was drawn: what estimators and losses use.

    :class:`Conditionals` and the three Gaussian kinds (plain, clipped, squashed) have this face.
    Others (mixed of discrete and continuous components, say) may be written anywhere; most of it
    comes with :class:`ChainBase`.
    """

    @property
    def actions(self) -> Tensor:
        """The components aᵢ, shape ``(*batch, d)``."""
        ...

    @property
    def features(self) -> Tensor | None:
        """What the network knew before it drew aᵢ, shape ``(*batch, d, F)``, or None."""
        ...

    @property
    def component_log_probs(self) -> Tensor:
        """log p(aᵢ | a_<i), shape ``(*batch, d)``."""
        ...

    @property
    def log_prob(self) -> Tensor:
        """log p(a), shape ``(*batch,)``."""
        ...

    @property
    def entropies(self) -> Tensor:
        """H⁽ⁱ⁾(a_<i) in nats, shape ``(*batch, d)``; ``ValueError`` without a closed form."""
        ...

    def component_kl(self, q: Self) -> Tensor:
        """KL(pⁱ(· | a_<i) ‖ qⁱ(· | a_<i)) in nats, shape ``(*batch, d)``, p being this chain."""
        ...

    def rows(self, index: Tensor) -> Self:
        """The chain at the given rows, int64 or bool, of its first batch axis, graph kept."""
        ...

    def cat(self, others: Sequence[Self]) -> Self:
        """This chain and others, one after the other along the first batch axis, graphs kept."""
        ...

    def detach(self) -> Self:
        """The same numbers without their graph."""
        ...


_FACE = (
    "actions",
    "features",
    "component_log_probs",
    "log_prob",
    "entropies",
    "component_kl",
    "rows",
    "cat",
    "detach",
)
_AnyChain = TypeVar("_AnyChain", bound=Chain)


class ChainBase:
    """What a chain inherits that is a frozen dataclass of tensors and of other chains.

    Every tensor has the batch axes first; None, and what is neither tensor nor chain, belongs to
    the whole chain. A subclass adds ``actions``, ``features``, ``component_log_probs``,
    ``component_kl`` and, if they have a closed form, ``entropies``.
    """

    @property
    def component_log_probs(self) -> Tensor:
        """log p(aᵢ | a_<i), shape ``(*batch, d)``."""
        raise NotImplementedError

    @property
    def log_prob(self) -> Tensor:
        """log p(a) = Σᵢ log p(aᵢ | a_<i), shape ``(*batch,)``."""
        return self.component_log_probs.sum(-1)

    @property
    def entropies(self) -> Tensor:
        """Refused here; a chain that has them says so itself.

        Raises:
            ValueError: always.
        """
        raise _validate.fail(
            "chain", "conditionals whose entropies have a closed form", type(self).__name__
        )

    def rows(self, index: Tensor) -> Self:
        """The chain at the given rows, int64 or bool, of its first batch axis, graph kept."""
        return self._with([_rows(part, index) for part in self._parts()])

    def detach(self) -> Self:
        """The same numbers without their graph."""
        return self._with([_detach(part) for part in self._parts()])

    def cat(self, others: Sequence[Self]) -> Self:
        """This chain and others, one after the other along the first batch axis, graphs kept.

        Raises:
            ValueError: what belongs to the whole chain is not the same in all.
        """
        columns = zip(*(chain._parts() for chain in (self, *others)), strict=True)
        return self._with([_cat(parts) for parts in columns])

    def _parts(self) -> list[Any]:
        return [getattr(self, f.name) for f in fields(self)]  # type: ignore[arg-type]

    def _with(self, parts: list[Any]) -> Self:
        """A chain of the given fields: rows of what was checked are not checked again."""
        new = object.__new__(type(self))
        for f, part in zip(fields(self), parts, strict=True):  # type: ignore[arg-type]
            object.__setattr__(new, f.name, part)
        return new


def _is_chain(part: Any) -> bool:
    return hasattr(type(part), "component_log_probs")


def _rows(part: Any, index: Tensor) -> Any:
    if isinstance(part, Tensor):
        # Whole rows are copied by index_select, entry by entry by an index in brackets.
        return part[index] if index.dtype == torch.bool else part.index_select(0, index)
    return part.rows(index) if _is_chain(part) else part


def _detach(part: Any) -> Any:
    return part.detach() if isinstance(part, Tensor) or _is_chain(part) else part


def _cat(parts: tuple[Any, ...]) -> Any:
    if any(part is None for part in parts):
        return None
    if isinstance(parts[0], Tensor):
        return torch.cat(parts)
    if _is_chain(parts[0]):
        return concatenate(parts)
    if any(part != parts[0] for part in parts):
        raise _validate.fail("others", f"{parts[0]!r} in every chain", parts)
    return parts[0]


def check_chain(name: str, chain: object) -> None:
    """Raise ``ValueError`` unless ``chain`` has the face of :class:`Chain`.

    Only names are looked at: asking the object itself would compute its entropies.
    """
    own = getattr(chain, "__dict__", {})
    missing = [x for x in _FACE if not hasattr(type(chain), x) and x not in own]
    if missing:
        near = "component_log_probs" not in missing
        lacking = f"a {type(chain).__name__} without {', '.join(missing)}"
        got = lacking if near else _validate.describe(chain)
        raise _validate.fail(name, "a chain such as Conditionals or GaussianConditionals", got)


def check_features(features: Tensor | None, actions: Tensor) -> None:
    """Raise unless ``features`` is None or has the actions' shape and one axis more."""
    if features is None:
        return
    shape = _validate.tensor("features", features).shape
    if len(shape) != actions.ndim + 1 or shape[:-1] != actions.shape:
        raise _validate.fail(
            "features",
            f"shape ({', '.join(map(str, actions.shape))}, F)",
            _validate.describe(features),
        )


def prefix_log_weights(current: Chain, behaviour_log_probs: Tensor) -> Tensor:
    """Logarithms of the prefix ratios, wᵢ = log Π_{j≤i} π(aⱼ | a_<j) / μ(aⱼ | a_<j).

    They repair an estimator when the actions were drawn from an older policy μ: the expectation
    over μ of exp(wᵢ₋₁)·f(a_<i) is the expectation of f(a_<i) over π.

    Args:
        current: the chain of π, teacher-forced on the stored actions.
        behaviour_log_probs: ``(*batch, d)``: log μ(aⱼ | a_<j), stored when the actions were drawn.

    Returns:
        ``(*batch, d)``, detached; the last one is the ratio of the whole action.

    Raises:
        ValueError: ``behaviour_log_probs`` has another shape than the actions.
    """
    behaviour = _validate.floating("behaviour_log_probs", behaviour_log_probs)
    _validate.shape("behaviour_log_probs", behaviour, current.actions.shape)
    with torch.no_grad():
        return (current.component_log_probs - behaviour).cumsum(-1)


def concatenate(chains: Sequence[_AnyChain]) -> _AnyChain:
    """Chains of one kind, one after the other along their first batch axis, graphs kept.

    Args:
        chains: at least one, all of one class, each with a batch axis.

    Raises:
        ValueError: none at all, or of different classes.
    """
    kinds = {type(chain) for chain in chains}
    if len(kinds) != 1:
        raise _validate.fail("chains", "chains of one class", sorted(k.__name__ for k in kinds))
    return chains[0] if len(chains) == 1 else chains[0].cat(chains[1:])


def select_rows(chain: _AnyChain, rows: Tensor | None = None) -> _AnyChain:
    """The chain at the given rows of its first batch axis, detached; all of it if None.

    Args:
        chain: with a batch axis.
        rows: int64 or bool indices.
    """
    return (chain if rows is None else chain.rows(rows)).detach()


def without_features(chain: _AnyChain) -> _AnyChain:
    """The chain without its features, which only who differentiates it reads: d·F numbers a row.

    Args:
        chain: any; one of a kind that does not keep its fields as :class:`ChainBase` does comes
            back as it is.
    """
    if not isinstance(chain, ChainBase):
        return chain
    names = [f.name for f in fields(chain)]
    return chain._with([None if n == "features" else getattr(chain, n) for n in names])
