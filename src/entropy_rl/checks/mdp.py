"""Theorem 4 used in every state of a Markov decision process."""

from __future__ import annotations

import torch
from gymnasium import spaces
from torch import Tensor

from entropy_rl.checks._base import Check, checks
from entropy_rl.checks._cases import sums_after
from entropy_rl.checks._enumerate import TOLERANCE, control, flat_gradient, largest, relative_error
from entropy_rl.checks._instances import SEEDS, seeded
from entropy_rl.estimators import exact, smoothed, unbiased_gradient
from entropy_rl.policies.table import TablePolicy
from entropy_rl.tabular import FiniteMDP, enumerate_trajectories, garnet

_STATES, _HORIZON = 3, 3


def policy_table(policy: TablePolicy) -> Tensor:
    """π(a | s), ``(S, 4)``, of a policy over two binary components; joint action 2a₁ + a₂."""
    pairs = torch.cartesian_prod(torch.arange(2), torch.arange(2))
    states = torch.arange(policy.states).unsqueeze(1).expand(-1, 4)
    return policy.conditionals(states, pairs.expand(policy.states, 4, 2)).log_prob.exp()


def state_distributions(mdp: FiniteMDP, table: Tensor) -> Tensor:
    """Pr(s_t = s), ``(T, S)``, by T - 1 matrix products; differentiable in the policy."""
    step = torch.einsum("sa,sat->st", table, mdp.transition)
    rows = [mdp.start]
    for _ in range(_HORIZON - 1):
        rows.append(rows[-1] @ step)
    return torch.stack(rows)


def _mean(policy: TablePolicy, weight: Tensor, surrogate: Tensor) -> Tensor:
    """E[Σₜ ∇surrogateₜ] over trajectories, ``surrogate`` being ``(T, N)``."""
    return flat_gradient((surrogate.sum(0) * weight).sum(), policy)


@checks("zhang2018.thm4.mdp")
def per_state() -> Check:
    """In an MDP the sum of per-state estimates has the mean Σₜ E_{sₜ}[∇H(sₜ)], not ∇E[Σₜ H(sₜ)].

    Enumerated: every trajectory of 3 decisions in random processes of 3 states with two binary
    components (1,536 trajectories), Theorem 4 in each visited state, against the state
    distributions by matrix products and the exact entropies. And what is missing is
    Σₜ ∇log π(aₜ | sₜ) Σ_{t'>t} H(s_t'): with it (the entropy inside the return) the mean *is*
    ∇E[Σₜ H(sₜ)]. Controls: the mean against ∇E[Σₜ H(sₜ)]; the smoothed gradient in each state.
    """
    residual = 0.0
    missing: list[float] = []
    plain: list[float] = []
    for seed in SEEDS:
        mdp = garnet(_STATES, 4, 2, torch.Generator().manual_seed(seed))
        with seeded(seed):
            policy = TablePolicy(spaces.Discrete(_STATES), spaces.MultiDiscrete([2, 2])).double()
        table = policy_table(policy)
        entropies = exact(policy, torch.arange(_STATES)).surrogate
        visits = state_distributions(mdp, table)
        true = flat_gradient((visits.detach() @ entropies).sum(), policy)
        total = flat_gradient((visits @ entropies).sum(), policy)

        probability, states, flat = enumerate_trajectories(mdp, table, _HORIZON)
        visited, weight = states[:-1], probability.detach()
        chain = policy.conditionals(visited, torch.stack([flat // 2, flat % 2], -1))

        estimate = _mean(policy, weight, unbiased_gradient(chain).surrogate)
        to_come = sums_after(entropies.detach()[visited].mT).mT
        missing_term = _mean(policy, weight, to_come * chain.log_prob)
        residual = largest(
            residual,
            relative_error(estimate, true),
            relative_error(estimate + missing_term, total),
        )
        missing.append(relative_error(estimate, total))
        bare = _mean(policy, weight, smoothed(chain).surrogate)
        plain.append(relative_error(bare, true))
    return Check(
        "zhang2018.thm4.mdp",
        residual,
        TOLERANCE,
        (
            control("taken for the gradient of the expected entropy of the episode", missing),
            control("the smoothed gradient in each state", plain),
        ),
        ("entropy_rl.estimators.unbiased_gradient", "entropy_rl.tabular.enumerate_trajectories"),
        "every trajectory of 3 decisions, 3 states, 2×2 actions, 3 random processes",
    )
