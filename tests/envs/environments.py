"""One record for each environment that the contract (``test_contract.py``) is asked of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import toys

from entropy_rl.envs import BreakoutEnv, HuntersRabbitsEnv, PendulumEnv, TabularEnv, TeamBanditEnv


@dataclass(frozen=True)
class Environment:
    """What the contract needs to know of an environment.

    Attributes:
        name: the registered id.
        single: the class behind ``gymnasium.make``.
        settings: options in which everything is asked; the first are the defaults.
        harmless: a component that every state allows.
        typo: an option of it, misspelt.
        short: options under which every episode is over after four steps, in any setting.
        most: episodes that are begun at once, at most; of an emulator a beginning is slow.
        as_start: the core and a field of a fresh state to what ``start`` takes for it.
    """

    name: str
    single: type
    settings: tuple[dict[str, Any], ...]
    harmless: float
    typo: str
    short: dict[str, Any]
    most: int = 4096
    as_start: Callable[[Any, Any], Any] = lambda core, field: field


def cell_of(core: Any, code: Any) -> Any:
    """Captured at reset: the code without its flag is the cell where it was placed."""
    return code % core.cells


ENVIRONMENTS = (
    Environment(
        "entropy_rl/HuntersRabbits-v0",
        HuntersRabbitsEnv,
        (
            {},
            {"masking": "clip"},
            {"size": 3, "hunters": 2, "observation": "one_hot", "placement": "distinct"},
            {"size": 2, "hunters": 3, "placement": "iid", "capture_at_reset": True},
            {"size": 4, "hunters": 3, "exponent": 1, "max_episode_steps": 3},
        ),
        harmless=4,
        typo="placment",
        short={"max_episode_steps": 4},
        as_start=cell_of,
    ),
    Environment(
        "entropy_rl/TeamBandit-v0",
        TeamBanditEnv,
        ({}, {"agents": 2, "arms": 3, "bonus_probability": 0.5, "assignment": 7}),
        harmless=0,
        typo="bonus_probabilty",
        short={},
    ),
    Environment(
        "entropy_rl/Pendulum-v0",
        PendulumEnv,
        ({}, {"gravity": 9.81, "max_episode_steps": 3, "reward_shift": 8.0, "reward_scale": 0.125}),
        harmless=0.0,
        typo="gravty",
        short={"max_episode_steps": 4},
    ),
    Environment(
        "entropy_rl/Tabular-v0",
        TabularEnv,
        ({}, {"process": "rooms", "max_episode_steps": 3}),
        harmless=1,
        typo="proces",
        short={"process": "rooms", "max_episode_steps": 4},
    ),
    Environment(
        "entropy_rl/Breakout-v0",
        BreakoutEnv,
        ({},),
        harmless=0,
        typo="life_los",
        short={"max_episode_steps": 4},
        most=4,
    ),
    # Discrete and Box actions, chance in the step: what a new environment may be.
    Environment("tests/Ice-v0", toys.IceEnv, ({}, {"slip": 0.75}), 1, "slipp", {}),
    Environment("tests/Drift-v0", toys.DriftEnv, ({}, {"noise": 0.9}), 0.0, "noisse", {}),
)
