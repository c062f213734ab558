"""One pure function a claim: ``() -> Check | Refutation``."""

from entropy_rl.checks._base import CHECKS, Check, Control, Refutation, Result, checks, run

__all__ = ["CHECKS", "Check", "Control", "Refutation", "Result", "checks", "run"]
