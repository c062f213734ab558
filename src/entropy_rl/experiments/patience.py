"""Patience, sampled: where an entropy in the return finds what a bonus does not."""

from __future__ import annotations

from entropy_rl.algorithms import Preset, preset
from entropy_rl.experiments.declaration import (
    Contrast,
    Experiment,
    Label,
    label,
    register_experiment,
)
from entropy_rl.experiments.spec import EvaluationSpec, RunSpec

ALGORITHMS = ("ppo", "sppo38", "sppo40")
SEEDS = range(8)

SOURCE = (
    "This project's, for liu2020, eqs 38 to 41. The preset 'patience': one state, two actions, "
    "PPO with an entropy bonus and both forms of SPPO from the uniform policy, α = 1/8 for all; a "
    "run takes seconds, and the tiers are the same. "
    "Judged by what the policy is paid in the mean, which a linear system gives exactly; the "
    "hundred episodes that are played as well decide nothing."
)


def patience_preset(algorithm: str) -> Preset:
    """The preset "patience" with a row.

    Args:
        algorithm: "ppo", "sppo38" or "sppo40".
    """
    return preset("patience").but(algorithm=algorithm)


def _tier(seeds: range) -> dict[Label, RunSpec]:
    return {
        label(algorithm=algorithm, seed=seed): RunSpec.of(
            patience_preset(algorithm), seed, EvaluationSpec(100, 1_000, exact=True)
        )
        for algorithm in ALGORITHMS
        for seed in seeds
    }


def _contrasts() -> tuple[Contrast, ...]:
    """Both forms are paid more than the bonus, and neither more than the other."""
    bonus, entropies, logarithms = (label(algorithm=x) for x in ALGORITHMS)
    return (
        Contrast("expected_reward", entropies, bonus, 1),
        Contrast("expected_reward", logarithms, bonus, 1),
        Contrast("expected_reward", logarithms, entropies, 0),
    )


PATIENCE = register_experiment(
    Experiment(
        "liu2020.patience",
        SOURCE,
        {"quick": _tier(SEEDS), "paper": _tier(SEEDS)},
        _contrasts(),
        lambda spec: 3.0,
        {"liu2020.patience": _contrasts()[:2]},
    )
)
