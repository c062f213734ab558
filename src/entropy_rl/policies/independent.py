"""Independent sampling: one torso, d softmax heads that do not see each other's draws."""

from __future__ import annotations

from typing import Any

from gymnasium import spaces
from torch import Tensor

from entropy_rl import _validate
from entropy_rl.networks import Linear, mlp
from entropy_rl.policies._base import CategoricalPolicy, masked_log_softmax
from entropy_rl.policies._spaces import observation_size
from entropy_rl.stepwise import State


class IndependentPolicy(CategoricalPolicy):
    """p(a | s) = Πᵢ p(aᵢ | s): a shared torso and d heads.

    Given s the components are independent, so the smoothed entropy *is* the exact entropy.

    Args:
        observation_space: see :class:`~entropy_rl.policies._base.CategoricalPolicy`.
        action_space: see there.
        hidden_size: width of the torso.
        layers: number of hidden layers.

    Raises:
        ValueError: a size below 1, or what the base class refuses.

    Source: zhang2018, §5 ("IS"); farl2020, §3.
    """

    stackable = True

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        hidden_size: int = 128,
        layers: int = 1,
    ) -> None:
        super().__init__(observation_space, action_space)
        _validate.positive_integer("hidden_size", hidden_size)
        _validate.positive_integer("layers", layers)
        size = observation_size(observation_space)
        self.torso = mlp([size] + [hidden_size] * layers, activate_last=True)
        self.heads = Linear(hidden_size, self.d * self.K)

    def _begin(self, x: Tensor, mask: Tensor | None) -> State:
        """All heads at once: state = (torso output, each head's log-probabilities, i)."""
        torso = self.torso(x)
        logits = self.heads(torso).unflatten(-1, (self.d, self.K))
        return torso, masked_log_softmax(logits, mask).unbind(1), 0

    def step(self, state: State, previous: Tensor | None) -> tuple[Tensor, Tensor | None, State]:
        """Head i, whatever was drawn before."""
        torso, heads, i = state
        return heads[i], torso, (torso, heads, i + 1)
