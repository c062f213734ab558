"""The ledger: every claim has a row, every status is computed."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
import yaml

from bookkit import claims, paths
from bookkit.claims import Claim, Comparison, load, status
from entropy_rl.checks import CHECKS, Check, Control, Refutation

ROW = {
    "id": "a.b",
    "paper": "a",
    "place": "p",
    "kind": "theorem",
    "says": "s",
    "printed": "holds",
    "chapter": "c",
    "evidence": "check",
}


def claim(**changes: str) -> Claim:
    return Claim(**{**ROW, **changes})


def test_checks_and_rows_match() -> None:
    rows = {c.id for c in load().values() if c.evidence == "check"}
    assert rows == set(CHECKS)


def test_every_paper_is_in_the_bibliography() -> None:
    bibliography = (paths.root() / "book" / "references.bib").read_text()
    for paper in {c.paper for c in load().values()} - {"book"}:
        told = f"add @…{{{paper}, to book/references.bib"
        assert f"{{{paper},\n" in bibliography, told


def test_a_claim_that_is_checked_or_run_names_a_page() -> None:
    pages = {page.stem for page in paths.documents(paths.root())}
    for row in load().values():
        assert row.evidence == "none" or row.chapter in pages, f"{row.id}: no page {row.chapter!r}"


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"kind": "theorm"}, "did you mean 'theorem'"),
        ({"printed": "maybe"}, "printed: expected one of"),
        ({"evidence": "hearsay"}, "evidence: expected one of"),
        ({"printed": "false"}, "correction: expected none for a claim that holds, one otherwise"),
        ({"correction": "c"}, "correction: expected none"),
        ({"status": "verified"}, "unexpected keyword argument 'status'"),
    ],
)
def test_a_bad_row_is_refused(tmp_path: Path, changes: dict[str, str], complaint: str) -> None:
    path = tmp_path / "claims.yml"
    path.write_text(yaml.safe_dump([{**ROW, **changes}]))
    with pytest.raises(ValueError, match=complaint):
        load(path)


def test_an_id_stands_once(tmp_path: Path) -> None:
    path = tmp_path / "claims.yml"
    path.write_text(yaml.safe_dump([ROW, ROW]))
    with pytest.raises(ValueError, match=r"'a\.b' twice"):
        load(path)


def a_check(residual: float) -> Check:
    return Check("a.b", residual, 1e-10, (Control("c", 1.0, 0.1),), (), "how")


FALSE = {"printed": "false", "correction": "c"}


@pytest.mark.parametrize(
    ("changes", "evidence", "expected"),
    [
        ({}, a_check(0.0), "verified"),
        (FALSE, a_check(0.0), "corrected"),
        (FALSE, Refutation("a.b", "w", 0.0, 1.0, 0.1), "refuted"),
        ({}, Comparison(("as printed",) * 2, ""), "reproduced"),
        ({}, Comparison(("as printed",) * 2, "", sizes=(True, True)), "reproduced"),
        ({}, Comparison(("as printed",) * 2, "", sizes=(True, False)), "partly"),
        ({}, Comparison(("undecided",) * 2, "", sizes=(True, True)), "undecided"),
        ({}, Comparison(("as printed", "against"), "", sizes=(True, True)), "not reproduced"),
        ({}, Comparison(("as printed", "undecided"), ""), "partly"),
        ({}, Comparison(("as expected", "against"), ""), "not reproduced"),
        ({}, Comparison(("as printed", "against"), ""), "not reproduced"),
        ({}, Comparison(("undecided", "against"), ""), "not reproduced"),
        ({}, Comparison(("undecided",), ""), "undecided"),
        # At a smaller scale the rule is the same, and all that it gives is "partly".
        ({}, Comparison(("as printed",) * 2, "", paper_scale=False), "partly"),
        ({}, Comparison(("as printed", "undecided"), "", paper_scale=False), "partly"),
        ({}, Comparison(("undecided",), "", paper_scale=False), "undecided"),
        ({}, Comparison(("as printed", "against"), "", paper_scale=False), "not reproduced"),
        ({}, Comparison(("as printed", "not run yet"), ""), "not run yet"),
        ({}, None, "not attempted"),
    ],
)
def test_status(changes: dict[str, str], evidence: Any, expected: str) -> None:
    assert status(claim(**changes), evidence) == expected
    assert expected in claims.STATUSES


@pytest.mark.parametrize("verdicts", [(), ("as print",)])
def test_a_comparison_has_verdicts(verdicts: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="verdicts: expected"):
        Comparison(verdicts, "")


def test_a_failing_check_has_no_status() -> None:
    with pytest.raises(ValueError, match="expected a check that holds"):
        status(claim(), a_check(1.0))


def test_the_ledger_as_html(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = {
        "a.b": claim(),
        "a.c": claim(id="a.c", evidence="run", chapter="elsewhere"),
        "a.d": claim(id="a.d", evidence="none", **FALSE),
        "a.e": claim(id="a.e", evidence="run"),
    }
    monkeypatch.setattr(claims, "load", lambda: rows)
    monkeypatch.setattr(claims, "run", lambda name: a_check(0.0))
    compared = Comparison(("as printed",), "length -3 [-4, -2]")
    table = claims.ledger({"a.c": compared, "a.e": compared})
    expected = ["verified", "reproduced", "not attempted", "reproduced"]
    assert list(table["status"]) == expected
    assert table["evidence"].iloc[-1] == "length -3 [-4, -2]"
    shown = claims.as_html(table, pages={"c"})
    assert "<a href='c.html'><code>a.<wbr>b</code>" in shown
    assert "elsewhere.html" not in shown
    assert "id='claim-a-b'" in shown
    # What nothing has tested is not called an error.
    assert "<em>To check:</em>" in shown
    assert "Erratum" not in shown
    with pytest.raises(ValueError, match=r"runs: expected one of 'a\.c', 'a\.e', got 'a\.b'"):
        claims.ledger({"a.b": compared})


@pytest.mark.parametrize(
    ("table", "rows", "cell"),
    [
        ("zhang2018_table1", 40, ("lstm", "smoothed", "length", 5.6, 0.2)),
        ("zhang2018_table2", 8, ("mmdp", "exact", "reward", 2.1, 0.01)),
        ("zhang2018_table3", 16, ("lstm", "unbiased_gradient", "optimal_percent", 95.7, 2.7)),
    ],
)
def test_printed_tables(table: str, rows: int, cell: tuple[Any, ...]) -> None:
    with (paths.root() / "data" / "papers" / f"{table}.csv").open() as file:
        found = [
            (r["policy"], r["entropy"], r["metric"], float(r["mean"]), float(r["std"]))
            for r in csv.DictReader(file)
        ]
    assert len(found) == len(set(found)) == rows
    assert cell in found
