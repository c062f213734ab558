"""liu2020, §4.2: four ways in which σ may depend on the state; and an entropy that has an end."""

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
from entropy_rl.experiments.spec import EvaluationSpec, RunSpec
from entropy_rl.policies.gaussian import VARIANCES

ALGORITHMS = ("ppo", "sppo38")
SEEDS = range(10)

# The paper prints no numbers. Of SPPO it says that a local σ "is problematic", and that a local
# scale on a global σ, clipped or not, works with the entropy; of PPO with another σ, nothing.
_SIGNS = {
    "ppo": {"local": 0, "product": 0, "clipped": 0},
    "sppo38": {"local": -1, "product": 1, "clipped": 1},
}
METRICS = ("greedy_reward", "reward")

SOURCE = (
    "liu2020, §4.2 and Table 1 (its schemes 1 to 4). The paper compares them in words alone and "
    "says neither where nor how; the preset 'pendulum' (80,000 steps, β of the authors' code) with "
    "each scheme, PPO with a bonus and SPPO (38). Judged on 256 starts by sampled and by most "
    "likely actions: a wide σ costs the ones what the others do not pay."
)


def variance_preset(algorithm: str, variance: str) -> Preset:
    """The preset "pendulum" with another row and another σ(s).

    Args:
        algorithm: "ppo", the entropy as a bonus, or "sppo38", in the return as well.
        variance: a scheme of :class:`~entropy_rl.policies.GaussianPolicy`.
    """
    chosen = preset("pendulum")
    options = {**chosen.policy_options, "variance": variance}
    return replace(chosen, policy_options=options).but(algorithm=algorithm)


def _paper(algorithm: str, variance: str, seed: int) -> RunSpec:
    seen = EvaluationSpec(256, 200, greedy=True)
    return RunSpec.of(variance_preset(algorithm, variance), seed, seen)


def _quick(algorithm: str, variance: str, seed: int) -> RunSpec:
    """The same networks for three batches of 16 stretches of 32 steps."""
    chosen = variance_preset(algorithm, variance).but(episodes=48, cap=32, epochs=2)
    return RunSpec.of(chosen, seed, EvaluationSpec(16, 50, greedy=True))


def _tier(make: Callable[[str, str, int], RunSpec], seeds: range) -> dict[Label, RunSpec]:
    return {
        label(algorithm=algorithm, variance=variance, seed=seed): make(algorithm, variance, seed)
        for algorithm in ALGORITHMS
        for variance in VARIANCES
        for seed in seeds
    }


def _contrasts() -> tuple[Contrast, ...]:
    """Each scheme less the global one; and of SPPO what the clip is for: no worse than without."""
    found = [
        Contrast(
            metric,
            label(algorithm=algorithm, variance=variance),
            label(algorithm=algorithm, variance="global"),
            sign,
        )
        for algorithm, signs in _SIGNS.items()
        for variance, sign in signs.items()
        for metric in METRICS
    ]
    clipped, product = (label(algorithm="sppo38", variance=x) for x in ("clipped", "product"))
    return (*found, *(Contrast(metric, clipped, product, 1) for metric in METRICS))


def _claims(contrasts: tuple[Contrast, ...]) -> dict[str, tuple[Contrast, ...]]:
    """What §4.2 says of SPPO: its local σ; its scaled σ; the clip."""

    def less(second: str, *first: str) -> tuple[Contrast, ...]:
        sides = [label(algorithm="sppo38", variance=x) for x in first]
        other = label(algorithm="sppo38", variance=second)
        return tuple(c for c in contrasts if c.first in sides and c.second == other)

    return {
        "liu2020.variance.local": less("global", "local"),
        "liu2020.variance.scaled": less("global", "product", "clipped"),
        "liu2020.variance.clip": less("product", "clipped"),
    }


VARIANCE = register_experiment(
    Experiment(
        "liu2020.variance",
        SOURCE,
        {"quick": _tier(_quick, range(2)), "paper": _tier(_paper, SEEDS)},
        _contrasts(),
        lambda spec: 0.03 * spec.config.episodes,
        _claims(_contrasts()),
    )
)

# Past the paper: the entropy of the action that acts instead of the Gaussian's.
ACTING_SCHEMES = ("local", "global")

ACTING_SOURCE = (
    "This project's. SPPO (38) of 'liu2020.variance' with a local and with a global σ, those very "
    "runs, and the same with the entropy of the action as it is clipped, in the return and as a "
    "bonus. Its maximum is log 6 nats at most, that of the Gaussian is infinite."
)


def _acting_tier(tier: str, seeds: range) -> dict[Label, RunSpec]:
    """The Gaussian's are the runs of :data:`VARIANCE`; the others differ by one option."""
    runs: dict[Label, RunSpec] = {}
    for variance in ACTING_SCHEMES:
        for entropy in ("gaussian", "clipped"):
            for seed in seeds:
                name = label(algorithm="sppo38", variance=variance, seed=seed)
                spec = VARIANCE.runs(tier)[name]
                if entropy == "clipped":
                    spec = replace(
                        spec, policy_options={**spec.policy_options, "clipped_entropy": True}
                    )
                runs[label(variance=variance, entropy=entropy, seed=seed)] = spec
    return runs


def _acting_contrasts() -> tuple[Contrast, ...]:
    """What a local σ suffers from is expected to be cured; a global one hardly suffers."""
    return tuple(
        Contrast(
            metric,
            label(variance=variance, entropy="clipped"),
            label(variance=variance, entropy="gaussian"),
            sign,
        )
        for variance, sign in (("local", 1), ("global", 0))
        for metric in METRICS
    )


ACTING = register_experiment(
    Experiment(
        "liu2020.acting",
        ACTING_SOURCE,
        {"quick": _acting_tier("quick", range(2)), "paper": _acting_tier("paper", SEEDS)},
        _acting_contrasts(),
        lambda spec: 0.03 * spec.config.episodes,
    )
)
