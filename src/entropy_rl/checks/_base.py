"""What a check is: a claim, how far it is from true, and what a wrong variant costs."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from entropy_rl import _validate


@dataclass(frozen=True)
class Control:
    """A negative control: the claim with one thing wrong, which must be *seen* to be wrong.

    Attributes:
        name: what was done wrong, in a few words.
        residual: how far the wrong variant is off (≥ 0).
        least: what the residual must exceed for the control to count as detected; > 0.
    """

    name: str
    residual: float
    least: float

    def __post_init__(self) -> None:
        _validate.above("least", self.least, 0)

    @property
    def detected(self) -> bool:
        """Whether the wrong variant was caught."""
        return self.residual > self.least


@dataclass(frozen=True)
class Check:
    """The verification of one claim.

    Attributes:
        claim: its key in ``data/claims.yml``, such as ``"zhang2018.thm4"``.
        residual: the largest error found (absolute, unless ``unit`` says otherwise).
        tolerance: what the residual may be.
        controls: the negative controls; at least one.
        functions: dotted names of the functions of the package that were put to the test.
        how: one sentence: what was enumerated, at what size.
        standard_error: of ``residual``, where the check draws samples; else None (exact).
    """

    claim: str
    residual: float
    tolerance: float
    controls: tuple[Control, ...]
    functions: tuple[str, ...]
    how: str
    standard_error: float | None = None

    def __post_init__(self) -> None:
        if not self.controls:
            raise _validate.fail("controls", "at least one negative control", self.controls)

    @property
    def holds(self) -> bool:
        """0 ≤ residual ≤ tolerance, which NaN is not, and every control detected."""
        return 0 <= self.residual <= self.tolerance and all(c.detected for c in self.controls)


@dataclass(frozen=True)
class Refutation:
    """A counterexample to a claim that is false as printed.

    Attributes:
        claim: its key in ``data/claims.yml``.
        witness: the counterexample in words with its numbers.
        printed: the value the claim asserts for the witness (or its bound).
        found: the value found.
        least: by how much ``printed`` and ``found`` must differ to refute.
        functions: dotted names of the functions of the package used.
        quantity: what ``printed`` and ``found`` are values of, in a few words.
    """

    claim: str
    witness: str
    printed: float
    found: float
    least: float
    functions: tuple[str, ...] = field(default=())
    quantity: str = ""

    @property
    def holds(self) -> bool:
        """Whether the counterexample does refute; an overflow refutes nothing."""
        return self.least < abs(self.printed - self.found) < math.inf


Result = Check | Refutation
CHECKS: dict[str, Callable[[], Result]] = {}


def checks(claim: str) -> Callable[[Callable[[], Result]], Callable[[], Result]]:
    """Register the decorated function as the check of ``claim``; one function a claim."""

    def register(function: Callable[[], Result]) -> Callable[[], Result]:
        if claim in CHECKS:
            raise ValueError(f"claim: {claim!r} has a check already: {CHECKS[claim].__name__}")
        CHECKS[claim] = function
        return function

    return register


def run(claim: str) -> Result:
    """Run the check of ``claim``.

    Raises:
        ValueError: no such claim (the nearest name is suggested).
    """
    return CHECKS[_validate.choice("claim", claim, CHECKS)]()
