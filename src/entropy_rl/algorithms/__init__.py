"""Training loops, built from the floors below; an algorithm is a row of named choices."""

from entropy_rl.algorithms.choices import (
    ADVANTAGES,
    ALGORITHMS,
    ENTROPIES,
    SURROGATES,
    Algorithm,
    EntropyUse,
    Minibatch,
    Targets,
    Values,
    register_algorithm,
)
from entropy_rl.algorithms.config import OnPolicyConfig
from entropy_rl.algorithms.evaluation import Evaluation, evaluate
from entropy_rl.algorithms.on_policy import Trainer, TrainingDiverged, TrainResult, train
from entropy_rl.algorithms.presets import ENVIRONMENTS, PRESETS, Preset, preset
from entropy_rl.algorithms.rollout import Rollout, play_episodes
from entropy_rl.algorithms.runs import Run, run_preset

__all__ = [
    "ADVANTAGES",
    "ALGORITHMS",
    "ENTROPIES",
    "ENVIRONMENTS",
    "PRESETS",
    "SURROGATES",
    "Algorithm",
    "EntropyUse",
    "Evaluation",
    "Minibatch",
    "OnPolicyConfig",
    "Preset",
    "Rollout",
    "Run",
    "Targets",
    "TrainResult",
    "Trainer",
    "TrainingDiverged",
    "Values",
    "evaluate",
    "play_episodes",
    "preset",
    "register_algorithm",
    "run_preset",
    "train",
]
