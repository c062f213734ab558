"""SIMPALA behind a lag: how far back an actor may be, with V-trace and without."""

from __future__ import annotations

from entropy_rl.algorithms import Preset
from entropy_rl.experiments.declaration import (
    Experiment,
    Label,
    label,
    register_experiment,
)
from entropy_rl.experiments.pendulum import SMALL, pendulum_preset
from entropy_rl.experiments.spec import EvaluationSpec, RunSpec

LAGS = (0, 1, 2, 4, 8, 16)
ROWS = {"V-trace": "simpala", "none": "simpala_uncorrected"}
RATES = (2e-3, 1e-3, 5e-4, 2.5e-4)
RATE_SEEDS = range(100, 103)
_BATCH = 32

SOURCE = (
    "This project's: SIMPALA of liu2020.pendulum, a million steps in 1,952 batches of 32 stretches "
    "of 16 steps, as by one of the workers of liu2020.asynchronous, each batch played by the "
    "policy of so many batches ago; the ratios are V-trace's, or every action counts as the "
    "learner's own. Without a lag the two are the same and share their runs. Judged by the mean "
    "action on 256 fixed starts. Four learning rates for each lag, on three seeds that are not "
    "those to be judged; the rate with the best mean return is to be taken. (In 976 batches of 64 "
    "stretches, on the same seeds, a lag of two with V-trace left none of five rates from 3e-4 to "
    "3e-3 with a mean above -600.)"
)


def lag_preset(correction: str, lag: int, learning_rate: float) -> Preset:
    """SIMPALA as :func:`pendulum_preset`, with an actor behind.

    Args:
        correction: "V-trace" or "none"; without a lag both are the row "simpala".
        lag: in batches, ≥ 0.
        learning_rate: > 0.
    """
    row = ROWS[correction] if lag else "simpala"
    return pendulum_preset("simpala").but(
        algorithm=row, lag=lag, learning_rate=learning_rate, batch=_BATCH, episodes=_BATCH * 1952
    )


def _run(tier: str, chosen: Preset, seed: int) -> RunSpec:
    if tier == "quick":
        return RunSpec.of(chosen.but(**SMALL), seed, EvaluationSpec(4, 50, greedy=True))
    return RunSpec.of(chosen, seed, EvaluationSpec(256, 200, greedy=True))


def _rates(tier: str) -> dict[Label, RunSpec]:
    rates, seeds = (RATES, RATE_SEEDS) if tier == "paper" else (RATES[:1], RATE_SEEDS[:1])
    return {
        label(correction=correction, lag=lag, rate=f"{rate:g}", seed=seed): _run(
            tier, lag_preset(correction, lag, rate), seed
        )
        for correction in ROWS
        for lag in LAGS
        for rate in rates
        for seed in seeds
    }


LAG_RATES = register_experiment(
    Experiment(
        "liu2020.lag_rates",
        SOURCE,
        {tier: _rates(tier) for tier in ("quick", "paper")},
        seconds=lambda spec: 40.0,
    )
)
