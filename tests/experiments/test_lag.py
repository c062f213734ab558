"""SIMPALA behind a lag: the rates that were tried, those that were taken, what was told before."""

import hashlib
import math
from pathlib import Path

import pytest

from entropy_rl.experiments import LAG, LAG_RATES, Store, label, run_spec
from entropy_rl.experiments.lag import LAGS, RATE_SEEDS, ROWS, SEEDS, TUNED, rates_of

STORED = Store(Path(__file__).parents[2] / "data" / "runs" / "liu2020")
CELLS = [(correction, lag) for correction in ROWS for lag in LAGS]


def tried(correction, lag):
    """The mean return of each rate over its seeds."""
    found = {}
    for rate in rates_of(lag):
        name = label(correction=correction, lag=lag, rate=f"{rate:g}")
        runs = {seed: STORED.find(spec) for seed, spec in LAG_RATES.seeds("paper", name).items()}
        assert list(runs) == list(RATE_SEEDS), name
        assert None not in runs.values(), f"{name}: runs are missing"
        returns = [run.of(seed).metric("greedy_reward") for seed, run in runs.items()]
        found[rate] = sum(returns) / len(returns)
    return found


@pytest.mark.parametrize(("correction", "lag"), CELLS)
def test_the_rate_that_is_taken_is_the_best_that_was_tried(correction, lag):
    means = tried(correction, lag)
    assert TUNED[correction][lag] == max(means, key=means.get)


def test_rates_were_found_on_other_seeds_than_those_that_are_judged():
    assert not set(RATE_SEEDS) & set(SEEDS)


@pytest.mark.parametrize(("correction", "lag"), CELLS)
def test_a_lag_differs_from_none_by_its_rate_its_row_and_the_lag_alone(correction, lag):
    runs = LAG.seeds("paper", label(correction=correction, lag=lag))
    assert list(runs) == list(SEEDS)
    (spec,) = set(runs.values())
    assert list(spec.seeds) == list(SEEDS)
    here = spec.to_json()
    there = LAG.runs("paper")[label(correction="V-trace", lag=0, seed=0)].to_json()
    config = here["config"]
    assert config.pop("learning_rate") == TUNED[correction][lag]
    assert config.pop("lag", 0) == lag
    assert config.pop("algorithm") == (ROWS[correction] if lag else "simpala")
    assert there["config"].pop("learning_rate") == TUNED["V-trace"][0]
    there["config"].pop("lag", None)
    there["config"].pop("algorithm")
    assert there["config"].pop("options") == {"lambda": 1, "clip_rho": 1, "clip_c": 1}
    clips = {"clip_rho": 1, "clip_c": 1} if correction == "V-trace" or not lag else {}
    assert config.pop("options") == {"lambda": 1, **clips}
    assert here == there


def test_without_a_lag_nothing_is_corrected_and_the_runs_are_shared():
    runs = LAG.runs("paper")
    assert len(runs) == 120
    assert len({spec.hash for spec in runs.values()}) == 11
    assert TUNED["V-trace"][0] == TUNED["none"][0]


def test_the_specs_are_fixed():
    """Changed on purpose only: its runs would have to be made again."""
    text = "".join(spec.canonical for spec in dict.fromkeys(LAG.runs("paper").values()))
    assert hashlib.sha256(text.encode()).hexdigest() == (
        "2a2c1acaa5676d72619ecf313a70a860af69c1465be19d06bc27e2c87728f4aa"
    )


def test_what_was_told_before_the_runs():
    told = [(dict(c.first), dict(c.second), c.sign) for c in LAG.contrasts]
    worth = [(x, y, s) for x, y, s in told if x["lag"] == y["lag"]]
    assert [(x["lag"], s) for x, _, s in worth] == [(1, 0), (2, 0), (4, 1), (8, 1), (16, 1)]
    assert all((x["correction"], y["correction"]) == ("V-trace", "none") for x, y, _ in worth)
    cost = [(x["correction"], x["lag"], y["lag"], s) for x, y, s in told if x["lag"] != y["lag"]]
    assert cost == [("V-trace", 16, 0, -1), ("none", 16, 0, -1)]
    assert {c.metric for c in LAG.contrasts} == {"greedy_reward"}


@pytest.mark.parametrize("correction", ROWS)
def test_a_quick_run_is_behind_and_is_judged_twice(correction, tmp_path):
    spec = LAG.runs("quick")[label(correction=correction, lag=1, seed=1)]
    assert spec.config.lag == 1
    run_spec(spec, Store(tmp_path))
    seen = Store(tmp_path).load(spec.hash).of(1)
    assert {"reward", "greedy_reward"} <= set(seen.evaluation)
    assert all(math.isfinite(seen.metric(m)) for m in ("reward", "greedy_reward"))
