"""Figure 2 of zhang2018: how much the outcome depends on the seed, from the runs of Table 1."""

from __future__ import annotations

from entropy_rl.experiments.declaration import (
    Contrast,
    Experiment,
    label,
    register_experiment,
)
from entropy_rl.experiments.table1 import TABLE1

POLICIES = ("independent", "lstm", "mmdp")

_CONTRASTS = tuple(
    Contrast(
        "length",
        label(policy=policy, entropy="smoothed"),
        label(policy=policy, entropy="none"),
        -1,
        statistic="spread",
    )
    for policy in POLICIES
)

FIGURE2 = register_experiment(
    Experiment(
        "zhang2018.fig2",
        "zhang2018, Figure 2: the mean length of each seed, runs of Table 1",
        {
            tier: {name: spec for name, spec in runs.items() if dict(name)["policy"] in POLICIES}
            for tier, runs in TABLE1.tiers.items()
        },
        _CONTRASTS,
        TABLE1.seconds,
        {"zhang2018.fig2": _CONTRASTS},
    )
)
