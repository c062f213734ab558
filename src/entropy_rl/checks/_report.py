"""Running the checks and printing what came out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from entropy_rl._threads import one_thread
from entropy_rl.checks._base import CHECKS, Refutation, Result, run


@dataclass(frozen=True)
class Verdict:
    """The outcome of one check.

    Attributes:
        claim: its key.
        result: what the check returned.
        seconds: CPU time of the check.
    """

    claim: str
    result: Result
    seconds: float

    @property
    def holds(self) -> bool:
        """Whether the claim (or its refutation) was confirmed and every control detected."""
        return self.result.holds


def verify_all(claims: Sequence[str] | None = None) -> list[Verdict]:
    """Run the checks of the given claims, in that order; all of them, by name, if None.

    They run one after the other on one thread, which is given back afterwards.

    Raises:
        ValueError: no such claim (the nearest name is suggested).
    """
    verdicts = []
    with one_thread():
        for claim in sorted(CHECKS) if claims is None else claims:
            started = time.process_time()
            result = run(claim)
            verdicts.append(Verdict(claim, result, time.process_time() - started))
    return verdicts


_COLUMNS = ("claim", "kind", "residual", "tolerance", "controls", "holds", "ms")


def table(verdicts: Sequence[Verdict]) -> str:
    """The verdicts as lines of text, one a claim, and a last line that counts them.

    A check shows its residual, its tolerance and its weakest control (the smallest ratio of
    residual to threshold); a refutation shows how far what is printed and what was found are
    apart, and the least that counts.
    """
    rows = [_COLUMNS, *map(_row, verdicts)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    seconds = sum(v.seconds for v in verdicts)
    held = sum(v.holds for v in verdicts)
    return "\n".join([*lines, f"{held} of {len(verdicts)} hold ({seconds:.1f} s)"])


def _row(verdict: Verdict) -> tuple[str, ...]:
    result = verdict.result
    if isinstance(result, Refutation):
        kind, bound, controls = "refuted", f">{result.least:.0e}", "-"
        residual = abs(result.printed - result.found)
    else:
        kind = "exact" if result.standard_error is None else "sampled"
        residual, bound = result.residual, f"{result.tolerance:.0e}"
        weakest = min(result.controls, key=lambda c: c.residual / c.least)
        detected = sum(c.detected for c in result.controls)
        controls = f"{detected}/{len(result.controls)}, {weakest.residual:.2g} > {weakest.least:g}"
    return (
        verdict.claim,
        kind,
        f"{residual:.1e}",
        bound,
        controls,
        "yes" if verdict.holds else "NO",
        f"{1000 * verdict.seconds:.0f}",
    )


def report(claims: Sequence[str] | None = None) -> bool:
    """Run the checks, print their table, and say whether all of them hold.

    Args:
        claims: keys of :data:`CHECKS`; all of them if None.

    Returns:
        True if every check holds.

    Raises:
        ValueError: no such claim (the nearest name is suggested).
    """
    verdicts = verify_all(claims)
    print(table(verdicts))
    return all(v.holds for v in verdicts)
