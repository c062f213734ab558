"""A chapter's tables, computed from the stored runs: ours, what is printed, and the limit.

``found = load("zhang2018.table1")`` reads and verifies what is there; the other functions compute
from it. A run that is missing is said to be missing: no number stands in for it.
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bookkit import paths
from entropy_rl import _validate
from entropy_rl.algorithms.presets import make_environment
from entropy_rl.envs import HuntersRabbits, TeamBandit
from entropy_rl.experiments import (
    Contrast,
    Experiment,
    Label,
    RunSpec,
    Seed,
    Store,
    StoredRun,
    describe,
    experiment,
    interval,
    runs_folder,
)

if TYPE_CHECKING:
    import pandas as pd

NOT_RUN = "not run yet"
VERDICTS = ("as printed", "as expected", "against", "undecided", NOT_RUN)

# What a run cost, from its sidecar. Measured while other work was on the machine.
COSTS: dict[str, Callable[[StoredRun], float]] = {
    "seconds": lambda run: (
        1e3 * _training_seconds(run) / (run.spec.config.episodes * run.spec.replicas)
    ),
    "microseconds": lambda run: 1e6 * _training_seconds(run) / run.record["steps"],
}

# What the papers print as a percentage is stored as a share.
PERCENT = {"optimal_percent": "last_optimal"}
# Where a printed metric has another name here: Table 3 is of the end of the training.
_PRINTED_AS = {"bandit": {"last_reward": "reward", "last_expected": "reward"}}


@dataclass(frozen=True)
class Results:
    """What is stored of an experiment.

    Attributes:
        experiment: its declaration.
        tier: "quick" or "paper".
        runs: every label of the tier, with its run or None. Labels that share a run have the same.
        data: the folder ``data``.
    """

    experiment: Experiment
    tier: str
    runs: Mapping[Label, StoredRun | None] = field(repr=False)
    data: Path = field(repr=False)

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


@dataclass(frozen=True)
class Curves:
    """A learning curve of several seeds.

    Attributes:
        episodes: played at each point, ``(P,)``.
        values: ``(seeds, P)``, means over the part of the training that ends there.
        seeds: one a row.
    """

    episodes: np.ndarray = field(repr=False)
    values: np.ndarray = field(repr=False)
    seeds: tuple[int, ...]


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
        ValueError: an unknown experiment or tier, or a run that is not as it was written.
    """
    chosen = experiment(name)
    specs = chosen.runs(tier)
    data = data or paths.root() / "data"
    runs = runs or (data / "runs" if tier == "paper" else runs_folder(tier))
    # Listed, not looked for: the build must know of a folder that is still to come.
    there = runs.is_dir() and chosen.folder in os.listdir(runs)
    store = Store(runs / chosen.folder)
    read = {
        spec.hash: store.load(spec.hash)
        for spec in (set(specs.values()) if there else ())
        if store.path(spec.hash, "json").exists()
    }
    return Results(chosen, tier, {key: read.get(spec.hash) for key, spec in specs.items()}, data)


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


def table(found: Results, metric: str) -> pd.DataFrame:
    """A metric by label without its seed.

    Args:
        found: of :func:`load`.
        metric: as for :func:`measure`.

    Returns:
        A row a label, indexed by its parts, with "values" (a tuple, one a stored seed), "mean",
        "low" and "high" (Student's 95 % interval over the seeds, of which it needs two), "std" (n -
        1), "seeds" (stored) of "planned", "unfinished" of "evaluated" episodes, "printed" and
        "printed_std" (data/papers), and "limit" (what no policy can beat: on the very starts of the
        evaluation, where chance is in the starts). NaN where there is nothing.
    """
    import pandas as pd

    printed = _printed(found)
    rows = {}
    for name, runs in found.groups.items():
        stored = {seed: run for seed, run in runs.items() if run is not None}
        values = tuple(measure(run, metric, seed) for seed, run in stored.items())
        mean, low, high = (
            interval(values) if len(values) > 1 else (*values, *(np.nan,) * (3 - len(values)))
        )
        rows[name] = {
            "values": values,
            "mean": mean,
            "low": low,
            "high": high,
            "std": float(np.std(values, ddof=1)) if len(values) > 1 else np.nan,
            "seeds": len(stored),
            "planned": len(runs),
            "unfinished": sum(_unfinished(run.of(seed)) for seed, run in stored.items()),
            "evaluated": sum(run.of(seed).evaluation["episodes"] for seed, run in stored.items()),
            **dict(zip(("printed", "printed_std"), map(float, printed(name, metric)), strict=True)),
            "limit": limit(_spec(found, name), metric),
        }
    return pd.DataFrame(list(rows.values()), index=_index(list(rows)))


def cells(found: Results, metric: str, digits: int = 2) -> pd.DataFrame:
    """:func:`table` as text for a page.

    Args:
        found: of :func:`load`.
        metric: as for :func:`measure`.
        digits: decimals of ours and of the limit; what is printed stands as it is printed.

    Returns:
        A row a label, with "printed" (mean ± what the paper gives), "ours" (mean and interval, and
        how many seeds it is of where some are missing; "not run yet" where all are), "unfinished"
        and "limit". A column that has nothing in any row is left out.
    """
    import pandas as pd

    printed = _printed(found)
    rows = [
        {
            "printed": "" if np.isnan(r.printed) else " ± ".join(printed(name, metric)),
            "ours": _ours(r, digits),
            "unfinished": f"{r.unfinished} of {r.evaluated:,}" if r.seeds else "",
            "limit": "" if np.isnan(r.limit) else f"{r.limit:.{digits}f}",
        }
        for name, r in zip(found.groups, table(found, metric).itertuples(), strict=True)
    ]
    shown = pd.DataFrame(rows, index=_index(list(found.groups)))
    return shown.loc[:, (shown != "").any()]


def contrasts(found: Results) -> pd.DataFrame:
    """What was registered before the sweep, and what came of it.

    A contrast is computed when all its pairs are stored, not before: to look at some of them
    invites stopping where one likes the answer.

    Returns:
        A row a contrast, with "metric", "statistic", "first", "second", "factor", "sign" (the
        expected one), "difference" (the mean of first - factor · second over the seeds, or for a
        spread the logarithm of the ratio of standard deviations), "low", "high" (its interval),
        "pairs" that are stored of "planned", and "verdict": "as printed" ("as expected" where the
        paper has no table of it), "against", "undecided" or "not run yet".
    """
    import pandas as pd

    return pd.DataFrame([_judged(found, contrast) for contrast in found.experiment.contrasts])


def claims(found: Results) -> dict[str, pd.DataFrame]:
    """The contrasts on which each claim of ``data/claims.yml`` rests, as :func:`contrasts`."""
    import pandas as pd

    return {
        claim: pd.DataFrame([_judged(found, contrast) for contrast in chosen])
        for claim, chosen in found.experiment.claims.items()
    }


def curves(found: Results, metric: str = "return") -> dict[Label, Curves]:
    """Learning curves by label without its seed; a label of which nothing is stored is left out.

    Args:
        found: of :func:`load`.
        metric: "return" (discounted, from the start), "length", "reward", "entropy" (nats) or
            "baseline_loss".

    Raises:
        ValueError: a curve that is not stored, or seeds that were not trained alike.
    """
    shown = {}
    for name, runs in found.groups.items():
        stored = {seed: run for seed, run in runs.items() if run is not None}
        if not stored:
            continue
        rows = []
        for seed, run in stored.items():
            _validate.choice("metric", metric, [k for k in run.curves if k != "episodes"])
            rows.append(run.of(seed).curves[metric])
        grids = {tuple(run.curves["episodes"].tolist()) for run in stored.values()}
        if len(grids) > 1:
            raise _validate.fail("found", "seeds of one length of training", describe(name))
        shown[name] = Curves(np.array(*grids), np.stack(rows), tuple(stored))
    return shown


def caption(found: Results) -> str:
    """Where stored results come from, for the caption of a figure."""
    stored = found.stored()
    count = len({spec.hash for spec in found.experiment.runs(found.tier).values()})
    if not stored:
        return f"{found.experiment.name}: {NOT_RUN} (0 of {count} runs)."

    def every(read: Callable[[StoredRun], Any]) -> str:
        return ", ".join(sorted({str(read(run)) for run in stored}))

    hours = sum(sum(run.record["cpu_seconds"].values()) for run in stored) / 3600
    return (
        f"{found.experiment.name}: {len(stored)} of {count} runs in "
        f"data/runs/{found.experiment.folder}, commit {every(lambda run: run.record['commit'])}, "
        f"torch {every(lambda run: run.record['versions']['torch'])}, "
        f"{every(lambda run: run.record['hardware']['processor'])}, {hours:.1f} CPU-hours."
    )


def limit(spec: RunSpec, metric: str) -> float:
    """What no policy can beat in a run's environment, or NaN where none is known.

    Hunters and rabbits: the least length, or the most reward, of the starts of the run's own
    evaluation, in the mean (:func:`entropy_rl.envs.planner.physical_limit`). Bandit: the reward to
    expect of the best assignment (a sample can be luckier), and every round of it.

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
    return {}


def _judged(found: Results, contrast: Contrast) -> dict[str, Any]:
    groups = found.groups.items()
    pairs = [
        next(runs for name, runs in groups if dict(name) == dict(side))
        for side in (contrast.first, contrast.second)
    ]
    both = [(seed, a, pairs[1][seed]) for seed, a in pairs[0].items() if seed in pairs[1]]
    stored = [(seed, a, b) for seed, a, b in both if a is not None and b is not None]
    verdict, estimate = NOT_RUN, (np.nan,) * 3
    if len(stored) == len(both) > 1:
        estimate = contrast.estimate(
            [measure(a, contrast.metric, seed) for seed, a, _ in stored],
            [measure(b, contrast.metric, seed) for seed, _, b in stored],
        )
        verdict = contrast.verdict(*estimate[1:])
        if verdict == "expected":
            verdict = "as printed" if _printed_path(found).exists() else "as expected"
    return {
        "metric": contrast.metric,
        "statistic": contrast.statistic,
        "first": describe(contrast.first),
        "second": describe(contrast.second),
        "factor": contrast.factor,
        "sign": contrast.sign,
        **dict(zip(("difference", "low", "high"), estimate, strict=True)),
        "pairs": len(stored),
        "planned": len(both),
        "verdict": verdict,
    }


def _ours(row: Any, digits: int) -> str:
    if not row.seeds:
        return NOT_RUN
    text = f"{row.mean:.{digits}f}"
    if row.seeds > 1:
        text += f" [{row.low:.{digits}f}, {row.high:.{digits}f}]"
    return text if row.seeds == row.planned else f"{text} ({row.seeds} of {row.planned} seeds)"


def _printed_path(found: Results) -> Path:
    return found.data / "papers" / f"{found.experiment.name.replace('.', '_')}.csv"


def _printed(found: Results) -> Callable[[Label, str], tuple[str, str]]:
    """What the paper prints of a label, mean and ±, by the columns that file and label share."""
    import pandas as pd

    path, nothing = _printed_path(found), ("nan", "nan")
    file = pd.read_csv(path, dtype=str) if path.exists() else None

    def look_up(name: Label, metric: str) -> tuple[str, str]:
        if file is None:
            return nothing
        names = _PRINTED_AS.get(_spec(found, name).environment, {})
        chosen = file["metric"] == names.get(metric, metric)
        for key, value in name:
            if key in file.columns:
                chosen &= file[key] == value
        rows = file.loc[chosen, ["mean", "std"]]
        return tuple(rows.iloc[0]) if len(rows) == 1 else nothing

    return look_up


def _spec(found: Results, name: Label) -> RunSpec:
    """Of the first seed of a label."""
    return next(iter(found.experiment.seeds(found.tier, name).values()))


def _index(names: list[Label]) -> pd.Index:
    import pandas as pd

    keys = list(dict.fromkeys(key for name in names for key, _ in name))
    rows = [tuple(dict(name).get(key, "") for key in keys) for name in names]
    if len(keys) == 1:
        return pd.Index([row[0] for row in rows], name=keys[0])
    return pd.MultiIndex.from_tuples(rows, names=keys)


def _unfinished(seen: Seed) -> int:
    return round(seen.evaluation["unfinished"] * seen.evaluation["episodes"])


def _training_seconds(run: StoredRun) -> float:
    return float(run.record["cpu_seconds"]["training"])
