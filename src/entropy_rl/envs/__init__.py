"""Environments: batched cores in torch, and their faces for Gymnasium and PettingZoo.

Importing this module registers ``entropy_rl/HuntersRabbits-v0`` and ``entropy_rl/TeamBandit-v0``.
"""

import gymnasium

from entropy_rl.envs._grid import MOVES, STAY, agent_view
from entropy_rl.envs._vector import HuntersRabbitsVectorEnv
from entropy_rl.envs.hunters_rabbits import HuntersRabbits, HuntersState
from entropy_rl.envs.hunters_single import HuntersRabbitsEnv

__all__ = [
    "MOVES",
    "STAY",
    "HuntersRabbits",
    "HuntersRabbitsEnv",
    "HuntersRabbitsVectorEnv",
    "HuntersState",
    "agent_view",
]

gymnasium.register(
    "entropy_rl/HuntersRabbits-v0",
    entry_point="entropy_rl.envs:HuntersRabbitsEnv",
    vector_entry_point="entropy_rl.envs:HuntersRabbitsVectorEnv",
)
