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
) -> tuple[str, str | None] | None:
    """Leave out a protocol's arguments, which nobody gives; let factories of defaults parse."""
    if getattr(member, "_is_protocol", False):
        return "", None
    if signature and "<factory>" in signature:
        return signature.replace("<factory>", "..."), returns
    return None


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.connect("autodoc-skip-member", skip)
    app.connect("autodoc-process-signature", shorten)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
