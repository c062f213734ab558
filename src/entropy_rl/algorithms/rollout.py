"""Playing episodes in a batch that shrinks as they end, and laying their rows flat."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from entropy_rl.conditionals import Conditionals
from entropy_rl.envs._core import Core
from entropy_rl.returns import discounted_returns
from entropy_rl.stepwise import Observation

Act = Callable[[Observation], Conditionals]


@dataclass(frozen=True)
class Rollout:
    """Whole episodes, one row a step that was taken: N rows of B episodes over T steps.

    Attributes:
        obs: the observations acted on, ``(N, …)``.
        actions: ``(N, d)``, int64.
        chains: what the policy returned at each step, in order, with its graph if it kept one.
        time: the row's step within its episode, ``(N,)``, from 0.
        episode: the row's episode, ``(N,)``.
        returns: G_t = Σₖ γᵏ r_{t+k}, the local return, ``(N,)``.
        lengths: steps of each episode, ``(B,)``; T where it was cut.
        totals: undiscounted reward of each episode, ``(B,)``.
    """

    obs: Observation
    actions: Tensor
    chains: tuple[Conditionals, ...]
    time: Tensor
    episode: Tensor
    returns: Tensor
    lengths: Tensor
    totals: Tensor

    def __len__(self) -> int:
        return len(self.time)


def play_episodes(
    env: Core[Any],
    act: Act,
    episodes: int,
    cap: int,
    discount: float,
    generator: torch.Generator,
) -> Rollout:
    """Play ``episodes`` episodes at once; those that have ended are dropped from the batch.

    An episode still running after ``cap`` steps is cut, and its return counts nothing beyond.

    Args:
        env: the batched core of an environment.
        act: draws actions: ``policy.sample`` with its generator bound.
        episodes: B.
        cap: the most steps T.
        discount: γ in [0, 1].
        generator: the environment's source of randomness.
    """
    state = env.reset(episodes, generator=generator)
    alive = torch.arange(episodes)
    rewards = torch.zeros(cap, episodes)
    observations: list[Observation] = []
    chains: list[Conditionals] = []
    steps: list[Tensor] = []
    lengths = torch.zeros(episodes, dtype=torch.int64)
    for t in range(cap):
        obs = env.observe(state)
        chain = act(obs)
        state, outcome = env.step(state, chain.actions)
        rewards[t, alive] = outcome.reward
        lengths[alive] += 1
        observations.append(obs)
        chains.append(chain)
        steps.append(alive)
        running = ~(outcome.terminated | outcome.truncated)
        if not running.all():
            state, alive = state[running], alive[running]
            if not len(alive):
                break
    time = torch.cat([torch.full_like(rows, t) for t, rows in enumerate(steps)])
    episode = torch.cat(steps)
    returns = discounted_returns(rewards, torch.full_like(rewards, discount))
    return Rollout(
        obs=_concatenate(observations),
        actions=torch.cat([chain.actions for chain in chains]),
        chains=tuple(chains),
        time=time,
        episode=episode,
        returns=returns[time, episode],
        lengths=lengths,
        totals=rewards.sum(0),
    )


def _concatenate(observations: list[Observation]) -> Observation:
    first = observations[0]
    if isinstance(first, dict):
        return {key: torch.cat([obs[key] for obs in observations]) for key in first}  # type: ignore[index]
    return torch.cat(observations)  # type: ignore[arg-type]


def rows_of(obs: Observation, rows: Tensor) -> Observation:
    """The given rows of an observation."""
    if isinstance(obs, dict):
        return {key: value[rows] for key, value in obs.items()}
    return obs[rows]


def concatenate_chains(chains: tuple[Conditionals, ...]) -> Conditionals:
    """The chains of successive steps as one, its graph kept."""
    return Conditionals(
        torch.cat([chain.log_probs for chain in chains]),
        torch.cat([chain.actions for chain in chains]),
        validate_args=False,
    )


def first_visits(rollout: Rollout) -> Tensor:
    """Which rows are the first visit of their episode to their observation, bool ``(N,)``."""
    obs = rollout.obs["observation"] if isinstance(rollout.obs, dict) else rollout.obs
    keyed = torch.cat([rollout.episode.unsqueeze(-1).to(obs.dtype), obs], -1)
    _, visit = keyed.unique(dim=0, return_inverse=True)
    first = torch.full((int(visit.max()) + 1,), len(rollout)).scatter_reduce(
        0, visit, torch.arange(len(rollout)), "amin"
    )
    return first[visit] == torch.arange(len(rollout))
