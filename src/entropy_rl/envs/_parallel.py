"""Hunters and rabbits for PettingZoo's parallel API, one agent a hunter (extra: ``agents``)."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from pettingzoo import ParallelEnv

from entropy_rl import _validate as check
from entropy_rl.envs._grid import MOVES
from entropy_rl.envs.hunters_single import HuntersRabbitsEnv

VIEWS = ("state", "own")


class HuntersRabbitsParallel(ParallelEnv[str, Any, int]):
    """The hunters as agents ``hunter_0``, …: one reward for all, and all stay to the end.

    A hunter that has its rabbit lives on with "stay" as its only legal action, as in the joint
    game, so that every agent's return is the team's.

    Args:
        view: "state": everyone sees the whole observation; "own": itself and all rabbits, as
            CommNet does (``agent_view``).
        render_mode: None or "rgb_array".
        options: as `HuntersRabbits`; a masked action stops at the border unless
            ``illegal="raise"``.

    Raises:
        ValueError: as `HuntersRabbits`, or a view that does not exist.
    """

    metadata: dict[str, Any] = {  # noqa: RUF012 - PettingZoo's own attribute
        "name": "hunters_rabbits_v0",
        "render_modes": ["rgb_array"],
        "render_fps": 4,
    }

    def __init__(self, *, view: str = "state", **options: Any) -> None:
        check.choice("view", view, VIEWS)
        self._env = HuntersRabbitsEnv(**options)
        self.render_mode = self._env.render_mode
        core = self._env.core
        self.possible_agents = [f"hunter_{i}" for i in range(core.hunters)]
        self.agents: list[str] = []
        width = 2 * core.hunters * core.body_width
        every = np.arange(width)[None].repeat(core.hunters, 0)
        self._seen = every if view == "state" else core.agent_view().numpy()
        low = -1.0 if core.observation == "coordinates" else 0.0
        self._spaces: dict[str, spaces.Space] = {}
        for agent in self.possible_agents:
            box = spaces.Box(low, 1.0, (self._seen.shape[1],), np.float32)
            legal = spaces.Box(0, 1, (MOVES,), np.int8)
            masked = spaces.Dict({"observation": box, "action_mask": legal})
            self._spaces[agent] = box if core.masking == "clip" else masked
        self._actions = {agent: spaces.Discrete(MOVES) for agent in self.possible_agents}

    def observation_space(self, agent: str) -> spaces.Space:
        """What ``agent`` sees: a Box, in a Dict with its mask ``(9,)`` where there is one."""
        return self._spaces[agent]

    def action_space(self, agent: str) -> spaces.Space:
        """Nine moves."""
        return self._actions[agent]

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, dict]]:
        """Begin an episode; ``options`` are PettingZoo's to pass and mean nothing here."""
        observed, info = self._env.reset(seed=seed)
        self.agents = list(self.possible_agents)
        return self._split(observed), {agent: dict(info) for agent in self.agents}

    def step(self, actions: dict[str, int]) -> tuple[dict, dict, dict, dict, dict]:
        """One step of all hunters.

        Raises:
            ValueError: an agent without an action, or one that is no agent (now).
        """
        if set(actions) != set(self.agents):
            raise check.fail("actions", f"one for each of {self.agents}", sorted(actions))
        joint = np.array([actions[agent] for agent in self.agents])
        if not self.agents:
            raise check.fail("reset", "a reset before a step", "none")
        observed, reward, terminated, truncated, info = self._env.step(joint)
        seen, alive = self._split(observed), self.agents
        if terminated or truncated:
            self.agents = []
        return (
            seen,
            dict.fromkeys(alive, reward),
            dict.fromkeys(alive, terminated),
            dict.fromkeys(alive, truncated),
            {agent: dict(info) for agent in alive},
        )

    def render(self) -> np.ndarray | None:
        """A picture, uint8 ``(height, width, 3)``; None without a mode."""
        return self._env.render()

    def close(self) -> None:
        """Nothing is held open."""

    def _split(self, observed: Any) -> dict[str, Any]:
        if not isinstance(observed, dict):
            return {a: observed[seen] for a, seen in zip(self.agents, self._seen, strict=True)}
        flat, mask = observed["observation"], observed["action_mask"]
        return {
            agent: {"observation": flat[self._seen[i]], "action_mask": mask[i].copy()}
            for i, agent in enumerate(self.agents)
        }
