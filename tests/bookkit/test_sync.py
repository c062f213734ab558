"""The committed form of a notebook: no outputs, the set-up cell, plain metadata."""

from __future__ import annotations

import nbformat
from nbformat.v4 import new_output
from tiny_book import Book

from bookkit.sync import sync, tags

DRAFT = """\
# Title

Prose.

```{code-cell} ipython3
:tags: [parameters]

n=1
```

```{code-cell} ipython3
:tags: [solution]

f( n )
```
"""


def read(book: Book) -> nbformat.NotebookNode:
    return nbformat.read(book.notebook, as_version=4)


def test_a_draft_becomes_a_notebook(book: Book) -> None:
    draft = book.root / "page.md"
    draft.write_text(DRAFT)
    assert sync(book.root, [draft]) == [book.notebook]
    cells = read(book).cells
    assert [c.cell_type for c in cells] == ["markdown", "code", "code", "code"]
    assert [tags(c) for c in cells] == [[], ["setup"], ["parameters"], ["solution"]]
    assert "https://example.org/book" in cells[1].source
    assert cells[2].source == "n = 1"
    assert cells[3].metadata["jupyter"] == {"source_hidden": True}
    before = book.notebook.read_bytes()
    assert sync(book.root, [draft]) == []
    assert sync(book.root) == []
    assert book.notebook.read_bytes() == before


def test_outputs_and_stray_metadata_go(book: Book) -> None:
    book.write("# Title", "1 + 1")
    sync(book.root)
    clean = book.notebook.read_bytes()
    notebook = read(book)
    notebook.metadata["widgets"] = {"state": 1}
    cell = notebook.cells[-1]
    cell.execution_count = 7
    cell.metadata["scrolled"] = True
    cell.outputs = [new_output("stream", text="2")]
    nbformat.write(notebook, book.notebook)
    assert sync(book.root, check=True) == [book.notebook]
    assert read(book).cells[-1].execution_count == 7
    sync(book.root)
    assert book.notebook.read_bytes() == clean


def test_an_old_setup_cell_is_replaced(book: Book) -> None:
    book.write("# Title", ("import old", ["setup"]), "1 + 1")
    sync(book.root)
    assert [tags(c) for c in read(book).cells] == [[], ["setup"], []]
    assert "import old" not in book.notebook.read_text()
