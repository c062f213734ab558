"""The statuses that rest on stored runs."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
from scipy import stats

from bookkit import claims, evidence, paths, stored
from bookkit.claims import Comparison
from bookkit.evidence import SMALLER, _figure, at_smaller_scale, comparisons, hunters_quick
from entropy_rl.experiments import EXPERIMENTS

DATA = paths.root() / "data"
AT_SCALE = {x.folder for x in EXPERIMENTS.values()}
QUICK = {
    "zhang2018.table1.lstm": "undecided",
    "zhang2018.table1.percent": "partly",
    "zhang2018.fig2": "undecided",
}


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


def test_an_experiment_names_claims_of_the_ledger(monkeypatch):
    chosen = EXPERIMENTS["zhang2018.table1"]
    wrong = {"zhang2018.tabel1": chosen.contrasts[:1]}
    monkeypatch.setitem(EXPERIMENTS, chosen.name, dataclasses.replace(chosen, claims=wrong))
    with pytest.raises(ValueError, match=r"zhang2018\.table1: claims: expected one of .*tabel1"):
        comparisons()


def test_every_claim_that_rests_on_runs_has_contrasts():
    assert set(comparisons()) == {c.id for c in claims.load().values() if c.evidence == "run"}


def test_without_runs_at_scale_the_smaller_ones_speak(data):
    found = evidence.evidence(data)
    for claim, status in {c: x.status for c, x in found.items()}.items():
        assert status == QUICK.get(claim, "not run yet")
    assert found["zhang2018.table1.mmdp"].says == "0 of 5 pairs of runs"
    assert found["zhang2018.table2.lstm"].says == "0 of 10 pairs of runs"


def test_runs_at_scale_take_the_place_of_smaller_ones(monkeypatch):
    name = "zhang2018.table1.lstm"
    for verdict, status in (("as printed", "reproduced"), ("not run yet", "undecided")):
        at_scale = {name: Comparison((verdict,), "said")}
        monkeypatch.setattr(evidence, "comparisons", lambda data, found=at_scale: found)
        assert evidence.evidence()[name].status == status


def evaluations(bonus, metric):
    folder = DATA / "runs" / "hunters_quick"
    runs = [json.loads((folder / f"{bonus}-{seed}.json").read_text()) for seed in range(5)]
    return [run["evaluation"][metric] for run in runs]


def test_the_numbers_are_those_of_the_files():
    """Student's interval of the five differences, and F's of the two deviations, by SciPy."""
    found = at_smaller_scale()
    assert list(hunters_quick(DATA).loc["smoothed", "length"]) == evaluations("smoothed", "length")
    for claim, metric in (("table1.lstm", "length"), ("table1.percent", "reward")):
        pairs = zip(evaluations("smoothed", metric), evaluations("none", metric), strict=True)
        differences = [a - b for a, b in pairs]
        low, high = stats.ttest_1samp(differences, 0).confidence_interval()
        told = f"{metric} {np.mean(differences):+.3g} [{low:.3g}, {high:.3g}]"
        assert told in found[f"zhang2018.{claim}"].says
    first, second = (np.std(evaluations(x, "length"), ddof=1) for x in ("smoothed", "none"))
    low, high = (first / second / stats.f.ppf(q, 4, 4) ** 0.5 for q in (0.975, 0.025))
    told = f"deviations of length {first / second:.3g} [{low:.3g}, {high:.3g}]"
    assert told in found["zhang2018.fig2"].says
    assert "(10.1 to 5.6 printed, " in found["zhang2018.table1.lstm"].says
    assert not any(x.paper_scale for x in found.values())


def test_the_smaller_runs_are_judged_by_what_was_registered_for_the_larger():
    assert set(SMALLER) == set(QUICK) == set(at_smaller_scale())
    assert {claim: x.status for claim, x in at_smaller_scale().items()} == QUICK
    for claim, found in at_smaller_scale().items():
        registered = [
            contrast
            for x in EXPERIMENTS.values()
            for contrast in x.claims.get(claim, ())
            if dict(contrast.first)["policy"] == "lstm"
        ]
        assert len(found.verdicts) == len(registered) > 0


def test_what_unfinished_episodes_decide_is_not_decided(data):
    """Differences -1, -3, -2, -2, -2: below 0, but without the last three not decided."""
    folder = data / "runs" / "hunters_quick"
    for late, status in ((0.0, "partly"), (0.001, "undecided")):
        for seed, less in enumerate((1, 3, 2, 2, 2)):
            for bonus, length in (("none", 10 + seed), ("smoothed", 10 + seed - less)):
                path = folder / f"{bonus}-{seed}.json"
                record = json.loads(path.read_text())
                cut = late if bonus == "none" and seed > 1 else 0.0
                record["evaluation"] |= {"length": length, "unfinished": cut}
                path.write_text(json.dumps(record))
        found = at_smaller_scale(data)["zhang2018.table1.lstm"]
        assert found.status == status
    named = "none, seed 2; none, seed 3; none, seed 4"
    assert f"without what left episodes unfinished ({named}): length -2 [-14.7" in found.says


def test_with_the_labels_exchanged_nothing_is_reproduced(data):
    folder = data / "runs" / "hunters_quick"
    for seed in range(5):
        smoothed, none, other = (folder / f"{n}-{seed}.json" for n in ("smoothed", "none", "x"))
        smoothed.rename(other)
        none.rename(smoothed)
        other.rename(none)
    found = {claim: x.status for claim, x in at_smaller_scale(data).items()}
    assert found == {**QUICK, "zhang2018.table1.percent": "not reproduced"}


def test_the_numbers_behind_a_difference_are_shown_and_not_judged():
    said = comparisons()["zhang2018.table3.lstm"].says
    found = stored.table(stored.load("zhang2018.table3_seeds"), "optimal_percent")["mean"]
    none, smoothed = (found["printed", "lstm", x] for x in ("none", "smoothed"))
    assert f"(39.8 to 95 % printed, {none:.3g} to {smoothed:.3g} % ours)" in said
    assert said.startswith("smoothed: share of optimal rounds +")
    assert "; unbiased gradient: share of optimal rounds +" in said
    assert said.endswith("; judged by sign, not by size")
    assert "printed" not in comparisons()["liu2020.patience"].says


@pytest.mark.parametrize(("smoothed", "fits"), [(5.6, 0), (8.7, 1)])
def test_a_claim_of_sizes_is_judged_by_them(monkeypatch, smoothed, fits):
    """Our lengths have a ratio of .86, rewards of 1.05; printed are .55 (or, here, .86) and 1.1."""
    name = "zhang2018.table1.percent"
    found = stored.load("zhang2018.table1")
    printed = {("length", "none"): 10.1, ("reward", "none"): 3.0, ("reward", "smoothed"): 3.3}
    printed["length", "smoothed"] = smoothed

    def look_up(label, metric):
        return printed.get((metric, dict(label).get("entropy")), "nan"), "nan"

    monkeypatch.setattr(stored, "printed_numbers", lambda _: look_up)
    counted = []
    for metric in ("length", "reward"):
        values = stored.table(found, metric)["values"]
        first, second = (np.array(values["lstm", x]) for x in ("smoothed", "none"))
        ratio = printed[metric, "smoothed"] / printed[metric, "none"]
        low, high = stats.ttest_1samp(first - ratio * second, 0).confidence_interval()
        counted.append(low <= 0 <= high)
    compared = comparisons()[name]
    assert compared.sizes == tuple(counted)
    assert sum(counted) == fits
    assert compared.says.endswith(f"; judged by size too: of 2 printed ratios {fits} fit ours")
    assert compared.status == "partly"
    assert claims.load()[name].sizes


def test_sizes_need_means_that_the_paper_prints(monkeypatch):
    """Said at once, and not when the last run is there."""
    monkeypatch.setattr(stored, "printed_numbers", lambda _: lambda label, metric: ("nan", "nan"))
    with pytest.raises(ValueError, match=r"zhang2018\.table1: expected means .*claim of sizes"):
        comparisons()
    with pytest.raises(ValueError, match="sizes: expected False unless runs are judged"):
        dataclasses.replace(claims.load()["zhang2018.thm4"], sizes=True)


def test_a_label_is_what_it_says_in_whatever_order(monkeypatch):
    name, claim = "zhang2018.table3", "zhang2018.table3.independent"
    before, declared = comparisons()[claim], EXPERIMENTS[name]
    turned = tuple(
        dataclasses.replace(c, first=c.first[::-1], second=c.second[::-1])
        for c in declared.claims[claim]
    )
    monkeypatch.setitem(
        EXPERIMENTS, name, dataclasses.replace(declared, contrasts=turned, claims={claim: turned})
    )
    assert comparisons()[claim].verdicts == before.verdicts


def test_contrasts_that_differ_by_their_policy_are_told_apart():
    said = comparisons()["zhang2018.fig2"].says
    for policy in ("independent", "lstm", "mmdp"):
        assert f"{policy} smoothed: ratio of the standard deviations of length " in said


def test_thousands_are_no_powers():
    assert [_figure(x) for x in (-2218.3, 0.66349, 12.0)] == ["-2,218", "0.663", "12"]
    assert _figure(3112.9, "+") == "+3,113"


def test_agents_that_never_get_there_reproduce_nothing():
    """Ten seeds at zero less ten seeds at zero is no agreement."""
    found = comparisons()["zhang2018.table3.independent"]
    assert found.says.count("0 [0, 0]") == 3
    assert set(found.verdicts) == {"undecided"}


def test_a_missing_run_is_named(data):
    (data / "runs" / "hunters_quick" / "none-3.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"none-3\.json"):
        at_smaller_scale(data)
