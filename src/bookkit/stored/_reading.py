"""What is stored of an experiment, read and verified; what is printed of it; and the limit."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bookkit import paths
from entropy_rl import _validate
from entropy_rl.algorithms.presets import make_environment
from entropy_rl.envs import Breakout, HuntersRabbits, TeamBandit
from entropy_rl.envs.breakout import WALL, WALLS
from entropy_rl.experiments import (
    Experiment,
    Label,
    RunSpec,
    Store,
    StoredRun,
    describe,
    experiment,
    runs_folder,
)

# What a run cost, from its sidecar. Measured while other work was on the machine.
COSTS: dict[str, Callable[[StoredRun], float]] = {
    "seconds": lambda run: (
        1e3 * _training_seconds(run) / (run.spec.config.episodes * run.spec.replicas)
    ),
    "microseconds": lambda run: 1e6 * _training_seconds(run) / run.record["steps"],
}

# What the papers print as a percentage is stored as a share.
PERCENT = {"optimal_percent": "last_optimal"}
SHARES = {share: percent for percent, share in PERCENT.items()}
# Where a printed metric has another name here: Table 3 is of the end of the training.
_PRINTED_AS = {"bandit": {"last_reward": "reward", "last_expected": "reward"}}
# Of a printed table, besides those of its labels.
_COLUMNS = ("metric", "mean", "std")
# Whose printed table has the numbers of an experiment that has none of its own.
_PRINTED_IN = {"zhang2018.table3_seeds": "zhang2018.table3"}


@dataclass(frozen=True)
class Results:
    """What is stored of an experiment.

    Attributes:
        experiment: its declaration.
        tier: "quick" or "paper".
        runs: every label of the tier, with its run or None. Labels that share a run have the same.
        data: the folder ``data``.
        folder: of the stored runs.
    """

    experiment: Experiment
    tier: str
    runs: Mapping[Label, StoredRun | None] = field(repr=False)
    data: Path = field(repr=False)
    folder: Path = field(repr=False)

    @property
    def missing(self) -> tuple[Label, ...]:
        """The labels whose run is not stored."""
        return tuple(name for name, run in self.runs.items() if run is None)

    @property
    def groups(self) -> dict[Label, dict[int, StoredRun | None]]:
        """The runs by label without its seed, then by seed."""
        groups: dict[Label, dict[int, StoredRun | None]] = {}
        for name, run in self.runs.items():
            parts = dict(name)
            seed = int(parts.pop("seed"))
            groups.setdefault(tuple(parts.items()), {})[seed] = run
        return groups

    def stored(self) -> list[StoredRun]:
        """Every stored run once."""
        return list({run.spec.hash: run for run in self.runs.values() if run}.values())


def load(
    name: str, tier: str = "paper", data: Path | None = None, runs: Path | None = None
) -> Results:
    """Read and verify the stored runs of an experiment.

    Args:
        name: such as "zhang2018.table1".
        tier: "quick" or "paper".
        data: the folder ``data``; that of the book unless given.
        runs: the folder of the papers' folders; unless given ``data/runs``, or of the tier "quick"
            where a sweep of it goes.

    Raises:
        ValueError: an unknown experiment or tier; the quick tier on a page of the book; or a run
            that is not as it was written.
    """
    chosen = experiment(name)
    specs = chosen.runs(tier)
    if tier != "paper" and runs is None and paths.is_static():
        # Nothing tells the build of them: they are not committed.
        raise _validate.fail("tier", "'paper' on a page of the book", repr(tier))
    data = data or paths.root() / "data"
    runs = runs or (data / "runs" if tier == "paper" else runs_folder(tier))
    # Listed, not looked for: the build must know of a folder that is still to come.
    there = runs.is_dir() and chosen.folder in os.listdir(runs)
    store = Store(runs / chosen.folder)
    read = {spec.hash: store.find(spec) for spec in (set(specs.values()) if there else ())}
    found = {key: read.get(spec.hash) for key, spec in specs.items()}
    return Results(chosen, tier, found, data, runs / chosen.folder)


def measure(run: StoredRun, metric: str, seed: int | None = None) -> float:
    """A number of a run.

    Args:
        run: a stored one.
        metric: what its evaluation has ("length", "reward", "median_length", "unfinished", …);
            ``last_`` and the name of a curve, the mean of its last part; "optimal_percent" of its
            rounds, at the end; or what its training took: CPU-"seconds" a thousand episodes,
            "microseconds" a step.
        seed: which one, where several are stacked in the run; the first if None.

    Raises:
        ValueError: there is no such number, or no such seed.
    """
    if metric in COSTS:
        return COSTS[metric](run)
    if metric in PERCENT:
        return 100 * measure(run, PERCENT[metric], seed)
    seen = run.of(run.spec.seed if seed is None else seed)
    last = [f"last_{name}" for name in seen.curves]
    known = [k for k, v in seen.evaluation.items() if isinstance(v, int | float)]
    return seen.metric(_validate.choice("metric", metric, [*known, *last, *PERCENT, *COSTS]))


def limit(spec: RunSpec, metric: str) -> float:
    """What no policy can beat in a run's environment, or NaN where none is known.

    Hunters and rabbits: the least length, or the most reward, of the starts of the run's own
    evaluation, in the mean (:func:`entropy_rl.envs.planner.physical_limit`). Bandit: the reward to
    expect of the best assignment (a sample can be luckier), and every round of it. Breakout: the
    points of both walls.

    Args:
        spec: of a run.
        metric: as for :func:`measure`.
    """
    options = json.dumps(spec.to_json()["environment_options"], sort_keys=True)
    return _limits(spec.environment, options, spec.evaluation.episodes, spec.evaluation.seed).get(
        metric, np.nan
    )


@functools.cache
def _limits(environment: str, options: str, episodes: int, seed: int) -> dict[str, float]:
    env = make_environment(environment, json.loads(options))
    if isinstance(env, TeamBandit):
        most = float(env.expected_reward(env.exceptional))
        rewards = dict.fromkeys(("reward", "last_reward", "last_expected"), most)
        return {**rewards, "last_optimal": 1.0, "optimal_percent": 100.0}
    if isinstance(env, HuntersRabbits):
        from entropy_rl.envs.planner import physical_limit

        bound = physical_limit(env, episodes=episodes, seed=seed)
        return {"length": bound.length, "reward": bound.reward}
    if isinstance(env, Breakout):
        return {"reward": float(WALLS * WALL)}
    return {}


def printed_numbers(found: Results) -> Callable[[Label, str], tuple[str, str]]:
    """What the paper prints of a label, mean and ±, by the columns that file and label share.

    Two rows of the file for one label and metric are a ``ValueError`` when they are looked up.

    Raises:
        ValueError: a column of the file that is neither a label's nor "metric", "mean" or "std".
    """
    import pandas as pd

    name = found.experiment.name
    folder, nothing = found.data / "papers", ("nan", "nan")
    path = folder / f"{_PRINTED_IN.get(name, name).replace('.', '_')}.csv"
    # Listed, not looked for: so an execution depends on a table that is still to come.
    there = folder.is_dir() and path.name in os.listdir(folder)
    file = pd.read_csv(path, dtype=str) if there else None
    keys = [*dict.fromkeys(key for label in found.runs for key, _ in label), *_COLUMNS]
    for column in () if file is None else file.columns:
        _validate.choice(f"{path.name}: column", column, keys)

    def look_up(name: Label, metric: str) -> tuple[str, str]:
        if file is None:
            return nothing
        names = _PRINTED_AS.get(spec_of(found, name).environment, {})
        chosen = file["metric"] == names.get(metric, metric)
        for key, value in name:
            if key in file.columns:
                chosen &= file[key] == str(value)
        rows = file.loc[chosen, ["mean", "std"]]
        if len(rows) > 1:
            got = f"{len(rows)} of {describe(name)}, {metric}"
            raise _validate.fail(str(path), "one row a label and metric", got)
        return tuple(rows.iloc[0]) if len(rows) else nothing

    return look_up


def spec_of(found: Results, name: Label) -> RunSpec:
    """The spec of the first seed of a label."""
    return next(iter(found.experiment.seeds(found.tier, name).values()))


def _training_seconds(run: StoredRun) -> float:
    return float(run.record["cpu_seconds"]["training"])
