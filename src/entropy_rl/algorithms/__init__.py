"""Training loops, built from the floors below; an algorithm is a row of named choices."""

from entropy_rl.algorithms.choices import (
    ADVANTAGES,
    ALGORITHMS,
    ENTROPIES,
    SURROGATES,
    Algorithm,
    register_algorithm,
)
from entropy_rl.algorithms.config import OnPolicyConfig
from entropy_rl.algorithms.evaluation import Evaluation, evaluate
from entropy_rl.algorithms.on_policy import TrainingDiverged, TrainResult, train
from entropy_rl.algorithms.presets import ENVIRONMENTS, PRESETS, Preset, preset
from entropy_rl.algorithms.runs import Run, run_preset

__all__ = [
    "ADVANTAGES",
    "ALGORITHMS",
    "ENTROPIES",
    "ENVIRONMENTS",
    "PRESETS",
    "SURROGATES",
    "Algorithm",
    "Evaluation",
    "OnPolicyConfig",
    "Preset",
    "Run",
    "TrainResult",
    "TrainingDiverged",
    "evaluate",
    "preset",
    "register_algorithm",
    "run_preset",
    "train",
]
