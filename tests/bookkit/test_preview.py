"""A page alone: what points to another page of the book is no error, what points nowhere is."""

from __future__ import annotations

import pytest
from tiny_book import Book

from bookkit import assets
from bookkit.build import BuildFailed, preview
from bookkit.preview import labels

OTHER = """# Another page

(a-place)=
## A place

```{math}
:label: an-equation

x = 1
```

```{prf:remark}
:label: a-remark

It is so.
```
"""
ELSEWHERE = (
    "{doc}`other`",
    "{doc}`that one <other>`",
    "{ref}`there <a-place>`",
    "{eq}`an-equation`",
    "{prf:ref}`a-remark`",
    "{py:func}`entropy_rl.conditionals.categorical_entropy`",
)
NOWHERE = (
    "{doc}`another`",
    "{ref}`there <a-plaice>`",
    "{eq}`no-equation`",
    "{prf:ref}`no-remark`",
    "{py:func}`entropy_rl.conditionals.categorical_entropi`",
)


@pytest.fixture
def books(book: Book, monkeypatch: pytest.MonkeyPatch) -> Book:
    """A book of a written page, an API page and a draft to come; nothing is fetched."""
    monkeypatch.setattr(assets, "fetch", lambda book: None)
    (book.root / "_toc.yml").write_text(
        "format: jb-book\nroot: book/other\nchapters: [{file: book/api}]\n"
    )
    (book.root / "_config.yml").write_text(
        "only_build_toc_files: true\n"
        "sphinx: {extra_extensions: [sphinx_proof, sphinx.ext.autodoc, bookkit.extension]}\n"
    )
    (book.root / "book" / "other.md").write_text(OTHER)
    (book.root / "book" / "api.md").write_text("# API\n")
    return book


def draft(book: Book, *references: str) -> None:
    (book.root / "book" / "draft.md").write_text("# A draft\n\n" + "\n\n".join(references) + "\n")


def test_references_to_other_pages_pass(books: Book) -> None:
    draft(books, *ELSEWHERE)
    made = preview(books.root, "book/draft").read_text()
    assert "that one" in made
    assert "other.html" not in made


def test_the_ending_of_a_page_may_stand_there(books: Book) -> None:
    draft(books, "A line.")
    assert preview(books.root, "book/draft.md").name == "draft.html"
    with pytest.raises(ValueError, match=r"page: expected a notebook or \.md file, .*'book/draff'"):
        preview(books.root, "book/draff.ipynb")


def test_every_reference_that_points_nowhere_is_told(
    books: Book, capfd: pytest.CaptureFixture[str]
) -> None:
    draft(books, *NOWHERE, *ELSEWHERE)
    with pytest.raises(BuildFailed):
        preview(books.root, "book/draft")
    said = capfd.readouterr().err
    for target in ("another", "a-plaice", "no-equation", "no-remark", "categorical_entropi"):
        assert target in said, said
    for target in ("a-place'", "an-equation", "a-remark", "categorical_entropy"):
        assert target not in said, said


def test_labels_of_a_notebook_are_read_from_its_text(book: Book) -> None:
    page = book.write(
        "# A page\n\n(here)=\n## Here\n\n$$\nx = 1\n$$ (equal)\n",
        "'''\n(not-here)=\n'''",
    )
    assert labels(page) == {"here", "equal"}


def test_scripts_are_loaded_in_the_order_of_the_configuration(books: Book) -> None:
    """html-manager needs requirejs before it, whatever their names are."""
    settings = books.root / "_config.yml"
    settings.write_text(
        settings.read_text().replace(
            "bookkit.extension]}", "bookkit.extension], config: {nb_ipywidgets_js: {z: {}, a: {}}}}"
        )
    )
    draft(books)
    made = preview(books.root, "book/draft")
    written = (made.parents[3] / "_config.yml").read_text()
    assert written.index("z: {}") < written.index("a: {}")
