"""Two small environments with chance in their steps, registered as ``tests/…``.

They are what an author outside the package would write, and the contract is asked of them too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import gymnasium
import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from entropy_rl.envs import (
    Batch,
    Outcome,
    SingleEnv,
    TensorVectorEnv,
    check_actions,
    draw_keys,
    uniforms,
)


@dataclass(frozen=True)
class ToyState(Batch):
    """Where each episode is (``(N,)``, or ``(N, 2)``), its key, the time and the score."""

    place: Tensor
    key: Tensor
    time: Tensor
    score: Tensor


@dataclass(frozen=True)
class Toy:
    """What the two share: starts, figures of merit, a picture."""

    max_episode_steps: int = 4
    starts: ClassVar[tuple[str, ...]] = ("place", "key")

    def start(self, *, place, key):
        time = torch.zeros_like(key)
        return ToyState(place, key, time, time.double())

    def info(self, state):
        return {"score": state.score, "length": state.time}

    def policy_defaults(self, family):
        return {}

    def draw(self, state):
        return np.full((4, 4, 3), int(state.time[0]), np.uint8)

    def after(self, state, over, place, reward):
        """The next state, frozen where the episode was over, and the reward there, 0."""
        mask = over if place.ndim == 1 else over[:, None]
        paid = torch.where(over, 0.0, reward)
        place = torch.where(mask, state.place, place)
        return ToyState(place, state.key, state.time + ~over, state.score + paid), paid.float()


@dataclass(frozen=True)
class Ice(Toy):
    """A corridor of ``cells``: a Discrete step left (0), none (1) or right (2), which may slip."""

    cells: int = 4
    slip: float = 0.25

    action_space = spaces.Discrete(3)

    @property
    def observation_space(self):
        return spaces.Box(0.0, 1.0, (self.cells,), np.float32)

    def reset(self, num, *, generator=None, device="cpu"):
        place = torch.randint(self.cells - 1, (num,), generator=generator, device=device)
        return self.start(place=place, key=draw_keys(num, generator=generator, device=device))

    def step(self, state, actions):
        check_actions(actions, self.action_space, (len(state),), state.device)
        over = self.ended(state) | (state.time >= self.max_episode_steps)
        slipped = uniforms(state.key, state.time)[:, 0] < self.slip
        move = torch.where(slipped, 0, actions[:, 0] - 1)
        place = (state.place + move).clamp(0, self.cells - 1)
        after, reward = self.after(state, over, place, (place == self.cells - 1).double())
        terminated = self.ended(after)
        truncated = ~terminated & (after.time >= self.max_episode_steps)
        return after, Outcome(reward, terminated, truncated)

    def ended(self, state):
        return state.place == self.cells - 1

    def observe(self, state):
        return torch.nn.functional.one_hot(state.place, self.cells).float()


@dataclass(frozen=True)
class Drift(Toy):
    """A point in the square [-1, 1]², pushed by a Box action and by noise."""

    noise: float = 0.5

    action_space = spaces.Box(-1.0, 1.0, (2,), np.float32)
    observation_space = spaces.Box(-1.0, 1.0, (2,), np.float32)

    def reset(self, num, *, generator=None, device="cpu"):
        place = torch.rand(num, 2, generator=generator, device=device, dtype=torch.float64) - 0.5
        return self.start(place=place, key=draw_keys(num, generator=generator, device=device))

    def step(self, state, actions):
        check_actions(actions, self.action_space, (len(state),), state.device)
        over = state.time >= self.max_episode_steps
        blown = self.noise * (uniforms(state.key, state.time, 2) - 0.5)
        place = (state.place + 0.25 * actions.double().clamp(-1, 1) + blown).clamp(-1, 1)
        after, reward = self.after(state, over, place, -place.abs().amax(-1))
        truncated = after.time >= self.max_episode_steps
        return after, Outcome(reward, torch.zeros_like(truncated), truncated)

    def observe(self, state):
        return state.place.float()


class IceEnv(SingleEnv):
    core_type = Ice


class IceVectorEnv(TensorVectorEnv[ToyState]):
    core_type = Ice


class DriftEnv(SingleEnv):
    core_type = Drift


class DriftVectorEnv(TensorVectorEnv[ToyState]):
    core_type = Drift


for single, batched in ((IceEnv, IceVectorEnv), (DriftEnv, DriftVectorEnv)):
    gymnasium.register(
        f"tests/{single.core_type.__name__}-v0",
        entry_point=single,
        vector_entry_point=batched,
    )
