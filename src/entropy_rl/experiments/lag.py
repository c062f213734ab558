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
RATES = (3e-3, 2e-3, 1e-3, 5e-4, 3e-4)
RATE_SEEDS = range(100, 103)
SEEDS = range(10)

# What `liu2020.lag_rates` found: of each correction and lag the rate whose runs have the best mean.
TUNED: dict[tuple[str, int], float] = {}

RULE = (
    "SIMPALA of liu2020.pendulum, a million steps in 976 batches of 64 stretches of 16 steps, "
    "each played by the policy of so many batches ago; the ratios are V-trace's, or every action "
    "counts as the learner's own. Without a lag the two are the same and share their runs. Judged "
    "by the mean action on 256 fixed starts."
)
RATES_SOURCE = (
    f"This project's: {RULE} Five learning rates for each lag, on three seeds that are not those "
    "of liu2020.lag; the rate with the best mean return is taken there."
)
SOURCE = f"This project's: {RULE} The learning rate of each lag is that of liu2020.lag_rates."


def lag_preset(correction: str, lag: int, learning_rate: float) -> Preset:
    """SIMPALA as :func:`pendulum_preset`, with an actor behind.

    Args:
        correction: "V-trace" or "none"; without a lag both are the row "simpala".
        lag: in batches, ≥ 0.
        learning_rate: > 0.
    """
    row = ROWS[correction] if lag else "simpala"
    return pendulum_preset("simpala").but(algorithm=row, lag=lag, learning_rate=learning_rate)


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
        RATES_SOURCE,
        {tier: _rates(tier) for tier in ("quick", "paper")},
        seconds=lambda spec: 25.0,
    )
)
