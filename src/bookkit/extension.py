"""A Sphinx extension: hand over executed twins, insist on verified theorems."""

from __future__ import annotations

import logging as pylogging
from pathlib import Path
from typing import Any

import nbformat
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging

from bookkit import colophon, handover, mime_types, paths
from bookkit.punctuation import KeepPunctuation

logger = logging.getLogger(__name__)
MUST_BE_VERIFIED = {"theorem", "proposition", "lemma", "corollary"}


def hand_over(app: Sphinx, docname: str, source: list[str]) -> None:
    """Replace a notebook's source by the merge with its executed twin."""
    notebook = Path(app.env.doc2path(docname))
    if notebook.suffix != ".ipynb":
        return
    twin = paths.twin(Path(app.srcdir).resolve(), notebook)
    app.env.note_dependency(str(twin))
    if not twin.is_file():
        logger.warning(
            "no executed twin of this notebook: run `python -m bookkit execute`",
            location=docname,
            type="bookkit",
            subtype="twin",
        )
        return
    try:
        source[0] = handover.merge(source[0], twin.read_text(encoding="utf-8"))
    except handover.Mismatch as error:
        logger.warning(
            "%s: run `python -m bookkit execute`",
            error,
            location=docname,
            type="bookkit",
            subtype="twin",
        )
        return
    for cell in nbformat.reads(source[0], as_version=4).cells:
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                logger.warning(
                    "a cell raised %s: %s",
                    output.ename,
                    output.evalue,
                    location=docname,
                    type="bookkit",
                    subtype="error",
                )
    _records(app.env)[docname] = {
        check["claim"]: check["holds"] for check in handover.outputs(twin, mime_types.CHECK)
    }


def insist(app: Sphinx, env: BuildEnvironment) -> None:
    """Warn of each theorem without a passing check on its own page."""
    for label, proof in sorted(getattr(env, "proof_list", {}).items()):
        if proof["realtype"] not in MUST_BE_VERIFIED:
            continue
        recorded = _records(env).get(proof["docname"], {})
        passed = {claim.replace(".", "-") for claim, holds in recorded.items() if holds}
        if label not in passed:
            logger.warning(
                "%s %r is not verified: expected a passing verify() or refute() of the claim of "
                "that name (dots for dashes) on this page, got %s",
                proof["realtype"],
                label,
                sorted(recorded) or "none",
                location=proof["docname"],
                type="bookkit",
                subtype="unverified",
            )


def not_a_citation(record: pylogging.LogRecord) -> bool:
    """Whether a message is none of MyST's complaints about footnotes that bibtex defines later."""
    return "No footnote definitions found for label: 'footcite-" not in record.getMessage()


def forget(app: Sphinx, env: BuildEnvironment, docname: str) -> None:
    """Drop what was recorded of a page that is read anew."""
    _records(env).pop(docname, None)


def merge(app: Sphinx, env: BuildEnvironment, docnames: set[str], other: BuildEnvironment) -> None:
    """Take over what a parallel reader recorded."""
    for docname in docnames:
        if docname in _records(other):
            _records(env)[docname] = _records(other)[docname]


def _records(env: BuildEnvironment) -> dict[str, dict[str, bool]]:
    """For each page, the claims checked on it and whether they hold."""
    if not hasattr(env, "bookkit_checks"):
        env.bookkit_checks = {}  # type: ignore[attr-defined]
    return env.bookkit_checks  # type: ignore[attr-defined]


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.connect("source-read", hand_over, priority=100)
    app.connect("env-check-consistency", insist)
    app.connect("env-purge-doc", forget)
    app.connect("env-merge-info", merge)
    app.add_directive("colophon", colophon.Colophon)
    app.add_transform(KeepPunctuation)
    pylogging.getLogger("sphinx.sphinx.util.docutils").addFilter(not_a_citation)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
