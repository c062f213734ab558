"""What chapters and the build of the book need: execute, verify, explore, show, ledger."""

from __future__ import annotations

import importlib
from typing import Any

_HOMES = {
    "CheckFailed": "verification",
    "animate": "widgets",
    "claims": "",
    "explore": "widgets",
    "ledger": "claims",
    "refute": "verification",
    "show": "figures",
    "use_style": "figures",
    "verify": "verification",
}
__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for: the build needs no matplotlib."""
    if name not in _HOMES:
        raise AttributeError(f"module 'bookkit' has no attribute {name!r}")
    home = _HOMES[name]
    module = importlib.import_module(f"bookkit.{home or name}")
    return getattr(module, name) if home else module
