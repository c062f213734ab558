"""Table 3 of zhang2018: two policies in the bandit, four entropies, ten seeds, 100,000 rounds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from entropy_rl.algorithms import Preset, preset
from entropy_rl.experiments.declaration import (
    Contrast,
    Experiment,
    Label,
    label,
    register_experiment,
)
from entropy_rl.experiments.spec import EvaluationSpec, RunSpec

RATES = ("printed", "one_rate")
POLICIES = ("independent", "lstm")
SEEDS = 10

# Appendix A: learning rate and β of each column; one list for both policies.
_PRINTED = {
    "none": (0.006, 0.0),
    "crude": (0.008, 0.005),
    "smoothed": (0.002, 0.001),
    "unbiased_gradient": (0.005, 0.003),
}

# That of unbiased_gradient, the second smallest, so that its runs are those of the printed rates.
_ONE_RATE = 0.005

# CPU-seconds a million rounds.
_SECONDS = {"independent": 10.0, "lstm": 16.0}

SOURCE = (
    "zhang2018, Table 3. Rates, weights, width 32 of the LSTM and the running mean of the last 100 "
    "rounds of Appendix A; RMSprop and entries of the gradient clipped to [-1, 1] as there for the "
    "other game. Where it is silent: width 32 and one layer for independent sampling. 50 rounds an "
    "update, where the paper makes one an update (or does not say): this project's. 'one_rate': "
    "0.005 for all columns, the weights as printed."
)


def table3_preset(rates: str, policy: str, entropy: str) -> Preset:
    """The configuration of a cell, at the paper's hundred thousand rounds."""
    rate, beta = _PRINTED[entropy]
    chosen = replace(preset("bandit"), policy=policy, policy_options={"hidden_size": 32})
    return chosen.but(
        episodes=100_000,
        batch=50,
        entropy=entropy,
        beta=beta,
        optimiser="rmsprop",
        learning_rate=_ONE_RATE if rates == "one_rate" else rate,
        decay=False,
        clip_gradient=1.0,
    )


def _paper(rates: str, policy: str, entropy: str) -> RunSpec:
    seen = EvaluationSpec(1_000, 1, exact=True)
    return replace(RunSpec.of(table3_preset(rates, policy, entropy), 0, seen), replicas=SEEDS)


def _quick(rates: str, policy: str, entropy: str) -> RunSpec:
    """The same networks, rates and weights for forty updates of two seeds: seconds for all."""
    chosen = table3_preset(rates, policy, entropy).but(episodes=2_000)
    return replace(RunSpec.of(chosen, 0, EvaluationSpec(100, 1, exact=True)), replicas=2)


def _contrasts() -> tuple[Contrast, ...]:
    """Of the last 500 rounds, as in the paper; the sign is that of what is printed for it."""
    return tuple(
        Contrast(
            metric,
            label(rates=rates, policy=policy, entropy=entropy),
            label(rates=rates, policy=policy, entropy="none"),
            sign,
        )
        for rates in RATES
        for policy in POLICIES
        for entropy in ("smoothed", "unbiased_gradient", "crude")
        for metric, sign in zip(
            ("last_optimal", "last_expected"), _SIGNS[policy][entropy], strict=True
        )
    )


# Of the printed column less none, share of the optimum and mean reward.
_SIGNS = {
    "independent": {"smoothed": (-1, 0), "unbiased_gradient": (-1, 0), "crude": (1, 1)},
    "lstm": {"smoothed": (1, 1), "unbiased_gradient": (1, 1), "crude": (1, 1)},
}


def _tier(make: Any) -> dict[Label, RunSpec]:
    """A label for each seed; those of a cell are stacked in one run.

    Ten LSTMs of this width in one process, 50 rounds each an update, cost the CPU-time of FIGURE of
    one of them: SEE ``entropy_rl.bench``.
    """
    runs = {}
    for rates in RATES:
        for policy in POLICIES:
            for entropy in _PRINTED:
                spec = make(rates, policy, entropy)
                for seed in spec.seeds:
                    runs[label(rates=rates, policy=policy, entropy=entropy, seed=seed)] = spec
    return runs


TABLE3 = register_experiment(
    Experiment(
        "zhang2018.table3",
        SOURCE,
        {"quick": _tier(_quick), "paper": _tier(_paper)},
        _contrasts(),
        {(policy, entropy): each for policy, each in _SECONDS.items() for entropy in _PRINTED},
    )
)
