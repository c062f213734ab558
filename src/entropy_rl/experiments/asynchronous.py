"""Pendulum-v1 by real actors: A3C and IMPALA, and their soft twins."""

from __future__ import annotations

from dataclasses import replace

from entropy_rl.algorithms import Preset
from entropy_rl.experiments.declaration import (
    Contrast,
    Experiment,
    label,
    register_experiment,
)
from entropy_rl.experiments.pendulum import pendulum_preset
from entropy_rl.experiments.spec import EvaluationSpec, RunSpec

ROWS = ("a2c", "sa2c", "impala", "simpala")
WORKERS = 2

SOURCE = (
    "This project's, after the SA3C and SIMPALA of liu2020, §3.2. The rows of liu2020.pendulum, a "
    "million steps, by two workers on Ray, each with 32 stretches where there one process has 64, "
    "and half of the learning rate: at 3e-3 SIMPALA swung up and forgot. All else is as there. "
    "A2C and SA2C are then A3C and SA3C, whose workers send gradients; the "
    "actors of IMPALA and SIMPALA send rollouts. Asynchronous: the lag is the machines' doing, it "
    "is measured and stored, and no run can be made again to the bit. Found on the seed 0; SA3C "
    "and SIMPALA were looked at on the seed 1 too."
)


def asynchronous_preset(algorithm: str) -> Preset:
    """A row as :func:`~entropy_rl.experiments.pendulum.pendulum_preset`, for two workers.

    Args:
        algorithm: "a2c", "sa2c", "impala" or "simpala".
    """
    return pendulum_preset(algorithm).but(batch=32, episodes=32 * 1952, learning_rate=1e-3)


def _spec(algorithm: str, seed: int) -> RunSpec:
    seen = EvaluationSpec(256, 200, greedy=True)
    return replace(RunSpec.of(asynchronous_preset(algorithm), seed, seen), workers=WORKERS)


def _quick(algorithm: str, seed: int) -> RunSpec:
    chosen = asynchronous_preset(algorithm).but(batch=4, episodes=16, baseline_minibatches=1)
    return replace(RunSpec.of(chosen, seed, EvaluationSpec(4, 50, greedy=True)), workers=WORKERS)


def _contrasts() -> tuple[Contrast, ...]:
    """A soft return is expected to make no difference here, as in liu2020.pendulum."""
    return tuple(
        Contrast("greedy_reward", label(algorithm=soft), label(algorithm=plain), 0)
        for soft, plain in (("sa2c", "a2c"), ("simpala", "impala"))
    )


ASYNCHRONOUS = register_experiment(
    Experiment(
        "liu2020.asynchronous",
        SOURCE,
        {
            "quick": {
                label(algorithm=row, seed=seed): _quick(row, seed)
                for row in ROWS
                for seed in range(2)
            },
            "paper": {
                label(algorithm=row, seed=seed): _spec(row, seed)
                for row in ROWS
                for seed in range(3)
            },
        },
        _contrasts(),
        lambda spec: 7e-5 * spec.config.episodes * spec.config.cap,
    )
)
