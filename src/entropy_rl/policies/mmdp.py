"""The modified MDP: a feed-forward network that sees the state and the components so far."""

from __future__ import annotations

from typing import Any

import torch
from gymnasium import spaces
from torch import Tensor, nn

from entropy_rl import _validate, stepwise
from entropy_rl.conditionals import Conditionals
from entropy_rl.networks import Linear, mlp
from entropy_rl.policies._base import CategoricalPolicy, component_legality, masked_log_softmax
from entropy_rl.policies._spaces import observation_size
from entropy_rl.stepwise import Observation, State


class MMDPPolicy(CategoricalPolicy):
    """p(aᵢ | s, a_<i) from a feed-forward network fed [s, one-hot a₁, …, aᵢ₋₁, 0, …, 0].

    Components not drawn yet are zeros. The first layer is a projection of s plus a look-up for each
    drawn component, so a new component adds one row instead of a matrix product.

    Args:
        observation_space: see :class:`~entropy_rl.policies._base.CategoricalPolicy`.
        action_space: see there.
        hidden_size: width of every hidden layer.
        layers: number of hidden layers (the paper's best has 5 for the smoothed entropy).

    Raises:
        ValueError: a size below 1, or what the base class refuses.

    Source: zhang2018, §3.2 and Figure 1(b).
    """

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        hidden_size: int = 128,
        layers: int = 3,
    ) -> None:
        super().__init__(observation_space, action_space)
        _validate.positive_integer("hidden_size", hidden_size)
        _validate.positive_integer("layers", layers)
        size = observation_size(observation_space)
        self.from_observation = Linear(size, hidden_size)
        self.from_previous = nn.Embedding(max(self.d - 1, 1) * self.K, hidden_size)
        bound = (size + (self.d - 1) * self.K) ** -0.5
        for parameter in (*self.from_observation.parameters(), self.from_previous.weight):
            nn.init.uniform_(parameter, -bound, bound)
        self.rest = nn.Sequential(
            nn.ReLU(),
            *(mlp([hidden_size] * layers, activate_last=True) if layers > 1 else ()),
        )
        self.head = Linear(hidden_size, self.K)

    def _begin(self, x: Tensor, mask: Tensor | None) -> State:
        """state = (first layer's sum so far, mask, i)."""
        return self.from_observation(x), mask, 0

    def step(self, state: State, previous: Tensor | None) -> tuple[Tensor, Tensor | None, State]:
        """Add the row of the component just drawn, then the rest of the network."""
        first, mask, i = state
        if previous is not None:
            first = first + self.from_previous(previous + (i - 1) * self.K)
        features = self.rest(first)
        log_probs = masked_log_softmax(self.head(features), component_legality(mask, i))
        return log_probs, features, (first, mask, i + 1)

    def conditionals(self, obs: Observation, actions: Tensor) -> Conditionals:
        """All d conditionals in one pass: the inputs are known when the actions are.

        Raises:
            ValueError: actions of another shape or dtype, out of range, or masked.
        """
        rows = stepwise.check_actions(self, self.batch_shape(obs), actions)
        return stepwise.check_legal(self._at_once(obs, self.start(obs), rows))

    def _conditionals(self, obs: Observation, actions: Tensor) -> Conditionals:
        rows = actions.reshape(-1, self.d)
        return self._at_once(obs, self._begin(*self._rows(obs)), rows)

    def _at_once(self, obs: Observation, state: State, rows: Tensor) -> Conditionals:
        """What :func:`entropy_rl.stepwise.follow` gives, without its loop."""
        first, mask, _ = state
        offsets = torch.arange(self.d - 1, device=rows.device) * self.K
        drawn = self.from_previous(rows[:, :-1] + offsets)
        layers = torch.cat([first.unsqueeze(1), drawn], 1).cumsum(1)
        features = self.rest(layers)
        log_probs = masked_log_softmax(self.head(features), mask)
        batch = self.batch_shape(obs)
        return Conditionals(
            stepwise.unflatten(log_probs, batch),
            stepwise.unflatten(rows, batch),
            stepwise.unflatten(features, batch),
            validate_args=False,
        )
