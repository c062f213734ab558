"""Tables and figures as specs; the runner; the results store."""

from entropy_rl.experiments.declaration import (
    EXPERIMENTS,
    Contrast,
    Experiment,
    Label,
    describe,
    experiment,
    label,
    register_experiment,
)
from entropy_rl.experiments.runner import first_updates, run_spec
from entropy_rl.experiments.spec import EvaluationSpec, RunSpec
from entropy_rl.experiments.store import Store, StoredRun, runs_folder
from entropy_rl.experiments.sweeping import Report, sweep
from entropy_rl.experiments.table1 import TABLE1
from entropy_rl.experiments.table3 import TABLE3

__all__ = [
    "EXPERIMENTS",
    "TABLE1",
    "TABLE3",
    "Contrast",
    "EvaluationSpec",
    "Experiment",
    "Label",
    "Report",
    "RunSpec",
    "Store",
    "StoredRun",
    "describe",
    "experiment",
    "first_updates",
    "label",
    "register_experiment",
    "run_spec",
    "runs_folder",
    "sweep",
]
