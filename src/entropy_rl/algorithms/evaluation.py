"""Playing a trained policy to see how good it is."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from entropy_rl import _validate
from entropy_rl.conditionals import Conditionals
from entropy_rl.envs._core import Core
from entropy_rl.stepwise import Observation, beam_search


@dataclass(frozen=True)
class Evaluation:
    """How a policy did over some episodes.

    Attributes:
        episodes: how many were played.
        length: mean length; an unfinished episode counts as the cap.
        length_interval: 95 % interval of it (normal, over episodes).
        median_length: the median, which a single stuck episode does not move.
        reward: mean score of the environment (discounted as the environment's options say).
        reward_interval: 95 % interval of it.
        unfinished: share of the episodes that reached the cap.
    """

    episodes: int
    length: float
    length_interval: tuple[float, float]
    median_length: float
    reward: float
    reward_interval: tuple[float, float]
    unfinished: float

    def asdict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def evaluate(
    env: Core[Any],
    policy: Any,
    episodes: int = 2_000,
    seed: int = 0,
    greedy: bool = False,
    cap: int = 10_000,
) -> Evaluation:
    """Play ``episodes`` episodes with actions sampled from the policy (or greedy ones).

    All episodes run in one batch, from which those that have ended are dropped, so that a policy
    that gets stuck costs little.

    Args:
        env: the batched core of an environment.
        policy: a policy for its spaces.
        episodes: how many, ≥ 1.
        seed: of the starts and the draws.
        greedy: the most likely component at each step instead of a sampled one.
        cap: steps after which an episode counts as unfinished, ≥ 1.

    Raises:
        ValueError: a size below 1.
    """
    _validate.positive_integer("episodes", episodes)
    _validate.positive_integer("cap", cap)
    generator = torch.Generator().manual_seed(seed)

    def act(obs: Observation) -> Tensor:
        if greedy:
            return beam_search(policy, obs)
        chain: Conditionals = policy.sample(obs, generator)
        return chain.actions

    state = env.reset(episodes, generator=generator)
    lengths = torch.full((episodes,), float(cap), dtype=torch.float64)
    scores = torch.zeros(episodes, dtype=torch.float64)
    finished = torch.zeros(episodes, dtype=torch.bool)
    alive = torch.arange(episodes)
    with torch.no_grad():
        for _ in range(cap):
            state, outcome = env.step(state, act(env.observe(state)))
            info = env.info(state)
            scores[alive] = info["score"].double()
            over = outcome.terminated
            lengths[alive[over]] = info["length"][over].double()
            finished[alive[over]] = True
            running = ~(over | outcome.truncated)
            if not running.all():
                state, alive = state[running], alive[running]
                if not len(alive):
                    break
    return Evaluation(
        episodes=episodes,
        length=lengths.mean().item(),
        length_interval=_interval(lengths),
        median_length=lengths.median().item(),
        reward=scores.mean().item(),
        reward_interval=_interval(scores),
        unfinished=1 - finished.double().mean().item(),
    )


def _interval(x: Tensor) -> tuple[float, float]:
    half = 1.96 * x.std(correction=0).item() / len(x) ** 0.5
    return x.mean().item() - half, x.mean().item() + half
