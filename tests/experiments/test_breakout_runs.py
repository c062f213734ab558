"""Breakout: its runs as they were registered, one killed and resumed, and what they record."""

import dataclasses
import hashlib

import numpy as np
import pytest
from small import data_files

from entropy_rl.experiments import BREAKOUT, Store, label, run_spec

FEW = BREAKOUT.tiers["quick"][label(algorithm="sppo38", seed=1)]


class Killed(Exception):
    """What ends a run between two batches."""


def killed_after(batches):
    left = iter(range(batches))

    def after_batch():
        if next(left, None) is None:
            raise Killed

    return after_batch


def test_the_rows_differ_in_nothing_else_and_see_two_million_steps():
    runs = BREAKOUT.runs("paper")
    assert len(runs) == 4
    for name, spec in runs.items():
        config = spec.config
        assert config.episodes * config.cap >= 2_000_000
        assert (config.algorithm, spec.seed) == (dict(name)["algorithm"], dict(name)["seed"])
        assert dict(spec.environment_options)["clip_rewards"]
        assert spec.evaluation.cap == dict(spec.environment_options)["max_episode_steps"] == 27_000
    plain, soft = (runs[label(algorithm=row, seed=0)] for row in ("ppo", "sppo38"))
    alike = dataclasses.replace(plain.config, algorithm="sppo38")
    assert dataclasses.replace(plain, config=alike) == soft


def test_the_specs_are_fixed():
    """Changed on purpose only: the runs would have to be made again."""
    text = "".join(spec.canonical for spec in BREAKOUT.runs("paper").values())
    digest = hashlib.sha256(text.encode()).hexdigest()
    assert digest == "ba49aca7a9d6b8eff7593d45e46752f2fcd2863a70d2fd0bc4ff35241b79ec19"


def test_killed_and_resumed_it_ends_with_the_same_numbers(tmp_path):
    """The games that ran are played again from their seeds."""
    config = dataclasses.replace(FEW.config, episodes=6, batch=2, cap=70)
    spec = dataclasses.replace(FEW, config=config, policy_options={"hidden_size": 16})
    whole, store = Store(tmp_path / "whole"), Store(tmp_path / "resumed")
    run_spec(spec, whole)
    for _ in range(2):
        with pytest.raises(Killed):
            run_spec(spec, store, checkpoint_seconds=0, after_batch=killed_after(1))
    assert store.path(spec.hash, "ckpt").exists()
    run_spec(spec, store)
    assert data_files(whole) == data_files(store)
    ours, theirs = (x.load(spec.hash) for x in (store, whole))
    for key in ("evaluation", "first_updates", "steps", "updates"):
        assert ours.record[key] == theirs.record[key], key
    assert ours.record["steps"] == 3 * 70 * 2


def test_scores_are_those_of_whole_games(tmp_path):
    """Cut after a while, five lives last longer than the learner's one."""
    spec = dataclasses.replace(FEW, evaluation=dataclasses.replace(FEW.evaluation, cap=60))
    run_spec(spec, Store(tmp_path))
    run = Store(tmp_path).find(spec)
    assert (run.lengths == 60).all(), "a first life ends before that, a game does not"
    assert np.isfinite(run.curves["reward"]).all()
    assert {"score", "entropy", "baseline_loss"} <= set(run.curves)
