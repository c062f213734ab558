"""Tables and figures as specs; the runner; the results store."""

from entropy_rl.experiments.asynchronous import ASYNCHRONOUS
from entropy_rl.experiments.backends import BACKENDS
from entropy_rl.experiments.beyond import BETA, SCALING
from entropy_rl.experiments.breakout import BREAKOUT
from entropy_rl.experiments.critic import CRITIC
from entropy_rl.experiments.declaration import (
    EXPERIMENTS,
    Contrast,
    Experiment,
    Label,
    describe,
    experiment,
    interval,
    label,
    register_experiment,
)
from entropy_rl.experiments.figure2 import FIGURE2
from entropy_rl.experiments.lag import LAG, LAG_RATES
from entropy_rl.experiments.limit import LIMIT
from entropy_rl.experiments.optimiser import OPTIMISER
from entropy_rl.experiments.patience import PATIENCE
from entropy_rl.experiments.pendulum import PENDULUM, STAGGER
from entropy_rl.experiments.pendulum_authors import AUTHORS
from entropy_rl.experiments.runner import beginning, run_spec
from entropy_rl.experiments.sac import SAC, TARGET_ENTROPY
from entropy_rl.experiments.spec import EvaluationSpec, RunSpec
from entropy_rl.experiments.store import Seed, Store, StoredRun, runs_folder
from entropy_rl.experiments.sweeping import Report, sweep
from entropy_rl.experiments.table1 import TABLE1
from entropy_rl.experiments.table2 import TABLE2
from entropy_rl.experiments.table3 import TABLE3
from entropy_rl.experiments.table3_seeds import TABLE3_SEEDS
from entropy_rl.experiments.variance import ACTING, VARIANCE

__all__ = [
    "ACTING",
    "ASYNCHRONOUS",
    "AUTHORS",
    "BACKENDS",
    "BETA",
    "BREAKOUT",
    "CRITIC",
    "EXPERIMENTS",
    "FIGURE2",
    "LAG",
    "LAG_RATES",
    "LIMIT",
    "OPTIMISER",
    "PATIENCE",
    "PENDULUM",
    "SAC",
    "SCALING",
    "STAGGER",
    "TABLE1",
    "TABLE2",
    "TABLE3",
    "TABLE3_SEEDS",
    "TARGET_ENTROPY",
    "VARIANCE",
    "Contrast",
    "EvaluationSpec",
    "Experiment",
    "Label",
    "Report",
    "RunSpec",
    "Seed",
    "Store",
    "StoredRun",
    "beginning",
    "describe",
    "experiment",
    "interval",
    "label",
    "register_experiment",
    "run_spec",
    "runs_folder",
    "sweep",
]
