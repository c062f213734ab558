"""A tiny book in a temporary folder, its pages built by plain Sphinx."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from sphinx.cmd.build import build_main

from bookkit.sync import METADATA

CONF = """
extensions = ["myst_nb", "sphinx_proof", "bookkit.extension"]
nb_execution_mode = "off"
nb_output_stderr = "warn"
html_theme = "basic"
exclude_patterns = ["_build"]
"""


class Book:
    """A book of one notebook, ``book/page.ipynb``."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.notebook = root / "book" / "page.ipynb"
        self.notebook.parent.mkdir()
        (root / "_toc.yml").write_text("format: jb-book\nroot: book/page\n")
        (root / "_config.yml").write_text("repository:\n  url: https://example.org/book\n")
        (root / "conf.py").write_text(CONF + "root_doc = 'book/page'\n")

    def write(self, *cells: str | tuple[str, list[str]], to: Path | None = None) -> Path:
        """Write cells: Markdown where one begins with ``# ``, else code; with tags as a pair."""
        made = []
        for cell in cells:
            source, tags = cell if isinstance(cell, tuple) else (cell, [])
            new = new_markdown_cell if source.startswith("# ") else new_code_cell
            made.append(new(source, metadata={"tags": tags} if tags else {}))
        for number, cell_node in enumerate(made):
            cell_node.id = f"cell{number}"
        to = to or self.notebook
        to.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(new_notebook(cells=made, metadata=METADATA), to)
        return to

    def twin(self, outputs: dict[int, list[Any]]) -> None:
        """Make the executed twin by hand: ``outputs`` by the index of the code cell."""
        notebook = nbformat.read(self.notebook, as_version=4)
        code = [c for c in notebook.cells if c.cell_type == "code"]
        for index, cell in enumerate(code):
            cell.execution_count = index + 1
            cell.outputs = outputs.get(index, [])
        to = self.root / "_build" / "executed" / "book" / "page.ipynb"
        to.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, to)

    def sphinx(self, builder: str = "dummy") -> int:
        """Build with warnings as errors; the exit status."""
        out = self.root / "_build" / builder
        options = ["-q", "-W", "-n", "--keep-going", "-b", builder]
        return build_main([*options, str(self.root), str(out)])
