"""SIMPALA behind a lag: how far back an actor may be, with V-trace and without."""

from __future__ import annotations

from dataclasses import replace

from entropy_rl.algorithms import Preset
from entropy_rl.experiments.declaration import (
    Contrast,
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
LONG_LAGS = (8, 16)  # where with V-trace the least of these was the best, and a fifth was tried
LEAST_RATE = 1.25e-4
RATE_SEEDS = range(100, 103)
SEEDS = range(10)
_BATCH = 32

# Of the rates of a lag that with the best mean return on RATE_SEEDS.
TUNED = {
    "V-trace": {0: 2e-3, 1: 1e-3, 2: 2e-3, 4: 5e-4, 8: 2.5e-4, 16: 2.5e-4},
    "none": {0: 2e-3, 1: 1e-3, 2: 1e-3, 4: 5e-4, 8: 5e-4, 16: 2.5e-4},
}

RATES_SOURCE = (
    "This project's: SIMPALA of liu2020.pendulum, a million steps in 1,952 batches of 32 stretches "
    "of 16 steps, as by one of the workers of liu2020.asynchronous, each batch played by the "
    "policy of so many batches ago; the ratios are V-trace's, or every action counts as the "
    "learner's own. Without a lag the two are the same and share their runs. Judged by the mean "
    "action on 256 fixed starts. Four learning rates for each lag, on three seeds that are not "
    "those to be judged, and a fifth at lags of 8 and 16, where with V-trace the least of the four "
    "was the best; the rate with the best mean return is taken. (In 976 batches of 64 stretches, "
    "on the same seeds, a lag of two with V-trace left none of five rates from 3e-4 to 3e-3 with a "
    "mean above -600.)"
)

SOURCE = (
    "This project's: the runs of liu2020.lag_rates with the rate that was best there for each lag, "
    "on ten other seeds. Registered after those and before these: V-trace is worth something from "
    "a lag of four batches on, which is what it is for, though at eight the three seeds of the "
    "rates did better without; nothing at one and two, where both learnt; and sixteen batches cost "
    "either of them return."
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


def rates_of(lag: int) -> tuple[float, ...]:
    """The learning rates that are tried for a lag."""
    return (*RATES, LEAST_RATE) if lag in LONG_LAGS else RATES


def _rates(tier: str) -> dict[Label, RunSpec]:
    few = slice(None) if tier == "paper" else slice(1)
    return {
        label(correction=correction, lag=lag, rate=f"{rate:g}", seed=seed): _run(
            tier, lag_preset(correction, lag, rate), seed
        )
        for correction in ROWS
        for lag in LAGS
        for rate in rates_of(lag)[few]
        for seed in RATE_SEEDS[few]
    }


LAG_RATES = register_experiment(
    Experiment(
        "liu2020.lag_rates",
        RATES_SOURCE,
        {tier: _rates(tier) for tier in ("quick", "paper")},
        seconds=lambda spec: 40.0,
    )
)


def _tier(tier: str) -> dict[Label, RunSpec]:
    """A label for each seed; those of a cell are stacked in one run.

    A training alone took 3.5 times the CPU-time of a stack's share of one (``stacking_costs``, with
    V-trace and a lag of four).
    """
    runs, seeds = {}, SEEDS if tier == "paper" else SEEDS[:2]
    for correction in ROWS:
        for lag in LAGS:
            spec = _run(tier, lag_preset(correction, lag, TUNED[correction][lag]), seeds[0])
            spec = replace(spec, replicas=len(seeds))
            for seed in seeds:
                runs[label(correction=correction, lag=lag, seed=seed)] = spec
    return runs


def _contrasts() -> tuple[Contrast, ...]:
    """What the correction is worth at each lag, and what the longest lag costs."""

    def at(correction: str, lag: int) -> Label:
        return label(correction=correction, lag=lag)

    worth = (
        Contrast("greedy_reward", at("V-trace", lag), at("none", lag), int(lag >= 4))
        for lag in LAGS
        if lag
    )
    cost = (Contrast("greedy_reward", at(c, LAGS[-1]), at(c, 0), -1) for c in ROWS)
    return (*worth, *cost)


LAG = register_experiment(
    Experiment(
        "liu2020.lag",
        SOURCE,
        {tier: _tier(tier) for tier in ("quick", "paper")},
        _contrasts(),
        seconds=lambda spec: 200.0,
    )
)
