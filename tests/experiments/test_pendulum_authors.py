"""The pendulum with its authors' settings: what is said of them, how arms differ, what is told."""

import hashlib
import itertools
import math

import pytest

from entropy_rl.algorithms import Trainer
from entropy_rl.experiments import AUTHORS, label, run_spec
from entropy_rl.experiments.pendulum_authors import STORED, TEMPERATURES, authors_preset
from entropy_rl.experiments.store import Store

RUNS = AUTHORS.runs("paper")
ROWS = ("ppo", "bonus", "sppo38", "sppo40")
CLIPPED = list(itertools.product(("ppo", "bonus", "sppo40"), (3, 8), ("clipped",)))
ARMS = [*CLIPPED, *itertools.product(ROWS, (3, 8), ("raw",))]


def test_every_arm_is_there_with_ten_seeds_in_one_run():
    assert len(RUNS) == 140
    assert len({spec.hash for spec in RUNS.values()}) == len(ARMS) == 14
    for row, scale, stored in ARMS:
        name = label(algorithm=row, scale=scale, stored=stored)
        assert list(AUTHORS.seeds("paper", name)) == list(range(10))


def test_arms_differ_by_what_their_label_says_alone():
    rest = set()
    for name, spec in RUNS.items():
        parts, plain = dict(name), spec.to_json()
        row, scale = parts["algorithm"], parts["scale"]
        assert list(spec.seeds) == list(range(10))
        assert parts["seed"] in spec.seeds
        assert plain["config"].pop("algorithm") == ("ppo" if row == "bonus" else row)
        assert plain["environment_options"].pop("reward_scale") == 1 / scale
        assert plain["policy_options"].pop("clipped_actions", False) == (
            parts["stored"] == "clipped"
        )
        assert plain["config"].pop("beta") == (0 if row == "ppo" else {3: 0.1, 8: 0.0375}[scale])
        rest.add(str(plain))
    assert len(rest) == 1


def test_the_specs_are_fixed():
    """Changed on purpose only: its runs would have to be made again."""
    text = "".join(spec.canonical for spec in dict.fromkeys(RUNS.values()))
    assert (
        hashlib.sha256(text.encode()).hexdigest()
        == "193c590b43701232a0e4a7bb07d91e0b07d3f237f0de5a2f750975f765231524"
    )


def test_the_temperature_is_one_in_units_of_the_reward():
    assert [scale * alpha for scale, alpha in TEMPERATURES.items()] == pytest.approx([0.3, 0.3])


def test_the_settings_are_those_of_the_authors_code():
    """PPO_v1, PPO_v2 and SPPO: 64 steps a batch, of four workers, and ten passes over all of it."""
    config = authors_preset("sppo40", 8, "clipped").on_policy
    assert config.batch * config.cap == 64
    assert (config.batch, config.epochs, config.minibatches) == (4, 10, 1)
    assert (config.learning_rate, config.baseline_learning_rate) == (1e-4, 2e-4)
    assert (config.discount, config.row_options) == (0.9, {"lambda": 1.0, "clip": 0.2})
    assert 0 <= 600_000 - config.episodes * config.cap < 64
    env, policy = authors_preset("sppo40", 8, "clipped").make(0)
    trainer = Trainer(env, policy, config, 0)
    widths = [
        [(x.in_features, x.out_features) for x in net if hasattr(x, "weight")]
        for net in (policy.torso, trainer.baseline.network)
    ]
    assert widths == [[(3, 200)], [(3, 100), (100, 1)]]
    for _ in range(3):
        trainer.step()
    assert trainer.updates == 30


def test_what_was_told_before_the_runs():
    told = {}
    for c in AUTHORS.contrasts:
        first, second = dict(c.first), dict(c.second)
        if first["algorithm"] == second["algorithm"] == "ppo":
            assert (first["stored"], second["stored"]) == ("raw", "clipped")
            assert (c.metric, c.sign, first["scale"]) == ("last_entropy", 1, second["scale"])
            continue
        assert all(first[k] == second[k] for k in ("scale", "stored"))
        key = c.metric, first["algorithm"], second["algorithm"], c.sign
        told.setdefault(key, set()).add((first["scale"], first["stored"]))
    raw, everywhere = {(3, "raw"), (8, "raw")}, set(itertools.product((3, 8), STORED))
    assert told == {
        ("greedy_reward", "sppo40", "ppo", 1): everywhere,
        ("greedy_reward", "bonus", "ppo", 1): everywhere,
        ("greedy_reward", "sppo40", "bonus", 0): everywhere,
        ("greedy_reward", "sppo38", "bonus", 0): raw,
        ("last_entropy", "sppo40", "ppo", 1): everywhere,
    }
    assert len(AUTHORS.contrasts) == 20


@pytest.mark.parametrize("row", ROWS)
def test_a_quick_run_is_judged_twice(row, tmp_path):
    spec = AUTHORS.runs("quick")[label(algorithm=row, scale=3, stored="raw", seed=1)]
    run_spec(spec, Store(tmp_path))
    seen = Store(tmp_path).load(spec.hash).of(1)
    assert {"reward", "greedy_reward"} <= set(seen.evaluation)
    assert math.isfinite(seen.metric("last_entropy"))
