"""SAC1 on Pendulum: ten seeds, and three targets for its entropy."""

from __future__ import annotations

import math
from dataclasses import replace

from entropy_rl.algorithms import Preset, preset
from entropy_rl.experiments.declaration import Experiment, Label, label, register_experiment
from entropy_rl.experiments.spec import EvaluationSpec, RunSpec

SEEDS = range(10)
SEEN = EvaluationSpec(256, 200, greedy=True)

# Nats of a torque in [-2, 2], of which a uniform one has log 4 = 1.386. The middle one is -1 for a
# torque scaled to [-1, 1].
TARGET_ENTROPIES = {"low": -1.3, "usual": math.log(2) - 1, "high": 0.5}
TARGET_SEEDS = range(3)

_SECONDS = {("squashed", "sac1"): 0.1e6}

SOURCE = (
    "liu2020, figure 1 (SDDPG = SAC1), on the pendulum of its §4; it prints no result of it. "
    "Networks, rates and the temperature's start are this project's (preset 'pendulum-sac'), and "
    "so are the 10,000 steps, with an update for each."
)
TARGET_SOURCE = (
    "This project's: §4.1 of liu2020 says that the temperature may be adapted to a target entropy. "
    "Preset 'pendulum-sac', 20,000 steps; the entropy is that over the last hundred updates' draws."
)


def quick(chosen: Preset) -> Preset:
    """The same networks for a few hundred steps."""
    return chosen.but(episodes=16, learning_starts=200, minibatch=32)


def targeted(target: str) -> Preset:
    """The preset with a target of :data:`TARGET_ENTROPIES`, for 20,000 steps."""
    return preset("pendulum-sac").but(episodes=800, target_entropy=TARGET_ENTROPIES[target])


def _runs(tier: str) -> dict[Label, RunSpec]:
    chosen, seeds, seen = preset("pendulum-sac"), SEEDS, SEEN
    if tier == "quick":
        chosen, seeds, seen = quick(chosen), range(2), replace(SEEN, episodes=8)
    return {label(algorithm="sac1", seed=seed): RunSpec.of(chosen, seed, seen) for seed in seeds}


def _targets(tier: str) -> dict[Label, RunSpec]:
    found = {}
    for target in TARGET_ENTROPIES:
        chosen, seen = targeted(target), SEEN
        if tier == "quick":
            chosen, seen = quick(chosen), replace(SEEN, episodes=8)
        for seed in TARGET_SEEDS:
            found[label(target=target, seed=seed)] = RunSpec.of(chosen, seed, seen)
    return found


SAC = register_experiment(
    Experiment(
        "liu2020.sac",
        SOURCE,
        {tier: _runs(tier) for tier in ("quick", "paper")},
        seconds=_SECONDS,
    )
)
TARGET_ENTROPY = register_experiment(
    Experiment(
        "liu2020.target_entropy",
        TARGET_SOURCE,
        {tier: _targets(tier) for tier in ("quick", "paper")},
        seconds=_SECONDS,
    )
)
