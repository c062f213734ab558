"""What the choices are given: a batch of episodes, and a minibatch of its rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import torch
from torch import Tensor

from entropy_rl.algorithms.rollout import Rollout
from entropy_rl.conditionals import select_rows
from entropy_rl.estimators import Estimate

Options = Mapping[str, float]


class Values(NamedTuple):
    """What the baseline says, on the grid ``(T, B)``.

    Attributes:
        v_tm1: b(s_t).
        v_t: b(s_{t+1}); 0 after a termination is the discount's business, not the baseline's.
    """

    v_tm1: Tensor
    v_t: Tensor


class Targets(NamedTuple):
    """What an advantage choice returns, on the grid ``(T, B)``.

    Attributes:
        advantage: A, what the surrogate is given.
        value: what the baseline learns.
    """

    advantage: Tensor
    value: Tensor


@dataclass(frozen=True)
class Context:
    """A batch of episodes before it is learnt from; everything is detached.

    Attributes:
        rollout: what was played.
        chain: of the present policy along the stored actions, ``(N, …)``, without features.
        old_chain: of the policy that drew them, ``(N, …)``, without features.
        log_weights: prefix ratios of the two ``(N, d)``, or None if they are the same policy.
        values: what the baseline says.
        r_t: rewards ``(T, B)`` that the advantage is computed from: those that were paid, and the
            entropy where the row has it in the return.
        entropy_tm1: Ĥ(s_t) of the present policy ``(T, B)``, nats; 0 unless it is in the return.
        own_tm1: ``(T, B)``, the part of ``r_t`` that an advantage must leave out at its own step,
            weighted as it weighs ``r_t``: β Ĥ(s_t) where the row takes it apart, β (Ĥ(s_t) +
            log π(a_t | s_t)) where it has the surprise in its place, else 0.
        beta: β, reward per nat.
        options: the row's own hyper-parameters.
    """

    rollout: Rollout
    chain: Any
    old_chain: Any
    log_weights: Tensor | None
    values: Values
    r_t: Tensor
    entropy_tm1: Tensor
    own_tm1: Tensor
    beta: float
    options: Options

    @cached_property
    def old_log_probs(self) -> Tensor:
        """log μ(aᵢ | a_<i) of the policy that drew them, ``(N, d)``."""
        log_probs: Tensor = self.old_chain.component_log_probs
        return log_probs

    @property
    def log_rho_tm1(self) -> Tensor:
        """log π(a_t | s_t) - log μ(a_t | s_t) on the grid ``(T, B)``; 0 if μ is π."""
        if self.log_weights is None:
            return torch.zeros_like(self.r_t)
        return self.rollout.grid(self.log_weights[..., -1].to(self.r_t.dtype))


@dataclass(frozen=True)
class Minibatch:
    """Some rows of a batch, as the policy is now: M rows.

    Attributes:
        context: the batch that they are rows of.
        rows: their numbers, ``(M,)``.
        chain: of the present policy along the stored actions, with its graph.
        old_log_probs: log μ(aᵢ | a_<i) of the policy that drew them, ``(M, d)``, detached.
        log_weights: prefix ratios of the two ``(M, d)``, or None if they are the same policy.
        advantage: ``(M,)``, detached.
        estimate: of the present policy's entropy, with its graph.
    """

    context: Context
    rows: Tensor
    chain: Any
    old_log_probs: Tensor
    log_weights: Tensor | None
    advantage: Tensor
    estimate: Estimate

    @property
    def old_chain(self) -> Any:
        """Of the policy that drew them, detached, without features."""
        return select_rows(self.context.old_chain, self.rows)

    @property
    def old_log_prob(self) -> Tensor:
        """log μ(a | s) of the policy that drew them, ``(M,)``, detached."""
        return self.old_log_probs.sum(-1)

    @property
    def beta(self) -> float:
        """β, reward per nat."""
        return self.context.beta

    @property
    def options(self) -> Options:
        """The row's own hyper-parameters."""
        return self.context.options
