"""Where the runs of a sweep are made: in processes of this machine, or on a Ray cluster."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from entropy_rl import _validate
from entropy_rl.distributed.cluster import connected, import_ray
from entropy_rl.experiments.together import Task

Alive = Callable[[], None]
Diverged = dict[str, str]
Work = Callable[[Task, Alive | None], Diverged]
Finished = tuple[Task, Diverged]
Backend = Callable[[Work, Sequence[Task], int], Iterator[Finished]]

RETRIES = 3

_KILLED = (
    "a worker was killed, for want of memory perhaps; what is finished is stored: "
    "the same command goes on with the rest"
)


def on_loky(work: Work, tasks: Sequence[Task], jobs: int) -> Iterator[Finished]:
    """The runs as they finish, from ``jobs`` processes of this machine; 1 is this process.

    Args:
        work: makes the runs of a task; says by hash why one diverged. It calls what it is given
            after each batch, which ends the worker if the sweep was killed.
        tasks: in the order in which they begin.
        jobs: tasks at a time.

    Raises:
        ChildProcessError: a worker was killed.
        ValueError, OSError: what ``work`` raises.
    """
    if jobs == 1:
        yield from ((task, work(task, None)) for task in tasks)
        return
    from joblib import Parallel, delayed, parallel_config
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    begin = delayed(_with_task)
    alive = partial(_require_parent, os.getpid())
    with parallel_config("loky", inner_max_num_threads=1):
        parallel = Parallel(
            n_jobs=jobs, return_as="generator_unordered", batch_size=1, pre_dispatch=jobs
        )
        try:
            yield from parallel(begin(work, task, alive) for task in tasks)
        except TerminatedWorkerError as error:
            raise ChildProcessError(_KILLED) from error


def _with_task(work: Work, task: Task, alive: Alive) -> Finished:
    return task, work(task, alive)


def _require_parent(parent: int) -> None:
    """End this worker if the sweep was killed: the next sweep begins the same runs."""
    if os.getppid() != parent:
        os._exit(1)


def on_ray(work: Work, tasks: Sequence[Task], jobs: int) -> Iterator[Finished]:
    """The runs as they finish, from at most ``jobs`` one-CPU tasks of a Ray cluster.

    The cluster is the one that this process is connected to, or the one that ``RAY_ADDRESS`` names,
    or else one of ``jobs`` CPUs on this machine that ends with the sweep. Every node needs the
    package and sees the folder of the results under the same path: the workers write there. A
    worker or a node that dies costs the time since the last checkpoint, from which the task is
    begun again, up to :data:`RETRIES` times. Ray ends the tasks of a sweep that is killed.

    Args:
        work: makes the runs of a task; says by hash why one diverged.
        tasks: in the order in which they begin; one with the device "cuda" takes a GPU of the
            cluster.
        jobs: tasks at a time.

    Raises:
        ChildProcessError: the workers of one run were killed more than :data:`RETRIES` times.
        ConnectionError: no cluster answers at ``RAY_ADDRESS``, for which Ray waits a quarter of an
            hour, or none could be begun here.
        ValueError: Ray is not installed; a GPU is needed and the cluster has none; a run that has
            workers of its own, for which a task of a full cluster would wait for ever.
        ValueError, OSError: what ``work`` raises.
    """
    if any(task.workers for task in tasks):
        raise _validate.fail("backend", "'loky', for runs with workers of their own", "'ray'")
    ray = import_ray("backend")
    died = (
        ray.exceptions.WorkerCrashedError,
        ray.exceptions.NodeDiedError,
        ray.exceptions.LocalRayletDiedError,
        ray.exceptions.OutOfMemoryError,
    )
    waiting, running = list(reversed(tasks)), dict[Any, Task]()
    with connected(ray, min(jobs, len(tasks))):
        gpus = ray.cluster_resources().get("GPU", 0)
        if gpus < 1 and any(_gpus(task) for task in tasks):
            raise _validate.fail("backend", "a Ray cluster with a GPU, for device 'cuda'", "none")
        remote = ray.remote(num_cpus=1, max_retries=RETRIES)(_work_on)
        try:
            while waiting or running:
                while waiting and len(running) < jobs:
                    task = waiting.pop()
                    running[remote.options(num_gpus=_gpus(task)).remote(work, task)] = task
                (ready,), _ = ray.wait(list(running))
                task = running.pop(ready)  # to cancel a task that has failed can bring Ray down
                try:
                    diverged = ray.get(ready)
                except ray.exceptions.RayTaskError as error:
                    raise error.cause from error
                except died as error:
                    raise ChildProcessError(_KILLED) from error
                yield task, diverged
        finally:
            for left in running:
                ray.cancel(left, force=True)


def _work_on(work: Work, task: Task) -> Diverged:
    return work(task, None)


def _gpus(task: Task) -> int:
    return int(task.device == "cuda")


BACKENDS: dict[str, Backend] = {"loky": on_loky, "ray": on_ray}
