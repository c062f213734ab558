"""Atari's Breakout: ale-py's ``AtariVectorEnv`` behind a core that is a function of its state."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from entropy_rl import _validate as check
from entropy_rl.envs._actions import check_actions
from entropy_rl.envs._core import Batch, Outcome
from entropy_rl.envs._emulators import Emulators, Shown
from entropy_rl.streams import Source, uniform

ACTIONS = ("nothing", "fire", "right", "left")
FRAMES, SIDE, SKIPPED = 4, 84, 4
SEEDS = 2**31 - 1
WALL, WALLS = 432, 2  # points of the bricks of a wall; no third wall is built


@dataclass(frozen=True)
class BreakoutState(Batch):
    """``N`` games.

    Attributes:
        seed: of the emulator, which decides all chance of the game, int64 ``(N,)``.
        actions: taken so far, then zeros, uint8 ``(N, max_episode_steps)``.
        time: steps taken, int64 ``(N,)``.
        frames: the last four pictures, uint8 ``(N, 4, 84, 84)``.
        lives: left, int64 ``(N,)``.
        ended: whether the game is over, bool ``(N,)``.
        score: the game's points so far, float64 ``(N,)``.
    """

    seed: Tensor
    actions: Tensor
    time: Tensor
    frames: Tensor
    lives: Tensor
    ended: Tensor
    score: Tensor


@dataclass(frozen=True)
class Breakout:
    """A paddle, a ball and a wall: points for every brick, five lives.

    One step is four frames of the emulator with the same action; a picture is the brighter of the
    last two frames, grey, shrunk to 84 × 84; four pictures are shown. A game begins with up to
    ``noop_max`` frames in which nothing is done, and fire. A brick gives 1, 4 or 7 points, a wall
    432; a second wall follows and no third, so that no game gives more than 864.

    The emulator is deterministic but for its seed. So the seed and the actions since are the state,
    and running emulators are a cache of it: a state that none of them is at, as one that was stored
    or stepped from before, is played again from its seed, at some thousands of steps a second.

    Args:
        max_episode_steps: a game is truncated after so many steps: 27,000 are half an hour.
        clip_rewards: whether a step pays the sign of its points. The score never is clipped.
        life_loss: whether an outcome is "terminated" where a life is lost, while the game goes on;
            :meth:`over` tells when it is over.
        noop_max: most frames of nothing at the beginning, ≥ 1.
        sticky: probability in [0, 1] with which the emulator repeats its last action for a frame.

    Raises:
        ValueError: a value out of range.
        ModuleNotFoundError: without ale-py, when a game is begun.

    Source: Mnih et al. 2015, methods; ale-py. liu2020, §4, plays it with the settings of OpenAI's
    baselines: clipped rewards, lives that end an episode, no sticky actions.
    """

    max_episode_steps: int = 27_000
    clip_rewards: bool = False
    life_loss: bool = False
    noop_max: int = 30
    sticky: float = 0.0
    starts: ClassVar[tuple[str, ...]] = ("seed",)
    merits: ClassVar[tuple[str, ...]] = ("score",)

    def __post_init__(self) -> None:
        check.positive_integer("max_episode_steps", self.max_episode_steps)
        check.boolean("clip_rewards", self.clip_rewards)
        check.boolean("life_loss", self.life_loss)
        check.positive_integer("noop_max", self.noop_max)
        check.between("sticky", self.sticky, 0.0, 1.0)

    @cached_property
    def action_space(self) -> spaces.Discrete:
        """Do nothing, fire (which launches the ball), go right, go left."""
        return spaces.Discrete(len(ACTIONS))

    @cached_property
    def observation_space(self) -> spaces.Box:
        """Four pictures, the oldest first."""
        return spaces.Box(0, 255, (FRAMES, SIDE, SIDE), np.uint8)

    @cached_property
    def _emulators(self) -> Emulators:
        options = {
            "reward_clipping": False,
            "noop_max": self.noop_max,
            "repeat_action_probability": self.sticky,
            "frameskip": SKIPPED,
            # Beyond what this core cuts.
            "max_num_frames_per_episode": SKIPPED * (self.max_episode_steps + self.noop_max + 1),
        }
        return Emulators("breakout", len(ACTIONS), options)

    def reset(
        self, num: int, *, generator: Source | None = None, device: torch.device | str = "cpu"
    ) -> BreakoutState:
        """Begin games with seeds drawn uniformly from [0, 2³¹ - 1).

        Args:
            num: N, ≥ 1.
            generator: the only source of chance, on ``device``; None takes torch's own.
            device: where the state shall lie.

        Raises:
            ValueError: ``num`` below 1, or a generator on another device.
            ModuleNotFoundError: without ale-py, the extra ``atari``.
        """
        check.positive_integer("num", num)
        drawn = uniform((num,), generator, device=device, dtype=torch.float64)
        return self.start(seed=(drawn * SEEDS).long())

    def start(self, *, seed: Tensor) -> BreakoutState:
        """Begin games with the given seeds, int64 ``(N,)`` in [0, 2³¹ - 1).

        Raises:
            ValueError: another dtype, a seed out of range.
            ModuleNotFoundError: without ale-py, the extra ``atari``.
        """
        check.shape("seed", check.integer("seed", seed), (seed.numel(),))
        if not bool(((seed >= 0) & (seed < SEEDS)).all()):
            raise check.fail("seed", "integers in [0, 2³¹ - 1)", seed.tolist())
        shown = self._emulators.begin(seed.tolist())
        zeros = torch.zeros(len(seed), dtype=torch.int64, device=seed.device)
        actions = torch.zeros(
            len(seed), self.max_episode_steps, dtype=torch.uint8, device=seed.device
        )
        frames = seed.new_zeros(len(seed), FRAMES, SIDE, SIDE, dtype=torch.uint8)
        state = BreakoutState(
            seed.clone(), actions, zeros, frames, zeros, zeros.bool(), zeros.double()
        )
        return _showing(state, torch.arange(len(seed), device=seed.device), shown)

    def step(self, state: BreakoutState, actions: Tensor) -> tuple[BreakoutState, Outcome]:
        """One step of every game; one that is over stays as it is and pays nothing.

        Args:
            state: of N games.
            actions: int64 ``(N, 1)``, in the order of ``action_space``.

        Raises:
            ValueError: actions of another dtype, shape, range or device; a state that the emulator
                does not come to, as one of other options.
        """
        check_actions(actions, self.action_space, (len(state),), state.device)
        going = (~self.over(state)).nonzero().squeeze(1)
        chosen = actions[going, 0]
        history, times = state.actions.cpu().numpy(), state.time.tolist()
        frames, seeds = state.frames.cpu().numpy(), state.seed.tolist()
        rows = going.tolist()
        shown = self._emulators.step(
            [(seeds[n], history[n, : times[n]].tobytes()) for n in rows],
            chosen.tolist(),
            [frames[n] for n in rows],
        )
        taken = state.actions.clone()
        taken[going, state.time[going]] = chosen.to(torch.uint8)
        time = state.time.clone()
        time[going] += 1
        after = _showing(replace(state, actions=taken, time=time), going, shown)
        points = (after.score - state.score).float()
        terminated = after.ended
        if self.life_loss:
            terminated = terminated | (after.lives < state.lives)
        truncated = (after.time >= self.max_episode_steps) & ~terminated
        paid = points.sign() if self.clip_rewards else points
        return after, Outcome(paid, terminated, truncated)

    def over(self, state: BreakoutState) -> Tensor:
        """Whether each game is over, bool ``(N,)``: all lives lost, both walls, or truncated."""
        return state.ended | (state.time >= self.max_episode_steps)

    def observe(self, state: BreakoutState) -> Tensor:
        """The last four pictures, uint8 ``(N, 4, 84, 84)``."""
        return state.frames

    def info(self, state: BreakoutState) -> dict[str, Tensor]:
        """So far, each ``(N,)``: "score" (the game's own points), "length", and "lives" left."""
        return {"score": state.score, "length": state.time, "lives": state.lives}

    def draw(self, state: BreakoutState) -> np.ndarray:
        """The last picture, uint8 ``(336, 336, 3)``, of a state that holds one game."""
        picture = state.frames[0, -1].cpu().numpy()
        return np.repeat(picture.repeat(4, 0).repeat(4, 1)[..., None], 3, -1)

    def policy_defaults(self, family: str) -> dict[str, Any]:
        """None."""
        return {}


def _showing(state: BreakoutState, rows: Tensor, shown: list[Shown]) -> BreakoutState:
    """``state`` with what the games of some rows show now."""
    if not shown:
        return state
    frames, lives = state.frames.clone(), state.lives.clone()
    ended, score = state.ended.clone(), state.score.clone()
    device = state.device
    frames[rows] = torch.from_numpy(np.concatenate([x.frames for x in shown])).to(device)
    lives[rows] = torch.tensor([x.lives for x in shown], device=device)
    ended[rows] = torch.tensor([x.over for x in shown], device=device)
    score[rows] += torch.tensor([float(x.points) for x in shown], device=device).double()
    return replace(state, frames=frames, lives=lives, ended=ended, score=score)
