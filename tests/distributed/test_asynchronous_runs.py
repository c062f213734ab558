"""What a run with workers says of itself, how it is stored, and what is not asked of it."""

import dataclasses
import hashlib
import json
import statistics
from contextlib import contextmanager
from pathlib import Path

import pytest
from here import InTurn

from entropy_rl.distributed.learner import Learner
from entropy_rl.experiments import (
    ASYNCHRONOUS,
    PENDULUM,
    EvaluationSpec,
    RunSpec,
    Store,
    backends,
    beginning,
    label,
    results,
    run_spec,
    runner,
)
from entropy_rl.experiments.asynchronous import ROWS, asynchronous_preset
from entropy_rl.experiments.pendulum import pendulum_preset
from entropy_rl.experiments.results import report, staleness

STORED = Store(Path(__file__).parents[2] / "data" / "runs" / "liu2020")
TWINS = (("a2c", "sa2c"), ("impala", "simpala"))


def spec(row="sa2c", **changes):
    return dataclasses.replace(ASYNCHRONOUS.runs("quick")[label(algorithm=row, seed=0)], **changes)


@pytest.fixture
def in_turn(monkeypatch):
    """Two workers of this process in place of Ray's; the versions that the learner began with."""
    begun = []

    @contextmanager
    def learner_of(trainer, seed, workers):
        begun.append(trainer.updates)
        yield Learner(trainer, InTurn(trainer, [seed + 1 + i for i in range(workers)]))

    monkeypatch.setattr(runner, "learner_of", learner_of)
    return begun


def test_a_run_without_workers_says_nothing_of_them():
    plain = spec(workers=0)
    assert "workers" not in plain.to_json()
    assert plain.hash == RunSpec.of(preset_of("sa2c"), 0, EvaluationSpec(4, 50, greedy=True)).hash
    assert plain != spec()
    back = RunSpec.from_json(json.loads(spec().canonical))
    assert (back, back.workers) == (spec(), 2)
    assert spec().on_each_device == (spec(),)


def preset_of(row):
    return asynchronous_preset(row).but(batch=4, episodes=16, baseline_minibatches=1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"workers": -1}, r"workers: expected an integer ≥ 0"),
        ({"device": "cuda"}, r"device: expected 'cpu', for workers, got cuda"),
        ({"replicas": 2}, r"replicas: expected 1, for workers, got 2"),
        ({"config": pendulum_preset("trpo").config}, r"algorithm: expected gradient steps"),
    ],
)
def test_what_workers_cannot_do_is_refused_in_the_spec(changes, message):
    with pytest.raises(ValueError, match=message):
        spec(**changes)


@pytest.mark.parametrize("row", ["sa2c", "simpala"])
def test_a_run_is_stored_with_its_lag_and_is_not_asked_for_again(
    row, tmp_path, in_turn, capsys, monkeypatch
):
    store = Store(tmp_path / "liu2020")
    run_spec(spec(row), store)
    run = store.load(spec(row).hash)
    assert run.record["asynchronous"] == {
        "workers": 2, "nodes": 1, "replaced": 0, "lag_mean": 0.75, "lag_max": 1.0,
    }  # fmt: skip
    assert run.curves["lag"].tolist() == [0, 1, 1, 1]
    assert run.record["first_updates"] is None
    assert (run.record["steps"], run.record["updates"]) == (16 * 16, 4)
    monkeypatch.setattr(results, "beginning", lambda spec: {"updates": 20})  # another one
    assert staleness(run) is None
    assert report(tmp_path, "quick", stale=True)
    shown = capsys.readouterr().out
    assert "not replayed, because asynchronous, whose numbers come once: 1 runs" in shown


def test_no_beginning_is_made_of_it():
    with pytest.raises(ValueError, match=r"spec: expected a run without workers, got 2 of them"):
        beginning(spec())


class Stopped(Exception):
    pass


def test_a_run_that_is_killed_goes_on_with_fresh_workers(tmp_path, in_turn):
    store, batches = Store(tmp_path), iter(range(2))

    def stop():
        if next(batches, None) is None:
            raise Stopped

    with pytest.raises(Stopped):
        run_spec(spec(), store, checkpoint_seconds=0, after_batch=stop)
    run_spec(spec(), store)
    run = store.load(spec().hash)
    assert in_turn == [0, 2]  # the third batch came after the last checkpoint
    assert run.record["steps"] == 16 * 16
    assert run.curves["episodes"].tolist() == [4, 8, 12, 16]
    assert run.curves["lag"].tolist() == [0, 1, 0, 1]


def test_a_task_of_a_cluster_does_not_wait_for_workers_of_its_own():
    with pytest.raises(ValueError, match=r"backend: expected 'loky', for runs with workers"):
        next(backends.on_ray(lambda spec, alive: None, [spec()], 1))


@pytest.mark.parametrize(("plain", "soft"), TWINS)
def test_twins_differ_by_their_name_alone_and_from_one_process_by_batch_and_rate(plain, soft):
    for seed in range(3):
        one, two = (
            ASYNCHRONOUS.runs("paper")[label(algorithm=row, seed=seed)].to_json()
            for row in (plain, soft)
        )
        assert (one["config"].pop("algorithm"), two["config"].pop("algorithm")) == (plain, soft)
        assert one == two
        alone = PENDULUM.runs("paper")[label(algorithm=soft, seed=seed)].to_json()
        assert two.pop("workers") == 2
        changed = [[x["config"].pop(k) for k in ("batch", "learning_rate")] for x in (two, alone)]
        assert changed == [[32, 0.001], [64, 0.002]]
        assert alone["config"].pop("algorithm") == soft
        assert two == alone


@pytest.mark.parametrize("row", ROWS)
def test_what_is_stored_has_learnt(row):
    """Median return over the 256 starts above -300, of every seed: none may be missing."""
    specs = ASYNCHRONOUS.seeds("paper", label(algorithm=row))
    assert len(specs) == 3
    for spec in specs.values():
        run = STORED.find(spec)
        assert run is not None
        assert len(run.scores) == 256
        assert statistics.median(run.scores.tolist()) > -300
        assert run.record["asynchronous"]["workers"] == 2
        assert run.record["asynchronous"]["lag_mean"] > 0


def test_the_specs_are_fixed():
    """Changed on purpose only: its runs would have to be made again."""
    assert len(ASYNCHRONOUS.runs("paper")) == 3 * len(ROWS)
    text = "".join(spec.canonical for spec in ASYNCHRONOUS.runs("paper").values())
    assert hashlib.sha256(text.encode()).hexdigest() == (
        "fc71f57fda420cdd75c527290532ff53c838ac91d290d054266e29e5dad8ddd8"
    )
