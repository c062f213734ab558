"""Training loops, built from the floors below; an algorithm is a row of named choices."""

from entropy_rl.algorithms.advantages import ADVANTAGES
from entropy_rl.algorithms.choices import (
    ALGORITHMS,
    Algorithm,
    Option,
    register_advantage,
    register_algorithm,
    register_entropy,
    register_entropy_baseline,
    register_surrogate,
    register_update,
)
from entropy_rl.algorithms.config import OnPolicyConfig
from entropy_rl.algorithms.context import Context, Minibatch, Targets, Values
from entropy_rl.algorithms.entropy import (
    ENTROPIES,
    ENTROPY_BASELINES,
    EntropyBaseline,
    EntropyUse,
)
from entropy_rl.algorithms.entropy_critic import EntropyCritic, Lesson
from entropy_rl.algorithms.evaluation import Evaluation, evaluate
from entropy_rl.algorithms.on_policy import Trainer, TrainingDiverged
from entropy_rl.algorithms.presets import ENVIRONMENTS, PRESETS, Preset, preset
from entropy_rl.algorithms.problem import Problem
from entropy_rl.algorithms.rollout import Rollout, play_episodes
from entropy_rl.algorithms.runs import Run, run_preset
from entropy_rl.algorithms.surrogates import SURROGATES
from entropy_rl.algorithms.training import TrainResult, train
from entropy_rl.algorithms.trust_region import trust_region_step
from entropy_rl.algorithms.updates import UPDATES, gradient_step

__all__ = [
    "ADVANTAGES",
    "ALGORITHMS",
    "ENTROPIES",
    "ENTROPY_BASELINES",
    "ENVIRONMENTS",
    "PRESETS",
    "SURROGATES",
    "UPDATES",
    "Algorithm",
    "Context",
    "EntropyBaseline",
    "EntropyCritic",
    "EntropyUse",
    "Evaluation",
    "Lesson",
    "Minibatch",
    "OnPolicyConfig",
    "Option",
    "Preset",
    "Problem",
    "Rollout",
    "Run",
    "Targets",
    "TrainResult",
    "Trainer",
    "TrainingDiverged",
    "Values",
    "evaluate",
    "gradient_step",
    "play_episodes",
    "preset",
    "register_advantage",
    "register_algorithm",
    "register_entropy",
    "register_entropy_baseline",
    "register_surrogate",
    "register_update",
    "run_preset",
    "train",
    "trust_region_step",
]
