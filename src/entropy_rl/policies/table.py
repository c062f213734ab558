"""A policy whose every conditional is a row of a table: what exact examples are made of."""

from __future__ import annotations

from typing import Any

import torch
from gymnasium import spaces
from torch import Tensor, nn

from entropy_rl import _validate
from entropy_rl.policies._base import CategoricalPolicy, component_legality, masked_log_softmax
from entropy_rl.policies._spaces import observation_part
from entropy_rl.stepwise import Observation, State


class TablePolicy(CategoricalPolicy):
    """p(aᵢ | s, a_<i) = softmax(logitsᵢ[s, a_<i]): one row a state and prefix, nothing shared.

    It can represent every joint distribution over the components, in every state.

    Args:
        observation_space: ``Discrete(S)``: the observation is the state's number (int64), from the
            space's start on. Or a
            Dict of it and an ``"action_mask"``.
        action_space: Discrete or MultiDiscrete.
        scale: standard deviation of the initial logits, drawn from torch's global generator.

    Raises:
        ValueError: an observation space that is not Discrete, a negative scale.
    """

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        scale: float = 1.0,
    ) -> None:
        super().__init__(observation_space, action_space)
        _validate.at_least("scale", scale, 0.0)
        part, _ = observation_part(observation_space)
        if not isinstance(part, spaces.Discrete):
            raise _validate.fail("observation_space", "Discrete", part)
        self.states, self.first = int(part.n), int(part.start)
        self.logits = nn.ParameterList(
            nn.Parameter(scale * torch.randn(self.states, self.K**i, self.K)) for i in range(self.d)
        )

    @classmethod
    def from_conditionals(cls, tables: list[Tensor]) -> TablePolicy:
        """The one-state policy with given conditionals.

        Args:
            tables: for component i a tensor ``(K,) * i + (K,)`` of p(· | a_<i).

        Returns:
            A float64 policy over ``len(tables)`` components.

        Raises:
            ValueError: a table of another shape, or rows that are no distributions.
        """
        if not tables:
            raise _validate.fail("tables", "a table for every component", "none")
        first = _validate.floating("tables", tables[0])
        if first.ndim != 1 or len(first) == 0:
            raise _validate.fail("tables", "a first table of shape (K,)", _validate.describe(first))
        K = len(first)
        policy = cls(spaces.Discrete(1), spaces.MultiDiscrete([K] * len(tables))).double()
        for i, table in enumerate(tables):
            _validate.shape("tables", _validate.floating("tables", table), (K,) * (i + 1))
            # Negated, so that a NaN fails too.
            if not ((table >= 0).all() and ((table.sum(-1) - 1).abs() <= 1e-9).all()):
                raise _validate.fail("tables", "rows that are distributions", table.tolist())
            policy.logits[i].data = table.double().log().reshape(1, K**i, K)
        return policy

    def _observation_shape(self) -> tuple[int, ...]:
        return ()

    def batch_shape(self, obs: Observation) -> torch.Size:
        """The batch shape of ``obs``: all of it."""
        return self._observation(obs)[0].shape

    def start(self, obs: Observation) -> State:
        """state = (state numbers, prefix numbers, mask, i)."""
        x, mask = self._observation(obs)
        rows = _validate.integer("obs", x).reshape(-1) - self.first
        if rows.numel() and not (int(rows.min()) >= 0 and int(rows.max()) < self.states):
            states = f"states in [{self.first}, {self.first + self.states})"
            raise _validate.fail("obs", states, x.reshape(-1).tolist())
        legal = self._check_legality(self._legality(mask, len(rows)))
        return rows, torch.zeros_like(rows), legal, 0

    def step(self, state: State, previous: Tensor | None) -> tuple[Tensor, Tensor | None, State]:
        """The row of this state and prefix."""
        rows, prefix, mask, i = state
        if previous is not None:
            prefix = prefix * self.K + previous
        logits = self.logits[i][rows, prefix]
        log_probs = masked_log_softmax(logits, component_legality(mask, i))
        return log_probs, None, (rows, prefix, mask, i + 1)
