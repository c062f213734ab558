"""Where the entropy enters an update, and for which estimators that is right.

With Ĥ an estimate of the state's entropy from the action a that was drawn there, the gradient of
E[r] + β H has three exact forms, and each needs its own kind of estimate:

==============  =================  ===============  ==========================================
use             in the rewards     own advantage    right for an estimate …
==============  =================  ===============  ==========================================
``bonus``       no                 –                whose gradient is unbiased
``soft``        yes                contains Ĥ       whose value has a gradient of mean zero
``soft_bonus``  yes                contains Ĥ       that is differentiated as it stands
``soft_apart``  yes                is without Ĥ     whose gradient is unbiased
``soft_log``    yes                -log π for Ĥ     whose value is unbiased
==============  =================  ===============  ==========================================

For E[∇Ĥ] + E[Ĥ ∇log π] = ∇E[Ĥ] = ∇H: the second term comes with an advantage that contains Ĥ, and
the first with a bonus that is differentiated as it stands. A bonus with an unbiased gradient has
both already, and so has -log π in the advantage, whose own gradient has mean zero. (liu2020, eqs
35, 38 and 41, has the exact entropy, for which the second term is 0.)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from entropy_rl import _validate
from entropy_rl.algorithms.context import Context, Minibatch
from entropy_rl.algorithms.entropy_critic import EntropyCritic
from entropy_rl.conditionals import Chain
from entropy_rl.estimators import ESTIMATORS, entropy_to_go, exact
from entropy_rl.losses import entropy_loss
from entropy_rl.returns import soft_rewards
from entropy_rl.stepwise import Observation

if TYPE_CHECKING:
    from entropy_rl.algorithms.config import OnPolicyConfig
    from entropy_rl.envs import Core


def rewards_as_they_are(context: Context) -> Tensor:
    """r: no entropy in the return."""
    return context.rollout.r_t


def rewards_with_entropy(context: Context) -> Tensor:
    """r + β Ĥ(s), the entropy of the state acted in (liu2020, eq. 35)."""
    return soft_rewards(context.rollout.r_t, context.entropy_tm1, context.beta)


def no_term(minibatch: Minibatch) -> Tensor:
    """0: no entropy in the loss."""
    return minibatch.estimate.surrogate.sum() * 0


def bonus(minibatch: Minibatch) -> Tensor:
    """-β mean(Ĥ), the estimator's gradient added to the update (zhang2018, equation 1)."""
    return entropy_loss(minibatch.estimate.surrogate, minibatch.beta)


def all_of_it(entropy_tm1: Tensor, surprise_tm1: Tensor) -> Tensor:
    """Ĥ: the bonus has the whole gradient."""
    return entropy_tm1


def all_but_the_surprise(entropy_tm1: Tensor, surprise_tm1: Tensor) -> Tensor:
    """Ĥ + log π(a | s): what stays is -log π(a | s), the step's own surprise (liu2020, eq. 41)."""
    return entropy_tm1 - surprise_tm1


@dataclass(frozen=True)
class EntropyUse:
    """Where the entropy enters.

    Args:
        unbiased: estimators with which the update's mean is the gradient of E[r] + β H, actions
            drawn from the present policy or weighted to be.
        biased: estimators that are taken although it is not: what a paper did. "none" is always
            taken; every other estimator is refused.
        rewards: ``context -> r (T, B)``: before the advantage is computed.
        term: ``minibatch -> loss``: added to the surrogate.
        in_rewards: whether ``rewards`` reads the entropy, which is estimated on the batch then.
        own: ``(Ĥ, -log π(a | s)) -> (T, B)``, what the advantage must leave out of its own state's
            entropy; None for nothing.

    Raises:
        ValueError: an unknown estimator, or one that is in both lists.
    """

    unbiased: tuple[str, ...]
    biased: tuple[str, ...] = ()
    rewards: Callable[[Context], Tensor] = rewards_as_they_are
    term: Callable[[Minibatch], Tensor] = no_term
    in_rewards: bool = False
    own: Callable[[Tensor, Tensor], Tensor] | None = None

    def __post_init__(self) -> None:
        for field, names in (("unbiased", self.unbiased), ("biased", self.biased)):
            for name in names:
                _validate.choice(field, name, ESTIMATORS)
        both = set(self.unbiased) & set(self.biased)
        if both:
            raise _validate.fail("biased", "none that is unbiased", sorted(both))

    @property
    def estimators(self) -> tuple[str, ...]:
        """All that it takes."""
        taken = {"none", *self.unbiased, *self.biased}
        return tuple(name for name in ESTIMATORS if name in taken)


ENTROPIES: dict[str, EntropyUse] = {
    # The estimate is reported and otherwise unused.
    "none": EntropyUse(ESTIMATORS),
    "bonus": EntropyUse(
        ("crude_gradient", "unbiased_gradient", "exact"),
        biased=("crude", "smoothed", "smoothed_mode"),
        term=bonus,
    ),
    "soft": EntropyUse(("crude", "crude_gradient"), rewards=rewards_with_entropy, in_rewards=True),
    "soft_bonus": EntropyUse(
        ("crude", "smoothed", "exact"), rewards=rewards_with_entropy, term=bonus, in_rewards=True
    ),
    "soft_apart": EntropyUse(
        ("crude_gradient", "unbiased_gradient", "exact"),
        rewards=rewards_with_entropy,
        term=bonus,
        in_rewards=True,
        own=all_of_it,
    ),
    "soft_log": EntropyUse(
        ("crude", "crude_gradient", "smoothed", "unbiased_gradient", "exact"),
        rewards=rewards_with_entropy,
        in_rewards=True,
        own=all_but_the_surprise,
    ),
}


@dataclass(frozen=True)
class EntropyBaseline:
    """A control variate of an estimator's gradient: a function, or a critic that learns one.

    Args:
        estimator: the one that takes it.
        provide: ``(policy, obs, chain) -> b``, detached, in the shape that the estimator asks for.
        critic: ``(policy, example, hidden, learning_rate)`` makes a critic with such a ``provide``
            of its own, for one training: see :class:`EntropyCritic`.

    Raises:
        ValueError: both or neither of the two.
    """

    estimator: str
    provide: Callable[[Any, Observation, Chain], Tensor] | None = None
    critic: Callable[[Any, Observation, int, float], EntropyCritic] | None = None

    def __post_init__(self) -> None:
        if (self.provide is None) == (self.critic is None):
            raise _validate.fail("critic", "either it or provide", self)


ENTROPY_BASELINES: dict[str, EntropyBaseline] = {
    "to_go": EntropyBaseline(
        "unbiased_gradient",
        lambda policy, obs, chain: entropy_to_go(policy, obs, chain.actions),
    ),
    "state": EntropyBaseline(
        "crude_gradient",
        lambda policy, obs, chain: exact(policy, obs).value,
    ),
    "critic": EntropyBaseline("unbiased_gradient", critic=EntropyCritic),
}


def make_critic(env: Core[Any], policy: Any, config: OnPolicyConfig) -> EntropyCritic | None:
    """The critic that the configuration names, if it names one, on the policy's device.

    Its initial weights are drawn from torch's global generator.

    Raises:
        ValueError: actions or observations that are not for a critic.
    """
    row = ENTROPY_BASELINES.get(config.entropy_baseline or "")
    if row is None or row.critic is None:
        return None
    device = next(policy.parameters()).device
    start = env.reset(1, generator=torch.Generator(device).manual_seed(0), device=device)
    sizes = config.baseline_hidden, config.baseline_learning_rate
    return row.critic(policy, env.observe(start), *sizes)
