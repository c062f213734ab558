"""Atari's Breakout: PPO beside SPPO (38), scores as the game counts them."""

from __future__ import annotations

from typing import Any

from entropy_rl.algorithms import Preset, preset
from entropy_rl.experiments.declaration import Contrast, Experiment, label, register_experiment
from entropy_rl.experiments.spec import EvaluationSpec, RunSpec

ROWS = ("ppo", "sppo38")
SEEDS = range(2)

SOURCE = (
    "liu2020, §4: PPO of OpenAI's baselines with its default settings, and SPPO (38) made of it. "
    "Here both are the preset 'breakout', with one temperature, .002 of a clipped reward per nat. "
    "The baselines' bonus of .01 is for advantages that are divided by their spread, which is "
    "about a fifth of a reward; here they are not, so that a temperature is reward per nat. In "
    "SPPO's return .002 log 4 over the hundred steps that γ = .99 looks ahead is .28 of a reward "
    "at most. At .01 it is 1.4, more than a beginner's life earns, and who never serves the next "
    "ball has it for nothing. Two million steps, a fifth of the ten of the baselines. "
    "Judged on 30 whole games of sampled actions, by the game's own points; a lost life ends a "
    "return in training and nothing else, and a game that does not end is cut after 27,000 steps."
)

# Of the quick tier: two batches of two stretches.
_SMALL: dict[str, Any] = {"episodes": 4, "batch": 2, "cap": 32, "epochs": 1, "minibatches": 2}


def breakout_preset(algorithm: str) -> Preset:
    """The preset "breakout" with a row of :data:`entropy_rl.algorithms.ALGORITHMS`."""
    return preset("breakout").but(algorithm=algorithm)


def _seconds(spec: RunSpec) -> float:
    """From short trials on a busy machine: training, and the games that it is judged on."""
    return spec.config.episodes * spec.config.cap / 450 + 120


BREAKOUT = register_experiment(
    Experiment(
        "liu2020.breakout",
        SOURCE,
        {
            tier: {
                label(algorithm=row, seed=seed): RunSpec.of(
                    breakout_preset(row).but(**small), seed, EvaluationSpec(*seen)
                )
                for row in ROWS
                for seed in SEEDS
            }
            for tier, small, seen in (("quick", _SMALL, (2, 60)), ("paper", {}, (30, 27_000)))
        },
        # What the paper says; two pairs can hardly decide it.
        (Contrast("reward", label(algorithm="sppo38"), label(algorithm="ppo"), 1),),
        _seconds,
    )
)
