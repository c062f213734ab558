"""Table 3 as it is declared: complete, fixed, and its two arms apart by the rate alone."""

import dataclasses
import hashlib
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
from small import data_files

from entropy_rl.algorithms import Trainer
from entropy_rl.experiments import EXPERIMENTS, RunSpec, Store, label, run_spec, runner, sweep

TABLE = EXPERIMENTS["zhang2018.table3"]
PRINTED = Path(__file__).parents[2] / "data" / "papers" / "zhang2018_table3.csv"
CELL = {"rates": "printed", "policy": "lstm", "entropy": "unbiased_gradient"}
METRIC = {"last_optimal": "optimal_percent", "last_expected": "reward"}


def spec_of(**changes):
    """A stacked run of forty updates."""
    (spec,) = set(TABLE.runs("quick", CELL).values())
    return dataclasses.replace(spec, **changes)


def test_every_printed_cell_has_ten_seeds_of_a_hundred_thousand_rounds_in_both_arms():
    runs = TABLE.runs("paper")
    cells = Counter(tuple(value for key, value in name if key != "seed") for name in runs)
    printed = pd.read_csv(PRINTED)
    expected = set(zip(printed["policy"], printed["entropy"], strict=True))
    assert set(cells) == {(arm, *cell) for arm in ("printed", "one_rate") for cell in expected}
    assert set(cells.values()) == {10}
    for name, spec in runs.items():
        assert (spec.config.episodes, list(spec.seeds)) == (100_000, list(range(10)))
        assert dict(name)["seed"] in spec.seeds
        assert spec.environment_options["agents"] == 4
    assert len(set(runs.values())) == 16


def test_the_specs_of_the_stored_runs_are_fixed():
    """Changed on purpose only: every run of the table would have to be made again."""
    text = "".join(sorted({spec.canonical for spec in TABLE.runs("paper").values()}))
    assert hashlib.sha256(text.encode()).hexdigest() == (
        "e02c51cd80b7f5b7296b1069d6a4ec53bbdebc9e9e2d7a5680bf2a9e39fd342e"
    )


def test_the_arms_differ_by_rates_and_weights_alone():
    ratios = set()
    for name, spec in TABLE.runs("paper", {"rates": "one_rate"}).items():
        other = TABLE.runs("paper")[label(**{**dict(name), "rates": "printed"})]
        assert spec.config.learning_rate == 0.005
        if other.config.beta:
            ratios.add(round(spec.config.beta / other.config.beta, 9))
        same = dataclasses.replace(
            spec.config, learning_rate=other.config.learning_rate, beta=other.config.beta
        )
        assert dataclasses.replace(spec, config=same) == other
    assert ratios == {30}


def test_the_claims_are_of_the_printed_rates():
    """Of independent sampling its ten seeds; of the LSTM the hundred that came after ten."""
    (claim,) = TABLE.claims
    assert claim == "zhang2018.table3.independent"
    seeds = EXPERIMENTS["zhang2018.table3_seeds"]
    for chosen, policy, entropies, arm in (
        (TABLE.claims[claim], "independent", {"crude", "smoothed", "unbiased_gradient"}, "rates"),
        (
            seeds.claims["zhang2018.table3.lstm"],
            "lstm",
            {"smoothed", "unbiased_gradient"},
            "arm",
        ),
    ):
        for contrast in chosen:
            first, second = dict(contrast.first), dict(contrast.second)
            assert (first[arm], first["policy"]) == ("printed", policy)
            assert second == {**first, "entropy": "none"}
            assert contrast.metric == "last_optimal"
        assert {dict(c.first)["entropy"] for c in chosen} == entropies
        assert len(chosen) == len(entropies)
    assert len(seeds.seeds("paper", chosen[0].first)) == 100


def test_the_contrasts_expect_what_is_printed():
    printed = pd.read_csv(PRINTED).set_index(["policy", "entropy", "metric"])["mean"]
    for contrast in TABLE.contrasts:
        first, second = dict(contrast.first), dict(contrast.second)
        assert second == {**first, "entropy": "none"}
        metric = METRIC[contrast.metric]
        difference = (
            printed[first["policy"], first["entropy"], metric]
            - printed[second["policy"], second["entropy"], metric]
        )
        assert contrast.sign == int(difference > 0) - int(difference < 0), contrast
        assert len(TABLE.seeds("paper", contrast.first)) == 10
    assert len(TABLE.contrasts) == 2 * 2 * 3 * 2


def test_the_whole_table_is_expected_to_take_minutes():
    costs = {spec.hash: TABLE.cost(spec) for spec in TABLE.runs("paper").values()}
    assert sum(costs.values()) < 240


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    store = Store(tmp_path_factory.mktemp("whole"))
    sweep(TABLE, "quick", store, progress=False)
    return store


def test_the_quick_tier_runs_and_every_seed_is_read(whole):
    assert whole.problems() == {}
    for name, spec in TABLE.runs("quick").items():
        run, seed = whole.load(spec.hash), dict(name)["seed"]
        assert run.record["seeds"] == [0, 1]
        assert run.curves["episodes"].tolist() == [50 * (n + 1) for n in range(40)]
        own = run.of(seed)
        assert own.curves["optimal"].shape == own.curves["episodes"].shape == (40,)
        assert own.lengths.shape == own.scores.shape == (100,)
        assert own.metric("reward") == pytest.approx(own.scores.mean(), rel=1e-6)
        assert own.metric("last_optimal") == own.curves["optimal"][-1]
        assert 0 <= own.metric("optimal") <= 1
        assert 10 <= own.metric("expected_reward") <= 35.66
    with pytest.raises(ValueError, match=r"seed: expected one of .0, 1., got 2"):
        run.of(2)
    with pytest.raises(ValueError, match="name: expected one of"):
        own.metric("last_optimum")
    with pytest.raises(ValueError, match="run: expected one that is not stacked"):
        dict(run.evaluation)


def test_a_stacked_seed_is_the_seed_alone(whole, tmp_path):
    """To rounding, single precision, forty updates: and its actions are the same."""
    spec = spec_of()
    for seed in spec.seeds:
        alone = dataclasses.replace(spec, seed=seed, replicas=1)
        run_spec(alone, Store(tmp_path))
        mine, its = whole.load(spec.hash).of(seed), Store(tmp_path).load(alone.hash).of(seed)
        assert (mine.scores == its.scores).all()
        assert mine.metric("optimal") == pytest.approx(its.metric("optimal"), rel=1e-3)
        for name in ("reward", "optimal", "expected"):
            assert (mine.curves[name] == its.curves[name]).all(), name
        assert mine.curves["entropy"] == pytest.approx(its.curves["entropy"], rel=1e-5)


class Stop(Exception):
    """Stands for a kill."""


@pytest.mark.parametrize("batches", [(1,), (9, 20)])
def test_a_stacked_run_that_was_stopped_ends_with_the_same_arrays(whole, tmp_path, batches):
    spec, store = spec_of(), Store(tmp_path)
    for n in batches:
        left = iter(range(n))

        def stop(left=left):
            if next(left, None) is None:
                raise Stop

        with pytest.raises(Stop):
            run_spec(spec, store, checkpoint_seconds=0, after_batch=stop)
    run_spec(spec, store)
    name = f"{spec.hash}.npz"
    assert data_files(store) == {name: data_files(whole)[name]}
    mine, other = (x.load(spec.hash).record for x in (store, whole))
    for key in ("evaluation", "first_updates", "steps", "updates", "seeds"):
        assert mine[key] == other[key], key
    assert runner.beginning(spec) == mine["first_updates"]


def test_a_nan_in_one_replica_stops_its_run_and_names_the_seed(whole, tmp_path, monkeypatch):
    make, victim, store = RunSpec.make, spec_of(), Store(tmp_path)

    def poisoned(self):
        env, policy = make(self)
        if self == victim:
            calls = iter(range(10**6))

            def spoil(g):
                out = g.clone()
                out[1, 0] = float("nan") if next(calls) == 7 else out[1, 0]
                return out

            policy.head.weight.register_hook(spoil)
        return env, policy

    monkeypatch.setattr(RunSpec, "make", poisoned)
    report = sweep(TABLE, "quick", store, only={"policy": "lstm"}, progress=False)
    assert list(report.diverged) == [victim.hash]
    assert "update 7: gradient of seed 1 is not finite" in report.summary()
    kept = data_files(store)
    assert kept == {name: data_files(whole)[name] for name in kept}
    assert len(kept) == 7


def test_the_trained_replicas_are_kept_where_it_is_asked(tmp_path):
    from entropy_rl.policies import load_policy

    spec = spec_of()
    run_spec(spec, Store(tmp_path / "runs"), policies=tmp_path)
    for seed in spec.seeds:
        policy, _ = load_policy(tmp_path / f"{spec.hash}-{seed}.pt")
        found = spec.make()[0].closed_form(policy)
        assert found["optimal"] == Store(tmp_path / "runs").load(spec.hash).of(seed).metric(
            "optimal"
        )


def test_a_configuration_that_cannot_be_stacked_is_refused_before_it_runs(tmp_path):
    from small import small

    halves = dataclasses.replace(small(), replicas=2)
    whole = dataclasses.replace(halves, config=dataclasses.replace(halves.config, minibatches=1))
    for spec, message in (
        (halves, "minibatches: expected 1 where replicas are stacked, unless grouping='rows'"),
        (whole, r"env: expected one that draws by entropy_rl\.streams, .* got HuntersRabbits"),
    ):
        with pytest.raises(ValueError, match=message):
            run_spec(spec, Store(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_seeds_of_a_spec():
    spec = spec_of(seed=7, replicas=3)
    assert list(spec.seeds) == [7, 8, 9]
    with pytest.raises(ValueError, match="seed: expected"):
        spec_of(seed=2**63 - 1)
    env, policy = spec.make()
    assert policy.replicas == 3
    assert Trainer(env, policy, spec.config, spec.seeds).replicas.seeds == (7, 8, 9)
