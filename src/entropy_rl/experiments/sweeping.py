"""All runs of a table that are missing, on all cores; killed at any moment, it goes on."""

from __future__ import annotations

import os
import secrets
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from entropy_rl import _validate
from entropy_rl.algorithms import TrainingDiverged
from entropy_rl.experiments.backends import BACKENDS, Alive
from entropy_rl.experiments.declaration import Experiment, Label, describe
from entropy_rl.experiments.runner import CHECKPOINT_SECONDS, is_here, run_spec
from entropy_rl.experiments.spec import DEVICES, RunSpec
from entropy_rl.experiments.store import LOCK, Store
from entropy_rl.experiments.together import (
    RoundedApart,
    Task,
    Together,
    dealt,
    run_together,
    specs_of,
)


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
    backend: str = "loky",
    only: Mapping[str, str] | None = None,
    device: str = "cpu",
    progress: bool = True,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
    policies: Path | None = None,
) -> Report:
    """Make what is missing, the longest first.

    A run's numbers depend on its spec alone: not on the order, on jobs, on the backend, or on how
    often the sweep was killed. (Versions and hardware being the same; the sidecar names both.) The
    device is part of the spec, and what was made on another one is there.

    Args:
        experiment: whose runs.
        tier: "quick" or "paper".
        store: where they are and go to; one sweep at a time.
        jobs: tasks at a time, of one torch thread each: a run, or several short ones as one.
        backend: a name of :data:`BACKENDS`: where the runs are made.
        only: parts of a label, such as ``{"policy": "lstm"}``; the others are left out.
        device: "cpu" or "cuda": where what is missing is trained. Several jobs share one GPU.
        progress: whether to show a bar (needs tqdm); its unit is expected seconds.
        checkpoint_seconds: least time between two checkpoints of a run. Those that are trained as
            one, which take less, have none.
        policies: a folder for the trained policies, or None.

    Raises:
        ValueError: a stored run that is not as it was written, another sweep in the same folder, or
            a tier, part or backend that does not exist, or a backend or device that is not here.
        OSError: naming the file that could not be written; or a worker that was killed.
    """
    _validate.positive_integer("jobs", jobs)
    finished = BACKENDS[_validate.choice("backend", backend, BACKENDS)]
    _validate.choice("device", device, DEVICES)
    store = Store(store.folder.absolute())  # workers may have another working directory
    labels: dict[str, tuple[Label, ...]] = {}
    specs: dict[str, RunSpec] = {}
    for name, spec in experiment.runs(tier, only).items():
        spec = replace(spec, device=device)
        labels[spec.hash] = (*labels.get(spec.hash, ()), name)
        specs[spec.hash] = spec
    with _alone(store.folder) as token:
        for left in store.folder.glob("*.part"):
            left.unlink()
        present = tuple(name for name, spec in specs.items() if store.find(spec))
        missing = [spec for name, spec in specs.items() if name not in present]
        if missing and backend == "loky" and not is_here(device):
            raise _validate.fail("device", "one that this machine has", repr(device))
        begun = [spec for spec in missing if store.path(spec.hash, "ckpt").exists()]
        fresh = [spec for spec in missing if spec not in begun]
        tasks = [*begun, *dealt(fresh, jobs, experiment.cost, checkpoint_seconds)]
        tasks.sort(key=lambda task: sum(map(experiment.cost, specs_of(task))), reverse=True)
        work = partial(
            _run,
            store=store,
            token=token,
            seconds=checkpoint_seconds,
            policies=policies and policies.absolute(),
        )
        done, diverged = [], {}
        total = sum(map(experiment.cost, missing))
        with _bar(total, progress and bool(missing)) as advance:
            for task, reasons in finished(work, tasks, jobs) if tasks else ():
                diverged.update(reasons)
                for spec in specs_of(task):
                    if spec.hash not in reasons:
                        done.append(spec.hash)
                    advance(experiment.cost(spec))
    return Report(labels, present, tuple(done), diverged)


def _run(
    task: Task,
    alive: Alive | None,
    *,
    store: Store,
    token: str,
    seconds: float,
    policies: Path | None,
) -> dict[str, str]:
    """One task in a worker: by hash, why a run of it diverged.

    What a worker raises would end the sweep.
    """
    _require_same_folder(store, token)
    if isinstance(task, Together):
        try:
            run_together(task, store, after_batch=alive, policies=policies)
            return {}
        except TrainingDiverged:
            pass  # each alone: that says which, and the others are made
        except RoundedApart as error:
            warnings.warn(f"{error}; each is made alone", stacklevel=2)
    diverged = {}
    for spec in specs_of(task):
        try:
            run_spec(spec, store, checkpoint_seconds=seconds, after_batch=alive, policies=policies)
        except TrainingDiverged as error:
            diverged[spec.hash] = f"{error} ({store.path(spec.hash, 'diverged.pt')})"
    return diverged


def _require_same_folder(store: Store, token: str) -> None:
    """Refuse to write where the sweep, which may run on another machine, would not find it."""
    path = store.folder / LOCK
    if not path.exists() or path.read_text() != token:
        raise _validate.fail(
            "store", "a folder that all nodes share", f"{store.folder}, not the sweep's on a node"
        )


@contextmanager
def _alone(folder: Path) -> Iterator[str]:
    """Hold the folder's lock, and write a token into it by which workers know the folder.

    The system lets the lock go when the process dies, however it does.
    """
    import fcntl

    path, token = folder / LOCK, secrets.token_hex(16)
    with ExitStack() as stack:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            file = stack.enter_context(open(path, "ab", buffering=0))
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            file.truncate(0)
            file.write(token.encode())
            os.fsync(file.fileno())  # other machines read it
        except BlockingIOError as error:
            raise _validate.fail("store", "a folder in which no sweep runs", folder) from error
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(path)) from error
        yield token


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
