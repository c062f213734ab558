"""Surrogates by name: what is differentiated to move the policy along an advantage."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from entropy_rl.algorithms.context import Minibatch
from entropy_rl.losses import clipped_surrogate_loss, policy_gradient_loss


def score_function(minibatch: Minibatch) -> Tensor:
    """-mean(w A log π(a | s)), w = π/μ if the actions are stale, else 1 (zhang2018, eq. 1)."""
    log_weights = minibatch.log_weights
    weights = None if log_weights is None else log_weights[..., -1].exp()
    return policy_gradient_loss(minibatch.chain.log_prob, minibatch.advantage, weights)


def score_of_weighted(minibatch: Minibatch) -> Tensor:
    """-mean(A log π(a | s)), for an advantage that has its ratio already, as V-trace's."""
    return policy_gradient_loss(minibatch.chain.log_prob, minibatch.advantage)


def importance(minibatch: Minibatch) -> Tensor:
    """-mean(ρ A), ρ = π(a | s) / π_old(a | s): of which a trust region takes the best step."""
    ratio = (minibatch.chain.log_prob - minibatch.old_log_prob).exp()
    return -(ratio * minibatch.advantage).mean()


def clipped(minibatch: Minibatch) -> Tensor:
    """-mean(min(ρ A, g(ε, A))) with the row's ``clip`` ε (liu2020, eqs 38 to 40)."""
    return clipped_surrogate_loss(
        minibatch.chain.log_prob,
        minibatch.old_log_prob,
        minibatch.advantage,
        minibatch.options["clip"],
    )


Surrogate = Callable[[Minibatch], Tensor]

SURROGATES: dict[str, Surrogate] = {
    "score_function": score_function,
    "score_of_weighted": score_of_weighted,
    "importance": importance,
    "clipped": clipped,
}
