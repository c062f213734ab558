"""Baselines: what a return is compared with."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from gymnasium import spaces
from torch import Tensor, nn

from entropy_rl import _validate
from entropy_rl.algorithms.config import OnPolicyConfig
from entropy_rl.algorithms.precision import WorkingCopy
from entropy_rl.algorithms.regression import Regression, encoder
from entropy_rl.algorithms.rollout import flat_observation
from entropy_rl.algorithms.snapshot import copied
from entropy_rl.conditionals import Chain
from entropy_rl.envs import Core
from entropy_rl.losses import baseline_loss
from entropy_rl.networks import ConvolutionalTorso, by_replica, mlp, picture_shape, stack
from entropy_rl.stepwise import Observation, check_steps


class ValueBaseline(Regression):
    """b(s) = v(s), a network with one hidden layer that learns the returns.

    Of pictures the hidden layer is a :class:`~entropy_rl.networks.ConvolutionalTorso` of its own.

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
        network, hidden = mlp([size, config.baseline_hidden, 1]), config.baseline_hidden
        part = space.spaces["observation"] if isinstance(space, spaces.Dict) else space
        pictures = picture_shape(part)
        if pictures is not None:
            self.encode = flat_observation
            network = nn.Sequential(ConvolutionalTorso(*pictures, hidden), nn.Linear(hidden, 1))
        rate = config.baseline_learning_rate
        super().__init__(network.to(device), config.baseline_optimiser, rate)
        self.loss = config.baseline_loss

    def evaluate(self, obs: Observation) -> Tensor:
        """v(s), ``(N,)``, detached."""
        with torch.no_grad():
            return self.network(self.encode(obs)).squeeze(-1)

    def learn(self, obs: Observation, returns: Tensor) -> Tensor:
        """One step towards the returns; the loss before it."""
        value = self.network(self.encode(obs)).squeeze(-1)
        return self.descend(baseline_loss(value, returns, self.loss))


class ValueBaselines(Regression):
    """A :class:`ValueBaseline` for each of R replicas, learnt as one.

    Args:
        parts: R ≥ 1, of one space and configuration; copied.
        config: as theirs.
    """

    def __init__(self, parts: Sequence[ValueBaseline], config: OnPolicyConfig) -> None:
        network = stack([part.network for part in parts])
        super().__init__(network, config.baseline_optimiser, config.baseline_learning_rate)
        self.encode, self.loss, self.replicas = parts[0].encode, parts[0].loss, len(parts)

    def evaluate(self, obs: Observation) -> Tensor:
        """v(s), ``(N,)``, of each replica at its rows, detached."""
        with torch.no_grad():
            return self.network(self.encode(obs)).squeeze(-1)

    def learn(self, obs: Observation, returns: Tensor) -> Tensor:
        """One step of each towards its returns; the losses before it, ``(R,)``."""
        value = self.network(self.encode(obs)).squeeze(-1)
        losses = by_replica(baseline_loss(value, returns, self.loss, "none"), self.replicas).mean(1)
        self.descend(losses.sum())
        return losses.detach()


class RunningBaseline:
    """b = the mean of the last ``memory`` returns from an episode's start (zhang2018, App. A).

    Args:
        memory: how many returns are remembered.
    """

    def __init__(self, memory: int = 100) -> None:
        self.returns: deque[float] = deque(maxlen=memory)
        self.mean = 0.0

    def remember(self, returns: Iterable[float]) -> None:
        """Add ``returns``; ``mean`` is that of what is remembered, 0 at first."""
        self.returns.extend(returns)
        if self.returns:
            self.mean = sum(self.returns) / len(self.returns)

    def evaluate(self, obs: Observation) -> Tensor:
        """The mean of what is remembered, the same in every state."""
        rows = flat_observation(obs)
        return torch.full((len(rows),), self.mean, device=rows.device)

    def learn(self, obs: Observation, returns: Tensor) -> Tensor:
        """Remember; the mean squared error before it."""
        error = (returns - self.evaluate(obs)).square().mean()
        self.remember(returns.tolist())
        return error

    def state_dict(self) -> dict[str, Any]:
        """The remembered returns."""
        return {"returns": list(self.returns)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """What :meth:`state_dict` returned."""
        self.returns.clear()
        self.mean = 0.0
        self.remember(state["returns"])


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


class SharedBaseline:
    """b(s) = v(s), a linear head on the policy's own features, learnt in the policy's updates.

    The features are those of the first component, which know s alone. The head's loss, weighted, is
    a term of the policy's: its gradient teaches the features too, and no second torso is passed
    through. (With two torsos of convolutions an update takes twice as long.)

    Args:
        env: whose observations show how many features there are.
        working: the policy; the head itself is in float32.
        config: the loss and its weight.

    Raises:
        ValueError: a policy without steps or without features.
    """

    def __init__(self, env: Core[Any], working: WorkingCopy, config: OnPolicyConfig) -> None:
        self.working, self.loss, self.weight = working, config.baseline_loss, config.value_weight
        device = next(working.master.parameters()).device
        start = env.reset(1, generator=torch.Generator(device).manual_seed(0), device=device)
        size = self._features(env.observe(start)).shape[-1]
        self.head = nn.Linear(size, 1)
        nn.init.orthogonal_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        self.head.to(device)
        self.last = torch.zeros((), device=device)

    def evaluate(self, obs: Observation) -> Tensor:
        """v(s), ``(N,)``, detached."""
        with torch.no_grad():
            return self._value(self._features(obs))

    def term(self, chain: Chain, returns: Tensor) -> Tensor:
        """The weighted loss of some rows, with its graph; unweighted it is ``last``.

        Args:
            chain: of the policy, ``(M, …)``, with its features and their graph.
            returns: ``(M,)``.
        """
        features = chain.features
        assert features is not None  # so the constructor has seen
        loss = baseline_loss(self._value(features[:, 0]), returns, self.loss)
        self.last = loss.detach()
        return self.weight * loss

    def state_dict(self) -> dict[str, Any]:
        """The head, copied; what moves it is the policy's optimiser."""
        return copied(self.head.state_dict())

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """What :meth:`state_dict` returned."""
        self.head.load_state_dict(state)

    def _value(self, features: Tensor) -> Tensor:
        return self.head(features.to(self.head.weight.dtype)).squeeze(-1)

    def _features(self, obs: Observation) -> Tensor:
        module = self.working.module
        check_steps(module)
        with torch.no_grad():
            _, features, _ = module.step(module.start(obs), None)
        if features is None:
            expected = "one whose steps have features, for baseline='shared'"
            raise _validate.fail("policy", expected, type(module).__name__)
        return features


Baseline = ValueBaseline | RunningBaseline | NoBaseline | SharedBaseline


def make_baseline(
    env: Core[Any], working: WorkingCopy, config: OnPolicyConfig, device: torch.device
) -> Baseline:
    """The baseline that the configuration names.

    Raises:
        ValueError: observations that a network cannot read, or a policy that has no features, if it
            names one that needs them.
    """
    if config.baseline == "value":
        return ValueBaseline(env.observation_space, config, device)
    if config.baseline == "shared":
        return SharedBaseline(env, working, config)
    return RunningBaseline() if config.baseline == "running" else NoBaseline()
