"""The named choices of an on-policy algorithm, and the algorithms that are rows of them.

An algorithm is advantage × surrogate × entropy, and an update rule. A new one is a new row of
:data:`ALGORITHMS`; a new choice is a function and its name in one of the tables.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from entropy_rl import _validate
from entropy_rl.algorithms.context import Context, Minibatch, Targets
from entropy_rl.algorithms.entropy import (
    ENTROPIES,
    ENTROPY_BASELINES,
    EntropyBaseline,
    EntropyUse,
)
from entropy_rl.algorithms.updates import UPDATES, UpdateRule
from entropy_rl.losses import policy_gradient_loss
from entropy_rl.returns import discounted_returns


def return_less_baseline(context: Context) -> Targets:
    """A = G - b with Gₜ = Σₖ γᵏ rₜ₊ₖ to the end or the cut (zhang2018, §2 and equation 1)."""
    returns = discounted_returns(context.r_t, context.rollout.discount_t)
    return Targets(returns - context.own_tm1 - context.values.v_tm1, returns)


def score_function(minibatch: Minibatch) -> Tensor:
    """-mean(w A log π(a | s)), w = π/μ if the actions are stale, else 1 (zhang2018, eq. 1)."""
    log_weights = minibatch.log_weights
    weights = None if log_weights is None else log_weights[..., -1].exp()
    return policy_gradient_loss(minibatch.chain.log_prob, minibatch.advantage, weights)


Advantage = Callable[[Context], Targets]
Surrogate = Callable[[Minibatch], Tensor]

ADVANTAGES: dict[str, Advantage] = {"return": return_less_baseline}
SURROGATES: dict[str, Surrogate] = {"score_function": score_function}


@dataclass(frozen=True)
class Option:
    """A hyper-parameter of a row, a number.

    Args:
        default: its value unless the configuration gives another.
        low: the least that is taken.
        high: the most that is taken.
        above_low: whether ``low`` itself is refused.

    Raises:
        ValueError: a default out of range.
    """

    default: float
    low: float = 0.0
    high: float = float("inf")
    above_low: bool = False

    def __post_init__(self) -> None:
        self.check("default", self.default)

    def check(self, name: str, value: float) -> None:
        """``ValueError`` unless ``value`` is a finite number in the range."""
        _validate.between(name, value, self.low, self.high)
        if self.above_low:
            _validate.above(name, value, self.low)


@dataclass(frozen=True)
class Algorithm:
    """A row: four names, and the hyper-parameters that are its own.

    Args:
        advantage: of :data:`ADVANTAGES`: what the return is compared with.
        surrogate: of :data:`SURROGATES`: what is differentiated.
        entropy: of :data:`ENTROPIES`: where the entropy enters.
        options: hyper-parameters that the choices read (λ, a clip, …), with default and range.
        update: of :data:`UPDATES`: how the loss moves the policy.

    Raises:
        ValueError: an unknown name (the nearest is suggested), or an option without a range.
    """

    advantage: str
    surrogate: str
    entropy: str
    options: Mapping[str, Option] = field(default_factory=dict)
    update: str = "gradient_step"

    def __post_init__(self) -> None:
        _validate.choice("advantage", self.advantage, ADVANTAGES)
        _validate.choice("surrogate", self.surrogate, SURROGATES)
        _validate.choice("entropy", self.entropy, ENTROPIES)
        _validate.choice("update", self.update, UPDATES)
        for name, option in self.options.items():
            if not isinstance(option, Option):
                raise _validate.fail("options", f"an Option for {name!r}", repr(option))


ALGORITHMS: dict[str, Algorithm] = {
    "reinforce": Algorithm("return", "score_function", "bonus"),
}


def _register(table: dict[str, Any], name: str, entry: Any) -> None:
    if name in table:
        raise _validate.fail("name", "a new name", repr(name))
    table[name] = entry


def register_advantage(name: str, choice: Advantage) -> None:
    """Add a way to an advantage, ``context -> Targets``; ``ValueError`` if the name is taken."""
    _register(ADVANTAGES, name, choice)


def register_surrogate(name: str, choice: Surrogate) -> None:
    """Add a loss, ``minibatch -> ()``; ``ValueError`` if the name is taken."""
    _register(SURROGATES, name, choice)


def register_entropy(name: str, choice: EntropyUse) -> None:
    """Add a place where the entropy enters; ``ValueError`` if the name is taken."""
    _register(ENTROPIES, name, choice)


def register_entropy_baseline(name: str, choice: EntropyBaseline) -> None:
    """Add a control variate of an estimator; ``ValueError`` if the name is taken."""
    _register(ENTROPY_BASELINES, name, choice)


def register_update(name: str, choice: UpdateRule) -> None:
    """Add an update rule; ``ValueError`` if the name is taken."""
    _register(UPDATES, name, choice)


def register_algorithm(name: str, row: Algorithm) -> None:
    """Add a row; ``ValueError`` if the name is taken."""
    _register(ALGORITHMS, name, row)
