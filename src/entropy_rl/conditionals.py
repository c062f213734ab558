"""A joint action as a chain of conditionals, along one sampled path.

A policy over d action components factors, in whatever order its components are drawn, as

    p(a) = Πᵢ p(aᵢ | a_<i),        a = (a₁, …, a_d).

Everything that the estimators of :mod:`entropy_rl.estimators` need is known along the path that was
drawn: log p(aᵢ | a_<i) and H⁽ⁱ⁾(a_<i) for every i. The two classes here hold that, one for
categorical components and one for Gaussian ones, behind one face: ``actions``,
``component_log_probs``, ``log_prob`` and ``entropies``. Nothing here knows which network made the
numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import InitVar, dataclass, fields
from typing import Any, Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor

from entropy_rl import _validate

# exp(-1000) is 0 in every floating dtype, so clamping there changes no sum of p·log p, while it
# keeps -inf out of the product: 0 · -inf is NaN, in the value and in the gradient.
_LOG_ZERO = -1000.0

# How far Σₐ p(a) may be from 1: bfloat16 itself normalises only to about .008.
_NORMALISATION = {
    torch.float64: 1e-9,
    torch.float32: 1e-4,
    torch.float16: 1e-2,
    torch.bfloat16: 3e-2,
}


@runtime_checkable
class Chain(Protocol):
    """The face shared by :class:`Conditionals` and :class:`GaussianConditionals`."""

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
        """H⁽ⁱ⁾(a_<i) in nats, shape ``(*batch, d)``."""
        ...


def categorical_entropy(log_probs: Tensor) -> Tensor:
    """Entropy of categorical distributions in nats: H = -Σₐ p(a) log p(a), with 0 log 0 = 0.

    Args:
        log_probs: ``(*batch, K)``, normalised over the last axis; -inf where illegal.

    Returns:
        ``(*batch,)``, in [0, log K]. Gradients are finite, also through illegal actions.
    """
    return -(log_probs.exp() * log_probs.clamp_min(_LOG_ZERO)).sum(-1)


@dataclass(frozen=True)
class Conditionals:
    """Categorical conditionals p(· | a_<i), i = 1, …, d, along the path of ``actions``.

    Args:
        log_probs: ``(*batch, d, K)``: log p(k | a_<i), normalised over K; -inf where illegal.
        actions: ``(*batch, d)``, int64 in [0, K): the components aᵢ that were drawn.
        features: ``(*batch, d, F)`` or None: what the network knew before it drew aᵢ, a function of
            the state and of a_<i only (a conditional baseline reads them).
        validate_args: check values too (normalisation, range, legality). Shapes and dtypes are
            always checked. Policies turn it off: their numbers come from ``log_softmax``.

    Raises:
        ValueError: wrong rank, shape or dtype; NaN; not normalised; no legal action; an action
            out of range or illegal (log-probability -inf).

    Examples:
        >>> log_probs = torch.tensor([[0.5, 0.5], [0.9, 0.1]], dtype=torch.float64).log()
        >>> c = Conditionals(log_probs, torch.tensor([1, 0]))
        >>> round(c.log_prob.exp().item(), 3)
        0.45
        >>> [round(h, 3) for h in c.entropies.tolist()]
        [0.693, 0.325]
    """

    log_probs: Tensor
    actions: Tensor
    features: Tensor | None = None
    validate_args: InitVar[bool] = True

    def __post_init__(self, validate_args: bool) -> None:
        log_probs = _validate.floating("log_probs", self.log_probs)
        actions = _validate.integer("actions", self.actions)
        if log_probs.ndim < 2 or 0 in log_probs.shape[-2:]:
            raise _validate.fail(
                "log_probs", "shape (*batch, d, K) with d, K ≥ 1", _validate.describe(log_probs)
            )
        _validate.shape("actions", actions, log_probs.shape[:-1])
        _check_features(self.features, actions)
        if validate_args:
            self._validate_values()

    def _validate_values(self) -> None:
        log_probs, actions = self.log_probs.detach(), self.actions
        if log_probs.isnan().any():
            raise _validate.fail("log_probs", "no NaN", f"{int(log_probs.isnan().sum())} of them")
        total = log_probs.double().exp().sum(-1)
        if (total == 0).any():
            raise _validate.fail(
                "log_probs", "a legal action in every component", "a row of -inf alone"
            )
        error = (total - 1).abs().max().item() if total.numel() else 0.0
        tolerance = _NORMALISATION.get(log_probs.dtype, 1e-2)
        if error > tolerance:
            raise _validate.fail(
                "log_probs",
                f"normalised rows (Σ p within {tolerance:g} of 1)",
                f"an error of {error:.3g}",
            )
        _validate_actions(actions, log_probs.shape[-1])
        if (self.component_log_probs == -torch.inf).any():
            raise _validate.fail("actions", "legal actions", "one of log-probability -inf")

    @property
    def d(self) -> int:
        """The number of action components."""
        return self.log_probs.shape[-2]

    @property
    def component_log_probs(self) -> Tensor:
        """log p(aᵢ | a_<i), shape ``(*batch, d)``."""
        return self.log_probs.gather(-1, self.actions.unsqueeze(-1)).squeeze(-1)

    @property
    def log_prob(self) -> Tensor:
        """log p(a) = Σᵢ log p(aᵢ | a_<i), shape ``(*batch,)``."""
        return self.component_log_probs.sum(-1)

    @property
    def entropies(self) -> Tensor:
        """H⁽ⁱ⁾(a_<i) = -Σₖ p(k | a_<i) log p(k | a_<i) in nats, shape ``(*batch, d)``."""
        return categorical_entropy(self.log_probs)


def _check_features(features: Tensor | None, actions: Tensor) -> None:
    if features is None:
        return
    shape = _validate.tensor("features", features).shape
    if len(shape) != actions.ndim + 1 or shape[:-1] != actions.shape:
        raise _validate.fail(
            "features",
            f"shape ({', '.join(map(str, actions.shape))}, F)",
            _validate.describe(features),
        )


def check_chain(name: str, chain: object) -> None:
    """Raise ``ValueError`` unless ``chain`` has the face of :class:`Chain`.

    Only the class is looked at: asking the object itself would compute its entropies.
    """
    face = ("component_log_probs", "log_prob", "entropies")
    if not all(hasattr(type(chain), attribute) for attribute in face):
        raise _validate.fail(
            name, "a chain such as Conditionals or GaussianConditionals", _validate.describe(chain)
        )


def _validate_actions(actions: Tensor, size: int) -> None:
    if actions.numel() and not (int(actions.min()) >= 0 and int(actions.max()) < size):
        raise _validate.fail(
            "actions",
            f"integers in [0, {size})",
            f"values from {int(actions.min())} to {int(actions.max())}",
        )


@dataclass(frozen=True)
class GaussianConditionals:
    """Gaussian conditionals aᵢ | a_<i ~ N(μᵢ(a_<i), σᵢ²(a_<i)), along the path of ``actions``.

    Args:
        means: ``(*batch, d)``: μᵢ(a_<i).
        log_stds: ``(*batch, d)``: log σᵢ(a_<i), natural logarithm.
        actions: ``(*batch, d)``, floating point.
        features: ``(*batch, d, F)`` or None, as in :class:`Conditionals`.
        validate_args: check values too (finite).

    Raises:
        ValueError: wrong rank, shape or dtype; a value that is not finite.
    """

    means: Tensor
    log_stds: Tensor
    actions: Tensor
    features: Tensor | None = None
    validate_args: InitVar[bool] = True

    def __post_init__(self, validate_args: bool) -> None:
        means = _validate.floating("means", self.means)
        if means.ndim < 1 or means.shape[-1] == 0:
            raise _validate.fail("means", "shape (*batch, d) with d ≥ 1", _validate.describe(means))
        for name in ("log_stds", "actions"):
            _validate.shape(name, _validate.floating(name, getattr(self, name)), means.shape)
        _check_features(self.features, self.actions)
        if validate_args:
            for name in ("means", "log_stds", "actions"):
                if not getattr(self, name).isfinite().all():
                    raise _validate.fail(name, "finite values", "NaN or infinity among them")

    @property
    def d(self) -> int:
        """The number of action components."""
        return self.means.shape[-1]

    @property
    def component_log_probs(self) -> Tensor:
        """log p(aᵢ | a_<i) = -½((aᵢ - μᵢ)/σᵢ)² - log σᵢ - ½ log 2π, shape ``(*batch, d)``."""
        z = (self.actions - self.means) * (-self.log_stds).exp()
        return -0.5 * z.square() - self.log_stds - 0.5 * math.log(2 * math.pi)

    @property
    def log_prob(self) -> Tensor:
        """log p(a) = Σᵢ log p(aᵢ | a_<i), shape ``(*batch,)``."""
        return self.component_log_probs.sum(-1)

    @property
    def entropies(self) -> Tensor:
        """H⁽ⁱ⁾(a_<i) = ½ log(2πe) + log σᵢ(a_<i) in nats, shape ``(*batch, d)``."""
        return 0.5 * math.log(2 * math.pi * math.e) + self.log_stds


_AnyChain = TypeVar("_AnyChain", Conditionals, GaussianConditionals)


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
    return (current.component_log_probs.detach() - behaviour.detach()).cumsum(-1)


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
    if len(chains) == 1:
        return chains[0]
    parts = {f.name: [getattr(chain, f.name) for chain in chains] for f in fields(chains[0])}
    joined: dict[str, Any] = {
        name: None if any(x is None for x in tensors) else torch.cat(tensors)
        for name, tensors in parts.items()
    }
    return kinds.pop()(**joined, validate_args=False)


def select_rows(chain: _AnyChain, rows: Tensor | None = None) -> _AnyChain:
    """The chain at the given rows of its first batch axis, detached; all of it if None.

    Args:
        chain: with a batch axis.
        rows: int64 or bool indices.
    """
    parts = {f.name: getattr(chain, f.name) for f in fields(chain)}
    picked: dict[str, Any] = {
        name: None if x is None else (x if rows is None else x[rows]).detach()
        for name, x in parts.items()
    }
    return type(chain)(**picked, validate_args=False)
