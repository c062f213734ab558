"""Losses that move a policy by its score."""

from __future__ import annotations

import torch
from torch import Tensor

from entropy_rl import _validate
from entropy_rl.losses._check import constant, elements


def policy_gradient_loss(
    log_prob: Tensor, advantage: Tensor, weights: Tensor | None = None
) -> Tensor:
    """REINFORCE, without its entropy bonus (zhang2018, eq. 1).

        L = -mean[w log π(a | s) (R - b(s))]

    Its gradient is unbiased for -∇J where the actions are the current policy's, or where w makes
    up for the difference.

    Args:
        log_prob: ``(*batch,)``, log π(a | s), nats, with its gradient.
        advantage: ``(*batch,)``, R - b(s), detached; b must not look at a.
        weights: ``(*batch,)``, w, detached: importance ratios π/μ, or γᵗ to weigh the states by
            their discounted occupancy; left out, 1.

    Returns:
        L, a scalar.

    Raises:
        ValueError: wrong dtypes or shapes, no elements, an advantage or weights with a gradient.
    """
    elements("log_prob", log_prob)
    term = log_prob * constant("advantage", advantage, log_prob)
    if weights is not None:
        term = term * constant("weights", weights, log_prob)
    return -term.mean()


def clipped_surrogate_loss(
    log_prob: Tensor, old_log_prob: Tensor, advantage: Tensor, clip: float
) -> Tensor:
    """PPO's clipped surrogate (Schulman et al. 2017, eq. 7; liu2020, eq. 40).

        L = -mean[min(ρ A, g(ε, A))],    ρ = π(a | s) / π_old(a | s),    g = (1 ± ε) A by A's sign

    With a soft advantage and an entropy bonus beside it, SPPO's eq. 38; with -α log π_old in the
    advantage (eq. 41), eq. 40.

    Args:
        log_prob: ``(*batch,)``, log π(a | s), nats, with its gradient.
        old_log_prob: ``(*batch,)``, log π_old(a | s) of the policy that acted, detached.
        advantage: ``(*batch,)``, A of the policy that acted, detached.
        clip: ε > 0.

    Returns:
        L, a scalar; at π = π_old its gradient is that of ``policy_gradient_loss``.

    Raises:
        ValueError: wrong dtypes or shapes, no elements, a constant with a gradient, ε ≤ 0.
    """
    elements("log_prob", log_prob)
    _validate.at_least("clip", clip, 0.0)
    if clip == 0.0:
        raise _validate.fail("clip", "a number > 0", clip)
    ratio = (log_prob - constant("old_log_prob", old_log_prob, log_prob)).exp()
    advantage = constant("advantage", advantage, log_prob)
    bound = torch.where(advantage > 0, 1.0 + clip, 1.0 - clip) * advantage
    return -torch.minimum(ratio * advantage, bound).mean()
