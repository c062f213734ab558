"""Small processes that are solved exactly, to be played."""

from __future__ import annotations

from collections.abc import Callable
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
from entropy_rl.envs._chance import draw_keys, uniforms
from entropy_rl.envs._core import Batch, Outcome
from entropy_rl.tabular import FiniteMDP, expected_return, patience, rooms

PROCESSES: dict[str, Callable[[], FiniteMDP]] = {"patience": patience, "rooms": rooms}


@dataclass(frozen=True)
class TabularState(Batch):
    """``N`` walks.

    Attributes:
        place: the state each is in, int64 ``(N,)``.
        key: of its chance, int64 ``(N,)``.
        time: steps taken, int64 ``(N,)``.
        score: Σₜ γᵗ r(sₜ, aₜ) so far, float64 ``(N,)``.
    """

    place: Tensor
    key: Tensor
    time: Tensor
    score: Tensor


@dataclass(frozen=True)
class Tabular:
    """A finite process played step by step: r(s, a) is paid as it is expected, s' is drawn.

    Args:
        process: "patience" or "rooms", see :mod:`entropy_rl.tabular`.
        max_episode_steps: an episode that still runs is truncated after so many.

    Raises:
        ValueError: an unknown process, a size below 1.
    """

    process: str = "patience"
    max_episode_steps: int = 1_000
    starts: ClassVar[tuple[str, ...]] = ("place", "key")

    def __post_init__(self) -> None:
        check.choice("process", self.process, PROCESSES)
        check.positive_integer("max_episode_steps", self.max_episode_steps)

    @cached_property
    def mdp(self) -> FiniteMDP:
        """The tables."""
        return PROCESSES[self.process]()

    @cached_property
    def action_space(self) -> spaces.Discrete:
        """The process's actions."""
        return spaces.Discrete(self.mdp.actions)

    @cached_property
    def observation_space(self) -> spaces.Discrete:
        """The number of the state."""
        return spaces.Discrete(self.mdp.states)

    def reset(
        self,
        num: int,
        *,
        generator: torch.Generator | None = None,
        device: torch.device | str = "cpu",
    ) -> TabularState:
        """Draw ``num`` first states, and the keys of all later chance.

        Args:
            num: N, ≥ 1.
            generator: the only source of chance, on ``device``; None takes torch's own.
            device: where the state shall lie.

        Raises:
            ValueError: ``num`` below 1, or a generator on another device.
        """
        key = draw_keys(num, generator=generator, device=device)
        first = self.mdp.start.to(key.device).expand(num, -1)
        place = torch.multinomial(first, 1, generator=generator).squeeze(1)
        return self.start(place=place, key=key)

    def start(self, *, place: Tensor, key: Tensor) -> TabularState:
        """Begin in given states with given keys, each int64 ``(N,)``.

        Raises:
            ValueError: another dtype or shape, or a state out of range.
        """
        check.integer("place", place)
        check.shape("key", check.integer("key", key), (len(place) if place.ndim else 0,))
        if not bool(((place >= 0) & (place < self.mdp.states)).all()):
            raise check.fail("place", f"states in [0, {self.mdp.states})", place.tolist())
        time = torch.zeros_like(place)
        return TabularState(place, key, time, time.double())

    def step(self, state: TabularState, actions: Tensor) -> tuple[TabularState, Outcome]:
        """One step of every walk; one that is over stays where it is and is paid nothing.

        Args:
            state: of N walks.
            actions: int64 ``(N, 1)`` in [0, A).

        Raises:
            ValueError: actions of another dtype, shape, device or range.
        """
        check_actions(actions, self.action_space, (len(state),), state.device)
        mdp, device = self.mdp, state.device
        terminal = mdp.terminal.to(device)
        going = ~terminal[state.place] & (state.time < self.max_episode_steps)
        chosen = actions[:, 0]
        reward = going * mdp.reward.to(device)[state.place, chosen]
        reached = mdp.transition.to(device)[state.place, chosen].cumsum(-1)
        drawn = (uniforms(state.key, state.time) >= reached[:, :-1]).sum(-1)
        place = torch.where(going, drawn, state.place)
        after = TabularState(
            place,
            state.key,
            state.time + going,
            state.score + mdp.discount ** state.time.double() * reward,
        )
        truncated = ~terminal[place] & (after.time >= self.max_episode_steps)
        return after, Outcome(reward.float(), terminal[place], truncated)

    def observe(self, state: TabularState) -> Tensor:
        """The states' numbers, int64 ``(N,)``."""
        return state.place

    def info(self, state: TabularState) -> dict[str, Tensor]:
        """So far, each ``(N,)``: "score" (the discounted reward), "length"."""
        return {"score": state.score, "length": state.time}

    def closed_form(self, policy: Any) -> dict[str, float]:
        """What a policy gets, without playing.

        Args:
            policy: for this process.

        Returns:
            "expected_reward", J = E[Σₜ γᵗ r(sₜ, aₜ)], never truncated.
        """
        device = next(policy.parameters()).device
        with torch.no_grad():
            every = torch.arange(self.mdp.states, device=device)
            chain = policy.conditionals(every, torch.zeros_like(every)[:, None])
        probabilities = chain.log_probs[:, 0].double().softmax(-1).cpu()
        return {"expected_reward": float(expected_return(self.mdp, probabilities))}

    def draw(self, state: TabularState) -> np.ndarray:
        """A picture, uint8 ``(64, 64 S, 3)``, of a state that holds one walk."""
        return _draw.places(self.mdp.states, int(state.place[0]))

    def policy_defaults(self, family: str) -> dict[str, Any]:
        """None."""
        return {}
