"""Seeds of one configuration, trained as one: what the loop asks of them.

The rows of a batch belong to the replicas in equal parts, in their order, and every parameter has
an axis of R in front. The loss is the sum of the replicas' own, and an optimiser that works entry
by entry keeps them apart, so that the loop is the one for a single policy.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from entropy_rl import _validate
from entropy_rl.algorithms.baseline import (
    Baseline,
    RunningBaseline,
    ValueBaseline,
    ValueBaselines,
    make_baseline,
)
from entropy_rl.algorithms.config import OnPolicyConfig
from entropy_rl.algorithms.precision import WorkingCopy
from entropy_rl.algorithms.rollout import Rollout, flat_observation
from entropy_rl.envs import Core
from entropy_rl.networks import by_replica
from entropy_rl.stepwise import Observation
from entropy_rl.streams import Source, Streams

_BASELINE_STREAM = 0x5EED

# What looks at the rows or parameters of several replicas at once, or needs rows of its own number,
# is not for them.
_STACKABLE: dict[str, tuple[Any, ...]] = {
    "first_visit": (False,),
    "baseline": ("running", "value"),
    "clip_norm": (None,),
    "entropy": ("none", "crude", "crude_gradient", "smoothed", "unbiased_gradient"),
    "entropy_baseline": (None,),
}


@dataclass(frozen=True)
class Replicas:
    """R seeds, or one that is not stacked.

    Attributes:
        seeds: of the draws of each.
        stacked: whether parameters have an axis for them.
    """

    seeds: tuple[int, ...]
    stacked: bool

    @classmethod
    def of(cls, seed: int | Sequence[int], policy: Any, config: OnPolicyConfig) -> Replicas:
        """One seed for a single policy, or one for each replica of a stacked policy.

        Raises:
            ValueError: another number of seeds than of replicas, a seed out of range or twice, or
                a configuration under which replicas cannot be trained as one.
        """
        replicas = getattr(policy, "replicas", 1)
        if isinstance(seed, str) or not isinstance(seed, Sequence):
            _validate.seed("seed", seed)
            if replicas != 1:
                raise _validate.fail("seed", f"one for each of {replicas} replicas", seed)
            return cls((seed,), False)
        seeds = Streams(seed).seeds
        if len(seeds) != replicas:
            raise _validate.fail("seed", f"one for each of {replicas} replicas", seeds)
        for name, taken in _STACKABLE.items():
            value = getattr(config, name)
            if value not in taken:
                expected = f"one of {taken} where replicas are stacked"
                raise _validate.fail(name, expected, repr(value))
        for name in ("minibatches", "baseline_minibatches"):
            if config.grouping == "episodes" and (getattr(config, name) or 1) > 1:
                expected = "1 where replicas are stacked, unless grouping='rows'"
                raise _validate.fail(name, expected, getattr(config, name))
        if config.row.update != "gradient_step":
            raise _validate.fail("algorithm", "gradient steps, if stacked", config.row.update)
        return cls(seeds, True)

    def __len__(self) -> int:
        return len(self.seeds)

    def baseline(
        self, env: Core[Any], working: WorkingCopy, config: OnPolicyConfig, device: torch.device
    ) -> Baseline | ValueBaselines | RunningBaselines:
        """The baseline that the configuration names, of each replica its own.

        Its initial weights come from torch's own generator, which is seeded for it: from another
        stream than the policy's, which callers seed.
        """
        if not self.stacked:
            torch.manual_seed(self.seeds[0] ^ _BASELINE_STREAM)
            return make_baseline(env, working, config, device)
        if config.baseline == "running":
            return RunningBaselines(len(self))
        parts = []
        for seed in self.seeds:
            torch.manual_seed(seed ^ _BASELINE_STREAM)
            parts.append(ValueBaseline(env.observation_space, config, device))
        return ValueBaselines(parts, config)

    def check_chance(self, env: Core[Any], device: torch.device) -> None:
        """Refuse an environment that cannot be begun from several streams.

        Raises:
            ValueError: naming ``env``.
        """
        if not self.stacked:
            return
        try:
            env.reset(len(self), generator=self.source(device), device=device)
        except ValueError as error:
            expected = "one that draws by entropy_rl.streams, where replicas are stacked"
            raise _validate.fail("env", expected, type(env).__name__) from error

    def arranges(self, config: OnPolicyConfig) -> bool:
        """Whether the rows of a batch must be brought into the replicas' order."""
        return self.stacked and config.cap > 1

    def arranged(self, rollout: Rollout, config: OnPolicyConfig) -> Rollout:
        """A batch whose rows are those of the first replica, then those of the next, …."""
        return rollout.by_columns(len(self)) if self.arranges(config) else rollout

    def source(self, device: torch.device) -> Source:
        """What everything is drawn from, on ``device``."""
        if self.stacked:
            return Streams(self.seeds, device)
        return torch.Generator(device).manual_seed(self.seeds[0])

    def mean(self, rows: Tensor) -> Tensor:
        """The mean of rows ``(N,)``: ``()``, or if stacked ``(R,)``, each replica's of its own."""
        return by_replica(rows, len(self)).mean(1) if self.stacked else rows.mean()

    def spoilt(self, tensors: Iterable[Tensor]) -> tuple[int, ...]:
        """The seeds, if stacked, to which entries belong that are not finite.

        Args:
            tensors: whose first axis the replicas share, as that of parameters or rows; others are
                not looked at.
        """
        bad: set[int] = set()
        for x in tensors if self.stacked else ():
            if x.ndim and len(x) % len(self) == 0:
                finite = by_replica(x.detach(), len(self)).flatten(1).isfinite().all(1)
                bad.update(
                    seed for seed, ok in zip(self.seeds, finite.tolist(), strict=True) if not ok
                )
        return tuple(sorted(bad))


class RunningBaselines:
    """A :class:`RunningBaseline` for each of R replicas."""

    def __init__(self, replicas: int) -> None:
        self.parts = [RunningBaseline() for _ in range(replicas)]

    def evaluate(self, obs: Observation) -> Tensor:
        """Each replica's mean at its rows."""
        rows = flat_observation(obs)
        means = torch.tensor([part.mean for part in self.parts], device=rows.device)
        return means.repeat_interleave(len(rows) // len(self.parts))

    def learn(self, obs: Observation, returns: Tensor) -> Tensor:
        """Remember; the mean squared errors before it, ``(R,)``."""
        error = by_replica((returns - self.evaluate(obs)).square(), len(self.parts)).mean(1)
        each = by_replica(returns, len(self.parts)).tolist()
        for part, own in zip(self.parts, each, strict=True):
            part.returns.extend(own)
        return error

    def state_dict(self) -> dict[str, Any]:
        """The remembered returns of each."""
        return {"parts": [part.state_dict() for part in self.parts]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """What :meth:`state_dict` returned."""
        for part, own in zip(self.parts, state["parts"], strict=True):
            part.load_state_dict(own)
