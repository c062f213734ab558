"""Environments: batched cores in torch, and their faces for Gymnasium and PettingZoo.

Importing this module registers ``entropy_rl/HuntersRabbits-v0``, ``entropy_rl/TeamBandit-v0``,
``entropy_rl/Pendulum-v0``, ``entropy_rl/Tabular-v0`` and ``entropy_rl/Breakout-v0``, which needs
the extra ``atari`` when a game is begun.
"""

from typing import TYPE_CHECKING, Any

import gymnasium

from entropy_rl.envs._actions import check_actions
from entropy_rl.envs._chance import draw_keys, uniforms
from entropy_rl.envs._core import (
    Batch,
    ClosedForm,
    Core,
    GoesOn,
    Outcome,
    build,
    episodes_over,
)
from entropy_rl.envs._grid import MOVES, STAY, agent_view
from entropy_rl.envs._single import SingleEnv
from entropy_rl.envs._vector import TensorVectorEnv
from entropy_rl.envs.breakout import Breakout, BreakoutState
from entropy_rl.envs.hunters_rabbits import HuntersRabbits, HuntersState
from entropy_rl.envs.hunters_single import HuntersRabbitsEnv
from entropy_rl.envs.pendulum import Pendulum, PendulumState
from entropy_rl.envs.tabular import Tabular, TabularState
from entropy_rl.envs.team_bandit import BanditState, TeamBandit

if TYPE_CHECKING:
    from entropy_rl.envs._parallel import HuntersRabbitsParallel

__all__ = [
    "MOVES",
    "STAY",
    "BanditState",
    "Batch",
    "Breakout",
    "BreakoutEnv",
    "BreakoutState",
    "BreakoutVectorEnv",
    "ClosedForm",
    "Core",
    "GoesOn",
    "HuntersRabbits",
    "HuntersRabbitsEnv",
    "HuntersRabbitsVectorEnv",
    "HuntersState",
    "Outcome",
    "Pendulum",
    "PendulumEnv",
    "PendulumState",
    "PendulumVectorEnv",
    "Tabular",
    "TabularEnv",
    "TabularState",
    "TabularVectorEnv",
    "TeamBandit",
    "TeamBanditEnv",
    "TeamBanditVectorEnv",
    "agent_view",
    "build",
    "check_actions",
    "draw_keys",
    "episodes_over",
    "parallel",
    "uniforms",
]


class HuntersRabbitsVectorEnv(TensorVectorEnv[HuntersState]):
    """``entropy_rl/HuntersRabbits-v0`` for ``gymnasium.make_vec``; options as `HuntersRabbits`."""

    core_type = HuntersRabbits


class TeamBanditVectorEnv(TensorVectorEnv[BanditState]):
    """``entropy_rl/TeamBandit-v0`` for ``gymnasium.make_vec``; options as `TeamBandit`."""

    core_type = TeamBandit


class TeamBanditEnv(SingleEnv):
    """``entropy_rl/TeamBandit-v0`` for ``gymnasium.make``; options as `TeamBandit`."""

    core_type = TeamBandit


class PendulumVectorEnv(TensorVectorEnv[PendulumState]):
    """``entropy_rl/Pendulum-v0`` for ``gymnasium.make_vec``; options as `Pendulum`."""

    core_type = Pendulum


class PendulumEnv(SingleEnv):
    """``entropy_rl/Pendulum-v0`` for ``gymnasium.make``; options as `Pendulum`."""

    core_type = Pendulum


class TabularVectorEnv(TensorVectorEnv[TabularState]):
    """``entropy_rl/Tabular-v0`` for ``gymnasium.make_vec``; options as `Tabular`."""

    core_type = Tabular


class TabularEnv(SingleEnv):
    """``entropy_rl/Tabular-v0`` for ``gymnasium.make``; options as `Tabular`."""

    core_type = Tabular


class BreakoutVectorEnv(TensorVectorEnv[BreakoutState]):
    """``entropy_rl/Breakout-v0`` for ``gymnasium.make_vec``; options as `Breakout`."""

    core_type = Breakout


class BreakoutEnv(SingleEnv):
    """``entropy_rl/Breakout-v0`` for ``gymnasium.make``; options as `Breakout`."""

    core_type = Breakout


def parallel(**options: Any) -> "HuntersRabbitsParallel":
    """Hunters and rabbits behind PettingZoo's parallel API, one agent a hunter.

    Args:
        options: ``view`` ("state" or "own") and those of `HuntersRabbits`.

    Raises:
        ModuleNotFoundError: without PettingZoo, the extra ``agents``.
        ValueError: an impossible setting.
    """
    from entropy_rl.envs._parallel import HuntersRabbitsParallel

    return HuntersRabbitsParallel(**options)


for name in ("HuntersRabbits", "TeamBandit", "Pendulum", "Tabular", "Breakout"):
    gymnasium.register(
        f"entropy_rl/{name}-v0",
        entry_point=f"entropy_rl.envs:{name}Env",
        vector_entry_point=f"entropy_rl.envs:{name}VectorEnv",
    )
