"""The asynchronous training: one learner, and workers that play while it learns."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from entropy_rl import _validate
from entropy_rl.algorithms import OnPolicyConfig, Rollout, Trainer, TrainingDiverged, TrainResult
from entropy_rl.algorithms.divergence import finite
from entropy_rl.algorithms.training import progress_bar
from entropy_rl.distributed.cluster import connected, import_ray
from entropy_rl.distributed.pool import RayPool
from entropy_rl.distributed.worker import Sent, Shared, apply, sends_rollouts, shared
from entropy_rl.envs import Core


@dataclass(frozen=True)
class AsyncResult(TrainResult):
    """A policy that was trained by several workers, and how it went.

    The curves have besides, of the parameters that a batch was made with: its "lag", the batches
    that were learnt since they were sent, "lag_updates", the updates since then, and "replaced",
    the workers lost so far. ``cpu_seconds`` counts learner and workers; what a lost worker was at,
    and what was under way at the end, is in neither count nor curves.

    Attributes:
        workers: how many played at a time.
        replaced: how many were lost and begun anew.
    """

    workers: int = field(kw_only=True)
    replaced: int = field(kw_only=True)

    def lagged(self) -> str:
        """A line for a person."""
        lags = self.curves["lag"]
        return (
            f"{self.workers} workers, {self.replaced} replaced; a batch was made with parameters "
            f"{sum(lags) / len(lags):.2f} batches old in the mean, {max(lags):.0f} at most"
        )


class Pool(Protocol):
    """Workers, wherever they are.

    Attributes:
        workers: how many.
        nodes: on how many machines.
        replaced: how many were lost and begun anew.
    """

    workers: int
    nodes: int
    replaced: int

    def send(self, worker: int, state: Shared) -> None:
        """Give a worker parameters, and ask for a batch."""

    def receive(self) -> tuple[int, Sent | None]:
        """Whoever is ready, and what it made; None of one that begins, and has no parameters."""


def train_async(
    env: Core[Any],
    policy: Any,
    config: OnPolicyConfig,
    seed: int,
    progress: bool = False,
    callback: Callable[[int, Any], None] | None = None,
    *,
    workers: int = 2,
) -> AsyncResult:
    """Train ``policy`` from what actors of a Ray cluster play, each as fast as it can.

    Of a row with V-trace (IMPALA, SIMPALA) they send their rollouts; the learner's policy is ahead
    of the one that acted, by a lag that is measured, and the ratios say so. Of any other row (A2C
    and SA2C become A3C and SA3C) they send gradients, each taken on its own policy's actions, and
    the learner takes those steps from where it is by then: never corrected, as in Mnih et al. 2016.

    Asynchronous: which batch comes first is the machines' doing, and the same seed does not give
    the same numbers. One worker never lags, and then it does: those of
    :func:`entropy_rl.algorithms.train` where gradients are sent.

    The cluster is the one that this process is connected to, or the one that ``RAY_ADDRESS`` names,
    or else one of ``workers`` CPUs on this machine that ends with the training. A worker or a node
    that dies costs the batch that it was at: another begins in its place, with fresh episodes and
    draws, and a warning.

    Args:
        env: the batched core of an environment.
        policy: a policy for its spaces, on the processor; trained in place.
        config: all hyper-parameters; each worker plays ``batch`` episodes at a time, and of all
            together ``episodes`` are learnt from.
        seed: of the baseline's initial weights and of what the workers draw, each its own stream.
        progress: whether to show a bar (needs tqdm).
        callback: called after every batch with the episodes learnt from so far and the policy.
        workers: how many, ≥ 1, of one CPU each.

    Raises:
        ValueError: Ray is not installed; more workers than CPUs; a configuration that gradients
            from elsewhere do not serve (a trust region, a running mean as baseline), with a lag of
            its own, of the off-policy loop, or whose last batch is smaller; stacked policies; what
            :class:`~entropy_rl.algorithms.Trainer` refuses.
        ConnectionError: no cluster answers.
        ChildProcessError: more than three workers were lost without a batch between them.
        TrainingDiverged: a loss, gradient or parameter that is not finite; the policy has been set
            back to where the last batch began.
    """
    check_config(config, workers)
    trainer = Trainer(env, policy, config, seed)
    started = time.process_time()
    with learner_of(trainer, seed, workers) as learner:
        with progress_bar(trainer.batches, config.batch, progress) as batches:
            for _ in batches:
                learner.step()
                if callback is not None:
                    callback(trainer.played, policy)
        seconds = time.process_time() - started + learner.cpu_seconds
        return AsyncResult(
            policy, trainer.curves, trainer.steps, seconds, trainer.updates,
            workers=workers, replaced=learner.replaced,
        )  # fmt: skip


def check_config(config: Any, workers: int) -> None:
    """``ValueError`` for a configuration that :func:`train_async` cannot do."""
    _validate.positive_integer("workers", workers)
    if not isinstance(config, OnPolicyConfig):
        raise _validate.fail("config", "an OnPolicyConfig, for workers", type(config).__name__)
    if config.row.update != "gradient_step":
        raise _validate.fail("algorithm", "gradient steps, for workers", config.row.update)
    if config.lag:
        raise _validate.fail("lag", "0 for workers, whose lag is their own", config.lag)
    if config.episodes % config.batch:
        expected = f"a multiple of batch = {config.batch}, for workers"
        raise _validate.fail("episodes", expected, config.episodes)
    if config.baseline == "running" and not sends_rollouts(config):
        raise _validate.fail("baseline", "'value' or 'none', for gradients", config.baseline)


@contextmanager
def learner_of(trainer: Trainer, seed: int, workers: int) -> Iterator[Learner]:
    """Within it, a learner and its workers on the cluster: see :func:`train_async`.

    Args:
        trainer: fresh, or of a training that goes on: then with other draws than it began with.
        seed: of the workers' draws.
        workers: how many.

    Raises:
        ValueError: a policy that workers cannot have; as for :func:`train_async`.
        ConnectionError: no cluster answers.
    """
    if trainer.replicas.stacked:
        raise _validate.fail(
            "policy", "one that is not stacked, for workers", len(trainer.replicas)
        )
    device = next(trainer.policy.parameters()).device
    if device.type != "cpu":
        raise _validate.fail("policy", "one on the processor, for workers", device)
    ray = import_ray("workers")
    with connected(ray, workers), RayPool(ray, trainer, seed, workers) as pool:
        yield Learner(trainer, pool)


class Learner:
    """A trainer that plays nothing itself, and learns from whoever is ready.

    Args:
        trainer: of the policy.
        pool: the workers.

    Attributes:
        cpu_seconds: processor time of the workers, for what was learnt from.
    """

    def __init__(self, trainer: Trainer, pool: Pool) -> None:
        self.trainer, self.pool = trainer, pool
        self.learnt = 0
        self.before = int(trainer.curves.get("replaced", [0])[-1])
        self.cpu_seconds = 0.0
        self.sent: dict[int, tuple[int, int]] = {}

    @property
    def replaced(self) -> int:
        """The workers that were lost since the training began."""
        return self.before + self.pool.replaced

    def step(self) -> None:
        """Learn from the next batch that is there, and send what came of it to who made it.

        Raises:
            ChildProcessError, TrainingDiverged: see :func:`train_async`.
        """
        trainer = self.trainer
        worker, sent = self._receive()
        learnt, updates = self.sent[worker]
        lags = {"lag": self.learnt - learnt, "lag_updates": trainer.updates - updates}
        trainer.begin()
        if isinstance(sent.batch, Rollout):
            trainer.learn(sent.batch)
        else:
            apply(trainer, sent.batch)
            if not finite(trainer.parameters):
                raise trainer.set_back("updated parameters")
        for name, value in {**lags, "replaced": self.replaced}.items():
            trainer.curves.setdefault(name, []).append(float(value))
        self.learnt += 1
        self.cpu_seconds += sent.cpu_seconds
        if not trainer.finished:
            self._send(worker)

    def summary(self) -> dict[str, Any]:
        """What stands beside the results of an asynchronous run, as plain data."""
        lags = self.trainer.curves["lag"]
        return {
            "workers": self.pool.workers,
            "nodes": self.pool.nodes,
            "replaced": self.replaced,
            "lag_mean": round(sum(lags) / len(lags), 3),
            "lag_max": max(lags),
        }

    def _send(self, worker: int) -> None:
        self.sent[worker] = self.learnt, self.trainer.updates
        self.pool.send(worker, shared(self.trainer))

    def _receive(self) -> tuple[int, Sent]:
        """Of whoever is ready; what diverged there has diverged here."""
        while True:
            try:
                worker, sent = self.pool.receive()
            except TrainingDiverged as error:
                self.trainer.begin()
                raise self.trainer.set_back(error.term) from error
            if sent is not None:
                return worker, sent
            self._send(worker)
