"""The statuses that rest on stored runs."""

import json
import shutil

import pytest

from bookkit import claims, evidence, paths
from bookkit.claims import Comparison
from bookkit.evidence import comparisons, hunters_quick, reproductions
from entropy_rl.experiments import EXPERIMENTS

DATA = paths.root() / "data"
AT_SCALE = ("zhang2018", "liu2020")  # the folders of the papers
QUICK = {"zhang2018.table1.lstm", "zhang2018.table1.percent", "zhang2018.fig2"}


@pytest.fixture
def data(tmp_path):
    return shutil.copytree(DATA, tmp_path / "data", ignore=shutil.ignore_patterns(*AT_SCALE))


def test_they_name_claims_whose_evidence_is_a_run():
    known = claims.load()
    assert {known[name].evidence for name in evidence.evidence()} == {"run"}


def test_a_claim_rests_on_one_experiment():
    named = [claim for x in EXPERIMENTS.values() for claim in x.claims]
    assert len(named) == len(set(named))
    assert set(named) == set(comparisons())


def test_every_claim_that_rests_on_runs_has_contrasts():
    assert set(comparisons()) == {c.id for c in claims.load().values() if c.evidence == "run"}


def test_without_runs_at_scale_the_smaller_ones_speak(data):
    found = evidence.evidence(data)
    for claim, status in {c: x.status for c, x in found.items()}.items():
        assert status == ("partly" if claim in QUICK else "not run yet")
    assert found["zhang2018.table1.mmdp"].says == "0 of 5 pairs of runs"
    assert found["zhang2018.table2.lstm"].says == "0 of 10 pairs of runs"


def test_runs_at_scale_take_the_place_of_smaller_ones(monkeypatch):
    name = "zhang2018.table1.lstm"
    for verdict, status in (("as printed", "reproduced"), ("not run yet", "partly")):
        at_scale = {name: Comparison((verdict,), "said")}
        monkeypatch.setattr(evidence, "comparisons", lambda data, found=at_scale: found)
        assert evidence.evidence()[name].status == status


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
