"""The three named choices of an on-policy algorithm, and the algorithms that are rows of them.

An algorithm is advantage × surrogate × entropy. A new one is a new row of :data:`ALGORITHMS`; a new
choice is a function and its name in one of the three tables.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from entropy_rl import _validate
from entropy_rl.losses import entropy_loss, policy_gradient_loss

Advantage = Callable[[Tensor, Tensor], Tensor]
Surrogate = Callable[[Tensor, Tensor, Tensor], Tensor]
EntropyTerm = Callable[[Tensor, float], Tensor]


def return_less_baseline(returns: Tensor, baseline: Tensor) -> Tensor:
    """A = G - b, the Monte Carlo return less a baseline of the state (zhang2018, equation 1)."""
    return returns - baseline


def score_function(log_prob: Tensor, old_log_prob: Tensor, advantage: Tensor) -> Tensor:
    """-mean(log π(a | s) · A): the old policy is not asked (zhang2018, equation 1)."""
    return policy_gradient_loss(log_prob, advantage)


def no_entropy(surrogate: Tensor, beta: float) -> Tensor:
    """0: no entropy in the loss."""
    return surrogate.sum() * 0


ADVANTAGES: dict[str, Advantage] = {"return": return_less_baseline}
SURROGATES: dict[str, Surrogate] = {"score_function": score_function}
ENTROPIES: dict[str, EntropyTerm] = {"none": no_entropy, "bonus": entropy_loss}


@dataclass(frozen=True)
class Algorithm:
    """A row: three names.

    Args:
        advantage: of :data:`ADVANTAGES`: what the return is compared with.
        surrogate: of :data:`SURROGATES`: what is differentiated.
        entropy: of :data:`ENTROPIES`: where the entropy enters.

    Raises:
        ValueError: an unknown name (the nearest is suggested).
    """

    advantage: str
    surrogate: str
    entropy: str

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
