"""A pendulum to be swung up and held: Gymnasium's ``Pendulum-v1``, batched."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from entropy_rl import _validate as check
from entropy_rl.envs import _draw
from entropy_rl.envs._actions import check_actions
from entropy_rl.envs._core import Batch, Outcome
from entropy_rl.streams import Source, uniform

MAX_SPEED, MAX_TORQUE, STEP, MASS, LENGTH = 8.0, 2.0, 0.05, 1.0, 1.0


@dataclass(frozen=True)
class PendulumState(Batch):
    """``N`` pendulums.

    Attributes:
        angle: θ, radians from upright, not wrapped, float64 ``(N,)``.
        speed: θ', rad/s in [-8, 8], float64 ``(N,)``.
        time: steps taken, int64 ``(N,)``.
        score: the sum of Gymnasium's rewards so far, float64 ``(N,)``.
    """

    angle: Tensor
    speed: Tensor
    time: Tensor
    score: Tensor


@dataclass(frozen=True)
class Pendulum:
    """Swing up and hold, with too weak a motor::

        r = -(θ² + .1 θ'² + .001 u²),  θ wrapped to [-π, π),  u = clip(a, -2, 2)
        θ' ← clip(θ' + (3g/2l sin θ + 3/(ml²) u) Δt, -8, 8),  θ ← θ + θ' Δt

    with m = l = 1 and Δt = .05: step for step as Gymnasium's. What is paid is a scale times
    (r + shift); the score is the sum of r as it is.

    Args:
        gravity: g ≥ 0, m/s².
        max_episode_steps: an episode is truncated after so many.
        reward_shift: added to r before it is scaled.
        reward_scale: > 0.

    Raises:
        ValueError: a value out of range.

    Source: Gymnasium's ``Pendulum-v1``; shift 8 with the scales 1/3 and 1/8 are of the code of
    liu2020.
    """

    gravity: float = 10.0
    max_episode_steps: int = 200
    reward_shift: float = 0.0
    reward_scale: float = 1.0
    starts: ClassVar[tuple[str, ...]] = ("angle", "speed")
    merits: ClassVar[tuple[str, ...]] = ("score",)

    def __post_init__(self) -> None:
        check.at_least("gravity", self.gravity, 0.0)
        check.positive_integer("max_episode_steps", self.max_episode_steps)
        check.at_least("reward_shift", self.reward_shift, -math.inf)
        check.above("reward_scale", self.reward_scale, 0.0)

    @cached_property
    def action_space(self) -> spaces.Box:
        """The torque, clipped at ±2 when it acts."""
        return spaces.Box(-MAX_TORQUE, MAX_TORQUE, (1,), np.float32)

    @cached_property
    def observation_space(self) -> spaces.Box:
        """cos θ, sin θ, θ'."""
        high = np.array([1.0, 1.0, MAX_SPEED], np.float32)
        return spaces.Box(-high, high, dtype=np.float32)

    def reset(
        self, num: int, *, generator: Source | None = None, device: torch.device | str = "cpu"
    ) -> PendulumState:
        """Draw θ uniformly from [-π, π) and θ' from [-1, 1).

        Args:
            num: N, ≥ 1.
            generator: the only source of chance, on ``device``; None takes torch's own.
            device: where the state shall lie.

        Raises:
            ValueError: ``num`` below 1, or a generator on another device.
        """
        check.positive_integer("num", num)
        drawn = 2 * uniform((num, 2), generator, device=device, dtype=torch.float64) - 1
        return self.start(angle=math.pi * drawn[:, 0], speed=drawn[:, 1])

    def start(self, *, angle: Tensor, speed: Tensor) -> PendulumState:
        """Begin with the given angles, radians, and speeds, rad/s in [-8, 8], each ``(N,)``.

        Raises:
            ValueError: another dtype or shape, numbers that are not finite, too fast.
        """
        check.floating("angle", angle)
        check.shape("speed", check.floating("speed", speed), (len(angle) if angle.ndim else 0,))
        if not angle.isfinite().all():
            raise check.fail("angle", "finite numbers", angle.tolist())
        if not (speed.abs() <= MAX_SPEED).all():
            raise check.fail("speed", f"numbers in [-{MAX_SPEED}, {MAX_SPEED}]", speed.tolist())
        time = torch.zeros(len(angle), dtype=torch.int64, device=angle.device)
        return PendulumState(angle.double(), speed.double(), time, time.double())

    def step(self, state: PendulumState, actions: Tensor) -> tuple[PendulumState, Outcome]:
        """One step of every pendulum; an episode that is over stays as it is and pays nothing.

        Args:
            state: of N episodes.
            actions: floating point ``(N, 1)``, any finite torque.

        Raises:
            ValueError: actions of another dtype, shape or device, or not finite.
        """
        check_actions(actions, self.action_space, (len(state),), state.device)
        going = state.time < self.max_episode_steps
        torque = actions[:, 0].clamp(-MAX_TORQUE, MAX_TORQUE).double()
        wrapped = (state.angle + math.pi).remainder(2 * math.pi) - math.pi
        reward = -(wrapped**2 + 0.1 * state.speed**2 + 0.001 * torque**2)
        pull = 3 * self.gravity / (2 * LENGTH) * state.angle.sin()
        speed = state.speed + (pull + 3.0 / (MASS * LENGTH**2) * torque) * STEP
        speed = torch.where(going, speed.clamp(-MAX_SPEED, MAX_SPEED), state.speed)
        after = PendulumState(
            state.angle + going * speed * STEP,
            speed,
            state.time + going,
            state.score + going * reward,
        )
        paid = going * (reward + self.reward_shift) * self.reward_scale
        truncated = after.time >= self.max_episode_steps
        return after, Outcome(paid.float(), torch.zeros_like(truncated), truncated)

    def observe(self, state: PendulumState) -> Tensor:
        """cos θ, sin θ and θ', float32 ``(N, 3)``."""
        return torch.stack([state.angle.cos(), state.angle.sin(), state.speed], 1).float()

    def info(self, state: PendulumState) -> dict[str, Tensor]:
        """So far, each ``(N,)``: "score" (the sum of Gymnasium's rewards), "length"."""
        return {"score": state.score, "length": state.time}

    def draw(self, state: PendulumState) -> np.ndarray:
        """A picture, uint8 ``(192, 192, 3)``, of a state that holds one pendulum."""
        return _draw.pendulum(state.angle[0].item())

    def policy_defaults(self, family: str) -> dict[str, Any]:
        """None."""
        return {}
