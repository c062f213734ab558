"""Sphinx extension of the API page: leave out what only Python says, of tuples and protocols."""

from __future__ import annotations

from typing import Any

from sphinx.application import Sphinx


def skip(
    app: Sphinx, what: str, name: str, member: object, skipped: bool, options: Any
) -> bool | None:
    """Skip a field that says no more than "Alias for field number 0": its class describes it."""
    described = getattr(member, "__doc__", None) or ""
    return True if described.startswith("Alias for field number") else None


def shorten(
    app: Sphinx,
    what: str,
    name: str,
    member: object,
    options: Any,
    signature: str | None,
    returns: str | None,
) -> tuple[str, None] | None:
    """Leave out the arguments of a protocol, which nobody calls."""
    return ("", None) if getattr(member, "_is_protocol", False) else None


def unfold(
    app: Sphinx, what: str, name: str, member: object, options: Any, lines: list[str]
) -> None:
    """Keep napoleon from taking what stands before a colon in a property's first line for a type."""
    if what in ("attribute", "property"):
        lines.insert(0, "")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.connect("autodoc-skip-member", skip)
    app.connect("autodoc-process-signature", shorten)
    # Before napoleon, which connects at 500.
    app.connect("autodoc-process-docstring", unfold, priority=400)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
