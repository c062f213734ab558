"""Two soft Q functions that are trained as one, and the slow copies that they bootstrap from."""

from __future__ import annotations

import copy
from typing import Any

import torch
from gymnasium import spaces
from torch import Tensor

from entropy_rl import _validate
from entropy_rl.algorithms.regression import Regression, encoder
from entropy_rl.algorithms.snapshot import copied
from entropy_rl.networks import mlp, stack


class TwinCritic(Regression):
    """Q₁ and Q₂ (s, a), networks of one shape, each with a target that follows it.

    Of the two the smaller is believed: the maximum over what is noisy is too high (Fujimoto et al.
    2018).

    Args:
        observation_space: a Box or Discrete.
        action_size: numbers of an action.
        hidden_size: width of a network.
        layers: number of its hidden layers.
        optimiser: "adam", "rmsprop" or "sgd".
        learning_rate: > 0.
        polyak: τ in (0, 1].
        device: where they live.

    Raises:
        ValueError: another kind of space, an unknown optimiser, τ out of range.
    """

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_size: int,
        hidden_size: int,
        layers: int,
        optimiser: str,
        learning_rate: float,
        polyak: float,
        device: torch.device,
    ) -> None:
        size, self.encode = encoder(observation_space, "a soft critic")
        shape = [size + action_size] + [hidden_size] * layers + [1]
        super().__init__(stack([mlp(shape) for _ in range(2)]).to(device), optimiser, learning_rate)
        self.slow = copy.deepcopy(self.network).requires_grad_(False)
        _validate.between("polyak", polyak, 0.0, 1.0)
        _validate.above("polyak", polyak, 0.0)
        self.polyak = polyak
        self._slow: list[Tensor] = list(self.slow.parameters())
        self._fast: list[Tensor] = list(self.network.parameters())

    def both(self, obs: Tensor, actions: Tensor) -> Tensor:
        """Q₁ and Q₂ ``(2, M)``, with their gradients."""
        return self._values(self.network, obs, actions)

    def smaller(self, obs: Tensor, actions: Tensor) -> Tensor:
        """min(Q₁, Q₂) ``(M,)``, with its gradient."""
        return self.both(obs, actions).amin(0)

    def slow_smaller(self, obs: Tensor, actions: Tensor) -> Tensor:
        """That of the targets ``(M,)``."""
        return self._values(self.slow, obs, actions).amin(0)

    def follow(self) -> None:
        """The targets take a step towards the networks: Q̄ ← Q̄ + τ (Q - Q̄)."""
        with torch.no_grad():
            torch._foreach_lerp_(self._slow, self._fast, self.polyak)

    def state_dict(self) -> dict[str, Any]:
        """Networks, targets and optimiser, copied."""
        return {**super().state_dict(), "slow": copied(self.slow.state_dict())}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """What :meth:`state_dict` returned."""
        super().load_state_dict(state)
        self.slow.load_state_dict(state["slow"])

    def _values(self, network: torch.nn.Module, obs: Tensor, actions: Tensor) -> Tensor:
        # Numbers of categories would be read as quantities, without a sign of it.
        _validate.floating("actions", actions)
        rows = torch.cat([self.encode(obs), actions.flatten(1)], 1)
        # A stacked network takes the rows of the first replica, then those of the second.
        return network(torch.cat([rows, rows])).view(2, len(rows))
