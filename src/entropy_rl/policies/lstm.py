"""An LSTM that names the components one after the other."""

from __future__ import annotations

from typing import Any

import torch
from gymnasium import spaces
from torch import Tensor, nn

from entropy_rl import _validate, stepwise, streams
from entropy_rl.conditionals import Conditionals
from entropy_rl.networks import Linear, product
from entropy_rl.policies._base import CategoricalPolicy, component_legality, masked_log_softmax
from entropy_rl.policies._lstm_chain import lstm_chain, schedule
from entropy_rl.policies._spaces import observation_size
from entropy_rl.stepwise import Observation, State
from entropy_rl.streams import Source


class LSTMPolicy(CategoricalPolicy):
    """p(aᵢ | s, a_<i) from an LSTM cell fed [one-hot aᵢ₋₁, s] at every component.

    The input matrix is split: the part for s is applied once a state, the part for the one-hot is
    a look-up. Equal to ``torch.nn.LSTMCell`` on the concatenation, and faster.

    Args:
        observation_space: see :class:`~entropy_rl.policies._base.CategoricalPolicy`.
        action_space: see there.
        hidden_size: width of the cell (the paper's is 128; 32 for its bandit).

    Raises:
        ValueError: a size below 1, or what the base class refuses.

    Source: zhang2018, §3.1 and Figure 1(a).
    """

    stackable = True

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        hidden_size: int = 128,
    ) -> None:
        super().__init__(observation_space, action_space)
        _validate.positive_integer("hidden_size", hidden_size)
        self.hidden_size = hidden_size
        size = observation_size(observation_space)
        self.from_observation = Linear(size, 4 * hidden_size)
        self.from_previous = nn.Embedding(self.K, 4 * hidden_size)
        self.from_hidden = Linear(hidden_size, 4 * hidden_size, bias=False)
        self.head = Linear(hidden_size, self.K)
        bound = hidden_size**-0.5
        for layer in (self.from_observation, self.from_previous, self.from_hidden):
            for parameter in layer.parameters():
                nn.init.uniform_(parameter, -bound, bound)

    def start(self, obs: Observation) -> State:
        """state = (projected observation, all that the gates read but aᵢ₋₁, c, mask, i)."""
        x, mask = self._read(obs)
        projected = self.from_observation(x)
        return projected, projected, None, mask, 0

    def step(self, state: State, previous: Tensor | None) -> tuple[Tensor, Tensor | None, State]:
        """One step of the cell, then the head.

        The product with h is made at the end of a step, not at the beginning of the next: in the
        tree of prefixes K children share it.
        """
        projected, gates, c, mask, i = state
        if previous is not None:
            gates = gates + self.from_previous(previous)
        # Gates in the order input, forget, output, candidate.
        others, candidate = gates.split([3 * self.hidden_size, self.hidden_size], 1)
        keep_in, keep_old, keep_out = others.sigmoid().chunk(3, 1)
        candidate = _tanh(candidate)
        c = keep_in * candidate if c is None else torch.addcmul(keep_old * c, keep_in, candidate)
        h = keep_out * _tanh(c)
        log_probs = masked_log_softmax(self.head(h), component_legality(mask, i))
        gates = None
        if i < self.d - 1:
            gates = product(torch.addmm, projected, h, self.from_hidden.weight.t())
        if i == self.d - 2:
            projected = None
        return log_probs, h, (projected, gates, c, mask, i + 1)

    def sample(self, obs: Observation, generator: Source | None = None) -> Conditionals:
        """As in the base class, in one autograd node (no second derivative).

        Args:
            obs: ``(*batch, …)``, or a dict with an action mask.
            generator: the source of randomness, on the policy's device.
        """
        x, mask = self._read(obs)
        # Gumbel noise, -log(-log U), in a quarter of the time of torch's exponential_. A U of 0
        # would make a legal action as impossible as an illegal one.
        noise = streams.uniform(
            (self.d, len(x), self.K), generator, rows=1, dtype=_wide(x.dtype), device=x.device
        )
        gumbel = noise.clamp_min_(torch.finfo(noise.dtype).tiny).log_().neg_().log_().neg_()
        if mask is not None:
            gumbel.masked_fill_(~mask.transpose(0, 1), -torch.inf)
        return stepwise.numbers(self._chain(obs, x, mask, None, gumbel))

    def conditionals(self, obs: Observation, actions: Tensor) -> Conditionals:
        """As in the base class, in one autograd node (no second derivative).

        Raises:
            ValueError: actions of another shape or dtype, out of range, or masked.
        """
        rows = stepwise.check_actions(self, self.batch_shape(obs), actions)
        x, mask = self._read(obs)
        return stepwise.check_legal(self._chain(obs, x, mask, rows.t(), None))

    def _chain(
        self,
        obs: Observation,
        x: Tensor,
        mask: Tensor | None,
        actions: Tensor | None,
        gumbel: Tensor | None,
    ) -> Conditionals:
        legal = mask if self.replicas == 1 else None  # rows of replicas stay where they are
        rounded = self.replicas == 1 and _wide(x.dtype) != x.dtype
        plan = schedule(legal, len(x), self.d, rounded)
        if actions is None:  # to be drawn, but where a row is done before: there is one
            actions = torch.zeros((self.d, len(x)), dtype=torch.int64, device=x.device)
            if mask is not None and plan.order is not None:
                torch.argmax(mask.transpose(0, 1).to(torch.uint8), -1, out=actions)
        logits, hidden, actions = lstm_chain(
            self.from_observation(plan.arrange(x)),
            self.from_hidden.weight,
            self.from_previous.weight,
            self.head.weight,
            self.head.bias,
            plan=plan,
            actions=plan.arrange(actions, 1),
            perturbation=None if gumbel is None else plan.arrange(gumbel, 1),
        )
        batch = self.batch_shape(obs)
        return Conditionals(
            stepwise.unflatten(masked_log_softmax(logits, mask), batch),
            stepwise.unflatten(actions, batch),
            stepwise.unflatten(hidden, batch),
            validate_args=False,
        )


def _tanh(x: Tensor) -> Tensor:
    """tanh x = 2σ(2x) - 1, which takes a quarter of the time of torch's ``tanh``."""
    return 2 * (2 * x).sigmoid() - 1


def _wide(dtype: torch.dtype) -> torch.dtype:
    """The dtype of log-probabilities: float32 for half precisions."""
    return torch.float32 if dtype in (torch.bfloat16, torch.float16) else dtype
