"""One pure function a claim: ``() -> Check | Refutation``; importing this registers them all.

Every module here without a leading underscore is imported, in alphabetical order: a new topic is a
new file and nothing else.
"""

import importlib
import pkgutil

from entropy_rl.checks._base import CHECKS, Check, Control, Refutation, Result, checks, run
from entropy_rl.checks._report import Verdict, report, table, verify_all

for topic in sorted(module.name for module in pkgutil.iter_modules(__path__)):
    if not topic.startswith("_"):
        importlib.import_module(f"{__name__}.{topic}")

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
