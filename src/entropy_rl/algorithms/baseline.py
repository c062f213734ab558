"""Baselines: what a return is compared with."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import torch
from gymnasium import spaces
from torch import Tensor, nn
from torch.nn.functional import one_hot

from entropy_rl import _validate
from entropy_rl.algorithms.config import OnPolicyConfig
from entropy_rl.algorithms.rollout import flat_observation
from entropy_rl.algorithms.snapshot import copied
from entropy_rl.losses import baseline_loss
from entropy_rl.networks import mlp
from entropy_rl.stepwise import Observation


def encoder(space: spaces.Space[Any]) -> tuple[int, Callable[[Observation], Tensor]]:
    """How a network reads observations: the length of a row, and the rows ``(N, length)``, float32.

    A Box is flattened, a Discrete becomes one-hot; a Dict is read without its mask.

    Raises:
        ValueError: a space of another kind.
    """
    part = space.spaces.get("observation") if isinstance(space, spaces.Dict) else space
    if isinstance(part, spaces.Box):
        return int(part.low.size), lambda obs: flat_observation(obs).flatten(1).float()
    if isinstance(part, spaces.Discrete):
        size, start = int(part.n), int(part.start)
        return size, lambda obs: one_hot(flat_observation(obs) - start, size).float()
    raise _validate.fail("observation_space", "Box or Discrete, for baseline='value'", space)


class ValueBaseline:
    """b(s) = v(s), a network with one hidden layer that learns the returns.

    Args:
        space: of one observation: Box or Discrete, or a Dict of it and a mask.
        config: its width, loss and learning rate.
        device: where it lives.

    Raises:
        ValueError: a space of another kind.
    """

    def __init__(
        self, space: spaces.Space[Any], config: OnPolicyConfig, device: torch.device
    ) -> None:
        size, self.encode = encoder(space)
        self.network: nn.Module = mlp([size, config.baseline_hidden, 1]).to(device)
        self.loss = config.baseline_loss
        # Fused where it matters: at this size an update is mostly the overhead of its calls.
        self.optimiser = torch.optim.Adam(
            self.network.parameters(), config.baseline_learning_rate, fused=True
        )

    def evaluate(self, obs: Observation) -> Tensor:
        """v(s), ``(N,)``, detached."""
        with torch.no_grad():
            return self.network(self.encode(obs)).squeeze(-1)

    def learn(self, obs: Observation, returns: Tensor) -> Tensor:
        """One step towards the returns; the loss before it."""
        value = self.network(self.encode(obs)).squeeze(-1)
        loss = baseline_loss(value, returns, self.loss)  # type: ignore[arg-type]
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        return loss.detach()

    def state_dict(self) -> dict[str, Any]:
        """Network and optimiser, copied."""
        network, optimiser = self.network.state_dict(), self.optimiser.state_dict()
        return copied({"network": network, "optimiser": optimiser})

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """What :meth:`state_dict` returned."""
        self.network.load_state_dict(state["network"])
        # An optimiser keeps the tensors that it is given, and changes them in place.
        self.optimiser.load_state_dict(copied(state["optimiser"]))


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
