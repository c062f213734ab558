"""Past the paper: how near to what no play can beat a policy comes that saw rewards alone."""

from __future__ import annotations

from entropy_rl.experiments.declaration import Experiment, label, register_experiment
from entropy_rl.experiments.quick import quick_spec
from entropy_rl.experiments.spec import EvaluationSpec, RunSpec
from entropy_rl.experiments.table1 import table1_preset

# Of the policies of Table 1 with smoothed entropy, CommNet's reward is the highest, and the LSTM is
# the paper's best.
EPISODES = {"commnet": 8_000_000, "lstm": 12_000_000}

# CPU-seconds a million episodes, which are shorter than in Table 1 for most of the training.
_SECONDS = {("commnet", "smoothed"): 550.0, ("lstm", "smoothed"): 330.0}

SOURCE = (
    "This project's. Table 1's cell with smoothed entropy, for eight or twelve times its episodes, "
    "β falling to 0 with the learning rate; 10,000 episodes of evaluation. Nothing is imitated: "
    "the planner that gives the limit is not part of the training."
)


def _paper(policy: str, seed: int) -> RunSpec:
    chosen = table1_preset(policy, "smoothed").but(episodes=EPISODES[policy], beta_decay=True)
    return RunSpec.of(chosen, seed, EvaluationSpec(10_000, 10_000))


def _quick(policy: str, seed: int) -> RunSpec:
    return quick_spec(table1_preset(policy, "smoothed").but(beta_decay=True), seed)


LIMIT = register_experiment(
    Experiment(
        "zhang2018.limit",
        SOURCE,
        {
            tier: {label(policy=policy, seed=0): make(policy, 0) for policy in EPISODES}
            for tier, make in (("quick", _quick), ("paper", _paper))
        },
        seconds=_SECONDS,
    )
)
