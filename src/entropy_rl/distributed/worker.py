"""What plays elsewhere: an actor that sends its rollouts, or a worker that sends its gradients."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from entropy_rl._threads import one_thread
from entropy_rl.algorithms import OnPolicyConfig, Rollout, Trainer
from entropy_rl.algorithms.snapshot import copied
from entropy_rl.envs import Core

# One optimiser's gradients, None where a parameter has none, and its place among the trainer's.
Step = tuple[int, list[Tensor | None]]
Shared = dict[str, Any]


@dataclass(frozen=True)
class Gradients:
    """A batch as what it asks of the parameters.

    Attributes:
        steps: the gradients of a worker's own steps, in their order: those of the policy (0), and
            of the networks beside it.
        figures: what the worker records of the batch.
        episodes: played.
        transitions: steps of the environment in them.
    """

    steps: list[Step]
    figures: dict[str, float]
    episodes: int
    transitions: int


@dataclass(frozen=True)
class Sent:
    """What comes back for the parameters that were sent.

    Attributes:
        batch: the rollout, or the gradients.
        cpu_seconds: processor time that it took.
    """

    batch: Rollout | Gradients
    cpu_seconds: float


def sends_rollouts(config: OnPolicyConfig) -> bool:
    """Whether the row corrects for another policy's actions: V-trace, as IMPALA.

    Where it does not, as A3C, the gradient is taken where the actions are drawn.
    """
    return config.row.advantage == "v_trace"


class Worker:
    """An environment, and a trainer of its own that follows another's parameters.

    Args:
        env: the batched core of an environment.
        policy: for its spaces; copied.
        config: all hyper-parameters; ``batch`` episodes are played at once by each worker.
        seed: of the draws.
    """

    def __init__(self, env: Core[Any], policy: Any, config: OnPolicyConfig, seed: int) -> None:
        self.trainer = Trainer(env, copy.deepcopy(policy), config, seed)

    def begin(self) -> None:
        """It is there."""

    def contribute(self, shared: Shared) -> Sent:
        """Play a batch with the parameters that are sent; the rollout, or the gradients on it.

        Args:
            shared: of :func:`shared`.

        Raises:
            TrainingDiverged: a loss, gradient or parameter that is not finite.
        """
        trainer, before = self.trainer, time.process_time()
        with one_thread():
            last = {name: values[-1:] for name, values in trainer.curves.items()}
            trainer.load_state_dict({**trainer.state_dict(), **shared, "curves": last})
            batch = self._rollout() if sends_rollouts(trainer.config) else self._gradients()
        return Sent(batch, time.process_time() - before)

    def _rollout(self) -> Rollout:
        return self.trainer.play(self.trainer.config.batch).detach()

    def _gradients(self) -> Gradients:
        """Of an ordinary step of the trainer, whose parameters are then thrown away."""
        trainer = self.trainer
        played, transitions = trainer.played, trainer.steps
        with recorded(trainer) as steps:
            trainer.step()
        return Gradients(
            steps,
            {name: values[-1] for name, values in trainer.curves.items()},
            trainer.played - played,
            trainer.steps - transitions,
        )


def shared(trainer: Trainer) -> Shared:
    """What a worker needs of a trainer: its counts and policy, and for gradients all that learns.

    The optimisers' state goes with the parameters, as A3C shares the statistics of RMSProp: where a
    batch has several steps, as those of the critic, a worker goes from one to the next by itself.
    """
    state: Shared = {
        "policy": copied(trainer.policy.state_dict()),
        "counts": (trainer.played, trainer.steps, trainer.updates),
    }
    if sends_rollouts(trainer.config):
        return state
    state["optimiser"] = copied(trainer.optimiser.state_dict())
    state["baseline"] = trainer.baseline.state_dict()
    if trainer.critic is not None:
        state["critic"] = trainer.critic.state_dict()
    return state


@contextmanager
def recorded(trainer: Trainer) -> Iterator[list[Step]]:
    """Within it, the gradients of every step of the trainer's optimisers, in their order."""
    steps: list[Step] = []
    hooks = [
        optimiser.register_step_pre_hook(
            lambda stepping, *_, index=index: steps.append((index, gradients_of(stepping)))
        )
        for index, optimiser in enumerate(trainer.optimisers)
    ]
    try:
        yield steps
    finally:
        for hook in hooks:
            hook.remove()


def gradients_of(optimiser: torch.optim.Optimizer) -> list[Tensor | None]:
    """Of every parameter in turn, copied."""
    grads = (p.grad for group in optimiser.param_groups for p in group["params"])
    return [None if grad is None else grad.clone() for grad in grads]


def apply(trainer: Trainer, gradients: Gradients) -> None:
    """The steps of a worker, made from where the trainer is now.

    From the parameters that the worker began with this is what the worker's trainer did, bit for
    bit; from newer ones it is A3C's: the gradient there, applied here.

    Raises:
        TrainingDiverged: a parameter that is not finite after them.
    """
    for index, grads in gradients.steps:
        optimiser = trainer.optimisers[index]
        parameters = [p for group in optimiser.param_groups for p in group["params"]]
        for parameter, grad in zip(parameters, grads, strict=True):
            parameter.grad = grad
        optimiser.step()
        trainer.updates += index == 0
    trainer.working.refresh()
    trainer.played += gradients.episodes
    trainer.steps += gradients.transitions
    for name, value in gradients.figures.items():
        value = float(trainer.played) if name == "episodes" else value
        trainer.curves.setdefault(name, []).append(value)
