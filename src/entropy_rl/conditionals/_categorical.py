"""Categorical conditionals."""

from __future__ import annotations

from dataclasses import InitVar, dataclass
from typing import Self

import torch
from torch import Tensor

from entropy_rl import _validate
from entropy_rl.conditionals._chain import ChainBase, check_features

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


def categorical_entropy(log_probs: Tensor) -> Tensor:
    """Entropy of categorical distributions in nats: H = -Σₐ p(a) log p(a), with 0 log 0 = 0.

    Args:
        log_probs: ``(*batch, K)``, normalised over the last axis; -inf where illegal.

    Returns:
        ``(*batch,)``, in [0, log K]. Gradients are finite, also through illegal actions.
    """
    return -(log_probs.exp() * log_probs.clamp_min(_LOG_ZERO)).sum(-1)


def check_log_probs(name: str, log_probs: Tensor) -> Tensor:
    """``log_probs`` detached, or ``ValueError``: NaN, a row without a legal value, a sum not 1."""
    log_probs = log_probs.detach()
    if log_probs.isnan().any():
        raise _validate.fail(name, "no NaN", f"{int(log_probs.isnan().sum())} of them")
    total = log_probs.double().exp().sum(-1)
    if (total == 0).any():
        raise _validate.fail(name, "a legal action in every component", "a row of -inf alone")
    error = (total - 1).abs().max().item() if total.numel() else 0.0
    tolerance = _NORMALISATION.get(log_probs.dtype, 1e-2)
    if error > tolerance:
        raise _validate.fail(
            name,
            f"normalised rows (Σ p within {tolerance:g} of 1)",
            f"an error of {error:.3g}",
        )
    return log_probs


@dataclass(frozen=True)
class Conditionals(ChainBase):
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
        check_features(self.features, actions)
        if validate_args:
            self._validate_values()

    def _validate_values(self) -> None:
        log_probs, actions = check_log_probs("log_probs", self.log_probs), self.actions
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
    def entropies(self) -> Tensor:
        """H⁽ⁱ⁾(a_<i) = -Σₖ p(k | a_<i) log p(k | a_<i) in nats, shape ``(*batch, d)``."""
        return categorical_entropy(self.log_probs)

    def component_kl(self, q: Self) -> Tensor:
        """KL(pⁱ ‖ qⁱ) = Σₖ p(k | a_<i) (log p(k | a_<i) - log q(k | a_<i)), shape ``(*batch, d)``.

        Raises:
            ValueError: another shape; an action legal under p has probability 0 under q.
        """
        _validate.shape("q", q.log_probs, tuple(self.log_probs.shape))
        legal = self.log_probs.detach() != -torch.inf
        if (legal & (q.log_probs.detach() == -torch.inf)).any():
            raise _validate.fail(
                "q", "positive probability wherever p has it", "-inf at an action legal under p"
            )
        difference = self.log_probs.masked_fill(~legal, 0.0) - q.log_probs.masked_fill(~legal, 0.0)
        return (self.log_probs.exp() * difference).sum(-1)


def _validate_actions(actions: Tensor, size: int) -> None:
    if actions.numel() and not (int(actions.min()) >= 0 and int(actions.max()) < size):
        raise _validate.fail(
            "actions",
            f"integers in [0, {size})",
            f"values from {int(actions.min())} to {int(actions.max())}",
        )
