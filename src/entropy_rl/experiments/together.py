"""Short runs that differ in rate and entropy alone, trained as one to the same bits.

A training of twice the rows makes the same numbers of each row, as long as the machine rounds a row
alike wherever it stands. That it does is checked at the beginning, of each run of a task; such runs
have batches of one shape and one update a batch, so that what holds for twenty holds for the rest.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from entropy_rl._memory import keep_freed
from entropy_rl._threads import one_thread
from entropy_rl.algorithms import OnPolicyConfig, Trainer
from entropy_rl.algorithms.replicas import apart_from_entropy, weighs_bonus
from entropy_rl.experiments.runner import (
    FIRST_UPDATES,
    beginning,
    commit_of_code,
    conclude,
    fingerprint_of,
    parameters_sample,
    provenance,
)
from entropy_rl.experiments.spec import RunSpec
from entropy_rl.experiments.store import Store
from entropy_rl.policies import stack_policies, unstack_policies


@dataclass(frozen=True)
class Together:
    """Runs that are trained as one.

    Attributes:
        specs: two of them or more; what :func:`in_common` gives is the same for all.
    """

    specs: tuple[RunSpec, ...]

    workers = 0
    device = "cpu"


Task = RunSpec | Together
MOST = 8


class RoundedApart(Exception):
    """Runs that were trained as one do not begin as each does alone, on this machine."""


def specs_of(task: Task) -> tuple[RunSpec, ...]:
    """Of all runs that it makes."""
    return task.specs if isinstance(task, Together) else (task,)


def in_common(spec: RunSpec) -> str | None:
    """What runs must have in common to be trained as one; None for a run that never is."""
    config = spec.config
    if spec.replicas == 1 or spec.workers or spec.device != "cpu":
        return None
    if not isinstance(config, OnPolicyConfig) or config.precision == "bfloat16":
        return None
    if not weighs_bonus(config) or config.cap > 1 or config.episodes % config.batch:
        return None
    if (config.epochs, config.minibatches, config.beam, config.entropy_baseline) != (1, 1, 1, None):
        return None
    return replace(spec, config=apart_from_entropy(config)).canonical


def dealt(
    specs: Sequence[RunSpec], jobs: int, cost: Callable[[RunSpec], float], seconds: float
) -> list[Task]:
    """The runs, as many as one as every job can have: a call of torch takes longer than its work.

    No more than would be worth a checkpoint, half their time alone, for as one they have none. By
    twos, fours and eights: three times a sum is not exact in binary, and sixteen stacks of an
    LSTM do not fit in a cache (eight of ten seeds already take .96 of what twice four take).

    Args:
        specs: of the runs.
        jobs: how many tasks are made at a time.
        cost: of a run, CPU-seconds that are expected.
        seconds: of a task, less than which is worth no checkpoint.
    """
    tasks: list[Task] = []
    kinds: dict[str, list[RunSpec]] = {}
    for spec in specs:
        common = in_common(spec)
        if common is None:
            tasks.append(spec)
        else:
            kinds.setdefault(common, []).append(spec)
    for alike in kinds.values():
        each = 1 << min(max(len(alike) // jobs, 1), MOST).bit_length() - 1
        while each > 1 and max(map(cost, alike)) * each / 2 >= seconds:
            each //= 2
        whole = len(alike) - len(alike) % each
        parts = [tuple(alike[i : i + each]) for i in range(0, whole, each)]
        tasks += [Together(part) if each > 1 else part[0] for part in parts]
        tasks += alike[whole:]
    return tasks


def run_together(
    task: Together,
    store: Store,
    *,
    after_batch: Callable[[], None] | None = None,
    policies: Path | None = None,
) -> None:
    """Train all, and evaluate and store each as :func:`run_spec` does.

    Args:
        task: the runs.
        store: where to.
        after_batch: called after each batch of training.
        policies: a folder for the trained policies, or None.

    Raises:
        ValueError: as of :func:`run_spec`.
        OSError: naming the file that could not be written.
        TrainingDiverged: one did.
        RoundedApart: the beginning of one is another than alone. As of one that diverged, nothing
            is stored then: :func:`run_spec` makes each.
    """
    specs = task.specs
    for spec in specs:
        replace(spec.config)  # as for one alone: a worker may not know the algorithm
    keep_freed()
    with one_thread():
        wall, cpu = time.perf_counter(), time.process_time()
        env = specs[0].make()[0]
        fresh = [policy for spec in specs for policy in unstack_policies(spec.make()[1])]
        configs: list[Any] = [spec.config for spec in specs]
        trainer = Trainer(env, stack_policies(fresh), configs, specs[0].seeds)
        before = [parameters_sample(x) for x in _each(trainer, task)]
        moved: list[Any] = []
        fingerprints: list[dict[str, Any]] = []
        while not trainer.finished:
            trainer.step()
            if not moved:
                after = (parameters_sample(x) for x in _each(trainer, task))
                moved = [(a - b).tolist() for a, b in zip(after, before, strict=True)]
            if not fingerprints and (trainer.updates >= FIRST_UPDATES or trainer.finished):
                fingerprints = [
                    fingerprint_of(policy, trainer.updates, own, _curves(trainer, task, i))
                    for i, (policy, own) in enumerate(zip(_each(trainer, task), moved, strict=True))
                ]
                for spec, found in zip(specs, fingerprints, strict=True):
                    if beginning(spec) != found:
                        raise RoundedApart(f"{spec.hash} begins otherwise among others")
            if after_batch is not None:
                after_batch()
        training = {
            "wall": round((time.perf_counter() - wall) / len(specs), 2),
            "cpu": round((time.process_time() - cpu) / len(specs), 2),
        }
        for i, (spec, policy) in enumerate(zip(specs, _each(trainer, task), strict=True)):
            made = {
                **provenance(spec, fingerprints[i], trainer.steps // len(specs), trainer.updates),
                "commit": commit_of_code(),
                "commits_before": [],
                "trained_with": [other.hash for other in specs if other != spec],
            }
            conclude(
                spec, store, env, unstack_policies(policy), _curves(trainer, task, i), training,
                made, policies,
            )  # fmt: skip


def _each(trainer: Trainer, task: Together) -> list[Any]:
    """The stacked policy of each run, as it is now, copied."""
    every = unstack_policies(trainer.policy)
    R = len(every) // len(task.specs)
    return [stack_policies(every[i * R : (i + 1) * R]) for i in range(len(task.specs))]


def _curves(trainer: Trainer, task: Together, i: int) -> dict[str, list[Any]]:
    """Those of one of the runs."""
    R = len(trainer.replicas) // len(task.specs)
    return {
        name: values if name == "episodes" else [x[i * R : (i + 1) * R] for x in values]
        for name, values in trainer.curves.items()
    }
