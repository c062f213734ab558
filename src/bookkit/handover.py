"""Merge what a notebook says now with what its executed twin gave."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat

from bookkit import mime_types


class Mismatch(ValueError):
    """The twin was made from other code than the notebook's."""


def merge(source: str, executed: str) -> str:
    """The notebook ``source`` with the outputs of its twin ``executed``, as JSON.

    Prose and cell tags come from the source, so that an edit of them needs no new execution;
    outputs and widget states come from the twin. Cells that papermill injected are left out.

    Raises:
        Mismatch: the code cells differ.
    """
    notebook = nbformat.reads(source, as_version=4)
    twin = nbformat.reads(executed, as_version=4)
    here = [c for c in notebook.cells if c.cell_type == "code"]
    there = [c for c in twin.cells if c.cell_type == "code" and not _is_injected(c)]
    if [c.source for c in here] != [c.source for c in there]:
        raise Mismatch("its executed twin was made from other code cells")
    for cell, ran in zip(here, there, strict=True):
        cell.outputs = [_without_records(output) for output in ran.outputs]
        cell.execution_count = ran.execution_count
    for cell in notebook.cells:
        _dress(cell)
    notebook.metadata.update({k: twin.metadata[k] for k in ("widgets",) if k in twin.metadata})
    return str(nbformat.writes(notebook))


def outputs(executed: Path, mime: str) -> Iterator[dict[str, Any]]:
    """Every output of type ``mime`` in an executed notebook, in order."""
    for cell in nbformat.read(executed, as_version=4).cells:
        for output in cell.get("outputs", []):
            if mime in output.get("data", {}):
                found = output["data"][mime]
                yield json.loads(found) if isinstance(found, str) else found


def _without_records(output: Any) -> Any:
    """``output`` without what is only for us."""
    if "data" in output:
        output.data = {k: v for k, v in output.data.items() if not k.startswith(mime_types.PRIVATE)}
    return output


def _dress(cell: Any) -> None:
    """Say in Sphinx's terms what our tags mean: set-up is hidden, solutions are folded."""
    tags = cell.metadata.get("tags", [])
    if "setup" in tags:
        cell.metadata["tags"] = [*tags, "remove-cell"]
    if "solution" in tags:
        cell.metadata["tags"] = [*tags, "hide-cell"]
        cell.metadata["mystnb"] = {
            "code_prompt_show": "Show the code of the solution",
            "code_prompt_hide": "Hide the code of the solution",
        }


def _is_injected(cell: Any) -> bool:
    """Whether papermill put this cell in."""
    return "injected-parameters" in cell.metadata.get("tags", [])
