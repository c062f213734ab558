"""What a training records of a batch that was played."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from entropy_rl.algorithms.rollout import Rollout


def played_figures(
    rollout: Rollout, discount: float, mean: Callable[[Tensor], Tensor]
) -> dict[str, Tensor]:
    """Means over the columns of a rollout: "length", "reward", and "return", Σₜ γᵗ rₜ.

    Args:
        rollout: what was played.
        discount: γ.
        mean: of ``(B,)``, or of each replica's part of it.
    """
    rewards = rollout.r_t.double()
    discounts = discount ** torch.arange(
        len(rewards), dtype=torch.float64, device=rollout.r_t.device
    )
    return {
        "length": mean(rollout.lengths.double()),
        "reward": mean(rewards.sum(0)),
        "return": mean(discounts @ rewards),
    }


def merit_figures(
    rollout: Rollout, mean: Callable[[Tensor], Tensor], before: dict[str, list[Any]]
) -> dict[str, Tensor]:
    """Means of the environment's figures of merit, of the episodes that ended.

    Args:
        rollout: what was played.
        mean: as for :func:`played_figures`.
        before: the curves so far; where no episode ended in any stretch, a figure is what it was
            before, or NaN.
    """
    found = {}
    for name, merit in rollout.merits.items():
        ended = merit.double()
        if rollout.running is not None:  # stretches: each may have seen any number of ends
            there = ~ended.isnan()
            if there.any():
                ended = ended[there]
            elif name in before:
                ended = ended.new_tensor(before[name][-1:]).flatten()
            else:
                ended = ended[:, 0]
        found[name] = mean(ended)
    return found
