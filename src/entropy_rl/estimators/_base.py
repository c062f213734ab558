"""What an estimator returns, and the weights that all pathwise ones share."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from entropy_rl import _validate
from entropy_rl.conditionals import Chain, check_chain


@dataclass(frozen=True)
class Estimate:
    """An estimate with a value to report and a surrogate to differentiate.

    Attributes:
        value: ``(*batch,)``, detached, in nats.
        surrogate: ``(*batch,)``: equal to ``value`` in value; its autograd gradient *is* the
            estimator's gradient, which need not be the gradient of its value.
    """

    value: Tensor
    surrogate: Tensor


def estimate(value: Tensor, differentiated: Tensor) -> Estimate:
    """An :class:`Estimate` of ``value`` whose gradient is that of ``differentiated``."""
    value = value.detach()
    return Estimate(value, value + (differentiated - differentiated.detach()))


def weights_until(chain: Chain, log_weights: Tensor | None) -> tuple[Tensor, Tensor]:
    """Prefix ratios before and after each component, ``exp(wᵢ₋₁)`` and ``exp(wᵢ)``.

    Args:
        chain: its actions give the shape.
        log_weights: ``(*batch, d)`` from :func:`entropy_rl.conditionals.prefix_log_weights`, or
            None where the actions were drawn from this very policy (all ratios are 1).

    Returns:
        Two tensors that broadcast against ``(*batch, d)``, detached.

    Raises:
        ValueError: not a chain; ``log_weights`` has another shape than the actions.
    """
    check_chain("chain", chain)
    if log_weights is None:
        one = torch.ones((), dtype=chain.component_log_probs.dtype, device=chain.actions.device)
        return one, one
    _validate.shape(
        "log_weights", _validate.floating("log_weights", log_weights), chain.actions.shape
    )
    after = log_weights.detach()
    before = torch.nn.functional.pad(after[..., :-1], (1, 0))
    return before.exp(), after.exp()


def check_drawn(name: str, chain: Chain) -> None:
    """``ValueError`` if the actions carry a gradient: scores and pathwise gradients do not mix."""
    check_chain(name, chain)
    if chain.actions.requires_grad:
        expected = "actions without a gradient, as sample draws them"
        raise _validate.fail(name, expected, "some with one, as of rsample")


def sum_after(x: Tensor) -> Tensor:
    """Σ_{i>j} xᵢ for every j: ``(*batch, d)`` to ``(*batch, d)``, the last one 0."""
    return x.flip(-1).cumsum(-1).flip(-1) - x
