"""The small tier of the tables of hunters and rabbits."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from entropy_rl.algorithms import Preset
from entropy_rl.experiments.spec import EvaluationSpec, RunSpec

_SMALL = {"episodes": 192, "batch": 32, "minibatches": 4, "cap": 10, "precision": "float32"}


def quick_spec(chosen: Preset, seed: int, hunters: int = 2, **changes: Any) -> RunSpec:
    """The same network and weights for a few hundred episodes on 3×3: a second or less.

    Args:
        chosen: the preset of the large run.
        seed: of the run.
        hunters: < 9.
        changes: of the loop's configuration, beyond its being small.
    """
    small = {**chosen.environment_options, "size": 3, "hunters": hunters}
    return RunSpec.of(
        replace(chosen, environment_options=small).but(**{**_SMALL, **changes}),
        seed,
        EvaluationSpec(100, 100),
    )
