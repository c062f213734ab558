"""Seeds of one configuration, or of several, trained as one: what the loop asks of them.

The rows of a batch belong to the replicas in equal parts, in their order, and every parameter has
an axis of R in front. The loss is the sum of the replicas' own, and an optimiser that works entry
by entry keeps them apart, so that the loop is the one for a single policy. Configurations that
differ in the learning rate and in the entropy, its estimator and its weight, alone are trained as
one too: each has the replicas of all seeds, one set after the other, and gives the numbers that it
gives without the others, rounding apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, product
from typing import Any

import torch
from torch import Tensor, nn

from entropy_rl import _validate
from entropy_rl.algorithms.baseline import (
    Baseline,
    RunningBaseline,
    ValueBaseline,
    ValueBaselines,
    make_baseline,
)
from entropy_rl.algorithms.config import OnPolicyConfig
from entropy_rl.algorithms.context import Minibatch
from entropy_rl.algorithms.entropy import ENTROPIES, bonus, no_term, rewards_as_they_are
from entropy_rl.algorithms.optimisers import make_optimiser
from entropy_rl.algorithms.precision import WorkingCopy
from entropy_rl.algorithms.rollout import Rollout, flat_observation
from entropy_rl.envs import Core
from entropy_rl.estimators import Estimate
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


def apart_from_entropy(config: OnPolicyConfig) -> OnPolicyConfig:
    """What configurations that are trained as one have in common."""
    return replace(
        config, learning_rate=1.0, beta=0.0, entropy="none", entropy_baseline=None, beam=1
    )


def weighs_bonus(config: OnPolicyConfig) -> bool:
    """Whether the entropy is in its own term alone, so that configurations can differ in it."""
    use = ENTROPIES[config.row.entropy]
    apart = use.rewards is rewards_as_they_are and use.own is None and not use.in_rewards
    return apart and use.term in (bonus, no_term)


@dataclass(frozen=True)
class Replicas:
    """R seeds, or one that is not stacked.

    Attributes:
        seeds: of the draws of each.
        stacked: whether parameters have an axis for them.
        configs: of the training; of several each has the replicas of all seeds.
    """

    seeds: tuple[int, ...]
    stacked: bool
    configs: tuple[OnPolicyConfig, ...]

    @classmethod
    def of(
        cls,
        seed: int | Sequence[int],
        policy: Any,
        config: OnPolicyConfig | Sequence[OnPolicyConfig],
    ) -> Replicas:
        """One seed for a single policy, or one for each replica of a stacked policy.

        Raises:
            ValueError: another number of seeds than of replicas, a seed out of range or twice, or
                configurations under which replicas cannot be trained as one.
        """
        configs = (config,) if isinstance(config, OnPolicyConfig) else tuple(config)
        replicas = getattr(policy, "replicas", 1)
        if not configs or replicas % len(configs):
            expected = f"as many replicas for each of several, of {replicas}"
            raise _validate.fail("config", expected, len(configs))
        if isinstance(seed, str) or not isinstance(seed, Sequence):
            _validate.seed("seed", seed)
            if replicas != 1:
                raise _validate.fail("seed", f"one for each of {replicas} replicas", seed)
            return cls((seed,), False, configs)
        seeds, each = Streams(seed).seeds, replicas // len(configs)
        if len(seeds) != each:
            raise _validate.fail("seed", f"one for each of {each} replicas", seeds)
        for config, (name, taken) in product(configs, _STACKABLE.items()):
            value = getattr(config, name)
            if value not in taken:
                expected = f"one of {taken} where replicas are stacked"
                raise _validate.fail(name, expected, repr(value))
        _check_configs(configs)
        config = configs[0]
        for name in ("minibatches", "baseline_minibatches"):
            if config.grouping == "episodes" and (getattr(config, name) or 1) > 1:
                expected = "1 where replicas are stacked, unless grouping='rows'"
                raise _validate.fail(name, expected, getattr(config, name))
        if config.row.update != "gradient_step":
            raise _validate.fail("algorithm", "gradient steps, if stacked", config.row.update)
        return cls(seeds, True, configs)

    def __len__(self) -> int:
        return len(self.seeds) * len(self.configs)

    @property
    def config(self) -> OnPolicyConfig:
        """The first, for all that it has in common with the others."""
        return self.configs[0]

    def optimiser(self, parameters: Sequence[nn.Parameter]) -> torch.optim.Optimizer:
        """One over ``parameters``, of several learning rates with a group for each.

        A group has a part of every parameter, in place; :meth:`share_gradients` tells it its own.
        """
        name, rates = self.config.optimiser, self._rates()
        if len(rates) == 1:
            return make_optimiser(name, parameters, rates[0][0])
        parts = [p.detach().split(self._sizes()) for p in parameters]
        groups = list(zip(*([x.detach() for x in own] for own in parts), strict=True))
        made = make_optimiser(name, groups[0], rates[0][0])
        for own, (rate, _) in zip(groups[1:], rates[1:], strict=True):
            made.add_param_group({"params": own, "lr": rate})
        return made

    def share_gradients(
        self, optimiser: torch.optim.Optimizer, parameters: Sequence[nn.Parameter]
    ) -> None:
        """Give each group the gradients of its parts; one group has the parameters themselves.

        Raises:
            ValueError: an optimiser over other memory, as that of a copied trainer is.
        """
        groups = [group["params"] for group in optimiser.param_groups]
        if len(groups) == 1:
            return
        for p, own in zip(parameters, zip(*groups, strict=True), strict=True):
            if own[0].data_ptr() != p.data_ptr():
                raise _validate.fail("optimiser", "one over parts of the parameters", "a copy's")
            each = (None,) * len(own) if p.grad is None else p.grad.split(self._sizes())
            for part, gradient in zip(own, each, strict=True):
                part.grad = gradient

    def set_rates(self, optimiser: torch.optim.Optimizer, left: float) -> None:
        """Each configuration's own learning rate, of which the share ``left`` remains."""
        for group, (rate, _) in zip(optimiser.param_groups, self._rates(), strict=True):
            group["lr"] = rate * left

    def _rates(self) -> list[tuple[float, int]]:
        """Learning rates, and of how many configurations in a row."""
        rates = groupby(config.learning_rate for config in self.configs)
        return [(rate, len(list(same))) for rate, same in rates]

    def _sizes(self) -> list[int]:
        """Of how many replicas each learning rate is."""
        return [configs * len(self.seeds) for _, configs in self._rates()]

    def estimate(self, by: Callable[..., Estimate], *of: Any) -> Estimate:
        """``by(name, *of)``; of several configurations each has its own estimator at its rows."""
        names = [config.entropy for config in self.configs]
        found = {name: by(name, *of) for name in dict.fromkeys(names)}
        if len(found) == 1:
            return found[names[0]]
        values, surrogates = (
            torch.cat([getattr(found[n], kind).chunk(len(names))[i] for i, n in enumerate(names)])
            for kind in ("value", "surrogate")
        )
        return Estimate(values, surrogates)

    def entropy_term(self, minibatch: Minibatch, left: float) -> Tensor:
        """Of the loss; of several configurations the mean of theirs, each with its β."""
        term, G = ENTROPIES[self.config.row.entropy].term, len(self.configs)
        if G == 1:
            return term(minibatch)
        values = minibatch.estimate.value.chunk(G)
        surrogates = minibatch.estimate.surrogate.chunk(G)
        terms = [
            term(
                replace(
                    minibatch,
                    context=replace(minibatch.context, beta=config.beta_at(left)),
                    estimate=Estimate(value, surrogate),
                )
            )
            for config, value, surrogate in zip(self.configs, values, surrogates, strict=True)
        ]
        return torch.stack(terms).mean()

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
        for seed in self.seeds * len(self.configs):
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
            return Streams(self.seeds, device, len(self.configs))
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
        seeds = self.seeds * len(self.configs)
        for x in tensors if self.stacked else ():
            if x.ndim and len(x) % len(self) == 0:
                finite = by_replica(x.detach(), len(self)).flatten(1).isfinite().all(1)
                bad.update(seed for seed, ok in zip(seeds, finite.tolist(), strict=True) if not ok)
        return tuple(sorted(bad))


def _check_configs(configs: tuple[OnPolicyConfig, ...]) -> None:
    """Refuse several that would not give the numbers that each gives alone."""
    if len(configs) == 1:
        return
    first = apart_from_entropy(configs[0])
    if any(apart_from_entropy(config) != first for config in configs):
        expected = "differences in learning_rate, entropy and beta alone"
        raise _validate.fail("config", expected, configs)
    if not weighs_bonus(first):
        expected = "a row whose entropy is in the bonus alone, for several configurations"
        raise _validate.fail("algorithm", expected, first.algorithm)


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
            part.remember(own)
        return error

    def state_dict(self) -> dict[str, Any]:
        """The remembered returns of each."""
        return {"parts": [part.state_dict() for part in self.parts]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """What :meth:`state_dict` returned."""
        for part, own in zip(self.parts, state["parts"], strict=True):
            part.load_state_dict(own)
