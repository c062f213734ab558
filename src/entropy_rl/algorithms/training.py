"""A training from beginning to end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from entropy_rl.algorithms.config import OnPolicyConfig
from entropy_rl.algorithms.off_policy import OffPolicyTrainer
from entropy_rl.algorithms.off_policy_config import OffPolicyConfig
from entropy_rl.algorithms.on_policy import Trainer
from entropy_rl.envs import Core


@dataclass(frozen=True)
class TrainResult:
    """A trained policy and how it went.

    Attributes:
        policy: the module that was passed in, trained.
        curves: one entry a batch of episodes: "episodes" played so far, mean "length" (cut at
            ``cap``), mean undiscounted "reward", mean discounted "return" from the start, "entropy"
            (mean of the estimator's value over states, nats), the last "baseline_loss" and, if
            there is a critic of the entropy, its last "critic_loss" (nats²). Off-policy: "entropy"
            (mean of -log π over the draws of the batch's updates), "critic_loss" likewise, both NaN
            before the first; "entropy_played" (of the actions played) and "temperature". Where
            episodes go on from batch to batch (``continuing``, and off-policy always), "episodes"
            counts stretches of ``cap`` steps, and "length", "reward", "return" are of a stretch.
            And the environment's ``merits``, of the episodes that ended, if it has any.
        steps: environment steps taken in training.
        cpu_seconds: processor time of the loop.
        updates: gradient steps taken.
    """

    policy: nn.Module
    curves: dict[str, list[float]] = field(repr=False)
    steps: int
    cpu_seconds: float
    updates: int


def make_trainer(
    env: Core[Any], policy: Any, config: OnPolicyConfig | OffPolicyConfig, seed: Any
) -> Trainer | OffPolicyTrainer:
    """The loop that a configuration is of: :class:`Trainer` or :class:`OffPolicyTrainer`.

    Raises:
        ValueError: what either refuses.
    """
    if isinstance(config, OffPolicyConfig):
        return OffPolicyTrainer(env, policy, config, seed)
    return Trainer(env, policy, config, seed)


def train(
    env: Core[Any],
    policy: Any,
    config: OnPolicyConfig | OffPolicyConfig,
    seed: int,
    progress: bool = False,
    callback: Callable[[int, Any], None] | None = None,
) -> TrainResult:
    """Train ``policy`` in ``env`` from beginning to end; see :func:`make_trainer`.

    Args:
        env: the batched core of an environment.
        policy: a policy for its spaces; trained in place.
        config: all hyper-parameters.
        seed: of everything that is drawn.
        progress: whether to show a bar (needs tqdm).
        callback: called after every batch with the episodes played so far and the policy.

    Raises:
        ValueError: what the trainer refuses.
        TrainingDiverged: a loss, gradient or parameter that is not finite; the policy has been set
            back to where its last batch began.
    """
    trainer = make_trainer(env, policy, config, seed)
    started = time.process_time()
    with progress_bar(trainer.batches, config.batch, progress) as batches:
        for _ in batches:
            trainer.step()
            if callback is not None:
                callback(trainer.played, policy)
    seconds = time.process_time() - started
    return TrainResult(policy, trainer.curves, trainer.steps, seconds, trainer.updates)


def progress_bar(batches: int, batch: int, show: bool) -> AbstractContextManager[Iterable[int]]:
    """The batches by number, with a bar (which needs tqdm) if ``show``."""
    if not show:
        return nullcontext(range(batches))
    from tqdm.auto import tqdm

    return tqdm(range(batches), unit_scale=batch, unit="ep")
