"""Keep notebooks as they are committed: no outputs, a known set-up cell, plain metadata."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nbformat
from nbformat.v4 import new_code_cell

from bookkit import paths

METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
SETUP = """\
# Installs the book where it is missing: on Colab, or in a bare virtualenv.
try:
    __import__("bookkit")
except ImportError:
    REPOSITORY = "{repository}"
    %pip install -q -e "git+{{REPOSITORY}}#egg=entropy-rl[book]"
    __import__("site").main()"""


def sync(book: Path, sources: Sequence[Path] | None = None, check: bool = False) -> list[Path]:
    """Bring notebooks into the committed form and return those that were not in it.

    A ``.md`` file in MyST notebook format becomes ``book/<its name>.ipynb``; a notebook is
    rewritten in place. Either way outputs go, and the set-up cell is put in or brought up to date.

    Args:
        book: the root of the repository.
        sources: which; every notebook of the table of contents unless given.
        check: whether to leave the files alone.
    """
    changed = []
    for source in paths.notebooks(book) if sources is None else sources:
        target = book / "book" / f"{source.stem}.ipynb" if source.suffix == ".md" else source
        text = _formatted(nbformat.writes(normalise(_read(source), setup_cell(book))), target)
        if not target.is_file() or target.read_text(encoding="utf-8") != text:
            changed.append(target)
            if not check:
                target.write_text(text, encoding="utf-8")
    return changed


def setup_cell(book: Path) -> str:
    """The set-up cell, with the repository that ``_config.yml`` names."""
    return SETUP.format(repository=paths.config(book)["repository"]["url"])


def normalise(notebook: nbformat.NotebookNode, setup: str) -> nbformat.NotebookNode:
    """A copy of ``notebook`` in the committed form, with ``setup`` as its first code cell."""
    cells = [c for c in notebook.cells if "setup" not in tags(c)]
    first = next((i for i, c in enumerate(cells) if c.cell_type == "code"), len(cells))
    cells.insert(first, new_code_cell(setup, id="setup", metadata={"tags": ["setup"]}))
    seen: set[str] = set()
    for cell in cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        cell.metadata = _cell_metadata(cell)
        cell.id = _own_id(cell, seen)
    made = nbformat.v4.new_notebook(cells=cells, metadata=METADATA)
    made.nbformat_minor = 5
    return made


def tags(cell: Any) -> list[str]:
    """The tags of a cell."""
    return list(cell.metadata.get("tags", []))


def _read(source: Path) -> nbformat.NotebookNode:
    """A notebook from ``.ipynb``, or from MyST ``.md`` by jupytext, which draws ids at random."""
    if source.suffix != ".md":
        return nbformat.read(source, as_version=4)
    import jupytext

    notebook = jupytext.read(source, fmt="md:myst")
    for cell in notebook.cells:
        cell.id = ""
    return notebook


def _formatted(text: str, target: Path) -> str:
    """``text`` with its code cells formatted by ruff, by the settings that hold for ``target``."""
    ruff = [sys.executable, "-m", "ruff", "format", "--stdin-filename", str(target), "-"]
    done = subprocess.run(ruff, input=text + "\n", capture_output=True, text=True)
    if done.returncode:
        raise ValueError(f"{target.name}: expected valid Python, got {done.stderr.strip()}")
    return done.stdout


def _cell_metadata(cell: Any) -> dict[str, Any]:
    """Only tags; in JupyterLab a solution starts folded."""
    kept: dict[str, Any] = {"tags": tags(cell)} if tags(cell) else {}
    if "solution" in tags(cell):
        kept["jupyter"] = {"source_hidden": True}
    return kept


def _own_id(cell: Any, seen: set[str]) -> str:
    """The cell's id, else one made of its content, so that a conversion is repeatable."""
    name = cell.get("id") or hashlib.sha256(cell.source.encode()).hexdigest()[:8]
    while name in seen:
        name += "x"
    seen.add(name)
    return str(name)
