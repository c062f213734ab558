"""One pure function a claim: ``() -> Check | Refutation``; importing this registers them all."""

from entropy_rl.checks import (  # noqa: F401
    baseline,
    beam,
    extremes,
    gaussian,
    gradients,
    kl,
    mdp,
    mode,
    values,
    variance,
)
from entropy_rl.checks._base import CHECKS, Check, Control, Refutation, Result, checks, run
from entropy_rl.checks._report import Verdict, report, table, verify_all

__all__ = [
    "CHECKS",
    "Check",
    "Control",
    "Refutation",
    "Result",
    "Verdict",
    "checks",
    "report",
    "run",
    "table",
    "verify_all",
]
