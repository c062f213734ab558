"""Past the paper: Theorem 4 with a learnt baseline, beside Table 1's columns of the LSTM."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from entropy_rl.experiments.declaration import (
    Contrast,
    Experiment,
    Label,
    label,
    register_experiment,
)
from entropy_rl.experiments.spec import RunSpec
from entropy_rl.experiments.table1 import SEEDS, TABLE1

# What has the critic is the column "unbiased_gradient" but for it; the others are Table 1's runs.
SHARED = ("smoothed", "unbiased_gradient")
COLUMNS = (*SHARED, "critic")

SOURCE = (
    "This project's. The LSTM of zhang2018, Table 1, with the column 'unbiased_gradient', its β "
    "and all else, and a critic of the entropy to go as its conditional baseline (width and "
    "learning rate of the value network). The columns it is compared with are Table 1's own runs."
)

# CPU-seconds a million episodes: Table 1's, and 1.2 times as much with a critic.
_SECONDS = {("lstm", "smoothed"): 365.0, ("lstm", "unbiased_gradient"): 440.0}


def _tier(tier: str, seeds: range) -> dict[Label, RunSpec]:
    """Table 1's own runs of the LSTM, and those that differ by the critic alone."""
    runs: dict[Label, RunSpec] = {}
    for column in COLUMNS:
        for seed in seeds:
            entropy = column if column in SHARED else "unbiased_gradient"
            spec = TABLE1.runs(tier)[label(policy="lstm", entropy=entropy, seed=seed)]
            if column == "critic":
                with_critic: dict[str, Any] = {"entropy_baseline": "critic"}
                spec = replace(spec, config=replace(spec.config, **with_critic))
            runs[label(policy="lstm", entropy=column, seed=seed)] = spec
    return runs


def _contrasts() -> tuple[Contrast, ...]:
    """No difference is expected from either: said before the runs, to be seen after."""
    critic = label(policy="lstm", entropy="critic")
    return tuple(
        Contrast(metric, critic, label(policy="lstm", entropy=other), 0)
        for other in SHARED
        for metric in ("length", "reward")
    )


CRITIC = register_experiment(
    Experiment(
        "zhang2018.critic",
        SOURCE,
        {"quick": _tier("quick", range(2)), "paper": _tier("paper", SEEDS)},
        _contrasts(),
        _SECONDS,
    )
)
