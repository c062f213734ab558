"""Baselines: what a return is compared with."""

from __future__ import annotations

from collections import deque

import torch
from torch import Tensor, nn

from entropy_rl.algorithms.config import OnPolicyConfig
from entropy_rl.losses import baseline_loss
from entropy_rl.networks import mlp
from entropy_rl.stepwise import Observation


def flat_observation(obs: Observation) -> Tensor:
    """The observation without its mask."""
    return obs["observation"] if isinstance(obs, dict) else obs


class ValueBaseline:
    """b(s) = v(s), a network with one hidden layer that learns the returns.

    Args:
        size: the length of an observation.
        config: its width, loss and learning rate.
    """

    def __init__(self, size: int, config: OnPolicyConfig) -> None:
        self.network: nn.Module = mlp([size, config.baseline_hidden, 1])
        self.loss = config.baseline_loss
        # Fused where it matters: at this size an update is mostly the overhead of its calls.
        self.optimiser = torch.optim.Adam(
            self.network.parameters(), config.baseline_learning_rate, fused=True
        )

    def evaluate(self, obs: Observation) -> Tensor:
        """v(s), ``(N,)``, detached."""
        with torch.no_grad():
            return self.network(flat_observation(obs)).squeeze(-1)

    def learn(self, obs: Observation, returns: Tensor) -> Tensor:
        """One step towards the returns; the loss before it."""
        value = self.network(flat_observation(obs)).squeeze(-1)
        loss = baseline_loss(value, returns, self.loss)  # type: ignore[arg-type]
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        return loss.detach()


class RunningBaseline:
    """b = the mean of the last ``memory`` returns from the start of an episode (zhang2018, §5.2).

    Args:
        memory: how many returns are remembered.
    """

    def __init__(self, memory: int = 100) -> None:
        self.returns: deque[float] = deque(maxlen=memory)

    def evaluate(self, obs: Observation) -> Tensor:
        """The mean of what is remembered, the same in every state; 0 at first."""
        mean = sum(self.returns) / len(self.returns) if self.returns else 0.0
        return torch.full((len(flat_observation(obs)),), mean)

    def learn(self, obs: Observation, returns: Tensor) -> Tensor:
        """Remember; the mean squared error before it."""
        error = (returns - self.evaluate(obs)).square().mean()
        self.returns.extend(returns.tolist())
        return error


class NoBaseline:
    """b = 0."""

    def evaluate(self, obs: Observation) -> Tensor:
        """Zeros."""
        return torch.zeros(len(flat_observation(obs)))

    def learn(self, obs: Observation, returns: Tensor) -> Tensor:
        """Nothing to learn."""
        return returns.square().mean()


Baseline = ValueBaseline | RunningBaseline | NoBaseline


def make_baseline(size: int, config: OnPolicyConfig) -> Baseline:
    """The baseline that the configuration names."""
    if config.baseline == "value":
        return ValueBaseline(size, config)
    return RunningBaseline() if config.baseline == "running" else NoBaseline()
