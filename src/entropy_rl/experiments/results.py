"""What is stored, verified and listed."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from entropy_rl.experiments.declaration import EXPERIMENTS, Experiment, Label, describe
from entropy_rl.experiments.runner import (
    FIRST_BATCHES,
    beginning,
    hardware,
    is_here,
    precision_of,
    versions,
)
from entropy_rl.experiments.store import Store, StoredRun
from entropy_rl.networks import products_rounded_anew

# On another machine than a run's: of how far the parameters went in the first batch, and of the
# curves of the first two, both relative. Table 1's smoothed LSTM on AVX-512 with bfloat16 units
# and restricted to AVX2: .001 and 5e-6; MMDP: .04. β = .03 for .02 moves the LSTM's entropy by
# 2e-3, and MMDP's steps by .17.
MOVED = 0.1
CURVES = {"entropy": 1e-3, "": 1e-2}

# Where the two machines make products of bfloat16 in two ways, policies round apart at once, and
# draws in the second batch: it is not looked at, and the first is looked at sharply. How far the
# parameters went may differ so many times as much as it does here at most when the same products
# are rounded anew, up to so many times: chance decides how many are rounded to the other side. Of
# eight such runs of four kinds (Intel with bfloat16 units, AMD without) it differed .5 to 1.5 times
# as much as in one such replay; with 1.1 times the learning rate 12 to 190 times, with 1.5 times β
# 3.7 to 47, in float32 10 to 580.
BFLOAT16 = 3.0
REPLAYS = 5
LEAST = 1e-4  # so far at least, where no product happens to be rounded to the other side


def report(runs: Path, tier: str, stale: bool = False) -> bool:
    """Print every experiment by label, what is wrong, and the time that was spent.

    Args:
        runs: the folder of the experiments' folders.
        tier: "quick" or "paper".
        stale: whether to make the first twenty updates of every run again.

    Returns:
        whether nothing is invalid or stale. Missing runs are not wrong; runs of a device that is
        not here, and asynchronous ones, cannot be replayed, and are counted.
    """
    wrong, changed = list[str](), list[str]()
    elsewhere = asynchronous = 0
    for folder in sorted({experiment.folder for experiment in EXPERIMENTS.values()}):
        store = Store(runs / folder)
        problems = store.problems()
        wrong += problems.values()
        bad = {name.split(".")[0] for name in problems}
        good = {name: store.load(name) for name in store.names() if name not in bad}
        changed += [x for x, run in good.items() if str(run.record["commit"]).endswith("+")]
        if stale:
            kept = [run for run in good.values() if not run.spec.workers]
            here = [run for run in kept if is_here(run.spec.device)]
            wrong += filter(None, map(staleness, here))
            elsewhere += len(kept) - len(here)
            asynchronous += len(good) - len(kept)
        for experiment in EXPERIMENTS.values():
            if experiment.folder == folder:
                print("\n".join(_listing(experiment, tier, good, bad)))
        claimed = {
            same.hash
            for x in EXPERIMENTS.values()
            for spec in x.runs(tier).values()
            for same in spec.on_each_device
        }
        for name in sorted(good.keys() - claimed):
            print(f"  no label: {store.path(name, 'json')}")
    for line in wrong:
        print(f"wrong: {line}")
    if changed:
        print(f"made by sources that were changed after their commit: {', '.join(changed)}")
    if elsewhere:
        print(f"not replayed, for want of their device: {elsewhere} runs")
    if asynchronous:
        print(f"not replayed, because asynchronous, whose numbers come once: {asynchronous} runs")
    return not wrong


def staleness(run: StoredRun) -> str | None:
    """Why a run is stale, or None: a replay of its first updates gives its fingerprint no more.

    Bits are asked for on the processor that made the run. On another one, or under other versions,
    sums are rounded in another order and the draws part after some twenty updates; there, and on a
    GPU, where sums have no order, the first batch has to move the parameters alike, and the first
    two to give like curves. Where one of two processors has units for bfloat16 and the other has
    not, the first batch has to do both, and what is alike is measured by :data:`BFLOAT16`.
    Asynchronous runs, whose numbers come once, are never stale.
    """
    if run.spec.workers:
        return None
    then, now = run.record["first_updates"], beginning(run.spec)
    if now == then:
        return None
    reason = f"{run.spec.hash}: stale: its first updates give other parameters now"
    here = {"versions": versions(), "hardware": hardware(run.spec.device, precision_of(run.spec))}
    other = {name: mine for name, mine in here.items() if mine != run.record[name]}
    alike = other or run.spec.device != "cpu"
    if alike and not (far := _far(then, now, *_by_rounding(run, then, now))):
        return None
    if alike:
        reason += f", and not for rounding alone ({', '.join(far)})"
    for name, mine in other.items():
        reason += f"; {name} were {run.record[name]} and are {mine}"
    return reason


def _by_rounding(
    run: StoredRun, then: Mapping[str, Any], now: Mapping[str, Any]
) -> tuple[float, int]:
    """How far the first batch may move the parameters apart, and how many batches are compared."""
    ours = hardware(run.spec.device, precision_of(run.spec))
    if ours.get("bfloat16") == run.record["hardware"].get("bfloat16"):
        return MOVED, FIRST_BATCHES
    tolerance = BFLOAT16 * LEAST
    for seed in range(REPLAYS):
        if _apart(then, now) <= tolerance:
            break
        with products_rounded_anew(seed):
            tolerance = max(tolerance, BFLOAT16 * _apart(now, beginning(run.spec)))
    return min(MOVED, tolerance), 1


def _apart(one: Mapping[str, Any], other: Mapping[str, Any]) -> float:
    """How far the parameters went apart in the first batch, relative to how far they went."""
    a, b = np.array(one["moved"]), np.array(other["moved"])
    if a.shape != b.shape:
        return math.inf
    gone, apart = float(np.linalg.norm(a)), float(np.linalg.norm(a - b))
    if gone == 0:
        return 0.0 if apart == 0 else math.inf
    return apart / gone


def _far(then: Mapping[str, Any], now: Mapping[str, Any], moved: float, batches: int) -> list[str]:
    """What differs by more than another order of sums explains."""
    found = [] if _apart(then, now) <= moved else ["steps"]
    for name in sorted(then["curves"].keys() | now["curves"].keys()):
        first, second = (x["curves"].get(name, [])[:batches] for x in (then, now))
        tolerance = CURVES.get(name, CURVES[""])
        a, b = np.array(first, float), np.array(second, float)  # None becomes NaN
        if len(a) != len(b) or not np.allclose(a, b, rtol=tolerance, atol=0, equal_nan=True):
            found.append(name)
    return found


def _listing(
    experiment: Experiment, tier: str, good: dict[str, StoredRun], bad: set[str]
) -> list[str]:
    """A line a label, its seeds together: how many of its runs are done, missing, invalid."""
    rows: dict[Label, Counter[str]] = {}
    runs = {
        name: next((x for x in spec.on_each_device if x.hash in good or x.hash in bad), spec)
        for name, spec in experiment.runs(tier).items()
    }
    for name, spec in runs.items():
        state = "done" if spec.hash in good else "invalid" if spec.hash in bad else "missing"
        without = tuple((key, value) for key, value in name if key != "seed")
        rows.setdefault(without, Counter())[state] += 1
    used = {spec.hash: good[spec.hash] for spec in runs.values() if spec.hash in good}
    hours = sum(sum(run.record["cpu_seconds"].values()) for run in used.values()) / 3600
    lines = [
        f"{experiment.name} ({tier}): {len(used)} of {len({s.hash for s in runs.values()})} "
        f"runs, {hours:.2f} CPU-hours"
    ]
    for name, states in rows.items():
        counts = ", ".join(f"{states[s]} {s}" for s in ("done", "missing", "invalid"))
        lines.append(f"  {describe(name):46} {counts}")
    return lines
