"""The workers as actors of a Ray cluster."""

from __future__ import annotations

from typing import Any

from entropy_rl import _validate
from entropy_rl.algorithms import OnPolicyConfig, Trainer
from entropy_rl.distributed.worker import Sent, Shared, Worker, sends_rollouts

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
        self.pending: dict[Any, int] = {}
        self.nodes = sum(node["Alive"] for node in ray.nodes())
        self.actors = [self._begin() for _ in range(workers)]

    def __enter__(self) -> RayPool:
        return self

    def __exit__(self, *error: object) -> None:
        for actor in self.actors:
            self.ray.kill(actor)

    def send(self, worker: int, state: Shared) -> None:
        """Give a worker parameters, and ask for a batch."""
        self.pending[self.actors[worker].contribute.remote(state)] = worker

    def receive(self) -> tuple[int, Sent | None]:
        """Whoever is ready, and what it made; None if it was lost, and another is in its place.

        Raises:
            ValueError, TrainingDiverged: what a worker raises.
        """
        (ready,), _ = self.ray.wait(list(self.pending))
        worker = self.pending.pop(ready)
        lost = self.ray.exceptions.RayActorError, self.ray.exceptions.ObjectLostError
        try:
            return worker, self.ray.get(ready)
        except self.ray.exceptions.RayTaskError as error:
            raise error.cause from error
        except lost:
            self.ray.kill(self.actors[worker])
            self.actors[worker] = self._begin()
            return worker, None

    def _begin(self) -> Any:
        env, policy, config = self.parts
        seed = seed_of(self.seed, self.made, config)
        self.made += 1
        return self.kind.remote(env, policy, config, seed)
