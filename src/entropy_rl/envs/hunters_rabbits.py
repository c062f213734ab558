"""Hunters and rabbits on a grid (zhang2018, §5.1): the batched game. Its faces are built on it.

`d` hunters and `d` rabbits stand on an n×n grid. The rabbits stay; at every step each hunter makes
one of nine king's moves. A hunter that ends a step on a free rabbit's cell captures it (reward 1)
and both are inactive from then on. The episode ends when every rabbit is captured.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from entropy_rl import _validate as check
from entropy_rl.envs import _draw
from entropy_rl.envs._actions import check_actions
from entropy_rl.envs._core import Batch, Observation, Outcome
from entropy_rl.envs._grid import MOVES, OBSERVATIONS, STAY, Tables, agent_view, build_tables

PLACEMENTS = ("paperlike", "distinct", "iid")
MASKINGS = ("observation", "clip")


@dataclass(frozen=True)
class HuntersState(Batch):
    """``N`` games, a code for every body.

    A code below ``n²`` is the cell (row·n + column) of an active body; a captured rabbit, and the
    hunter that has it, carry ``n² +`` the cell of the capture.

    Attributes:
        hunters: codes, int64 ``(N, d)``.
        rabbits: codes, int64 ``(N, d)``.
        time: steps taken, int64 ``(N,)``.
        score: the paper's figure of merit so far, float64 ``(N,)``.
    """

    hunters: Tensor
    rabbits: Tensor
    time: Tensor
    score: Tensor


@dataclass(frozen=True)
class HuntersRabbits:
    """The game, batched: ``reset(num)`` draws, ``step(state, actions)`` is a function of the two.

    The paper leaves four things open; each is an option, and the default is the reading named
    first, under which the printed figures are plausible. With e the ``exponent``,

        score = Σₜ γᵗ⁻¹⁺ᵉ · (captures at step t),  t = 1, 2, …

    Args:
        size: n, cells on a side, ≥ 1.
        hunters: d, hunters and as many rabbits, ≥ 1.
        placement: "paperlike": rabbits independent and uniform (they may share a cell), hunters
            independent and uniform on the cells without a rabbit; "distinct": 2d different cells;
            "iid": every body independent and uniform.
        masking: "observation": moves off the grid are illegal, an inactive hunter may only stay,
            and the observation is ``{"observation", "action_mask"}``; "clip": every action is
            accepted, moves stop at the border, and the observation is a plain tensor.
        exponent: e, of γ at the first step: 0 (the first step is undiscounted) or 1.
        capture_at_reset: False: a hunter placed on a rabbit has still to move there, "stay" being
            such a move; True: it has it at once (a score of 1 each and no step's reward). With
            "iid" and in what ``start`` is given it can happen.
        observation: "coordinates": per body column and row in [-1, 1] and an active flag, all zero
            once inactive; "one_hot": per body one of n² cells, all zero once inactive.
        gamma: γ of the score, in [0, 1]. Rewards are never discounted here.
        max_episode_steps: after so many steps an unfinished episode is truncated.
        illegal: "raise" or "clip": what a masked action does. "clip" stops it at the border.

    Raises:
        ValueError: an impossible setting, by name.
    """

    size: int = 5
    hunters: int = 5
    placement: str = "paperlike"
    masking: str = "observation"
    exponent: int = 0
    capture_at_reset: bool = False
    observation: str = "coordinates"
    gamma: float = 0.8
    max_episode_steps: int = 10_000
    illegal: str = "raise"
    starts: ClassVar[tuple[str, ...]] = ("hunters", "rabbits")
    _cache: dict[torch.device, Tables] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        check.positive_integer("size", self.size)
        check.positive_integer("hunters", self.hunters)
        check.positive_integer("max_episode_steps", self.max_episode_steps)
        check.choice("placement", self.placement, PLACEMENTS)
        check.choice("masking", self.masking, MASKINGS)
        check.choice("observation", self.observation, OBSERVATIONS)
        check.choice("illegal", self.illegal, ("raise", "clip"))
        check.between("gamma", self.gamma, 0, 1)
        if self.exponent not in (0, 1):
            raise check.fail("exponent", "0 or 1", self.exponent)
        if not isinstance(self.capture_at_reset, bool):
            raise check.fail("capture_at_reset", "a bool", repr(self.capture_at_reset))
        if self.placement == "distinct" and 2 * self.hunters > self.cells:
            raise check.fail("hunters", f"2·hunters ≤ {self.cells} distinct cells", self.hunters)
        if self.placement == "paperlike" and self.hunters >= self.cells:
            raise check.fail("hunters", f"fewer than {self.cells}: a cell is left", self.hunters)

    @property
    def cells(self) -> int:
        """n², the number of cells."""
        return self.size * self.size

    @cached_property
    def action_space(self) -> spaces.MultiDiscrete:
        """One of nine moves a hunter."""
        return spaces.MultiDiscrete([MOVES] * self.hunters)

    @cached_property
    def observation_space(self) -> spaces.Space:
        """A Box ``(D,)``, what one game shows; in a Dict with the mask ``(d, 9)`` if masked."""
        width = 2 * self.hunters * self.body_width
        low = -1.0 if self.observation == "coordinates" else 0.0
        box = spaces.Box(low, 1.0, (width,), np.float32)
        if self.masking == "clip":
            return box
        legal = spaces.MultiBinary((self.hunters, MOVES))
        return spaces.Dict({"observation": box, "action_mask": legal})

    @property
    def body_width(self) -> int:
        """How many entries of the observation a body takes; 3, or n² one-hot."""
        return 3 if self.observation == "coordinates" else self.cells

    def reset(
        self,
        num: int,
        *,
        generator: torch.Generator | None = None,
        device: torch.device | str = "cpu",
    ) -> HuntersState:
        """Draw ``num`` placements.

        Args:
            num: N, ≥ 1.
            generator: the only source of chance, on ``device``; None takes torch's own.
            device: where the state shall lie.

        Raises:
            ValueError: ``num`` below 1, or a generator on another device.
        """
        check.positive_integer("num", num)
        device = torch.device(device)
        check.generator("generator", generator, device)
        d, n2 = self.hunters, self.cells
        if self.placement == "distinct":
            noise = torch.rand(num, n2, generator=generator, device=device)
            hunters, rabbits = noise.argsort(1)[:, : 2 * d].split(d, 1)
        else:
            rabbits = torch.randint(n2, (num, d), generator=generator, device=device)
            if self.placement == "iid":
                hunters = torch.randint(n2, (num, d), generator=generator, device=device)
            else:
                free = torch.ones(num, n2, device=device).scatter_(1, rabbits, 0.0)
                hunters = torch.multinomial(free, d, replacement=True, generator=generator)
        return self._begin(hunters, rabbits)

    def start(self, *, hunters: Tensor, rabbits: Tensor) -> HuntersState:
        """Begin from given cells, each int64 ``(N, d)`` in [0, n²); overlaps are allowed.

        Raises:
            ValueError: another dtype, shape or range.
        """
        for name, x in (("hunters", hunters), ("rabbits", rabbits)):
            check.integer(name, x)
            check.shape(name, x, (len(hunters) if hunters.ndim else 0, self.hunters))
            if x.numel() and not bool(((x >= 0) & (x < self.cells)).all()):
                raise check.fail(name, f"cells in [0, {self.cells})", x.tolist())
        return self._begin(hunters, rabbits)

    def _begin(self, hunters: Tensor, rabbits: Tensor) -> HuntersState:
        caught = torch.zeros(len(hunters), dtype=torch.int64, device=hunters.device)
        if self.capture_at_reset:
            hunters, rabbits, caught = self._capture(hunters, rabbits)
        return HuntersState(
            hunters.clone(), rabbits.clone(), torch.zeros_like(caught), caught.double()
        )

    def step(self, state: HuntersState, actions: Tensor) -> tuple[HuntersState, Outcome]:
        """One step of every game; an episode that is over stays as it is and pays nothing.

        Args:
            state: of N games.
            actions: int64 ``(N, d)`` in [0, 9), on the state's device.

        Returns:
            the next state, and reward = captures in this step, terminated, truncated.

        Raises:
            ValueError: actions of another dtype, shape, device or range, or (with
                ``illegal="raise"``) one that is masked.
        """
        self._check_actions(state, actions)
        over = self.finished(state) | (state.time >= self.max_episode_steps)
        # In a game that is over everybody stays, and whoever could capture has done so before.
        chosen = actions.masked_fill(over[:, None], STAY)
        moved = self.tables(state.device).move.take(state.hunters * MOVES + chosen)
        hunters, rabbits, caught = self._capture(moved, state.rabbits)
        time = state.time + ~over
        paid = self.gamma ** (time - 1 + self.exponent).clamp(min=0).double()
        after = HuntersState(hunters, rabbits, time, state.score + paid * caught)
        terminated = self.finished(after)
        truncated = ~terminated & (time >= self.max_episode_steps)
        return after, Outcome(caught.float(), terminated, truncated)

    def observe(self, state: HuntersState) -> Observation:
        """What a policy sees: float32 ``(N, D)``, hunters first, then rabbits; see ``masking``."""
        table = self.tables(state.device).body
        codes = torch.cat([state.hunters, state.rabbits], 1)
        seen = table.index_select(0, codes.flatten()).view(len(state), -1)
        if self.masking == "clip":
            return seen
        return {"observation": seen, "action_mask": self.legal(state)}

    def legal(self, state: HuntersState) -> Tensor:
        """The action mask, bool ``(N, d, 9)``; all True where ``masking`` is "clip"."""
        table = self.tables(state.device).legal
        shape = (*state.hunters.shape, MOVES)
        return table.index_select(0, state.hunters.flatten()).view(shape)

    def info(self, state: HuntersState) -> dict[str, Tensor]:
        """So far, each ``(N,)``: "score" (the paper's discounted reward), "length", "captured"."""
        captured = (state.rabbits >= self.cells).sum(1)
        return {"score": state.score, "length": state.time, "captured": captured}

    def finished(self, state: HuntersState) -> Tensor:
        """Which games have no free rabbit left, bool ``(N,)``."""
        return (state.rabbits >= self.cells).all(1)

    def draw(self, state: HuntersState) -> np.ndarray:
        """A picture, uint8 ``(height, width, 3)``, of a state that holds one game."""
        return _draw.hunters_rabbits(
            self.size, state.hunters[0].tolist(), state.rabbits[0].tolist()
        )

    def agent_view(self) -> Tensor:
        """:func:`agent_view` of this game, int64 ``(d, m)``."""
        return agent_view(self.hunters, size=self.size, observation=self.observation)

    def policy_defaults(self, family: str) -> dict[str, Any]:
        """A CommNet hunter sees its own position and all rabbits (zhang2018, appendix D)."""
        return {"view": self.agent_view().tolist()} if family == "commnet" else {}

    def _capture(self, hunters: Tensor, rabbits: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """In each cell the k-th active hunter, in index order, takes the k-th free rabbit."""
        n2, earlier = self.cells, self.tables(hunters.device).earlier
        # A captured rabbit and its hunter carry the same code: only the active may meet.
        meet = (hunters[:, :, None] == rabbits[:, None, :]) & (hunters < n2)[:, :, None]
        rank_h = ((hunters[:, :, None] == hunters[:, None, :]) & earlier).sum(2)
        rank_r = ((rabbits[:, :, None] == rabbits[:, None, :]) & earlier).sum(2)
        has, gone = rank_h < meet.sum(2), rank_r < meet.sum(1)
        return hunters + n2 * has, rabbits + n2 * gone, has.sum(1)

    def _check_actions(self, state: HuntersState, actions: Tensor) -> None:
        check_actions(actions, self.action_space, (len(state),), state.device)
        if self.masking == "clip" or self.illegal == "clip":
            return
        allowed = self.tables(state.device).legal.take(state.hunters * MOVES + actions)
        if not bool(allowed.all()):
            n, i = (~allowed).nonzero()[0].tolist()
            got = f"{actions[n, i].item()} by hunter {i} of game {n}"
            raise check.fail("actions", "only moves that the action mask allows", got)

    def tables(self, device: torch.device) -> Tables:
        """The look-up tables over codes, built once a device."""
        if device not in self._cache:
            self._cache[device] = build_tables(
                self.size, self.hunters, self.observation, self.masking
            ).to(device)
        return self._cache[device]
