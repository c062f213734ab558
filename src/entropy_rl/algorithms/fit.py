"""Whether a policy and an environment are for each other."""

from __future__ import annotations

from typing import Any

from entropy_rl import _validate
from entropy_rl.envs import Core


def check_fit(env: Core[Any], policy: Any) -> None:
    """``ValueError`` unless ``env`` is a batched core and ``policy`` is made for its spaces.

    Args:
        env: the batched core of an environment: one of Gymnasium's own steps an episode at a time
            and is none.
        policy: has an ``observation_space`` and an ``action_space``.
    """
    if not callable(getattr(env, "observe", None)):
        expected = "a batched core, such as Pendulum(); CONTRIBUTING.md says how to write one"
        raise _validate.fail("env", expected, type(env).__name__)
    for space in ("action_space", "observation_space"):
        mine, given = getattr(env, space), getattr(policy, space, None)
        if given != mine:
            raise _validate.fail("policy", f"one for {mine}", given)
