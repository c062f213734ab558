"""The critic of the entropy that a configuration names."""

from __future__ import annotations

from typing import Any

import torch

from entropy_rl.algorithms.config import OnPolicyConfig
from entropy_rl.algorithms.entropy import ENTROPY_BASELINES
from entropy_rl.algorithms.entropy_critic import EntropyCritic
from entropy_rl.envs import Core


def make_critic(env: Core[Any], policy: Any, config: OnPolicyConfig) -> EntropyCritic | None:
    """The critic that the configuration names, if it names one, on the policy's device.

    Its initial weights are drawn from torch's global generator.

    Raises:
        ValueError: actions or observations that are not for a critic.
    """
    row = ENTROPY_BASELINES.get(config.entropy_baseline or "")
    if row is None or row.critic is None:
        return None
    device = next(policy.parameters()).device
    start = env.reset(1, generator=torch.Generator(device).manual_seed(0), device=device)
    sizes = config.baseline_hidden, config.baseline_learning_rate
    return row.critic(policy, env.observe(start), *sizes)
