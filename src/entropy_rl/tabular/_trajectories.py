"""Every trajectory of a small process, with its probability."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from entropy_rl import _validate
from entropy_rl.tabular._mdp import FiniteMDP, distribution


class Trajectories(NamedTuple):
    """Every trajectory of positive probability; time first, as ``returns`` wants it.

    Attributes:
        probability: ``(N,)``, differentiable in the policy.
        states: ``(T + 1, N)``, int64: s_0 … s_T.
        actions: ``(T, N)``, int64: a_0 … a_{T-1}; 0 in a terminal state.
    """

    probability: Tensor
    states: Tensor
    actions: Tensor


def enumerate_trajectories(
    mdp: FiniteMDP, policy: Tensor, horizon: int, *, limit: int = 1_000_000
) -> Trajectories:
    """Every trajectory of positive probability over a number of decisions.

        Pr(s_0, a_0, …, s_T) = start(s_0) Π_t π(a_t | s_t) P(s_{t+1} | s_t, a_t)

    In a terminal state nothing is decided: the trajectory stays there, with action 0 and a factor
    of 1. An expectation over trajectories is a weighted sum, and its gradient is exact:
    ``(probability * f(states, actions)).sum()``.

    Args:
        mdp: the process; its discount plays no part here.
        policy: ``(S, A)``, π(a | s), float64; actions of probability 0 are left out.
        horizon: T ≥ 1, the number of decisions.
        limit: the most trajectories to hold.

    Returns:
        probability ``(N,)``, states ``(T + 1, N)``, actions ``(T, N)``.

    Raises:
        ValueError: a policy that is none, a horizon below 1, more than ``limit`` trajectories.
    """
    distribution("policy", policy, (mdp.states, mdp.actions))
    _validate.positive_integer("horizon", horizon)
    nothing = torch.zeros_like(policy)
    nothing[:, 0] = 1.0
    policy = torch.where(mdp.terminal[:, None], nothing, policy)
    # A decision and what follows it, as one table of (s, a, s').
    step = policy[:, :, None] * mdp.transition
    sources, chosen, targets = (step > 0).nonzero(as_tuple=True)
    edges = torch.bincount(sources, minlength=mdp.states)
    first = edges.cumsum(0) - edges  # the edges of a state lie together

    begin = (mdp.start > 0).nonzero().flatten()
    probability, states, actions = mdp.start[begin], begin[None], begin.new_empty(0, len(begin))
    for _ in range(horizon):
        last = states[-1]
        grown = int(edges[last].sum())
        if grown > limit:
            raise _validate.fail("horizon", f"at most {limit} trajectories", f"{grown} of them")
        parent = torch.arange(len(last), device=last.device).repeat_interleave(edges[last])
        offset = edges[last].cumsum(0) - edges[last]
        edge = first[last][parent] + torch.arange(grown, device=last.device) - offset[parent]
        probability = probability[parent] * step[sources[edge], chosen[edge], targets[edge]]
        states = torch.cat([states[:, parent], targets[edge][None]])
        actions = torch.cat([actions[:, parent], chosen[edge][None]])
    return Trajectories(probability, states, actions)
