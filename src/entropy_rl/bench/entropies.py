"""What estimators cost, and what the exact entropy costs by leaves and by prefixes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from entropy_rl.algorithms import preset, train
from entropy_rl.bench.timing import interleave
from entropy_rl.estimators import ESTIMATORS
from entropy_rl.policies import make_policy
from entropy_rl.stepwise import tree_entropy

SAMPLED = tuple(name for name in ESTIMATORS if name != "exact")
MOVES, WIDTH = 9, 30


def estimator_costs(rounds: int, episodes: int = 64) -> dict[str, np.ndarray]:
    """CPU-seconds a step of training with each estimator, on the same episodes.

    In a round every estimator starts from the same parameters and the same seed, so that all play
    the same episodes before their one update.

    Args:
        rounds: see :func:`~entropy_rl.bench.timing.interleave`.
        episodes: of the batch.
    """

    def task(name: str) -> Callable[[], float]:
        chosen = preset("hunters").but(
            entropy=name, episodes=episodes, batch=episodes, minibatches=1
        )

        def run() -> float:
            env, policy = chosen.make(0)
            return train(env, policy, chosen.config, 0).steps

        return run

    return interleave({name: task(name) for name in SAMPLED}, rounds)


def exact_costs(d: int, rounds: int) -> dict[str, np.ndarray]:
    """CPU-seconds a state of the exact entropy and its gradient, of an LSTM-128 with nine moves.

    Args:
        d: components, every action legal.
        rounds: see :func:`~entropy_rl.bench.timing.interleave`.

    Returns:
        "leaves": all 9ᵈ joint actions; "prefixes": the tree, level by level.
    """
    torch.manual_seed(0)
    box = spaces.Box(-1, 1, (WIDTH,))
    policy = make_policy("lstm", box, spaces.MultiDiscrete([MOVES] * d), hidden_size=128)
    states = max(4, 2_000 // MOVES ** (d - 1))
    obs = torch.randn(states, WIDTH)
    actions = torch.cartesian_prod(*[torch.arange(MOVES)] * d).view(-1, d)

    def differentiate(entropy: Tensor) -> float:
        policy.zero_grad()
        entropy.mean().backward()
        return states

    def leaves() -> Tensor:
        every, joint = obs.repeat_interleave(len(actions), 0), actions.repeat(states, 1)
        log_prob = policy.conditionals(every, joint).log_prob.view(states, -1)
        return -(log_prob.exp() * log_prob).sum(1)

    if not torch.allclose(leaves(), tree_entropy(policy, obs), atol=1e-3):
        raise ArithmeticError("the two ways do not agree: nothing to compare")
    return interleave(
        {
            "leaves": lambda: differentiate(leaves()),
            "prefixes": lambda: differentiate(tree_entropy(policy, obs)),
        },
        rounds,
    )
