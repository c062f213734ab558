"""The three named choices of an on-policy algorithm, and the algorithms that are rows of them.

An algorithm is advantage × surrogate × entropy. A new one is a new row of :data:`ALGORITHMS`; a new
choice is a function and its name in one of the three tables.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from torch import Tensor

from entropy_rl import _validate
from entropy_rl.algorithms.rollout import Rollout
from entropy_rl.conditionals import Chain
from entropy_rl.estimators import Estimate
from entropy_rl.losses import entropy_loss, policy_gradient_loss
from entropy_rl.returns import discounted_returns

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


class Minibatch(NamedTuple):
    """What a surrogate is given: M rows.

    Attributes:
        chain: of the current policy along the stored actions, with its graph.
        old_chain: of the policy that drew them, detached.
        log_weights: prefix ratios of the two ``(M, d)``, or None if they are the same policy.
        advantage: ``(M,)``, detached.
        options: the row's own hyper-parameters.
    """

    chain: Chain
    old_chain: Chain
    log_weights: Tensor | None
    advantage: Tensor
    options: Options


def return_less_baseline(
    rollout: Rollout, r_t: Tensor, values: Values, options: Options
) -> Targets:
    """A = G - b with Gₜ = Σₖ γᵏ rₜ₊ₖ to the end or the cut (zhang2018, §2 and equation 1)."""
    returns = discounted_returns(r_t, rollout.discount_t)
    return Targets(returns - values.v_tm1, returns)


def score_function(batch: Minibatch) -> Tensor:
    """-mean(w A log π(a | s)), w = π/μ if the actions are stale, else 1 (zhang2018, eq. 1)."""
    weights = None if batch.log_weights is None else batch.log_weights[..., -1].exp()
    return policy_gradient_loss(batch.chain.log_prob, batch.advantage, weights)


def rewards_as_they_are(rollout: Rollout, entropy_tm1: Tensor, beta: float) -> Tensor:
    """r: no entropy in the return."""
    return rollout.r_t


def no_term(estimate: Estimate, beta: float) -> Tensor:
    """0: no entropy in the loss."""
    return estimate.surrogate.sum() * 0


def bonus(estimate: Estimate, beta: float) -> Tensor:
    """-β mean(H), the entropy's own gradient added to the update (zhang2018, equation 1)."""
    return entropy_loss(estimate.surrogate, beta)


@dataclass(frozen=True)
class EntropyUse:
    """Where the entropy enters.

    Args:
        rewards: ``(rollout, entropy (T, B), β) -> r (T, B)``: before the advantage is computed.
        term: ``(estimate, β) -> loss``: added to the surrogate.
        in_rewards: whether ``rewards`` reads the entropy, which is estimated on the rollout then.
    """

    rewards: Callable[[Rollout, Tensor, float], Tensor] = rewards_as_they_are
    term: Callable[[Estimate, float], Tensor] = no_term
    in_rewards: bool = False


Advantage = Callable[[Rollout, Tensor, Values, Options], Targets]
Surrogate = Callable[[Minibatch], Tensor]

ADVANTAGES: dict[str, Advantage] = {"return": return_less_baseline}
SURROGATES: dict[str, Surrogate] = {"score_function": score_function}
ENTROPIES: dict[str, EntropyUse] = {"none": EntropyUse(), "bonus": EntropyUse(term=bonus)}


@dataclass(frozen=True)
class Algorithm:
    """A row: three names, and the hyper-parameters that are its own.

    Args:
        advantage: of :data:`ADVANTAGES`: what the return is compared with.
        surrogate: of :data:`SURROGATES`: what is differentiated.
        entropy: of :data:`ENTROPIES`: where the entropy enters.
        options: hyper-parameters that the choices read, with their defaults (λ, a clip, …).

    Raises:
        ValueError: an unknown name (the nearest is suggested).
    """

    advantage: str
    surrogate: str
    entropy: str
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _validate.choice("advantage", self.advantage, ADVANTAGES)
        _validate.choice("surrogate", self.surrogate, SURROGATES)
        _validate.choice("entropy", self.entropy, ENTROPIES)


ALGORITHMS: dict[str, Algorithm] = {
    "reinforce": Algorithm("return", "score_function", "bonus"),
}


def register_algorithm(name: str, row: Algorithm) -> None:
    """Add a row.

    Raises:
        ValueError: the name is taken.
    """
    if name in ALGORITHMS:
        raise _validate.fail("name", "a new name", repr(name))
    ALGORITHMS[name] = row
