"""Outputs come from the twin, prose and tags from the notebook."""

from __future__ import annotations

import json

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from bookkit import mime_types
from bookkit.handover import Mismatch, merge


def text(*cells: nbformat.NotebookNode, **metadata: object) -> str:
    return nbformat.writes(new_notebook(cells=list(cells), metadata=metadata))


def ran(source: str, output: str, tags: list[str] | None = None) -> nbformat.NotebookNode:
    out = new_output("display_data", data={"text/plain": output})
    return new_code_cell(
        source, outputs=[out], execution_count=1, metadata={"tags": tags} if tags else {}
    )


def test_prose_from_the_source_outputs_from_the_twin() -> None:
    source = text(new_markdown_cell("new"), new_code_cell("f()"), new_markdown_cell("more"))
    twin = text(new_markdown_cell("old"), ran("f()", "seven"), widgets={"state": 1})
    merged = json.loads(merge(source, twin))
    assert [c["source"] for c in merged["cells"]] == [["new"], ["f()"], ["more"]]
    assert merged["cells"][1]["outputs"][0]["data"]["text/plain"] == ["seven"]
    assert merged["metadata"]["widgets"] == {"state": 1}


def test_injected_parameters_are_left_out() -> None:
    source = text(new_code_cell("n = 1"), new_code_cell("n"))
    twin = text(ran("n = 1", "a"), ran("n = 2", "b", ["injected-parameters"]), ran("n", "2"))
    merged = json.loads(merge(source, twin))
    assert [c["outputs"][0]["data"]["text/plain"] for c in merged["cells"]] == [["a"], ["2"]]


def test_other_code_is_refused() -> None:
    with pytest.raises(Mismatch, match="other code cells"):
        merge(text(new_code_cell("f(1)")), text(ran("f()", "seven")))


def test_records_are_not_handed_over() -> None:
    cell = new_code_cell("f()")
    cell.outputs = [new_output("display_data", data={mime_types.CHECK: {}, "text/html": "card"})]
    merged = json.loads(merge(text(new_code_cell("f()")), text(cell)))
    assert list(merged["cells"][0]["outputs"][0]["data"]) == ["text/html"]


def test_tags_become_what_sphinx_understands() -> None:
    source = text(
        new_code_cell("a", metadata={"tags": ["setup"]}),
        new_code_cell("b", metadata={"tags": ["solution"]}),
    )
    cells = json.loads(merge(source, text(ran("a", ""), ran("b", ""))))["cells"]
    assert "remove-cell" in cells[0]["metadata"]["tags"]
    assert "hide-cell" in cells[1]["metadata"]["tags"]
    assert cells[1]["metadata"]["mystnb"]["code_prompt_show"] == "Show the code of the solution"
