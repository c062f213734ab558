"""The workers as actors of a Ray cluster."""

from __future__ import annotations

import warnings
from typing import Any

from entropy_rl import _validate
from entropy_rl.algorithms import OnPolicyConfig, Trainer
from entropy_rl.distributed.worker import Sent, Shared, Worker, sends_rollouts

RETRIES = 3

# Odd, so that all multiples below 2⁶³ differ; the golden ratio's, so that they lie far apart.
_STRIDE = 0x9E3779B97F4A7C15


def seed_of(seed: int, number: int, config: OnPolicyConfig) -> int:
    """Of the worker that was begun as the ``number``-th, from 0.

    A stream for each, in [0, 2⁶³), and the training's own for the first, unless the learner draws
    from that: it shuffles what rollouts it is sent.
    """
    return (seed + (number + sends_rollouts(config)) * _STRIDE) % 2**63


class RayPool:
    """Workers on the nodes of a cluster, spread, of one CPU each; they end with the context.

    Args:
        ray: the module, connected.
        trainer: whose environment, policy and configuration they have, as copies.
        seed: of the training; each that is begun, also in the place of one that was lost, has a
            stream of its own (:func:`seed_of`), and so where a training goes on.
        workers: how many.

    Raises:
        ValueError: more workers than the cluster has CPUs.
    """

    def __init__(self, ray: Any, trainer: Trainer, seed: int, workers: int) -> None:
        cpus = int(ray.cluster_resources().get("CPU", 0))
        if workers > cpus:
            raise _validate.fail("workers", f"at most the cluster's {cpus} CPUs", workers)
        self.ray, self.seed, self.made = ray, seed, trainer.updates
        self.parts = trainer.env, trainer.policy, trainer.config
        self.kind = ray.remote(num_cpus=1, scheduling_strategy="SPREAD")(Worker)
        self.nodes = sum(node["Alive"] for node in ray.nodes())
        self.workers = workers
        self.replaced = self.in_a_row = 0
        self.pending: dict[Any, int] = {}
        self.actors: dict[int, Any] = {}
        for worker in range(workers):
            self._begin(worker)

    def __enter__(self) -> RayPool:
        return self

    def __exit__(self, *error: object) -> None:
        for actor in self.actors.values():
            self.ray.kill(actor)

    def send(self, worker: int, state: Shared) -> None:
        """Give a worker parameters, and ask for a batch."""
        self.pending[self.actors[worker].contribute.remote(state)] = worker

    def receive(self) -> tuple[int, Sent | None]:
        """Whoever is ready, and what it made; None of one that begins, and has no parameters.

        A worker begins when its process stands, or parameters would be old before they are read.

        Raises:
            ChildProcessError: more than :data:`RETRIES` were lost without a batch between them.
            ValueError, TrainingDiverged: what a worker raises.
        """
        exceptions = self.ray.exceptions
        while True:
            (ready,), _ = self.ray.wait(list(self.pending))
            worker = self.pending.pop(ready)
            try:
                sent = self.ray.get(ready)
            except exceptions.RayTaskError as error:
                raise error.cause from error
            except (exceptions.RayActorError, exceptions.ObjectLostError) as error:
                self._replace(worker, error)
                continue
            if sent is not None:
                self.in_a_row = 0
            return worker, sent

    def _replace(self, worker: int, error: Exception) -> None:
        self.replaced += 1
        self.in_a_row += 1
        if self.in_a_row > RETRIES:
            message = f"{self.in_a_row} workers were lost without a batch between them"
            raise ChildProcessError(message) from error
        warnings.warn(f"worker {worker} was lost; another begins", stacklevel=2)
        self.ray.kill(self.actors[worker])
        self._begin(worker)

    def _begin(self, worker: int) -> None:
        env, policy, config = self.parts
        seed = seed_of(self.seed, self.made, config)
        self.made += 1
        self.actors[worker] = self.kind.remote(env, policy, config, seed)
        self.pending[self.actors[worker].begin.remote()] = worker
