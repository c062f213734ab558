"""All runs of a table that are missing, on all cores; killed at any moment, it goes on."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from entropy_rl import _validate
from entropy_rl.algorithms import TrainingDiverged
from entropy_rl.experiments.declaration import Experiment, Label, describe
from entropy_rl.experiments.runner import CHECKPOINT_SECONDS, run_spec
from entropy_rl.experiments.spec import RunSpec
from entropy_rl.experiments.store import LOCK, Store

Work = Callable[[RunSpec], str | None]


@dataclass(frozen=True)
class Report:
    """What a sweep did, by hash.

    Attributes:
        labels: the labels of every run of the sweep.
        present: runs that were there before.
        done: runs that were made.
        diverged: runs that stopped, with the reason and the file of the last good state.
    """

    labels: Mapping[str, tuple[Label, ...]]
    present: tuple[str, ...]
    done: tuple[str, ...]
    diverged: Mapping[str, str]

    def summary(self) -> str:
        """For a person: counts, then a line for each run that diverged."""
        shared = sum(len(names) - 1 for names in self.labels.values())
        lines = [
            f"{len(self.done)} runs made, {len(self.present)} were there, "
            f"{shared} labels share one of them, {len(self.diverged)} diverged"
        ]
        for name, reason in self.diverged.items():
            words = ", ".join(describe(label) for label in self.labels[name])
            lines.append(f"diverged: {words}: {reason}")
        return "\n".join(lines)


def sweep(
    experiment: Experiment,
    tier: str,
    store: Store,
    *,
    jobs: int = 1,
    only: Mapping[str, str] | None = None,
    progress: bool = True,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
    policies: Path | None = None,
) -> Report:
    """Make what is missing, the longest first; the numbers depend neither on the order nor on jobs.

    Args:
        experiment: whose runs.
        tier: "quick" or "paper".
        store: where they are and go to; one sweep at a time.
        jobs: processes, of one torch thread each; 1 is this process.
        only: parts of a label, such as ``{"policy": "lstm"}``; the others are left out.
        progress: whether to show a bar (needs tqdm); its unit is expected seconds.
        checkpoint_seconds: least time between two checkpoints of a run.
        policies: a folder for the trained policies, or None.

    Raises:
        ValueError: a stored run that is not as it was written, another sweep in the same folder, or
            a tier or part that does not exist.
        OSError: naming the file that could not be written; or a worker that was killed.
    """
    _validate.positive_integer("jobs", jobs)
    labels: dict[str, tuple[Label, ...]] = {}
    specs: dict[str, RunSpec] = {}
    for name, spec in experiment.runs(tier, only).items():
        labels[spec.hash] = (*labels.get(spec.hash, ()), name)
        specs[spec.hash] = spec
    with _alone(store.folder):
        for left in store.folder.glob("*.part"):
            left.unlink()
        present = tuple(name for name, spec in specs.items() if store.has(spec))
        missing = [spec for name, spec in specs.items() if name not in present]
        missing.sort(key=experiment.cost, reverse=True)
        work = partial(
            _run, store=store, seconds=checkpoint_seconds, policies=policies, parent=_parent(jobs)
        )
        done, diverged = [], {}
        total = sum(map(experiment.cost, missing))
        with _bar(total, progress and bool(missing)) as advance:
            for spec, reason in _finished(work, missing, jobs):
                if reason is None:
                    done.append(spec.hash)
                else:
                    diverged[spec.hash] = reason
                advance(experiment.cost(spec))
    return Report(labels, present, tuple(done), diverged)


def _finished(work: Work, specs: list[RunSpec], jobs: int) -> Iterator[tuple[RunSpec, str | None]]:
    """The runs as they finish, with the reason of those that diverged."""
    if jobs == 1:
        yield from ((spec, work(spec)) for spec in specs)
        return
    from joblib import Parallel, delayed, parallel_config
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    both = delayed(_with_spec)
    with parallel_config("loky", inner_max_num_threads=1):
        parallel = Parallel(
            n_jobs=jobs, return_as="generator_unordered", batch_size=1, pre_dispatch=jobs
        )
        try:
            yield from parallel(both(work, spec) for spec in specs)
        except TerminatedWorkerError as error:
            raise ChildProcessError(
                "a worker was killed, for want of memory perhaps; what is finished is stored: "
                "the same command goes on with the rest"
            ) from error


def _with_spec(work: Work, spec: RunSpec) -> tuple[RunSpec, str | None]:
    return spec, work(spec)


def _run(
    spec: RunSpec, store: Store, seconds: float, policies: Path | None, parent: int | None
) -> str | None:
    """One run in a worker: None, or why it diverged.

    What a worker raises has to be pickled, which :class:`TrainingDiverged` cannot be, and would
    end the sweep.
    """
    alive = None if parent is None else partial(_require_parent, parent)
    try:
        run_spec(spec, store, checkpoint_seconds=seconds, after_batch=alive, policies=policies)
    except TrainingDiverged as error:
        return f"{error} ({store.path(spec.hash, 'diverged.pt')})"
    return None


def _parent(jobs: int) -> int | None:
    return os.getpid() if jobs > 1 else None


def _require_parent(parent: int) -> None:
    """End this worker if the sweep was killed: the next sweep begins the same runs."""
    if os.getppid() != parent:
        os._exit(1)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the folder's lock, which the system lets go when the process dies, however it does."""
    import fcntl

    path = folder / LOCK
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = open(path, "a")  # noqa: SIM115 (closed below, and by the system)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise _validate.fail("store", "a folder in which no sweep runs", folder) from error
        yield


def _bar(total: float, show: bool) -> AbstractContextManager[Callable[[float], Any]]:
    if not show:
        return nullcontext(lambda seconds: None)
    return _tqdm(total)


@contextmanager
def _tqdm(total: float) -> Iterator[Callable[[float], Any]]:
    from tqdm.auto import tqdm

    form = "{percentage:3.0f}%|{bar}| {elapsed} gone, {remaining} left"
    with tqdm(total=total, bar_format=form) as bar:
        yield bar.update
