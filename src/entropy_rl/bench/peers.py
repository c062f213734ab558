"""Stable-Baselines3's PPO and SAC on the same games, for numbers from outside this house."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from stable_baselines3 import PPO, SAC
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.vec_env import VecEnv

from entropy_rl.algorithms import OffPolicyConfig, Preset
from entropy_rl.envs import Core, HuntersRabbits


class SharedVecEnv(VecEnv):
    """A batched core behind Stable-Baselines3's interface, so that it pays no Python loop.

    Args:
        core: one whose observations have no mask.
        num_envs: games played at once.
    """

    def __init__(self, core: Core[Any], num_envs: int) -> None:
        self.core = core
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
        assert isinstance(obs, torch.Tensor)
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
    # It knows no masks: moves off the grid are clipped.
    core = HuntersRabbits(masking="clip", observation="one_hot", max_episode_steps=25)
    model = PPO(
        "MlpPolicy",
        SharedVecEnv(core, num_envs),
        n_steps=64,
        batch_size=min(512, 64 * num_envs),
        n_epochs=epochs,
        policy_kwargs={"net_arch": [128, 128]},
        device="cpu",
        seed=0,
    )
    return _learning(model, 64 * num_envs)


def ppo_model(chosen: Preset) -> PPO:
    """PPO with the networks, stretches and minibatches of a preset.

    Args:
        chosen: of the on-policy loop, with a Gaussian policy.
    """
    c, width = chosen.on_policy, chosen.policy_options["hidden_size"]
    return PPO(
        "MlpPolicy",
        SharedVecEnv(chosen.make(0)[0], c.batch),
        n_steps=c.cap,
        batch_size=c.batch * c.cap // c.minibatches,
        n_epochs=c.epochs,
        gamma=c.discount,
        learning_rate=c.learning_rate,
        policy_kwargs={"net_arch": [width] * chosen.policy_options["layers"]},
        device="cpu",
        seed=0,
    )


def ppo_like(chosen: Preset) -> Callable[[], float]:
    """A task that plays and learns from one batch of :func:`ppo_model`; it returns the steps."""
    return _learning(ppo_model(chosen), chosen.config.batch * chosen.config.cap)


def sac_model(chosen: Preset) -> SAC:
    """SAC with the networks and minibatches of a preset.

    Args:
        chosen: of the off-policy loop.
    """
    c, width = chosen.config, chosen.policy_options["hidden_size"]
    assert isinstance(c, OffPolicyConfig)
    return SAC(
        "MlpPolicy",
        SharedVecEnv(chosen.make(0)[0], c.batch),
        learning_rate=c.learning_rate,
        buffer_size=c.capacity,
        learning_starts=c.learning_starts,
        batch_size=c.minibatch,
        tau=c.polyak,
        gamma=c.discount,
        train_freq=c.cap,
        gradient_steps=c.updates_per_batch,
        policy_kwargs={"net_arch": [width] * 2},
        device="cpu",
        seed=0,
    )


def sac_like(chosen: Preset) -> Callable[[], float]:
    """A task that plays one batch and makes its updates; it returns how many they were."""
    model = sac_model(chosen)
    run = _learning(model, chosen.config.batch * chosen.config.cap)
    while model._n_updates == 0:
        run()

    def updates() -> float:
        before = model._n_updates
        run()
        return model._n_updates - before

    return updates


def _learning(model: PPO | SAC, steps: int) -> Callable[[], float]:
    model.set_logger(Logger(folder=None, output_formats=[]))  # its own leaves an empty folder

    def run() -> float:
        model.learn(steps, reset_num_timesteps=False)
        return steps

    return run
