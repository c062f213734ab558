"""The build refuses: a missing or stale twin, an error, a warning, an unverified theorem."""

from __future__ import annotations

import re
from typing import Any

import pytest
from nbformat.v4 import new_output
from tiny_book import Book

from bookkit import mime_types

THEOREM = """# A page

```{prf:theorem}
:label: zhang2018-thm4

It holds.
```
"""


def check(claim: str, holds: bool) -> list[Any]:
    record = {"claim": claim, "holds": holds, "kind": "check"}
    data = {"text/html": "<p>card</p>", "text/plain": "card", mime_types.CHECK: record}
    return [new_output("display_data", data=data)]


def test_a_page_with_its_twin_builds(book: Book, capsys: pytest.CaptureFixture[str]) -> None:
    book.write("# A page", "1 + 1")
    book.twin({0: [new_output("execute_result", data={"text/plain": "2"}, execution_count=1)]})
    assert book.sphinx("html") == 0, capsys.readouterr().err
    assert ">2\n" in (book.root / "_build/html/book/page.html").read_text()


def test_a_mark_stays_with_its_formula(book: Book, capsys: pytest.CaptureFixture[str]) -> None:
    text = "As {math}`x` or ({math}`y`), so **{math}`z`**, *then*, {math}`w` and\n{math}`v`."
    book.write(f"# A page\n\n## A title ({{math}}`u`)\n\n{text}", "1 + 1")
    book.twin({})
    assert book.sphinx("html") == 0, capsys.readouterr().err
    page = (book.root / "_build/html/book/page.html").read_text()
    assert re.findall(r'bk-kept"><span class="math[^>]*>[^<]*</span>([^<]*)</span>', page) == [
        "),",
        ".",
    ]
    assert page.count("bk-kept") == 2
    assert "</strong>, <em>then</em>, <span" in page


@pytest.mark.parametrize(
    ("outputs", "complaint"),
    [
        (None, "no executed twin"),
        (
            [new_output("error", ename="ValueError", evalue="too bad", traceback=["too bad"])],
            "a cell raised ValueError: too bad",
        ),
        ([new_output("stream", name="stderr", text="DeprecationWarning: old")], "stderr"),
    ],
    ids=["missing twin", "error cell", "warning cell"],
)
def test_a_fault_fails_the_build(
    book: Book, capsys: pytest.CaptureFixture[str], outputs: list[Any] | None, complaint: str
) -> None:
    book.write("# A page", "1 + 1")
    if outputs is not None:
        book.twin({0: outputs})
    assert book.sphinx("html") != 0
    assert complaint in capsys.readouterr().err


def test_a_broken_reference_fails_the_build(book: Book, capsys: pytest.CaptureFixture[str]) -> None:
    book.write("# A page\n\nSee {ref}`nowhere`.", "1 + 1")
    book.twin({})
    assert book.sphinx() != 0
    assert "nowhere" in capsys.readouterr().err


def test_a_twin_of_other_code_fails_the_build(
    book: Book, capsys: pytest.CaptureFixture[str]
) -> None:
    book.write("# A page", "1 + 1")
    book.twin({})
    book.write("# A page", "1 + 2")
    assert book.sphinx() != 0
    assert "other code cells" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("outputs", "passes"),
    [
        (check("zhang2018.thm4", True), True),
        (check("zhang2018.thm4", False), False),
        (check("zhang2018.thm3", True), False),
        ([], False),
    ],
    ids=["verified", "wrong claim", "another claim", "no check"],
)
def test_a_theorem_needs_its_check(
    book: Book, capsys: pytest.CaptureFixture[str], outputs: list[Any], passes: bool
) -> None:
    book.write(THEOREM, "verify()")
    book.twin({0: outputs})
    assert (book.sphinx() == 0) is passes
    assert ("is not verified" in capsys.readouterr().err) is not passes


@pytest.mark.parametrize("kind", ["theorem", "proposition", "lemma", "corollary"])
def test_an_unlabelled_statement_is_not_verified(book: Book, kind: str) -> None:
    book.write(f"# A page\n\n```{{prf:{kind}}}\nIt holds.\n```", "verify()")
    book.twin({0: check("zhang2018.thm4", True)})
    assert book.sphinx() != 0


def test_a_check_counts_on_its_own_page_only(book: Book) -> None:
    book.write("# A page\n\n```{toctree}\nother\n```", "verify()")
    book.twin({0: check("zhang2018.thm4", True)})
    (book.root / "book" / "other.md").write_text(THEOREM)
    assert book.sphinx() != 0


def test_a_check_stays_recorded_when_another_page_changes(book: Book) -> None:
    book.write(THEOREM + "\n```{toctree}\nother\n```", "verify()")
    book.twin({0: check("zhang2018.thm4", True)})
    other = book.root / "book" / "other.md"
    other.write_text("# Another page\n")
    assert book.sphinx() == 0
    other.write_text("# Another page\n\nEdited.\n")
    assert book.sphinx() == 0


def test_the_colophon_lists_what_ran(book: Book) -> None:
    book.write("# A page", "1 + 1")
    book.twin({})
    record = book.root / "_build/executed/book/page.record.json"
    machine = '{"processor": "abacus", "cores": 1, "memory_gib": 1.0, "system": "wood"}'
    record.write_text(
        '{"notebook": "book/page.ipynb", "seconds": 12.34, "finished": "2026-01-02T03:04:05",'
        f' "hardware": {machine}}}'
    )
    tables = "".join(f"\n```{{colophon}} {n}\n```\n" for n in ("versions", "hardware", "times"))
    book.write(f"# A page\n{tables}", "1 + 1")
    assert book.sphinx("html") == 0
    page = (book.root / "_build/html/book/page.html").read_text()
    for expected in ("abacus", "12.3", "2026-01-02 03:04", "torch"):
        assert expected in page
