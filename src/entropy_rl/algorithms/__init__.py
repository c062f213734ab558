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
from entropy_rl.algorithms.curves import curve_names
from entropy_rl.algorithms.divergence import TrainingDiverged
from entropy_rl.algorithms.entropy import (
    ENTROPIES,
    ENTROPY_BASELINES,
    EntropyBaseline,
    EntropyUse,
)
from entropy_rl.algorithms.entropy_critic import EntropyCritic, Lesson
from entropy_rl.algorithms.evaluation import Evaluation, evaluate
from entropy_rl.algorithms.off_policy import OffPolicyTrainer
from entropy_rl.algorithms.off_policy_choices import (
    ACTORS,
    OFF_POLICY_ALGORITHMS,
    TARGETS,
    TEMPERATURES,
    Act,
    Draw,
    OffPolicyAlgorithm,
    register_actor,
    register_off_policy_algorithm,
    register_target,
    register_temperature,
)
from entropy_rl.algorithms.off_policy_config import OffPolicyConfig
from entropy_rl.algorithms.on_policy import Trainer
from entropy_rl.algorithms.presets import ENVIRONMENTS, PRESETS, Preset, preset
from entropy_rl.algorithms.problem import Problem
from entropy_rl.algorithms.replay import Replay, Transitions, transitions
from entropy_rl.algorithms.rollout import Rollout, play_episodes
from entropy_rl.algorithms.runs import Run, run_preset
from entropy_rl.algorithms.surrogates import SURROGATES
from entropy_rl.algorithms.training import TrainResult, make_trainer, train
from entropy_rl.algorithms.trust_region import trust_region_step
from entropy_rl.algorithms.twin_critic import TwinCritic
from entropy_rl.algorithms.updates import UPDATES, gradient_step

__all__ = [
    "ACTORS",
    "ADVANTAGES",
    "ALGORITHMS",
    "ENTROPIES",
    "ENTROPY_BASELINES",
    "ENVIRONMENTS",
    "OFF_POLICY_ALGORITHMS",
    "PRESETS",
    "SURROGATES",
    "TARGETS",
    "TEMPERATURES",
    "UPDATES",
    "Act",
    "Algorithm",
    "Context",
    "Draw",
    "EntropyBaseline",
    "EntropyCritic",
    "EntropyUse",
    "Evaluation",
    "Lesson",
    "Minibatch",
    "OffPolicyAlgorithm",
    "OffPolicyConfig",
    "OffPolicyTrainer",
    "OnPolicyConfig",
    "Option",
    "Preset",
    "Problem",
    "Replay",
    "Rollout",
    "Run",
    "Targets",
    "TrainResult",
    "Trainer",
    "TrainingDiverged",
    "Transitions",
    "TwinCritic",
    "Values",
    "curve_names",
    "evaluate",
    "gradient_step",
    "make_trainer",
    "play_episodes",
    "preset",
    "register_actor",
    "register_advantage",
    "register_algorithm",
    "register_entropy",
    "register_entropy_baseline",
    "register_off_policy_algorithm",
    "register_surrogate",
    "register_target",
    "register_temperature",
    "register_update",
    "run_preset",
    "train",
    "transitions",
    "trust_region_step",
]
