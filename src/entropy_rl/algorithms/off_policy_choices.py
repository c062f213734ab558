"""The named choices of an off-policy algorithm, and the algorithms that are rows of them.

An algorithm is target × actor × temperature. A new one is a new row of
:data:`OFF_POLICY_ALGORITHMS`; a new choice is a function and its name in one of the tables.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor

from entropy_rl import _validate
from entropy_rl.algorithms.choices import TABLES_OF_ROWS, Option, register, register_row
from entropy_rl.algorithms.replay import Transitions
from entropy_rl.algorithms.twin_critic import TwinCritic
from entropy_rl.losses import (
    reparametrised_policy_loss,
    soft_q_target,
    temperature_loss,
)
from entropy_rl.streams import Source


@dataclass(frozen=True)
class Draw:
    """What the choices are given: M transitions out of the replay, and who learns from them.

    Attributes:
        transitions: the M.
        policy: as it is now.
        critic: likewise.
        temperature: α, reward per nat.
        generator: the source of randomness.
        options: the row's own hyper-parameters.
    """

    transitions: Transitions
    policy: Any
    critic: TwinCritic
    temperature: float
    generator: Source
    options: Mapping[str, float]


class Act(NamedTuple):
    """What an actor choice returns.

    Attributes:
        loss: a scalar, to be descended by the policy.
        entropy: ``(M,)``, nats, detached: unbiased for the policy's entropy in the states drawn.
    """

    loss: Tensor
    entropy: Tensor


Target: TypeAlias = Callable[[Draw], Tensor]
Actor: TypeAlias = Callable[[Draw], Act]
Dual: TypeAlias = Callable[[Tensor, Tensor, float], Tensor]


def soft_target(draw: Draw) -> Tensor:
    """y ``(M,)`` of :func:`~entropy_rl.losses.soft_q_target`, with one action drawn in s'."""
    t = draw.transitions
    with torch.no_grad():
        chain = draw.policy.sample(t.next_obs, draw.generator)
        q_t = draw.critic.slow_smaller(t.next_obs, chain.actions)
        return soft_q_target(t.r_t, t.discount_t, q_t, chain.log_prob, draw.temperature)


def reparametrised(draw: Draw) -> Act:
    """:func:`~entropy_rl.losses.reparametrised_policy_loss`, with one action drawn in s."""
    obs = draw.transitions.obs
    chain = draw.policy.rsample(obs, draw.generator)
    log_prob = chain.log_prob
    q = draw.critic.smaller(obs, chain.actions)
    return Act(reparametrised_policy_loss(q, log_prob, draw.temperature), -log_prob.detach())


TARGETS: dict[str, Target] = {"soft": soft_target}
ACTORS: dict[str, Actor] = {"reparametrised": reparametrised}
# "fixed" has no loss: log α is a parameter that nothing moves.
TEMPERATURES: dict[str, Dual | None] = {"fixed": None, "dual": temperature_loss}


@dataclass(frozen=True)
class OffPolicyAlgorithm:
    """A row: three names, and the hyper-parameters that are its own.

    Args:
        target: of :data:`TARGETS`: what the critics learn.
        actor: of :data:`ACTORS`: what the policy descends.
        temperature: of :data:`TEMPERATURES`: what moves α.
        options: hyper-parameters that the choices read, with default and range.
        source: where it comes from.

    Raises:
        ValueError: an unknown name (the nearest is suggested), or an option without a range.
    """

    target: str
    actor: str
    temperature: str
    options: Mapping[str, Option] = field(default_factory=dict)
    source: str = ""

    def __post_init__(self) -> None:
        _validate.choice("target", self.target, TARGETS)
        _validate.choice("actor", self.actor, ACTORS)
        _validate.choice("temperature", self.temperature, TEMPERATURES)
        for name, option in self.options.items():
            if not isinstance(option, Option):
                raise _validate.fail("options", f"an Option for {name!r}", repr(option))


OFF_POLICY_ALGORITHMS: dict[str, OffPolicyAlgorithm] = {
    "sac_fixed": OffPolicyAlgorithm(
        "soft", "reparametrised", "fixed", source="liu2020, eq. 32; Haarnoja et al. 2018a"
    ),
    "sac1": OffPolicyAlgorithm(
        "soft", "reparametrised", "dual", source="liu2020, figure 1; Haarnoja et al. 2018b"
    ),
}

TABLES_OF_ROWS.append(OFF_POLICY_ALGORITHMS)


def register_target(name: str, choice: Target) -> None:
    """Add what critics may learn, ``draw -> (M,)``; ``ValueError`` if the name is taken."""
    register(TARGETS, name, choice)


def register_actor(name: str, choice: Actor) -> None:
    """Add a loss of the policy, ``draw -> Act``; ``ValueError`` if the name is taken."""
    register(ACTORS, name, choice)


def register_temperature(name: str, choice: Dual) -> None:
    """Add a loss of log α; ``ValueError`` if the name is taken."""
    register(TEMPERATURES, name, choice)


def register_off_policy_algorithm(name: str, row: OffPolicyAlgorithm) -> None:
    """Add a row; ``ValueError`` if the name is taken, by an on-policy algorithm too."""
    register_row(OFF_POLICY_ALGORITHMS, name, row)
