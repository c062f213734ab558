"""Tables from a store: their numbers by hand, and what is missing named, never invented."""

import dataclasses
import math
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import t

from bookkit import stored
from entropy_rl.algorithms import Evaluation, OnPolicyConfig, evaluate
from entropy_rl.envs import HuntersRabbits
from entropy_rl.envs.planner import physical_limit
from entropy_rl.experiments import (
    BREAKOUT,
    EXPERIMENTS,
    Contrast,
    EvaluationSpec,
    Experiment,
    RunSpec,
    Store,
    label,
)

NAME = "small.table"
COLUMNS = ("none", "smoothed", "linked")
# Mean lengths by column and seed; "linked" shares the runs of "smoothed".
LENGTHS = {("none", 0): 9.0, ("none", 1): 7.0, ("smoothed", 0): 6.0, ("smoothed", 1): 5.0}
PRINTED = """policy,entropy,metric,mean,std
lstm,none,length,10.1,1.9
lstm,smoothed,length,5.2,0.2
mmdp,smoothed,length,77,7
"""


def spec_of(entropy, seed):
    config = OnPolicyConfig(episodes=40, batch=20, minibatches=1, cap=5, entropy=entropy)
    options = {"size": 3, "hunters": 2}
    return RunSpec("hunters", "lstm", config, seed, options, {"hidden_size": 4}, SEEN)


SEEN = EvaluationSpec(4, 30, seed=11)
CONTRASTS = (
    Contrast(
        "length",
        label(policy="lstm", entropy="smoothed"),
        label(policy="lstm", entropy="none"),
        -1,
        level=0.6,
    ),
    Contrast(
        "length",
        label(policy="lstm", entropy="smoothed"),
        label(policy="lstm", entropy="none"),
        1,
        factor=0.5,
    ),
)


@pytest.fixture
def declared(monkeypatch):
    runs = {
        label(policy="lstm", entropy=entropy, seed=seed): spec_of(
            "smoothed" if entropy == "linked" else entropy, seed
        )
        for entropy in COLUMNS
        for seed in (0, 1)
    }
    chosen = Experiment(
        NAME,
        "a test",
        {"quick": runs, "paper": runs},
        CONTRASTS,
        claims={"a.b": CONTRASTS[:1]},
    )
    monkeypatch.setitem(EXPERIMENTS, NAME, chosen)
    return chosen


def save(data, entropy, seed, length, episodes=(20, 40), **hardware):
    """A run of four episodes, one of them cut, whose mean length is as given."""
    lengths = (length - 2, length - 1, length + 1, length + 2)
    evaluation = Evaluation(
        4, length, (0.0, 1.0), length, 20 - length, (0.0, 1.0), 0.25, lengths, lengths
    )
    curves = {"episodes": episodes, "return": [1.0 + seed, 2.0 + seed]}
    provenance = {
        "commit": "abc",
        "steps": 1000,
        "cpu_seconds": {"training": 2.0, "evaluation": 1.0},
        "versions": {"torch": "2"},
        "hardware": {"processor": "a processor", **hardware},
    }
    Store(data / "runs" / "small").save(spec_of(entropy, seed), curves, [evaluation], provenance)


@pytest.fixture
def data(tmp_path, declared):
    (tmp_path / "runs").mkdir()
    (tmp_path / "papers").mkdir()
    (tmp_path / "papers" / "small_table.csv").write_text(PRINTED)
    return tmp_path


@pytest.fixture
def whole(data):
    for (entropy, seed), length in LENGTHS.items():
        save(data, entropy, seed, length)
    return data


@pytest.fixture
def partly(data):
    for key in (("none", 0), ("none", 1), ("smoothed", 1)):
        save(data, *key, LENGTHS[key])
    return data


def test_a_table_by_hand(whole):
    found = stored.load(NAME, data=whole)
    assert found.missing == ()
    table = stored.table(found, "length")
    assert list(table.index) == [("lstm", entropy) for entropy in COLUMNS]
    none = table.loc[("lstm", "none")]
    assert none["values"] == (9.0, 7.0)
    assert none["mean"] == 8
    # Student: s = √2, so that s/√2 = 1.
    half = t.ppf(0.975, 1)
    assert (none["low"], none["high"]) == pytest.approx((8 - half, 8 + half))
    assert none["std"] == pytest.approx(2**0.5)
    assert (none["seeds"], none["planned"]) == (2, 2)
    assert (none["unfinished"], none["evaluated"]) == (2, 8)
    assert (none["printed"], none["printed_std"]) == (10.1, 1.9)
    shared = table.loc[("lstm", "linked")]
    assert shared["values"] == table.loc[("lstm", "smoothed")]["values"]
    assert math.isnan(shared["printed"])
    assert len(found.stored()) == 4
    assert list(stored.table(found, "reward")["mean"]) == [12, 14.5, 14.5]


def test_the_limit_is_of_the_starts_that_were_evaluated(whole):
    game = HuntersRabbits(size=3, hunters=2)
    expected = physical_limit(game, episodes=SEEN.episodes, seed=SEEN.seed)
    found = stored.load(NAME, data=whole)
    assert (stored.table(found, "length")["limit"] == expected.length).all()
    assert (stored.table(found, "reward")["limit"] == expected.reward).all()
    assert stored.table(found, "median_length")["limit"].isna().all()
    other = physical_limit(game, episodes=SEEN.episodes, seed=SEEN.seed + 1)
    assert other.reward != expected.reward


def test_the_starts_of_an_evaluation_are_those_of_its_limit(monkeypatch):
    drawn, healthy = [], HuntersRabbits.reset

    def reset(self, num, **options):
        drawn.append(healthy(self, num, **options))
        return drawn[-1]

    monkeypatch.setattr(HuntersRabbits, "reset", reset)
    env, policy = spec_of("none", 0).make()
    evaluate(env, policy, SEEN.episodes, SEEN.seed, cap=3)
    physical_limit(env, episodes=SEEN.episodes, seed=SEEN.seed)
    first, second = drawn
    assert torch.equal(first.hunters, second.hunters)
    assert torch.equal(first.rabbits, second.rabbits)


def test_the_limit_of_the_bandit_is_its_best_assignment():
    spec = RunSpec("bandit", "independent", OnPolicyConfig(cap=1), 0)
    for metric in ("reward", "last_reward", "last_expected"):
        assert stored.limit(spec, metric) == pytest.approx(35.66)
    assert stored.limit(spec, "optimal_percent") == 100 * stored.limit(spec, "last_optimal") == 100
    assert math.isnan(stored.limit(spec, "length"))


def test_the_table_of_the_bandit_has_the_printed_names_of_its_end():
    """The stored Table 3: a percentage is a hundred shares, rewards are of the last rounds."""
    found = stored.load("zhang2018.table3")
    at = ("printed", "lstm", "smoothed")
    percent, share = (stored.table(found, x).loc[at] for x in ("optimal_percent", "last_optimal"))
    assert percent["values"] == tuple(100 * x for x in share["values"])
    assert (percent["printed"], percent["printed_std"]) == (95, 1.9)
    assert math.isnan(share["printed"])
    for metric in ("last_reward", "last_expected"):
        assert stored.table(found, metric).loc[at]["printed"] == 35.9


def test_a_seed_of_a_stacked_run_has_its_own_numbers():
    """The stored Table 3, ten seeds a run: the sidecar has a list, in the order of the seeds."""
    seen = set()
    for runs in stored.load("zhang2018.table3").groups.values():
        (record,) = {run.spec.hash: run.record for run in runs.values()}.values()
        for (seed, run), evaluated in zip(runs.items(), record["evaluation"], strict=True):
            assert stored.measure(run, "expected_reward", seed) == evaluated["expected_reward"]
            seen.add(evaluated["expected_reward"])
    assert len(seen) > 16


def test_costs_come_from_the_sidecar(whole):
    """Two CPU-seconds for 40 episodes and 1,000 steps."""
    found = stored.load(NAME, data=whole)
    assert (stored.table(found, "seconds")["mean"] == 50).all()
    assert (stored.table(found, "microseconds")["mean"] == 2000).all()


def test_contrasts_by_hand(whole):
    """Differences -3 and -2; with half of none, 1.5 and 1.5, whose interval is a point."""
    found = stored.load(NAME, data=whole)
    first, second = stored.contrasts(found).to_dict("records")
    half = t.ppf(0.8, 1) / 2
    assert first["difference"] == -2.5
    assert (first["low"], first["high"]) == pytest.approx((-2.5 - half, -2.5 + half))
    assert (first["first"], first["second"]) == (
        "policy=lstm entropy=smoothed",
        "policy=lstm entropy=none",
    )
    assert (first["pairs"], first["planned"], first["verdict"]) == (2, 2, "as printed")
    assert (second["difference"], second["factor"]) == (1.5, 0.5)
    assert second["verdict"] == "as printed"
    assert list(stored.claims(found)) == ["a.b"]
    assert stored.claims(found)["a.b"].to_dict("records") == [first]


@pytest.mark.parametrize(
    ("sign", "level", "verdict"),
    [(1, 0.6, "against"), (-1, 0.95, "undecided"), (-1, 0.6, "as expected")],
)
def test_verdicts(whole, declared, monkeypatch, sign, level, verdict):
    (whole / "papers" / "small_table.csv").unlink()
    changed = dataclasses.replace(CONTRASTS[0], sign=sign, level=level)
    monkeypatch.setitem(
        EXPERIMENTS, NAME, dataclasses.replace(declared, contrasts=(changed,), claims={})
    )
    found = stored.contrasts(stored.load(NAME, data=whole))
    assert list(found["verdict"]) == [verdict]


@pytest.mark.parametrize(
    ("printed", "sign", "verdict"),
    [("5.2", -1, "as printed"), ("nan", -1, "as expected"), ("5.2", 0, "as expected")],
)
def test_as_printed_is_what_the_paper_prints(whole, declared, monkeypatch, printed, sign, verdict):
    path = whole / "papers" / "small_table.csv"
    path.write_text(path.read_text().replace("5.2", printed))
    changed = dataclasses.replace(CONTRASTS[0], sign=sign, level=0.6 if sign else 0.95)
    monkeypatch.setitem(
        EXPERIMENTS, NAME, dataclasses.replace(declared, contrasts=(changed,), claims={})
    )
    found = stored.contrasts(stored.load(NAME, data=whole))
    assert list(found["verdict"]) == [verdict]


def test_a_sign_that_the_paper_does_not_print_is_refused(whole):
    """Registered: fewer steps with the bonus. Printed, here: more."""
    path = whole / "papers" / "small_table.csv"
    path.write_text(path.read_text().replace("5.2", "50.2"))
    with pytest.raises(ValueError, match=r"contrast: expected the sign of what is printed, 50\.2"):
        stored.contrasts(stored.load(NAME, data=whole))


def test_it_is_refused_whatever_came_out(whole, declared, monkeypatch):
    """Registered: more steps with the bonus. Printed: fewer, and so it came out."""
    changed = dataclasses.replace(CONTRASTS[0], sign=1, level=0.6)
    monkeypatch.setitem(
        EXPERIMENTS, NAME, dataclasses.replace(declared, contrasts=(changed,), claims={})
    )
    with pytest.raises(ValueError, match="contrast: expected the sign of what is printed"):
        stored.contrasts(stored.load(NAME, data=whole))


def test_no_registered_sign_is_against_what_is_printed():
    for name, declared in EXPERIMENTS.items():
        look_up = stored.printed_numbers(stored.load(name))
        for c in declared.contrasts:
            metric = stored.SHARES.get(c.metric, c.metric)
            place = 1 if c.statistic == "spread" else 0
            first, second = (float(look_up(side, metric)[place]) for side in (c.first, c.second))
            assert not c.sign * (first - c.factor * second) < 0


def test_a_number_in_a_label_finds_its_printed_row(whole, declared, monkeypatch):
    named = label(hunters=2, entropy="none", seed=0)
    tiers = {tier: {named: spec_of("none", 0)} for tier in ("quick", "paper")}
    monkeypatch.setitem(EXPERIMENTS, NAME, Experiment(NAME, "a source", tiers))
    path = whole / "papers" / "small_table.csv"
    path.write_text("hunters,entropy,metric,mean,std\n2,none,length,10.1,1.9\n")
    look_up = stored.printed_numbers(stored.load(NAME, data=whole))
    assert look_up(label(hunters=2, entropy="none"), "length") == ("10.1", "1.9")
    path.write_text(path.read_text() + "2,none,length,10.2,1.9\n")
    look_up = stored.printed_numbers(stored.load(NAME, data=whole))
    with pytest.raises(
        ValueError, match=r"small_table\.csv: expected one row .*, got 2 of hunters=2"
    ):
        look_up(label(hunters=2, entropy="none"), "length")


def test_what_is_missing_is_named_and_no_number_stands_for_it(partly):
    found = stored.load(NAME, data=partly)
    assert found.missing == (
        label(policy="lstm", entropy="smoothed", seed=0),
        label(policy="lstm", entropy="linked", seed=0),
    )
    table = stored.table(found, "length")
    row = table.loc[("lstm", "smoothed")]
    assert (row["values"], row["mean"], row["seeds"], row["planned"]) == ((5.0,), 5, 1, 2)
    assert np.isnan([row["low"], row["high"], row["std"]]).all()
    for contrast in stored.contrasts(found).to_dict("records"):
        assert (contrast["pairs"], contrast["planned"]) == (1, 2)
        assert contrast["verdict"] == stored.NOT_RUN
        assert np.isnan([contrast["difference"], contrast["low"], contrast["high"]]).all()


def test_a_contrast_waits_for_all_of_its_pairs(whole, declared, monkeypatch):
    """Two of three are enough for an interval, and are not computed."""
    third = {
        label(policy="lstm", entropy=entropy, seed=2): spec_of(entropy, 2)
        for entropy in ("none", "smoothed")
    }
    runs = {**declared.tiers["paper"], **third}
    longer = dataclasses.replace(declared, tiers={"quick": runs, "paper": runs})
    monkeypatch.setitem(EXPERIMENTS, NAME, longer)
    (row, _) = stored.contrasts(stored.load(NAME, data=whole)).to_dict("records")
    assert (row["pairs"], row["planned"], row["verdict"]) == (2, 3, stored.NOT_RUN)
    assert math.isnan(row["difference"])


def test_cells(partly):
    shown = stored.cells(stored.load(NAME, data=partly), "length", digits=1)
    assert list(shown.columns) == ["printed", "ours", "unfinished", "limit"]
    half = t.ppf(0.975, 1)
    assert list(shown["ours"]) == [
        f"8.0 [{8 - half:.1f}, {8 + half:.1f}]",
        "5.0 (1 of 2 seeds)",
        "5.0 (1 of 2 seeds)",
    ]
    assert list(shown["printed"]) == ["10.1 ± 1.9", "5.2 ± 0.2", ""]
    assert list(shown["unfinished"]) == ["2 of 8", "1 of 4", "1 of 4"]


def test_nothing_is_stored(data):
    found = stored.load(NAME, data=data)
    assert len(found.missing) == 6
    assert set(stored.cells(found, "length")["ours"]) == {stored.NOT_RUN}
    assert stored.curves(found) == {}
    assert stored.caption(found) == "small.table: not run yet (0 of 4 runs)."
    (data / "runs").rmdir()
    assert stored.load(NAME, data=data).missing == found.missing


def test_a_column_without_anything_is_left_out(data):
    (data / "papers" / "small_table.csv").unlink()
    shown = stored.cells(stored.load(NAME, data=data), "median_length")
    assert list(shown.columns) == ["ours"]


def test_curves_are_arrays(partly):
    found = stored.curves(stored.load(NAME, data=partly))
    none = found[label(policy="lstm", entropy="none")]
    assert none.episodes.tolist() == [20, 40]
    assert none.values.tolist() == [[1, 2], [2, 3]]
    assert none.seeds == (0, 1)
    assert found[label(policy="lstm", entropy="smoothed")].seeds == (1,)


def test_seeds_that_were_not_trained_alike_have_no_curve(partly):
    save(partly, "smoothed", 0, 6.0, episodes=(20, 39))
    found = stored.load(NAME, data=partly)
    with pytest.raises(ValueError, match="found: expected seeds of one length of training, got"):
        stored.curves(found)


def test_a_caption_says_where_the_numbers_come_from(partly):
    assert stored.caption(stored.load(NAME, data=partly)) == (
        "small.table: 3 of 4 runs in data/runs/small, commit abc, torch 2, a processor, "
        "0.0 CPU-hours."
    )


def test_a_printed_table_has_the_columns_of_the_labels(whole):
    path = whole / "papers" / "small_table.csv"
    path.write_text(path.read_text().replace("entropy,", "bonus,", 1))
    with pytest.raises(ValueError, match=r"small_table\.csv: column: expected one of .*'bonus'"):
        stored.printed_numbers(stored.load(NAME, data=whole))


def test_a_caption_counts_commits(whole):
    assert ", commit abc, " in stored.caption(stored.load(NAME, data=whole))
    found = stored.load(NAME, data=whole)
    found.stored()[0].record["commit"] = "abd"
    assert ", 2 commits, " in stored.caption(found)


def test_a_caption_names_accelerators(partly):
    save(partly, "smoothed", 0, 6.0, accelerator="a GPU")
    assert stored.caption(stored.load(NAME, data=partly)).endswith(
        "torch 2, a processor, 1 with a GPU, 0.0 CPU-hours."
    )


def test_a_run_that_was_altered_is_refused(whole):
    path = next((whole / "runs" / "small").glob("*.npz"))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match=f"{path}: truncated"):
        stored.load(NAME, data=whole)


def test_what_is_not_there_is_refused(whole):
    found = stored.load(NAME, data=whole)
    with pytest.raises(
        ValueError, match=r"metric: expected one of .*'lenght' .did you mean 'length'"
    ):
        stored.table(found, "lenght")
    with pytest.raises(ValueError, match="metric: expected one of 'return', got 'entropy'"):
        stored.curves(found, "entropy")


def test_the_quick_tier_is_read_where_it_was_swept(whole):
    found = stored.load(NAME, "quick", whole, whole / "runs")
    assert found.missing == ()
    for folder, told in (
        (whole / "runs" / "small", "data/runs/small"),
        (whole.parent / "_build" / "runs" / "small", "_build/runs/small"),
        (Path("/elsewhere/small"), "/elsewhere/small"),
    ):
        moved = dataclasses.replace(found, folder=folder)
        assert f" runs in {told}, commit " in stored.caption(moved)


def test_a_page_reads_no_runs_that_are_not_committed(whole, monkeypatch):
    """Nothing would make it anew when they change."""
    monkeypatch.setenv("BOOKKIT_STATIC", "1")
    assert stored.load(NAME, data=whole).missing == ()
    with pytest.raises(ValueError, match="tier: expected 'paper' on a page of the book"):
        stored.load(NAME, "quick", whole)


def test_the_build_is_told_of_what_is_still_to_come(data, monkeypatch):
    """The page must be made anew when the first run or a printed table arrives."""
    listed, healthy = [], os.listdir
    monkeypatch.setattr(os, "listdir", lambda p: listed.append(p) or healthy(p))
    found = stored.load(NAME, data=data)
    assert listed == [data / "runs"]
    stored.printed_numbers(found)
    assert listed == [data / "runs", data / "papers"]


def test_no_game_of_breakout_gives_more_than_both_walls():
    spec = next(iter(BREAKOUT.runs("paper").values()))
    assert stored.limit(spec, "reward") == 864
    assert math.isnan(stored.limit(spec, "length"))
