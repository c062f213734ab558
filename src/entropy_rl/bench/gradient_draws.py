"""Gradients of the entropy, drawn again and again at one moment of a training.

What is compared is computed from the same draws.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from entropy_rl.algorithms import ADVANTAGES, Rollout, Trainer, play_episodes
from entropy_rl.algorithms.rollout import rows_of
from entropy_rl.bench.moments import interval, squared_bias, variance
from entropy_rl.conditionals import Chain
from entropy_rl.estimators import entropy_to_go, smoothed, unbiased_gradient
from entropy_rl.losses import policy_gradient_loss
from entropy_rl.stepwise import Observation, tree_entropy

CHUNK = 8  # states whose trees are walked at once: at d = 5 a tree has up to 7,381 prefixes

Row = dict[str, Any]
Advance = Callable[[], Any]


def play(trainer: Trainer, episodes: int, generator: torch.Generator) -> Rollout:
    """Episodes of the present policy, in float32, as the training plays them."""
    c = trainer.config

    def act(obs: Observation) -> Any:
        return trainer.policy.sample(obs, generator)

    with torch.no_grad():
        return play_episodes(
            trainer.env, act, episodes, c.cap, c.discount, generator, trainer.updates
        )


@dataclass(frozen=True)
class Draws:
    """What is drawn K times, with the policy and the critic of the moment.

    Args:
        trainer: whose they are; it is left as it was.
        count: K, ≥ 3.
        mean_to_go: ``(d,)``, of another batch: the baseline that is the same in every state.
        generator: of all draws.
        advance: called after each of them.
    """

    trainer: Trainer
    count: int
    mean_to_go: Tensor
    generator: torch.Generator
    advance: Advance

    def in_states(self, obs: Observation, exact: bool) -> list[Row]:
        """Variance over draws of the actions in the same states; if ``exact`` bias and errors too.

        Args:
            obs: ``(N, …)``.
            exact: whether to compare with the true gradient and baseline, by the tree of prefixes.
        """
        policy = self.trainer.policy
        with torch.no_grad():
            actions = torch.stack(
                [policy.sample(obs, self.generator).actions for _ in range(self.count)]
            )
        to_go = exactly_to_go(policy, obs, actions) if exact else None
        draws = []
        for k, path in enumerate(actions):
            exactly = None if to_go is None else to_go[k]
            draws.append(self.gradients(obs, policy.conditionals(obs, path), exactly))
            self.advance()
        stacked = _stacked(draws)
        rows = variances("states", "", stacked)
        if to_go is not None:
            true = exact_gradient(policy, obs)
            squared = float(true.double().square().sum())
            rows.append(as_row("states", "exact", "squared_gradient", squared))
            for name, found in stacked.items():
                share = interval(squared_bias(found, true) / squared)
                rows.append(as_row("states", name, "squared_bias_share", *share))
            rows += self.errors(obs, actions, to_go)
        return rows

    def in_batches(self, episodes: int) -> list[Row]:
        """Variance over whole batches: of the reward's gradient, the entropy's, and the update."""
        trainer, rewards, draws = self.trainer, [], []
        for _ in range(self.count):
            rollout = play(trainer, episodes, self.generator)
            context = trainer.context(rollout)
            advantage = rollout.rows(ADVANTAGES[trainer.config.row.advantage](context).advantage)
            chain = trainer.policy.conditionals(rollout.obs, rollout.chain.actions)
            reward = -policy_gradient_loss(chain.log_prob, advantage)
            rewards.append(flat_gradient(reward, trainer.policy))
            draws.append(self.gradients(rollout.obs, chain))
            self.advance()
        stacked, reward = _stacked(draws), torch.stack(rewards)
        updates = {name: reward + trainer.config.beta * x for name, x in stacked.items()}
        return [
            as_row("batches", "reward", "variance", *interval(variance(reward))),
            *variances("batches", "", stacked),
            *variances("batches", "update_", updates),
        ]

    def gradients(
        self, obs: Observation, chain: Chain, to_go: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Each estimator's gradient of the entropy, averaged over the states, ``(P,)``.

        Args:
            obs: ``(N, …)``.
            chain: with its graph.
            to_go: ``(N, d)``, exactly, or None.
        """
        baselines: dict[str, Tensor | None] = {
            "unbiased_gradient": None,
            "constant": self.mean_to_go.expand(chain.actions.shape),
            "critic": self.learnt(obs, chain),
        }
        if to_go is not None:
            baselines["to_go"] = to_go
        estimates = {name: unbiased_gradient(chain, baseline=b) for name, b in baselines.items()}
        return {
            name: flat_gradient(estimate.surrogate.mean(), self.trainer.policy)
            for name, estimate in {"smoothed": smoothed(chain), **estimates}.items()
        }

    def learnt(self, obs: Observation, chain: Chain) -> Tensor:
        """The critic's baseline, ``(N, d)``."""
        critic = self.trainer.critic
        assert critic is not None  # the preset has it
        return critic.provide(self.trainer.policy, obs, chain)

    def errors(self, obs: Observation, actions: Tensor, to_go: Tensor) -> list[Row]:
        """The baselines' root mean squared errors, over states, draws and j < d.

        Args:
            obs: ``(N, …)``.
            actions: ``(K, N, d)``.
            to_go: ``(K, N, d)``.
        """
        policy = self.trainer.policy
        with torch.no_grad():
            learnt = torch.stack(
                [self.learnt(obs, policy.conditionals(obs, path)) for path in actions]
            )
        return [
            as_row("states", name, "error", float((b - to_go)[..., :-1].square().mean().sqrt()))
            for name, b in (("constant", self.mean_to_go), ("critic", learnt))
        ] + [as_row("states", "to_go", "spread", float(to_go[..., :-1].std((0, 1)).mean()))]


def variances(where: str, prefix: str, draws: dict[str, Tensor]) -> list[Row]:
    """The variance of each estimator, and its ratio to that of the smoothed one."""
    found = {name: variance(x) for name, x in draws.items()}
    rows = []
    for name, spread in found.items():
        over = interval(spread / found["smoothed"])
        rows.append(as_row(where, name, f"{prefix}variance", *interval(spread)))
        rows.append(as_row(where, name, f"{prefix}variance_over_smoothed", *over))
    return rows


def exactly_to_go(policy: Any, obs: Observation, actions: Tensor) -> Tensor:
    """The exact baseline along ``actions (K, N, d)``, few trees at once."""
    parts = torch.arange(actions.shape[1]).split(CHUNK)
    return torch.cat(
        [entropy_to_go(policy, rows_of(obs, part), actions[:, part]) for part in parts], 1
    )


def exact_gradient(policy: Any, obs: Observation) -> Tensor:
    """The gradient of the mean exact entropy in the states, few trees at once, ``(P,)``."""
    count = len(policy.start(obs)[0])
    return torch.stack(
        [
            flat_gradient(tree_entropy(policy, rows_of(obs, part)).sum() / count, policy)
            for part in torch.arange(count).split(CHUNK)
        ]
    ).sum(0)


def flat_gradient(scalar: Tensor, policy: Any) -> Tensor:
    """The gradient with respect to all parameters, ``(P,)``; the graph is kept."""
    parts = torch.autograd.grad(scalar, list(policy.parameters()), retain_graph=True)
    return torch.cat([part.flatten() for part in parts])


def as_row(
    where: str,
    estimator: str,
    quantity: str,
    value: float,
    low: float | None = None,
    high: float | None = None,
) -> Row:
    """A row of the table, with an interval if there is one."""
    parts = {"where": where, "estimator": estimator, "quantity": quantity}
    return {**parts, "value": value, "low": low, "high": high}


def _stacked(draws: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """K draws of each estimator, ``(K, P)``."""
    return {name: torch.stack([draw[name] for draw in draws]) for name in draws[0]}
