"""What a training records of a batch that was played."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from entropy_rl.algorithms.config import OnPolicyConfig
from entropy_rl.algorithms.entropy import ENTROPY_BASELINES
from entropy_rl.algorithms.off_policy_config import OffPolicyConfig
from entropy_rl.algorithms.rollout import Rollout

_PLAYED = ("length", "reward", "return", "entropy")


def curve_names(config: OnPolicyConfig | OffPolicyConfig, env: object) -> tuple[str, ...]:
    """The curves that a training records beside "episodes".

    Args:
        config: of the training.
        env: the core of its environment, or the core's class.
    """
    merits = getattr(env, "merits", ())
    if isinstance(config, OffPolicyConfig):
        return (*_PLAYED, "entropy_played", "temperature", "critic_loss", *merits)
    baseline = ENTROPY_BASELINES.get(config.entropy_baseline or "")
    critic = () if baseline is None or baseline.critic is None else ("critic_loss",)
    return (*_PLAYED, "baseline_loss", *critic, *merits)


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
