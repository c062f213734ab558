"""The statuses that rest on stored runs."""

import json
import shutil

import pytest

from bookkit import claims, paths
from bookkit.stored import hunters_quick, reproductions

DATA = paths.root() / "data"


@pytest.fixture
def data(tmp_path):
    return shutil.copytree(DATA, tmp_path / "data")


def test_they_name_claims_whose_evidence_is_a_run():
    known = claims.load()
    assert {known[name].evidence for name in reproductions()} == {"run"}


def test_the_numbers_are_those_of_the_files():
    lengths = [
        json.loads((DATA / "runs" / "hunters_quick" / f"smoothed-{s}.json").read_text())
        for s in range(5)
    ]
    lengths = [run["evaluation"]["length"] for run in lengths]
    found = reproductions()["zhang2018.table1.lstm"]
    assert found.found == (min(lengths), max(lengths))
    assert found.printed == pytest.approx((5.6 - 0.2, 5.6 + 0.2))
    assert not found.paper_scale
    assert list(hunters_quick(DATA).loc["smoothed", "length"]) == lengths


def test_with_the_labels_exchanged_nothing_is_reproduced(data):
    folder = data / "runs" / "hunters_quick"
    for seed in range(5):
        smoothed, none, other = (folder / f"{n}-{seed}.json" for n in ("smoothed", "none", "x"))
        smoothed.rename(other)
        none.rename(smoothed)
        other.rename(none)
    assert {found.status for found in reproductions().values()} == {"partly"}
    assert {found.status for found in reproductions(data).values()} == {"not reproduced"}


def test_a_missing_run_is_named(data):
    (data / "runs" / "hunters_quick" / "none-3.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"none-3\.json"):
        reproductions(data)
