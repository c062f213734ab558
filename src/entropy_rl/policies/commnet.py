"""CommNet: one agent a component; agents exchange the mean of their hidden vectors."""

from __future__ import annotations

from typing import Any, cast

import torch
from gymnasium import spaces
from torch import Tensor, nn
from torch.nn.functional import linear

from entropy_rl import _validate
from entropy_rl.networks import Linear, product
from entropy_rl.policies._base import CategoricalPolicy, masked_log_softmax
from entropy_rl.policies._spaces import observation_size
from entropy_rl.stepwise import State


class CommNetPolicy(CategoricalPolicy):
    """p(a | s) = Πᵢ p(aᵢ | s), agent i's head reading its own hidden vector after communication.

    h⁰ᵢ = tanh(E [idᵢ, viewᵢ(s)]), then for every round
    hᵢ ← tanh(U hᵢ + C · mean_{j≠i} hⱼ + b), weights shared by the agents, not by the rounds.

    Given s the components are independent: the smoothed entropy is exact here.

    Args:
        observation_space: see :class:`~entropy_rl.policies._base.CategoricalPolicy`.
        action_space: see there.
        hidden_size: width of an agent's hidden vector.
        rounds: number of communication steps.
        view: for each agent the indices of the flat observation that it sees, all of one length;
            None shows everything to everyone.

    Raises:
        ValueError: a size below 1, a view of another number of agents, ragged, or with an index out
            of range.

    Source: zhang2018, §5 and Appendix D, after Sukhbaatar et al. (2016).
    """

    view: Tensor

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        hidden_size: int = 128,
        rounds: int = 2,
        view: list[list[int]] | None = None,
    ) -> None:
        super().__init__(observation_space, action_space)
        _validate.positive_integer("hidden_size", hidden_size)
        _validate.positive_integer("rounds", rounds)
        size = observation_size(observation_space)
        view = [list(range(size))] * self.d if view is None else view
        lengths = [len(v) for v in view]
        if len(view) != self.d or len(set(lengths)) != 1 or lengths[0] == 0:
            raise _validate.fail("view", f"{self.d} lists of one length ≥ 1", f"lengths {lengths}")
        index = _validate.integer("view", torch.tensor(view))
        if index.min() < 0 or index.max() >= size:
            raise _validate.fail("view", f"indices in [0, {size})", index.tolist())
        self.register_buffer("view", index, persistent=False)
        self.encode = Linear(index.shape[1], hidden_size)
        self.identity = nn.Embedding(self.d, hidden_size)
        self.own = nn.ModuleList(Linear(hidden_size, hidden_size) for _ in range(rounds))
        self.others = nn.ModuleList(
            Linear(hidden_size, hidden_size, bias=False) for _ in range(rounds)
        )
        self.head = Linear(hidden_size, self.K)

    def _begin(self, x: Tensor, mask: Tensor | None) -> State:
        """All agents at once: state = (hidden vectors, log-probabilities, i), a tuple each.

        U hᵢ + C · mean_{j≠i} hⱼ = (U - C') hᵢ + C' Σⱼ hⱼ with C' = C / (d - 1): half the products.
        """
        h = torch.tanh(self.encode(x[:, self.view]) + self.identity.weight)
        weight = 1 / (self.d - 1) if self.d > 1 else 0.0  # one agent hears nobody
        for own, others in zip(self.own, self.others, strict=True):
            share = weight * cast(Tensor, others.weight)
            everyone = product(linear, h.sum(1, keepdim=True), share, cast(Tensor, own.bias))
            h = torch.tanh(product(linear, h, cast(Tensor, own.weight) - share) + everyone)
        return h.unbind(1), masked_log_softmax(self.head(h), mask).unbind(1), 0

    def step(self, state: State, previous: Tensor | None) -> tuple[Tensor, Tensor | None, State]:
        """Agent i's head, whatever was drawn before."""
        h, heads, i = state
        return heads[i], h[i], (h, heads, i + 1)
