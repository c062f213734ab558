"""What a step of Breakout costs in training: the updates alone, and the whole loop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from entropy_rl.algorithms import Trainer, preset
from entropy_rl.bench.timing import interleave

WHOLE = "bfloat16, whole loop"
UPDATES = "bfloat16, updates"

# The loop's minibatches of 256 rows, gone through four times, but one of them a batch, not four.
_BATCH: dict[str, Any] = {"cap": 32, "minibatches": 1}
_KINDS: dict[str, dict[str, Any]] = {
    "float32, updates": {"precision": "float32"},
    UPDATES: {},
    "bfloat16, updates, two torsos": {"baseline": "value", "baseline_hidden": 512},
}


def picture_costs(rounds: int) -> dict[str, np.ndarray]:
    """CPU-seconds a step of the preset "breakout", each kind ``(rounds,)``.

    The updates of a step are four passes through the policy and the value, forwards and back, and
    one to know the value; the whole loop acts and emulates too.

    Args:
        rounds: of measurement, ≥ 1.

    Raises:
        ModuleNotFoundError: without ale-py, the extra ``atari``.
    """
    tasks = {name: _updates(_trainer(**kind)) for name, kind in _KINDS.items()}
    tasks[WHOLE] = _loop(_trainer())
    return interleave(tasks, rounds)


def _trainer(**changes: Any) -> Trainer:
    chosen = preset("breakout").but(**{**_BATCH, "episodes": 8 * 10**6, **changes})
    return Trainer(*chosen.make(0), chosen.on_policy, 0)


def _updates(trainer: Trainer) -> Callable[[], float]:
    rollout = trainer.play(trainer.config.batch)

    def run() -> float:
        # As if the present policy had played it; else its ratios are computed once more.
        trainer.learn(replace(rollout, version=trainer.updates))
        return len(rollout)

    return run


def _loop(trainer: Trainer) -> Callable[[], float]:
    def run() -> float:
        before = trainer.steps
        trainer.step()
        return trainer.steps - before

    return run
