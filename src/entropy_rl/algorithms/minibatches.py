"""Which rows of a batch are learnt from together, and with which weight."""

from __future__ import annotations

import torch
from torch import Tensor

from entropy_rl.algorithms.config import OnPolicyConfig
from entropy_rl.algorithms.rollout import Rollout, flat_observation
from entropy_rl.networks import by_replica
from entropy_rl.streams import Source, permutations, replicas_of


def first_visits(rollout: Rollout) -> Tensor:
    """Which rows are the first visit of their episode to their observation, bool ``(N,)``."""
    # In the observation's own type the number of an episode may not fit: a byte holds 256.
    obs = flat_observation(rollout.obs).reshape(len(rollout), -1).double()
    keyed = torch.cat([rollout.episode.unsqueeze(-1).double(), obs], -1)
    _, visit = keyed.unique(dim=0, return_inverse=True)
    rows = torch.arange(len(rollout), device=visit.device)
    first = torch.full_like(rows, len(rollout)).scatter_reduce(0, visit, rows, "amin")
    return first[visit] == rows


def minibatch_rows(
    rollout: Rollout, rows: Tensor, groups: int, generator: Source | None = None
) -> list[Tensor]:
    """The given rows in at most ``groups`` disjoint parts, none of them empty.

    Args:
        rollout: whose rows they are.
        rows: row numbers ``(M,)``.
        groups: how many parts; in one part the rows keep their order.
        generator: draws a random order, to be cut in even parts, of R streams each that of its M/R
            rows; None makes groups of whole episodes, in the order of the rows.
    """
    if groups == 1:
        return [rows]
    if generator is not None:
        each = by_replica(rows, replicas_of(generator))
        drawn = each.gather(1, permutations(each.shape[1], generator))
        return [part.flatten() for part in drawn.tensor_split(groups, 1) if part.shape[1]]
    group = rollout.episode[rows] % groups
    return [rows[group == g] for g in group.unique()]


def baseline_rows(rollout: Rollout, config: OnPolicyConfig) -> Tensor:
    """The rows that the baseline learns from, int64 ``(M,)``: beginnings, first visits, or all."""
    if config.baseline == "running":
        return (rollout.time == 0).nonzero().squeeze(-1)
    if config.first_visit:
        return first_visits(rollout).nonzero().squeeze(-1)
    return torch.arange(len(rollout), device=rollout.time.device)


def loss_scale(rollout: Rollout, rows: Tensor, config: OnPolicyConfig) -> float:
    """What turns a mean over rows into a sum over the steps of an episode, if that is asked."""
    if config.reduction == "mean":
        return 1.0
    if config.grouping == "rows":
        return len(rollout) / rollout.r_t.shape[1]
    return len(rows) / len(rollout.episode[rows].unique())
