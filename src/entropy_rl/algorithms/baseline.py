"""Baselines: what a return is compared with."""

from __future__ import annotations

from collections import deque
from typing import Any

import torch
from gymnasium import spaces
from torch import Tensor

from entropy_rl.algorithms.config import OnPolicyConfig
from entropy_rl.algorithms.regression import Regression, encoder
from entropy_rl.algorithms.rollout import flat_observation
from entropy_rl.losses import baseline_loss
from entropy_rl.networks import mlp
from entropy_rl.stepwise import Observation


class ValueBaseline(Regression):
    """b(s) = v(s), a network with one hidden layer that learns the returns.

    Args:
        space: of one observation: Box or Discrete, or a Dict of it and a mask.
        config: its width, loss, optimiser and learning rate.
        device: where it lives.

    Raises:
        ValueError: a space of another kind.
    """

    def __init__(
        self, space: spaces.Space[Any], config: OnPolicyConfig, device: torch.device
    ) -> None:
        size, self.encode = encoder(space, "baseline='value'")
        network = mlp([size, config.baseline_hidden, 1]).to(device)
        super().__init__(network, config.baseline_optimiser, config.baseline_learning_rate)
        self.loss = config.baseline_loss

    def evaluate(self, obs: Observation) -> Tensor:
        """v(s), ``(N,)``, detached."""
        with torch.no_grad():
            return self.network(self.encode(obs)).squeeze(-1)

    def learn(self, obs: Observation, returns: Tensor) -> Tensor:
        """One step towards the returns; the loss before it."""
        value = self.network(self.encode(obs)).squeeze(-1)
        return self.descend(baseline_loss(value, returns, self.loss))


class RunningBaseline:
    """b = the mean of the last ``memory`` returns from the start of an episode (zhang2018, §5.2).

    Args:
        memory: how many returns are remembered.
    """

    def __init__(self, memory: int = 100) -> None:
        self.returns: deque[float] = deque(maxlen=memory)

    @property
    def mean(self) -> float:
        """Of what is remembered; 0 at first."""
        return sum(self.returns) / len(self.returns) if self.returns else 0.0

    def evaluate(self, obs: Observation) -> Tensor:
        """The mean of what is remembered, the same in every state."""
        rows = flat_observation(obs)
        return torch.full((len(rows),), self.mean, device=rows.device)

    def learn(self, obs: Observation, returns: Tensor) -> Tensor:
        """Remember; the mean squared error before it."""
        error = (returns - self.evaluate(obs)).square().mean()
        self.returns.extend(returns.tolist())
        return error

    def state_dict(self) -> dict[str, Any]:
        """The remembered returns."""
        return {"returns": list(self.returns)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """What :meth:`state_dict` returned."""
        self.returns = deque(state["returns"], maxlen=self.returns.maxlen)


class NoBaseline:
    """b = 0."""

    def evaluate(self, obs: Observation) -> Tensor:
        """Zeros."""
        rows = flat_observation(obs)
        return torch.zeros(len(rows), device=rows.device)

    def learn(self, obs: Observation, returns: Tensor) -> Tensor:
        """Nothing to learn."""
        return returns.square().mean()

    def state_dict(self) -> dict[str, Any]:
        """Nothing."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing."""


Baseline = ValueBaseline | RunningBaseline | NoBaseline


def make_baseline(
    space: spaces.Space[Any], config: OnPolicyConfig, device: torch.device
) -> Baseline:
    """The baseline that the configuration names.

    Raises:
        ValueError: observations that a network cannot read, if it names one.
    """
    if config.baseline == "value":
        return ValueBaseline(space, config, device)
    return RunningBaseline() if config.baseline == "running" else NoBaseline()
