"""A run that is stopped and resumed is the run that was not, bit for bit."""

import dataclasses
import os
import re
import warnings

import numpy as np
import pytest
import torch
from small import data_files, small

from entropy_rl.algorithms import ALGORITHMS, Trainer, TrainingDiverged, evaluate, preset
from entropy_rl.algorithms.runs import load_run
from entropy_rl.experiments import EvaluationSpec, RunSpec, Store, beginning, run_spec, runner
from entropy_rl.experiments.checkpoint import load_checkpoint, save_checkpoint
from entropy_rl.experiments.results import staleness
from entropy_rl.policies import load_policy


class Stop(Exception):
    """Stands for a kill."""


def stop_after(batches):
    left = iter(range(batches))

    def after():
        if next(left, None) is None:
            raise Stop

    return after


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


CRITIC = {"entropy": "unbiased_gradient", "entropy_baseline": "critic"}


@pytest.fixture(
    scope="module",
    params=[{"precision": "float32"}, {"precision": "bfloat16"}, CRITIC],
    ids=["float32", "bfloat16", "critic"],
)
def whole(request, tmp_path_factory):
    spec, store = small(**request.param), Store(tmp_path_factory.mktemp("whole"))
    run_spec(spec, store)
    return spec, store


def interrupted(spec, store, *batches):
    for n in batches:
        with pytest.raises(Stop):
            run_spec(spec, store, checkpoint_seconds=0, after_batch=stop_after(n))
        assert store.path(spec.hash, "ckpt").exists()
        assert not store.find(spec)


@pytest.mark.parametrize("batches", [(1,), (9,), (12,), (3, 4, 1, 6)])
def test_resumed_is_uninterrupted(whole, tmp_path, batches):
    spec, expected = whole
    store = Store(tmp_path)
    interrupted(spec, store, *batches)
    run_spec(spec, store)
    assert data_files(store) == data_files(expected)
    mine, other = (x.load(spec.hash).record for x in (store, expected))
    for key in ("evaluation", "first_updates", "steps", "updates", "data"):
        assert mine[key] == other[key], key
    assert not store.path(spec.hash, "ckpt").exists()


def test_a_resumed_run_does_begin_where_it_stopped(whole, tmp_path, monkeypatch):
    spec, _ = whole
    store, steps = Store(tmp_path), []
    interrupted(spec, store, 9)
    step = Trainer.step
    monkeypatch.setattr(Trainer, "step", lambda self: (steps.append(0), step(self)))
    run_spec(spec, store)
    assert len(steps) == 16 - 9


def test_seconds_before_a_resume_are_counted(tmp_path, monkeypatch):
    spec, store, clock = small(), Store(tmp_path), iter(range(10**6))
    monkeypatch.setattr(runner.time, "process_time", lambda: 10.0 * next(clock))
    interrupted(spec, store, 9)
    run_spec(spec, store)
    # The clock moves by 10 whenever it is read, as at each of the 9 checkpoints before the stop.
    assert store.load(spec.hash).record["cpu_seconds"]["training"] > 10 * 9


def test_a_checkpoint_every_minute_and_not_more(tmp_path, monkeypatch):
    written, clock = [], iter(range(10**6))
    monkeypatch.setattr(runner.time, "perf_counter", lambda: 7.0 * next(clock))
    monkeypatch.setattr(runner, "save_checkpoint", lambda *args: written.append(args))
    run_spec(small(), Store(tmp_path))
    assert 0 < len(written) <= 16 * 7 / 60 + 1


@pytest.mark.parametrize("fault", ["truncated", "altered", "foreign", "other spec", "empty"])
def test_a_checkpoint_that_is_not_whole_is_said_and_left(tmp_path, fault):
    spec, store = small(), Store(tmp_path / "a")
    expected = Store(tmp_path / "b")
    run_spec(spec, expected)
    interrupted(spec, store, 6)
    path = store.path(spec.hash, "ckpt")
    content = path.read_bytes()
    if fault == "truncated":
        path.write_bytes(content[: len(content) // 2])
    elif fault == "altered":
        path.write_bytes(content[:-200] + bytes([content[-200] ^ 1]) + content[-199:])
    elif fault == "other spec":
        interrupted(small(1), store, 6)
        store.path(small(1).hash, "ckpt").replace(path)
    else:
        path.write_bytes(b"" if fault == "empty" else b"PK\3\4 something else")
    with pytest.warns(UserWarning, match=f"{path.name}.*the run starts anew"):
        run_spec(spec, store)
    assert data_files(store) == data_files(expected)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda trainer: trainer.pop("counts"), "'counts'"),
        # What is there but of another kind, as a state's field that has another name now.
        (lambda trainer: trainer.update(counts=None), ".*NoneType.*"),
    ],
)
def test_a_checkpoint_of_another_version_is_said_left_and_written_down(tmp_path, change, said):
    """Its state lacks what a trainer has now; half of it is loaded when that is noticed."""
    spec, store, expected = small(), Store(tmp_path / "a"), Store(tmp_path / "b")
    run_spec(spec, expected)
    interrupted(spec, store, 6)
    path = store.path(spec.hash, "ckpt")
    state = load_checkpoint(path, spec)
    change(state["trainer"])
    save_checkpoint(path, spec, state)
    with pytest.warns(UserWarning, match=f"of another version: {said}; the run starts anew"):
        run_spec(spec, store)
    assert data_files(store) == data_files(expected)
    assert "of another version" in store.load(spec.hash).record["begun_anew"]
    assert "begun_anew" not in expected.load(spec.hash).record


def test_a_checkpoint_truncated_at_every_tenth_byte_is_refused(tmp_path):
    spec, store = small(), Store(tmp_path)
    interrupted(spec, store, 6)
    path = store.path(spec.hash, "ckpt")
    assert load_checkpoint(path, spec)
    refused = re.compile(f"{path}: (truncated|expected a checkpoint)")
    for size in reversed(range(0, path.stat().st_size, 10)):
        os.truncate(path, size)
        with pytest.raises(ValueError, match=refused):
            load_checkpoint(path, spec)


def test_a_run_that_diverges_leaves_its_last_good_state(tmp_path, monkeypatch):
    spec, store = small(), Store(tmp_path)
    make = RunSpec.make

    def poisoned(self):
        env, policy = make(self)
        calls = iter(range(10**6))
        policy.head.weight.register_hook(lambda g: g * (float("nan") if next(calls) == 5 else 1))
        return env, policy

    monkeypatch.setattr(RunSpec, "make", poisoned)
    with pytest.raises(TrainingDiverged, match="update 5: gradient"):
        run_spec(spec, store)
    saved = torch.load(store.path(spec.hash, "diverged.pt"), weights_only=True)
    assert (saved["update"], saved["term"], saved["spec"]) == (5, "gradient", spec.canonical)
    assert saved["last_good"]["counts"] == (32, saved["last_good"]["counts"][1], 4)
    assert not store.find(spec)
    assert store.problems() == {}
    monkeypatch.undo()
    run_spec(spec, store)
    assert not store.path(spec.hash, "diverged.pt").exists()


def test_the_first_updates_can_be_made_again(whole):
    spec, store = whole
    kept = store.load(spec.hash).record["first_updates"]
    assert beginning(spec) == kept
    assert beginning(dataclasses.replace(spec, seed=1)) != kept


def test_a_run_of_fewer_updates_has_the_fingerprint_of_its_end(tmp_path):
    spec, store = small(episodes=32), Store(tmp_path)
    run_spec(spec, store)
    assert store.load(spec.hash).record["first_updates"]["updates"] == 4
    assert beginning(spec) == store.load(spec.hash).record["first_updates"]


def test_the_trained_policy_is_kept_where_it_is_asked(tmp_path):
    spec, store = small(), Store(tmp_path / "runs")
    run_spec(spec, store, policies=tmp_path / "policies")
    policy, extra = load_policy(tmp_path / "policies" / f"{spec.hash}.pt")
    assert policy.hidden_size == 8
    assert extra["environment"] == "hunters"


def test_threads_are_one_and_given_back(tmp_path):
    torch.set_num_threads(2)
    try:
        run_spec(small(episodes=32), Store(tmp_path))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)


@pytest.mark.parametrize("replicas", [1, 2])
def test_a_figure_of_merit_that_is_not_known_yet_is_stored_and_replayed(tmp_path, replicas):
    """Stretches of five steps, episodes of seven: in the first no episode ends."""
    config = dataclasses.replace(
        preset("pendulum").config, episodes=40, batch=4, cap=5, minibatches=1, epochs=1
    )
    chosen = dataclasses.replace(
        preset("pendulum"), environment_options={"max_episode_steps": 7}, config=config
    )
    spec, store = RunSpec.of(chosen, 0, EvaluationSpec(4, 7)), Store(tmp_path)
    spec = dataclasses.replace(spec, replicas=replicas)
    interrupted(spec, store, 3)
    run_spec(spec, store)
    run = store.load(spec.hash)
    first, second = run.record["first_updates"]["curves"]["score"]
    assert first == (None if replicas == 1 else [None, None])
    assert (np.array(second) < 0).all()
    assert np.isnan(run.curves["score"][..., 0]).all()
    assert np.isfinite(run.curves["score"][..., 1:]).all()
    assert staleness(run) is None
    other = {"machine": "another", "processor": "another"}
    changed = dataclasses.replace(run, record={**run.record, "hardware": other})
    assert staleness(changed) is None


def test_the_most_likely_actions_are_judged_on_the_same_starts_beside_the_sampled(tmp_path):
    spec, store = small(), Store(tmp_path)
    seen = dataclasses.replace(spec.evaluation, greedy=True)
    run_spec(spec, store, policies=tmp_path)
    run_spec(dataclasses.replace(spec, evaluation=seen), store)
    plain, judged = (store.find(x) for x in (spec, dataclasses.replace(spec, evaluation=seen)))
    assert np.array_equal(plain.lengths, judged.lengths)
    assert judged.evaluation["reward"] == plain.evaluation["reward"]
    env, policy = load_run(tmp_path / f"{spec.hash}.pt")
    greedy = evaluate(env, policy, seen.episodes, seen.seed, greedy=True, cap=seen.cap)
    assert judged.of(0).metric("greedy_reward") == greedy.reward
    assert judged.evaluation["greedy_low"] == greedy.reward_interval[0]
    assert judged.evaluation["greedy_high"] == greedy.reward_interval[1]
    assert greedy.reward != plain.evaluation["reward"]
    assert "greedy_reward" not in plain.evaluation


def test_an_off_policy_run_is_resumed_and_replayed(tmp_path):
    """The memory and the temperature come back with the rest."""
    chosen = preset("pendulum-sac").but(
        episodes=40, batch=4, cap=5, learning_starts=60, minibatch=16, critic_hidden=8, capacity=90
    )
    spec = RunSpec.of(chosen, 0, EvaluationSpec(4, 7, greedy=True))
    whole, store = Store(tmp_path / "whole"), Store(tmp_path / "resumed")
    run_spec(spec, whole)
    interrupted(spec, store, 2, 3, 4)
    run_spec(spec, store)
    assert data_files(whole) == data_files(store)
    run = store.load(spec.hash)
    assert run.record["updates"] == 8 * 20
    assert np.isnan(run.curves["entropy"][1])
    assert np.isfinite(run.curves["entropy"][2:]).all()
    assert staleness(run) is None


def test_a_process_that_does_not_know_the_algorithm_says_so(tmp_path, monkeypatch):
    """As a worker does not that imports afresh, of a row that a script registered."""
    monkeypatch.setitem(ALGORITHMS, "toy", ALGORITHMS["reinforce"])
    spec = small(algorithm="toy")
    monkeypatch.delitem(ALGORITHMS, "toy")
    with pytest.raises(ValueError, match=r"algorithm: expected one of .*, got 'toy'"):
        run_spec(spec, Store(tmp_path))
