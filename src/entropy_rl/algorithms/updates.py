"""Update rules by name: how a minibatch's loss moves the policy."""

from __future__ import annotations

from entropy_rl.algorithms.context import Minibatch
from entropy_rl.algorithms.problem import Problem, UpdateRule
from entropy_rl.algorithms.trust_region import trust_region_step


def gradient_step(problem: Problem) -> Minibatch:
    """One step of the optimiser down the gradient."""
    loss, minibatch = problem.losses()
    problem.differentiate(loss)
    problem.optimiser.step()
    return minibatch


UPDATES: dict[str, UpdateRule] = {
    "gradient_step": gradient_step,
    "trust_region": trust_region_step,
}
