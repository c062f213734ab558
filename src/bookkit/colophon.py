"""What the book was made with and how long it took, from the records of the executions."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective

from bookkit import cache, paths

Rows = list[tuple[str, ...]]

# What a reader wants to know; the rest stands in requirements.txt.
NAMED = (
    "python", "torch", "numpy", "scipy", "gymnasium", "stable-baselines3", "matplotlib", "seaborn",
    "pandas", "ipywidgets", "papermill", "jupyter-book", "sphinx", "entropy-rl",
)  # fmt: skip


def versions(book: Path) -> Rows:
    """The packages that the book's numbers rest on, with their versions."""
    found = {name.lower().replace("_", "-"): v for name, v in cache.versions().items()}
    return [("package", "version"), *((n, found[n]) for n in NAMED if n in found)]


def hardware(book: Path) -> Rows:
    """The machines that ran the notebooks, and how many each ran."""
    machines: dict[tuple[str, ...], int] = {}
    for record in records(book):
        seen = record["hardware"]
        name = (seen["processor"], str(seen["cores"]), f"{seen['memory_gib']} GiB", seen["system"])
        machines[name] = machines.get(name, 0) + 1
    head = ("processor", "cores", "memory", "system", "notebooks")
    return [head, *((*name, str(count)) for name, count in machines.items())]


def times(book: Path) -> Rows:
    """The last execution of every notebook, and their sum."""
    found = records(book)
    total = sum(r["seconds"] for r in found)
    return [
        ("notebook", "seconds", "finished (UTC)"),
        *(
            (r["notebook"], f"{r['seconds']:.1f}", r["finished"][:16].replace("T", " "))
            for r in found
        ),
        ("together", f"{total:.1f}", ""),
    ]


TABLES: dict[str, Callable[[Path], Rows]] = {
    "versions": versions,
    "hardware": hardware,
    "times": times,
}


def records(book: Path) -> list[dict[str, Any]]:
    """The records of the book's notebooks, in reading order."""
    files = [paths.record(paths.twin(book, notebook)) for notebook in paths.notebooks(book)]
    return [json.loads(f.read_text(encoding="utf-8")) for f in files if f.is_file()]


def as_text(book: Path) -> str:
    """All of it as Markdown, for a terminal."""
    return "\n\n".join("\n".join(markdown(rows(book))) for rows in TABLES.values())


def markdown(rows: Rows) -> list[str]:
    """The lines of a Markdown table."""
    head, *body = [f"| {' | '.join(row)} |" for row in rows]
    return [head, "|" + " --- |" * len(rows[0]), *body]


class Colophon(SphinxDirective):
    """``{colophon} versions`` (or ``hardware``, ``times``): the table of that name."""

    required_arguments = 1
    option_spec: ClassVar[dict[str, Any]] = {}

    def run(self) -> list[nodes.Node]:
        """Read the records anew in every build."""
        name = self.arguments[0]
        if name not in TABLES:
            raise self.error(f"colophon: expected one of {sorted(TABLES)}, got {name!r}")
        self.env.note_reread()
        parent = nodes.container(classes=["bk-scroll"])
        lines = markdown(TABLES[name](Path(self.env.srcdir).resolve()))
        self.state.nested_parse(StringList(lines, source=""), self.content_offset, parent)
        return [parent]
