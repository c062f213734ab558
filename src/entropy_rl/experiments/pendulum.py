"""Pendulum-v1: every row of the table of algorithms, and its soft twin."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from entropy_rl.algorithms import Preset, preset
from entropy_rl.experiments.declaration import (
    Contrast,
    Experiment,
    label,
    register_experiment,
)
from entropy_rl.experiments.spec import EvaluationSpec, RunSpec

CLIPPED = ("ppo", "sppo38", "sppo40")
TRUSTED = ("trpo", "strpo")
SCORES = ("a2c", "sa2c", "spg", "impala", "simpala")

SEEDS = range(10)
ALONE = 3

SOURCE = (
    "This project's, after the Pendulum of liu2020, §4; rewards (r + 8)/8 as in the code of its "
    "authors. PPO and both forms of SPPO are the preset 'pendulum', 80,000 steps. The other rows "
    "have 64 stretches begun at different times, a critic of 256 units and β = .005, with which σ "
    "does not run away: (S)TRPO 200,000 steps and one natural step a batch, the rows of score "
    "functions a million. SPG, whose returns are not bootstrapped, has whole episodes, five to an "
    "update, and the reward r/8, of which nothing is left to come where the pole stands. Rows and "
    "twins have one setting. Found on the seeds 0 and 1, those of score functions on 100 to 102, "
    "where a rate of .003 fails two times of three; SPG's on 0 and 100. "
    "Judged on 256 fixed starts, by sampled actions and by the mean action, whose return is "
    "'greedy_reward': Gymnasium's reward over 200 steps."
)

_LONG = 200  # steps of an episode
_OTHERS: dict[str, Any] = {
    "batch": 64,
    "stagger": _LONG,
    "epochs": 1,
    "minibatches": 1,
    "beta": 0.005,
    "baseline_hidden": 256,
    "baseline_learning_rate": 3e-3,
    "baseline_minibatches": 4,
}
_TRUSTED = {**_OTHERS, "cap": 32, "episodes": 64 * 98, "baseline_epochs": 5}
_SCORES = {
    **_OTHERS,
    "cap": 16,
    "episodes": 64 * 976,
    "baseline_epochs": 4,
    "learning_rate": 2e-3,
    "decay": True,
}
_SETTINGS: dict[str, dict[str, Any]] = {
    **{row: {} for row in CLIPPED},
    **dict.fromkeys(TRUSTED, _TRUSTED),
    **{row: {**_SCORES, "options": {"n": 16}} for row in ("a2c", "sa2c")},
    **{row: {**_SCORES, "entropy": "unbiased_gradient"} for row in ("impala", "simpala")},
    "spg": {
        **_SCORES,
        "entropy": "crude",
        "continuing": False,
        "stagger": 0,
        "batch": 5,
        "cap": _LONG,
        "episodes": 5 * 1000,
        "learning_rate": 3e-3,
    },
}


# Of a quick tier: two batches of four stretches or episodes.
SMALL = {"episodes": 8, "batch": 4, "epochs": 1, "minibatches": 1, "baseline_minibatches": 1}


def pendulum_preset(algorithm: str) -> Preset:
    """The preset "pendulum" with a row and the settings with which it learns.

    Args:
        algorithm: a row of :data:`entropy_rl.algorithms.ALGORITHMS` but "reinforce".
    """
    chosen = preset("pendulum").but(algorithm=algorithm, **_SETTINGS[algorithm])
    if algorithm != "spg":
        return chosen
    return replace(chosen, environment_options={"reward_scale": 1 / 8})


def _paper(algorithm: str, seed: int) -> RunSpec:
    seen = EvaluationSpec(256, _LONG, greedy=True)
    return RunSpec.of(pendulum_preset(algorithm), seed, seen)


def _seeds(algorithm: str) -> dict[int, RunSpec]:
    """The runs of a row by seed. Of a long row the first three were made alone; the others are one.

    A training alone took 5 times the CPU-time of a stack's share of one for SPG, 3 times for SA2C
    (``stacking_costs``, seven seeds).
    """
    runs = {seed: _paper(algorithm, seed) for seed in SEEDS}
    if algorithm in SCORES:
        rest = SEEDS[ALONE:]
        runs |= dict.fromkeys(rest, replace(runs[rest[0]], replicas=len(rest)))
    return runs


def _quick(algorithm: str, seed: int) -> RunSpec:
    chosen = pendulum_preset(algorithm).but(**SMALL)
    return RunSpec.of(chosen, seed, EvaluationSpec(4, 50, greedy=True))


def stagger_preset(begun: str) -> Preset:
    """TRPO as :func:`pendulum_preset`, whose episodes begin "apart" or "together"."""
    return pendulum_preset("trpo").but(stagger={"apart": _LONG, "together": 0}[begun])


def _contrasts() -> tuple[Contrast, ...]:
    """A soft return is expected to make no difference here: said before the runs."""
    pairs = (("sppo38", "ppo"), ("sppo40", "ppo"), ("strpo", "trpo"))
    return tuple(
        Contrast("greedy_reward", label(algorithm=soft), label(algorithm=plain), 0)
        for soft, plain in pairs
    )


def _seconds(spec: RunSpec) -> float:
    """From short trials on a busy machine; a stack of seven some two to three times one alone."""
    slow = {"spg": 120.0, **dict.fromkeys((*CLIPPED, *TRUSTED), 20.0)}
    return slow.get(spec.config.algorithm, 45.0) * (2 + spec.replicas) / 3


PENDULUM = register_experiment(
    Experiment(
        "liu2020.pendulum",
        SOURCE,
        {
            "quick": {
                label(algorithm=row, seed=seed): _quick(row, seed)
                for row in _SETTINGS
                for seed in range(2)
            },
            "paper": {
                label(algorithm=row, seed=seed): spec
                for row in _SETTINGS
                for seed, spec in _seeds(row).items()
            },
        },
        _contrasts(),
        _seconds,
    )
)

STAGGER = register_experiment(
    Experiment(
        "liu2020.stagger",
        "This project's: TRPO of liu2020.pendulum, whose runs it shares, beside the same with 64 "
        "episodes that begin together and stay in step. Found on the seeds 0 and 1.",
        {
            tier: {
                label(begun=begun, seed=seed): RunSpec.of(
                    stagger_preset(begun).but(**small), seed, EvaluationSpec(*seen, greedy=True)
                )
                for begun in ("together", "apart")
                for seed in seeds
            }
            for tier, small, seen, seeds in (
                ("quick", SMALL, (4, 50), range(2)),
                ("paper", {}, (256, _LONG), range(5)),
            )
        },
        (Contrast("greedy_reward", label(begun="apart"), label(begun="together"), 1),),
        _seconds,
    )
)
