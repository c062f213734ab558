"""One pure function a claim: ``() -> Check | Refutation``; importing this registers them all."""

from entropy_rl.checks import baseline, extremes, gaussian, gradients, values  # noqa: F401
from entropy_rl.checks._base import CHECKS, Check, Control, Refutation, Result, checks, run

__all__ = ["CHECKS", "Check", "Control", "Refutation", "Result", "checks", "run"]
