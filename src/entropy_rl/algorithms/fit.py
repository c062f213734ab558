"""Whether a policy and an environment are for each other."""

from __future__ import annotations

from typing import Any

import torch

from entropy_rl import _validate
from entropy_rl.envs import Core


def check_fit(env: Core[Any], policy: Any) -> None:
    """``ValueError`` unless ``env`` is a batched core and ``policy`` is made for its spaces.

    So is a figure of merit that the core's ``info`` does not have.

    Args:
        env: the batched core of an environment: one of Gymnasium's own steps an episode at a time
            and is none.
        policy: has an ``observation_space`` and an ``action_space``.
    """
    if not callable(getattr(env, "observe", None)):
        expected = "a batched core, such as Pendulum(); CONTRIBUTING.md says how to write one"
        raise _validate.fail("env", expected, type(env).__name__)
    if names := getattr(env, "merits", ()):
        there = env.info(env.reset(1, generator=torch.Generator().manual_seed(0)))
        for name in names:
            _validate.choice("merits", name, there)
    for space in ("action_space", "observation_space"):
        mine, given = getattr(env, space), getattr(policy, space, None)
        if given != mine:
            raise _validate.fail("policy", f"one for {mine}", given)
