"""The asynchronous training: one learner, and workers that play while it learns."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
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

RETRIES = 3


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


class Pool(Protocol):
    """Workers, wherever they are."""

    def send(self, worker: int, state: Shared) -> None:
        """Give a worker parameters, and ask for a batch."""

    def receive(self) -> tuple[int, Sent | None]:
        """Whoever is ready, and what it made; None if it was lost, and another is in its place."""


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
    :func:`entropy_rl.algorithms.training.train` where gradients are sent.

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
    check(policy, config, workers)
    trainer = Trainer(env, policy, config, seed)
    ray = import_ray("workers")
    with connected(ray, workers), RayPool(ray, env, policy, config, seed, workers) as pool:
        return learn(trainer, pool, workers, progress, callback)


def check(policy: Any, config: Any, workers: int) -> None:
    """``ValueError`` for what :func:`train_async` cannot do."""
    _validate.positive_integer("workers", workers)
    if not isinstance(config, OnPolicyConfig):
        raise _validate.fail("config", "an OnPolicyConfig, for workers", type(config).__name__)
    if getattr(policy, "replicas", 1) != 1:
        raise _validate.fail("policy", "one that is not stacked, for workers", policy.replicas)
    device = next(policy.parameters()).device
    if device.type != "cpu":
        raise _validate.fail("policy", "one on the processor, for workers", device)
    if config.row.update != "gradient_step":
        raise _validate.fail("algorithm", "gradient steps, for workers", config.row.update)
    if config.lag:
        raise _validate.fail("lag", "0 for workers, whose lag is their own", config.lag)
    if config.episodes % config.batch:
        expected = f"a multiple of batch = {config.batch}, for workers"
        raise _validate.fail("episodes", expected, config.episodes)
    if config.baseline == "running" and not sends_rollouts(config):
        raise _validate.fail("baseline", "'value' or 'none', for gradients", config.baseline)


def learn(
    trainer: Trainer,
    pool: Pool,
    workers: int,
    progress: bool = False,
    callback: Callable[[int, Any], None] | None = None,
) -> AsyncResult:
    """Learn from whoever is ready, and send it the parameters that came of it.

    Args:
        trainer: of the policy; it plays nothing itself.
        pool: the workers.
        workers: how many.
        progress: whether to show a bar.
        callback: called after every batch.

    Raises:
        ChildProcessError, TrainingDiverged: see :func:`train_async`.
    """
    started, elsewhere = time.process_time(), 0.0
    versions: dict[int, tuple[int, int]] = {}
    learnt = replaced = in_a_row = 0

    def send(worker: int) -> None:
        versions[worker] = learnt, trainer.updates
        pool.send(worker, shared(trainer))

    for worker in range(workers):
        send(worker)
    with progress_bar(trainer.batches, trainer.config.batch, progress) as batches:
        for _ in batches:
            worker, sent = _received(trainer, pool)
            while sent is None:
                replaced, in_a_row = replaced + 1, in_a_row + 1
                if in_a_row > RETRIES:
                    raise ChildProcessError(f"{in_a_row} workers were lost one after the other")
                warnings.warn(f"worker {worker} was lost; another begins", stacklevel=2)
                send(worker)
                worker, sent = _received(trainer, pool)
            in_a_row = 0
            before, updates = versions[worker]
            lags = {"lag": learnt - before, "lag_updates": trainer.updates - updates}
            _take(trainer, sent)
            for name, value in {**lags, "replaced": replaced}.items():
                trainer.curves.setdefault(name, []).append(float(value))
            learnt, elsewhere = learnt + 1, elsewhere + sent.cpu_seconds
            if callback is not None:
                callback(trainer.played, trainer.policy)
            if not trainer.finished:
                send(worker)
    seconds = time.process_time() - started + elsewhere
    return AsyncResult(
        trainer.policy, trainer.curves, trainer.steps, seconds, trainer.updates,
        workers=workers, replaced=replaced,
    )  # fmt: skip


def _take(trainer: Trainer, sent: Sent) -> None:
    """One batch, learnt from or applied, whichever version of the policy it is of."""
    trainer.begin()
    if isinstance(sent.batch, Rollout):
        trainer.learn(sent.batch)
        return
    apply(trainer, sent.batch)
    if not finite(trainer.policy.parameters()):
        raise trainer.set_back("updated parameters")


def _received(trainer: Trainer, pool: Pool) -> tuple[int, Sent | None]:
    """Of whoever is ready; what diverged there has diverged here."""
    try:
        return pool.receive()
    except TrainingDiverged as error:
        trainer.begin()
        raise trainer.set_back(error.term) from error
