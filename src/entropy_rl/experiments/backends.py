"""Where the runs of a sweep are made: in processes of this machine, or on a Ray cluster."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from entropy_rl import _validate
from entropy_rl.distributed.cluster import connected, import_ray
from entropy_rl.experiments.spec import RunSpec

Alive = Callable[[], None]
Work = Callable[[RunSpec, Alive | None], str | None]
Finished = tuple[RunSpec, str | None]
Backend = Callable[[Work, Sequence[RunSpec], int], Iterator[Finished]]

RETRIES = 3

_KILLED = (
    "a worker was killed, for want of memory perhaps; what is finished is stored: "
    "the same command goes on with the rest"
)


def on_loky(work: Work, specs: Sequence[RunSpec], jobs: int) -> Iterator[Finished]:
    """The runs as they finish, from ``jobs`` processes of this machine; 1 is this process.

    Args:
        work: makes a run; gives None, or why it diverged. It calls what it is given after each
            batch, which ends the worker if the sweep was killed.
        specs: of the runs, in the order in which they begin.
        jobs: runs at a time.

    Raises:
        ChildProcessError: a worker was killed.
        ValueError, OSError: what ``work`` raises.
    """
    if jobs == 1:
        yield from ((spec, work(spec, None)) for spec in specs)
        return
    from joblib import Parallel, delayed, parallel_config
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    task = delayed(_with_spec)
    alive = partial(_require_parent, os.getpid())
    with parallel_config("loky", inner_max_num_threads=1):
        parallel = Parallel(
            n_jobs=jobs, return_as="generator_unordered", batch_size=1, pre_dispatch=jobs
        )
        try:
            yield from parallel(task(work, spec, alive) for spec in specs)
        except TerminatedWorkerError as error:
            raise ChildProcessError(_KILLED) from error


def _with_spec(work: Work, spec: RunSpec, alive: Alive) -> Finished:
    return spec, work(spec, alive)


def _require_parent(parent: int) -> None:
    """End this worker if the sweep was killed: the next sweep begins the same runs."""
    if os.getppid() != parent:
        os._exit(1)


def on_ray(work: Work, specs: Sequence[RunSpec], jobs: int) -> Iterator[Finished]:
    """The runs as they finish, from at most ``jobs`` one-CPU tasks of a Ray cluster.

    The cluster is the one that this process is connected to, or the one that ``RAY_ADDRESS`` names,
    or else one of ``jobs`` CPUs on this machine that ends with the sweep. Every node needs the
    package and sees the folder of the results under the same path: the workers write there. A
    worker or a node that dies costs the time since the last checkpoint, from which the task is
    begun again, up to :data:`RETRIES` times. Ray ends the tasks of a sweep that is killed.

    Args:
        work: makes a run; gives None, or why it diverged.
        specs: of the runs, in the order in which they begin; one with the device "cuda" takes a
            GPU of the cluster.
        jobs: runs at a time.

    Raises:
        ChildProcessError: the workers of one run were killed more than :data:`RETRIES` times.
        ConnectionError: no cluster answers at ``RAY_ADDRESS``, for which Ray waits a quarter of an
            hour, or none could be begun here.
        ValueError: Ray is not installed; a GPU is needed and the cluster has none; a run that has
            workers of its own, for which a task of a full cluster would wait for ever.
        ValueError, OSError: what ``work`` raises.
    """
    if any(spec.workers for spec in specs):
        raise _validate.fail("backend", "'loky', for runs with workers of their own", "'ray'")
    ray = import_ray("backend")
    died = (
        ray.exceptions.WorkerCrashedError,
        ray.exceptions.NodeDiedError,
        ray.exceptions.LocalRayletDiedError,
        ray.exceptions.OutOfMemoryError,
    )
    waiting, running = list(reversed(specs)), dict[Any, RunSpec]()
    with connected(ray, min(jobs, len(specs))):
        gpus = ray.cluster_resources().get("GPU", 0)
        if gpus < 1 and any(_gpus(spec) for spec in specs):
            raise _validate.fail("backend", "a Ray cluster with a GPU, for device 'cuda'", "none")
        task = ray.remote(num_cpus=1, max_retries=RETRIES)(_task)
        try:
            while waiting or running:
                while waiting and len(running) < jobs:
                    spec = waiting.pop()
                    running[task.options(num_gpus=_gpus(spec)).remote(work, spec)] = spec
                (ready,), _ = ray.wait(list(running))
                spec = running.pop(ready)  # to cancel a task that has failed can bring Ray down
                try:
                    reason = ray.get(ready)
                except ray.exceptions.RayTaskError as error:
                    raise error.cause from error
                except died as error:
                    raise ChildProcessError(_KILLED) from error
                yield spec, reason
        finally:
            for left in running:
                ray.cancel(left, force=True)


def _task(work: Work, spec: RunSpec) -> str | None:
    return work(spec, None)


def _gpus(spec: RunSpec) -> int:
    return int(spec.device == "cuda")


BACKENDS: dict[str, Backend] = {"loky": on_loky, "ray": on_ray}
