"""Sphinx extension of the API page: leave out what Python writes about a named tuple's fields."""

from __future__ import annotations

from typing import Any

from sphinx.application import Sphinx


def skip(
    app: Sphinx, what: str, name: str, member: object, skipped: bool, options: Any
) -> bool | None:
    """Skip a field that says no more than "Alias for field number 0": its class describes it."""
    described = getattr(member, "__doc__", None) or ""
    return True if described.startswith("Alias for field number") else None


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.connect("autodoc-skip-member", skip)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
