"""The pendulum as it is declared, and what the stored runs of it must show."""

import hashlib
import statistics
from pathlib import Path

import pytest

from entropy_rl.algorithms import ALGORITHMS
from entropy_rl.experiments import PENDULUM, STAGGER, Store, label, sweep
from entropy_rl.experiments.pendulum import CLIPPED, SCORES, TRUSTED

STORED = Store(Path(__file__).parents[2] / "data" / "runs" / "liu2020")
TWINS = (
    ("ppo", "sppo38"),
    ("ppo", "sppo40"),
    ("trpo", "strpo"),
    ("a2c", "sa2c"),
    ("impala", "simpala"),
)


def specs(algorithm, tier="paper"):
    return PENDULUM.seeds(tier, label(algorithm=algorithm))


def returns(algorithm, seeds):
    """Of the mean action."""
    runs = [STORED.find(specs(algorithm)[seed]) for seed in seeds]
    assert None not in runs, f"{algorithm}: runs are missing"
    return [run.of(seed).metric("greedy_reward") for seed, run in zip(seeds, runs, strict=True)]


def test_every_row_is_there_but_reinforce_and_what_is_for_lags_alone():
    rows = ALGORITHMS.keys() - {"reinforce", "simpala_uncorrected"}
    assert {*CLIPPED, *TRUSTED, *SCORES} == rows
    for row in rows:
        assert list(specs(row)) == list(range(10))


@pytest.mark.parametrize(("plain", "soft"), TWINS)
def test_twins_differ_by_their_name_alone(plain, soft):
    for seed in specs(plain):
        one, two = (specs(row)[seed].to_json() for row in (plain, soft))
        assert (one["config"].pop("algorithm"), two["config"].pop("algorithm")) == (plain, soft)
        assert one == two


def test_all_are_judged_alike_and_train_as_long_as_is_said():
    for rows, most in ((CLIPPED, 80_000), (TRUSTED, 201_000), (SCORES, 1_000_000)):
        for row in rows:
            spec = specs(row)[0]
            assert 0.99 * most < spec.config.episodes * spec.config.cap <= most
            seen = spec.evaluation
            assert (seen.episodes, seen.cap, seen.greedy) == (256, 200, True)
            assert spec.environment_options["reward_scale"] == 1 / 8


def test_no_difference_of_twins_is_expected_and_one_of_the_clock_is():
    told = [(dict(c.first)["algorithm"], dict(c.second)["algorithm"]) for c in PENDULUM.contrasts]
    assert told == [("sppo38", "ppo"), ("sppo40", "ppo"), ("strpo", "trpo")]
    assert {(c.metric, c.sign) for c in PENDULUM.contrasts} == {("greedy_reward", 0)}
    (clock,) = STAGGER.contrasts
    assert (clock.first, clock.sign) == (label(begun="apart"), 1)
    for seed, spec in STAGGER.seeds("paper", label(begun="apart")).items():
        assert spec == specs("trpo")[seed]
        other = STAGGER.seeds("paper", label(begun="together"))[seed].to_json()
        assert "stagger" not in other["config"], "0, as before there was such a thing"
        assert spec.to_json()["config"].pop("stagger") == 200


def test_the_specs_of_the_stored_runs_are_fixed():
    """Changed on purpose only: the runs would have to be made again."""
    text = "".join(s.canonical for x in (PENDULUM, STAGGER) for s in x.runs("paper").values())
    assert (
        hashlib.sha256(text.encode()).hexdigest()
        == "9a7c2b76a466579b79e55943755d9e2c63990abf04fca684ee43ffdf2f52445b"
    )


@pytest.mark.parametrize("experiment", [PENDULUM, STAGGER], ids=lambda x: x.name)
def test_the_quick_tier_runs(experiment, tmp_path):
    report = sweep(experiment, "quick", Store(tmp_path), only={"seed": "0"}, progress=False)
    assert report.diverged == {}
    assert len(report.done) == sum(dict(name)["seed"] == 0 for name in experiment.runs("quick"))


@pytest.mark.parametrize("algorithm", CLIPPED)
def test_stored_clipped_rows_swing_up(algorithm):
    """Five seeds. A policy that has learnt nothing gets about -1,200, a good one -150."""
    found = returns(algorithm, range(5))
    assert -185 <= statistics.median(found) <= -145
    assert sum(value > -210 for value in found) >= 4


@pytest.mark.parametrize("algorithm", TRUSTED)
def test_stored_trust_regions_swing_up(algorithm):
    assert -185 <= statistics.median(returns(algorithm, range(5))) <= -140


@pytest.mark.parametrize("algorithm", SCORES)
def test_stored_score_functions_swing_up(algorithm):
    """By a million steps."""
    assert statistics.median(returns(algorithm, range(3))) > -300
