"""Sphinx extension of the preview: what points to another page of the book stays plain text.

A page that is built alone cannot link to the others. Only what one of them does define is let
through: a misspelt page, label or name is an error in a preview as in the whole book.
"""

from __future__ import annotations

import pydoc
import re
from pathlib import Path
from typing import Any

import nbformat
from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import docname_join

from bookkit import paths

# (label)=, :label: and :name: of a directive, $$ … $$ (label), \label{…}
LABEL = re.compile(
    r"^\((\S+)\)=|^\s*:(?:label|name):\s*(\S+)|\$\$\s*\(([\w-]+)\)|\\label\{([\w-]+)\}",
    re.MULTILINE,
)
API = "book/api"


class Elsewhere(SphinxPostTransform):
    """Replace the references to pages that are not built by their text."""

    default_priority = 5  # before Sphinx, MyST and sphinx-proof resolve, and warn

    def run(self, **_: Any) -> None:
        """Look at every reference of the page."""
        for node in list(self.document.findall(addnodes.pending_xref)):
            if self._elsewhere(node):
                node.replace_self(node.children or nodes.Text(node["reftarget"]))

    def _elsewhere(self, node: addnodes.pending_xref) -> bool:
        target, others = node["reftarget"], self._others()
        if node.get("reftype") == "doc":
            return docname_join(self.env.docname, target) in others
        if node.get("refdomain") == "py":
            return API in others and pydoc.locate(target) is not None
        return any(target in labels(page) for page in others.values())

    def _others(self) -> dict[str, Path]:
        """The pages of the book that this build leaves out, by name."""
        book = Path(self.app.srcdir).resolve()
        names = {str(p.relative_to(book).with_suffix("")): p for p in paths.documents(book)}
        return {name: page for name, page in names.items() if name not in self.env.found_docs}


def labels(page: Path) -> set[str]:
    """What ``page`` defines for others to point to."""
    text = page.read_text(encoding="utf-8")
    if page.suffix == ".ipynb":
        cells = nbformat.reads(text, as_version=4).cells
        text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    return {label for found in LABEL.findall(text) for label in found if label}


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.add_post_transform(Elsewhere)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
