"""zhang2018's own optimiser, one episode an update, beside batches of episodes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from entropy_rl.algorithms import Preset, preset
from entropy_rl.experiments.declaration import (
    Contrast,
    Experiment,
    Label,
    label,
    register_experiment,
)
from entropy_rl.experiments.quick import quick_spec
from entropy_rl.experiments.spec import EvaluationSpec, RunSpec

EPISODES = 15_000
SEEDS = range(3)
_BETA = {"none": 0.0, "smoothed": 0.02}
_BATCHED_RATE = 1.6e-2


def optimiser_preset(optimiser: str, entropy: str) -> Preset:
    """The configuration of a column.

    Args:
        optimiser: "paper": RMSprop after each episode, every entry of the gradient in [-1, 1]
            (Appendix A); or "batched": Adam falling to 0, eight updates for 256 episodes.
        entropy: "none" or "smoothed".
    """
    paper = preset("hunters-paper")
    chosen = paper
    if optimiser == "batched":
        chosen = preset("hunters").but(batch=256, learning_rate=_BATCHED_RATE)
    return replace(chosen, environment_options=paper.environment_options).but(
        episodes=EPISODES, entropy=entropy, beta=_BETA[entropy]
    )


def _paper(optimiser: str, entropy: str, seed: int) -> RunSpec:
    return RunSpec.of(optimiser_preset(optimiser, entropy), seed, EvaluationSpec(1_000, 10_000))


def _quick(optimiser: str, entropy: str, seed: int) -> RunSpec:
    one = {"batch": 1, "minibatches": 1, "episodes": 48} if optimiser == "paper" else {}
    return quick_spec(optimiser_preset(optimiser, entropy), seed, **one)


def _tier(make: Callable[[str, str, int], RunSpec], seeds: range) -> dict[Label, RunSpec]:
    return {
        label(optimiser=optimiser, entropy=entropy, seed=seed): make(optimiser, entropy, seed)
        for optimiser in ("paper", "batched")
        for entropy in _BETA
        for seed in seeds
    }


def _contrasts() -> tuple[Contrast, ...]:
    """The printed order with either; and fewer updates on more episodes each lose no tenth."""
    found = []
    for optimiser in ("paper", "batched"):
        first, second = (label(optimiser=optimiser, entropy=x) for x in ("smoothed", "none"))
        found += [Contrast("length", first, second, -1), Contrast("reward", first, second, 1)]
    for entropy in _BETA:
        first, second = (label(optimiser=x, entropy=entropy) for x in ("batched", "paper"))
        found.append(Contrast("reward", first, second, 1, factor=0.9))
    return tuple(found)


def _seconds(spec: RunSpec) -> float:
    """From short trials on seed 100."""
    return spec.config.episodes * (0.036 if spec.config.batch == 1 else 1.1e-3)


OPTIMISER = register_experiment(
    Experiment(
        "zhang2018.optimiser",
        "zhang2018, Appendix A, beside this project's batches: 15,000 episodes of either on 5×5 "
        "with five, weights of Table 1",
        {"quick": _tier(_quick, range(1)), "paper": _tier(_paper, SEEDS)},
        _contrasts(),
        _seconds,
    )
)
