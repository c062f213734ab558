"""The named choices of an on-policy algorithm, and the algorithms that are rows of them.

An algorithm is advantage × surrogate × entropy, and an update rule. A new one is a new row of
:data:`ALGORITHMS`; a new choice is a function and its name in one of the tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from entropy_rl import _validate
from entropy_rl.algorithms.advantages import ADVANTAGES, Advantage
from entropy_rl.algorithms.entropy import (
    ENTROPIES,
    ENTROPY_BASELINES,
    EntropyBaseline,
    EntropyUse,
)
from entropy_rl.algorithms.problem import UpdateRule
from entropy_rl.algorithms.surrogates import SURROGATES, Surrogate
from entropy_rl.algorithms.updates import UPDATES


@dataclass(frozen=True)
class Option:
    """A hyper-parameter of a row, a number.

    Args:
        default: its value unless the configuration gives another.
        low: the least that is taken.
        high: the most that is taken.
        above_low: whether ``low`` itself is refused.
        integer: whether it has to be a whole number.

    Raises:
        ValueError: a default out of range.
    """

    default: float
    low: float = 0.0
    high: float = float("inf")
    above_low: bool = False
    integer: bool = False

    def __post_init__(self) -> None:
        self.check("default", self.default)

    def check(self, name: str, value: float) -> None:
        """``ValueError`` unless ``value`` is a finite number in the range."""
        _validate.between(name, value, self.low, self.high)
        if self.above_low:
            _validate.above(name, value, self.low)
        if self.integer and value != int(value):
            raise _validate.fail(name, "a whole number", value)


def check_options(algorithm: str, known: Mapping[str, Option], given: object) -> None:
    """``ValueError`` unless ``given`` maps names of a row's options to numbers in their range."""
    if not isinstance(given, Mapping):
        raise _validate.fail("options", "a mapping of names to numbers", repr(given))
    if given and not known:
        raise _validate.fail("options", f"none for {algorithm!r}", dict(given))
    for name, value in given.items():
        known[_validate.choice("options", name, known)].check(name, value)


class Options(dict[str, float]):
    """A row's options by name; what a choice reads and the row lacks is refused by name."""

    def __missing__(self, name: str) -> float:
        raise _validate.fail("options", f"a row with {name!r}, which its choices read", list(self))


def completed(known: Mapping[str, Option], given: Mapping[str, float]) -> Options:
    """A row's options: those that are given, and the defaults of the others."""
    return Options({**{name: option.default for name, option in known.items()}, **given})


@dataclass(frozen=True)
class Algorithm:
    """A row: four names, and the hyper-parameters that are its own.

    Args:
        advantage: of :data:`ADVANTAGES`: what the return is compared with.
        surrogate: of :data:`SURROGATES`: what is differentiated.
        entropy: of :data:`ENTROPIES`: where the entropy enters.
        options: hyper-parameters that the choices read (λ, a clip, …), with default and range.
        update: of :data:`UPDATES`: how the loss moves the policy.
        source: where it comes from.

    Raises:
        ValueError: an unknown name (the nearest is suggested), or an option without a range.
    """

    advantage: str
    surrogate: str
    entropy: str
    options: Mapping[str, Option] = field(default_factory=dict)
    update: str = "gradient_step"
    source: str = ""

    def __post_init__(self) -> None:
        _validate.choice("advantage", self.advantage, ADVANTAGES)
        _validate.choice("surrogate", self.surrogate, SURROGATES)
        _validate.choice("entropy", self.entropy, ENTROPIES)
        _validate.choice("update", self.update, UPDATES)
        for name, option in self.options.items():
            if not isinstance(option, Option):
                raise _validate.fail("options", f"an Option for {name!r}", repr(option))


_LAMBDA = {"lambda": Option(0.95, 0.0, 1.0)}
_CLIP = {**_LAMBDA, "clip": Option(0.2, above_low=True)}
_N = {"n": Option(5, 1, integer=True)}
_V_TRACE = {
    "lambda": Option(1.0, 0.0, 1.0),
    "clip_rho": Option(1.0, above_low=True),
    "clip_c": Option(1.0, above_low=True),
}
_TRUST = {
    **_LAMBDA,
    "radius": Option(0.01, above_low=True),
    "damping": Option(0.1),
    "conjugate_steps": Option(10, 1, integer=True),
    "backtracks": Option(10, 0, integer=True),
}

ALGORITHMS: dict[str, Algorithm] = {
    "reinforce": Algorithm("return", "score_function", "bonus", source="zhang2018, eq. 1"),
    "spg": Algorithm("return", "score_function", "soft", source="liu2020, eq. 20"),
    "a2c": Algorithm("n_step", "score_function", "bonus", _N, source="Mnih et al. 2016"),
    "sa2c": Algorithm(
        "n_step", "score_function", "soft_bonus", _N, source="liu2020, eqs 19, 34 and 35"
    ),
    "ppo": Algorithm("gae", "clipped", "bonus", _CLIP, source="Schulman et al. 2017"),
    "sppo38": Algorithm("gae", "clipped", "soft_bonus", _CLIP, source="liu2020, eq. 38"),
    "sppo40": Algorithm("gae", "clipped", "soft_log", _CLIP, source="liu2020, eqs 40 and 41"),
    "trpo": Algorithm(
        "gae", "importance", "bonus", _TRUST, "trust_region", source="Schulman et al. 2015"
    ),
    "strpo": Algorithm(
        "gae", "importance", "soft_bonus", _TRUST, "trust_region", source="liu2020, §3.2"
    ),
    "impala": Algorithm(
        "v_trace", "score_of_weighted", "bonus", _V_TRACE, source="Espeholt et al. 2018"
    ),
    "simpala": Algorithm(
        "v_trace", "score_of_weighted", "soft_apart", _V_TRACE, source="liu2020, §3.2"
    ),
    # On policy the same as "simpala"; behind a lag the actions count as its own,
    # in the advantage (the bonus's estimate is weighted by prefix ratios in every row).
    "simpala_uncorrected": Algorithm(
        "gae",
        "score_of_weighted",
        "soft_apart",
        {"lambda": Option(1.0, 0.0, 1.0)},
        source="Espeholt et al. 2018, §5.2.2",
    ),
}


def register(table: dict[str, Any], name: str, entry: Any) -> None:
    """Add ``entry`` to a table of choices; ``ValueError`` if its name is taken."""
    if name in table:
        raise _validate.fail("name", "a new name", repr(name))
    table[name] = entry


def register_advantage(name: str, choice: Advantage) -> None:
    """Add a way to an advantage, ``context -> Targets``; ``ValueError`` if the name is taken."""
    register(ADVANTAGES, name, choice)


def register_surrogate(name: str, choice: Surrogate) -> None:
    """Add a loss, ``minibatch -> ()``; ``ValueError`` if the name is taken."""
    register(SURROGATES, name, choice)


def register_entropy(name: str, choice: EntropyUse) -> None:
    """Add a place where the entropy enters; ``ValueError`` if the name is taken."""
    register(ENTROPIES, name, choice)


def register_entropy_baseline(name: str, choice: EntropyBaseline) -> None:
    """Add a control variate of an estimator; ``ValueError`` if the name is taken."""
    register(ENTROPY_BASELINES, name, choice)


def register_update(name: str, choice: UpdateRule) -> None:
    """Add an update rule; ``ValueError`` if the name is taken."""
    register(UPDATES, name, choice)


# The tables of rows, of either loop: a spec tells its loop by the name.
TABLES_OF_ROWS: list[dict[str, Any]] = [ALGORITHMS]


def register_row(table: dict[str, Any], name: str, row: Any) -> None:
    """Add a row to the table of its loop; ``ValueError`` if either loop has the name."""
    for other in TABLES_OF_ROWS:
        if name in other:
            raise _validate.fail("name", "a new name", repr(name))
    register(table, name, row)


def register_algorithm(name: str, row: Algorithm) -> None:
    """Add a row; ``ValueError`` if the name is taken, by an off-policy algorithm too."""
    register_row(ALGORITHMS, name, row)
