"""SAC1 on Pendulum: what is stored keeps its bounds, and the specs stay as they were registered."""

import hashlib
from statistics import median

import pytest

from entropy_rl.experiments import SAC, TARGET_ENTROPY, Store, runs_folder
from entropy_rl.experiments.sac import TARGET_ENTROPIES

STORE = Store(runs_folder("paper") / SAC.folder)


def stored(experiment):
    """Every run of the paper's tier, by label: none may be missing."""
    runs = experiment.runs("paper")
    found = {name: STORE.find(spec) for name, spec in runs.items()}
    assert all(found.values())
    return {name: run.of(dict(name)["seed"]) for name, run in found.items()}


def test_every_seed_swings_up_in_ten_thousand_steps():
    """By its mean action, from 256 starts."""
    found = [seed.metric("greedy_reward") for seed in stored(SAC).values()]
    assert len(found) == 10
    assert all(-185 <= x <= -140 for x in found)
    assert -185 <= median(found) <= -140


def test_every_target_is_reached_within_a_tenth_of_a_nat():
    for name, seed in stored(TARGET_ENTROPY).items():
        target = TARGET_ENTROPIES[dict(name)["target"]]
        assert seed.metric("last_entropy") == pytest.approx(target, abs=0.1), name


@pytest.mark.parametrize(
    ("experiment", "digest"),
    [
        (SAC, "e73d1b04e66f1fb5072048f6d90be8fffe988a8eaa3e3f85d340b7d660fca463"),
        (TARGET_ENTROPY, "d9dfcf961a802b8b3293f79e0a89052b33e3da5b68136312c71aa63b35869833"),
    ],
    ids=lambda x: getattr(x, "name", ""),
)
def test_the_specs_are_fixed(experiment, digest):
    """Changed on purpose only: the runs would have to be made again."""
    text = "".join(s.canonical for s in experiment.runs("paper").values())
    assert hashlib.sha256(text.encode()).hexdigest() == digest
