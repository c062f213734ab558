"""Stable-Baselines3's PPO on the same game, for a number from outside this house."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.vec_env import VecEnv

from entropy_rl.envs import HuntersRabbits


class SharedVecEnv(VecEnv):
    """The batched core behind Stable-Baselines3's interface, so that PPO pays no Python loop.

    It knows no masks: moves off the grid are clipped, and a plain observation comes back.

    Args:
        num_envs: games played at once.
    """

    def __init__(self, num_envs: int) -> None:
        self.core = HuntersRabbits(masking="clip", observation="one_hot", max_episode_steps=25)
        self.games = self.core.reset(num_envs)
        super().__init__(num_envs, self.core.observation_space, self.core.action_space)

    def reset(self) -> np.ndarray:
        """Fresh games."""
        self.games = self.core.reset(self.num_envs)
        return self._seen()

    def step_async(self, actions: np.ndarray) -> None:
        """Keep the actions for ``step_wait``."""
        self.actions = torch.from_numpy(actions)

    def step_wait(self) -> Any:
        """One step; games that are over begin anew."""
        self.games, outcome = self.core.step(self.games, self.actions)
        over = outcome.terminated | outcome.truncated
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        if over.any():
            last = self._seen()
            for i in over.nonzero().flatten().tolist():
                infos[i]["terminal_observation"] = last[i]
                infos[i]["TimeLimit.truncated"] = bool(outcome.truncated[i])
            self.games = self.games.replaced(over, self.core.reset(int(over.sum())))
        return self._seen(), outcome.reward.numpy(), over.numpy(), infos

    def _seen(self) -> np.ndarray:
        obs = self.core.observe(self.games)
        assert isinstance(obs, torch.Tensor)  # "clip" gives no mask
        return obs.numpy()

    def close(self) -> None:
        """Nothing to close."""

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """The render mode is asked for; there is none."""
        return [getattr(self, attr_name, None)] * self.num_envs

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Not asked for in training."""
        raise NotImplementedError

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> Any:
        """Not asked for in training."""
        raise NotImplementedError

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        """Never."""
        return [False] * self.num_envs


def ppo(num_envs: int, epochs: int) -> Callable[[], float]:
    """A task that collects 64 steps of every game and learns from them; it returns the steps.

    Args:
        num_envs: games played at once.
        epochs: passes over what was collected; PPO's default is 10, REINFORCE makes one.
    """
    model = PPO(
        "MlpPolicy",
        SharedVecEnv(num_envs),
        n_steps=64,
        batch_size=min(512, 64 * num_envs),
        n_epochs=epochs,
        policy_kwargs={"net_arch": [128, 128]},
        device="cpu",
        seed=0,
    )
    model.set_logger(Logger(folder=None, output_formats=[]))  # its own leaves an empty folder

    def run() -> float:
        model.learn(64 * num_envs, reset_num_timesteps=False)
        return 64 * num_envs

    return run
