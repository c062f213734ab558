"""The small tier of the tables of hunters and rabbits."""

from __future__ import annotations

from dataclasses import replace

from entropy_rl.algorithms import Preset
from entropy_rl.experiments.spec import EvaluationSpec, RunSpec


def quick_spec(chosen: Preset, seed: int, hunters: int = 2) -> RunSpec:
    """The same network and weights for a few hundred episodes on 3×3: a second or less."""
    small = {**chosen.environment_options, "size": 3, "hunters": hunters}
    return RunSpec.of(
        replace(chosen, environment_options=small).but(
            episodes=192, batch=32, minibatches=4, cap=10, precision="float32"
        ),
        seed,
        EvaluationSpec(100, 100),
    )
