"""Small random policies for the checks, drawn without touching torch's global generator."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from entropy_rl.policies import make_policy
from entropy_rl.policies.table import TablePolicy

F64 = torch.float64
AUTOREGRESSIVE = ("lstm", "mmdp", "table")
INDEPENDENT = ("independent", "commnet")
SEEDS = (0, 1, 2)
STATE = torch.tensor([0])  # the observation of a one-state table

_FEATURES = 2
_OPTIONS: dict[str, dict[str, Any]] = {
    "lstm": {"hidden_size": 4},
    "mmdp": {"hidden_size": 6, "layers": 2},
    "independent": {"hidden_size": 4},
    "commnet": {"hidden_size": 4},
    "gaussian": {"hidden_size": 4},
    "table": {},
}


@dataclass(frozen=True)
class Instance:
    """A policy, a second one of the same family (an older one, say), and one state.

    Attributes:
        policy: the policy in question, float64.
        other: another policy of the same shape.
        obs: the observation of a single state, with a batch axis of length 1.
    """

    policy: Any
    other: Any
    obs: Tensor


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Inside, torch's global CPU generator starts from ``seed``; outside, nothing has changed."""
    with torch.random.fork_rng(devices=[]):
        # torch.manual_seed would also reseed the accelerators, which fork_rng(devices=[]) leaves.
        torch.default_generator.manual_seed(seed)
        yield


def instance(family: str, seed: int, sizes: tuple[int, ...] = (3, 3, 3)) -> Instance:
    """A random instance: every parameter standard normal, so that no policy is near uniform.

    Gaussian policies have parameters a third of that, or log σ would range over many units and Σ
    would be ill-conditioned.

    Args:
        family: a name of :data:`entropy_rl.policies.POLICIES`.
        seed: the same seed gives the same instance.
        sizes: the number of values of each component (only their number for ``"gaussian"``).
    """
    observation_space: spaces.Space[Any] = (
        spaces.Discrete(1)
        if family == "table"
        else spaces.Box(-np.inf, np.inf, (_FEATURES,), np.float64)
    )
    action_space: spaces.Space[Any] = (
        spaces.Box(-np.inf, np.inf, (len(sizes),), np.float64)
        if family == "gaussian"
        else spaces.MultiDiscrete(list(sizes))
    )
    with seeded(seed):
        pair = []
        for _ in range(2):
            policy = make_policy(family, observation_space, action_space, **_OPTIONS[family])
            policy.double()
            with torch.no_grad():
                for parameter in policy.parameters():
                    parameter.normal_(std=1 / 3 if family == "gaussian" else 1.0)
            pair.append(policy)
        obs = STATE if family == "table" else torch.randn(1, _FEATURES, dtype=F64)
    return Instance(pair[0], pair[1], obs)


def instances(
    families: tuple[str, ...] = AUTOREGRESSIVE, sizes: tuple[int, ...] = (3, 3, 3)
) -> list[Instance]:
    """One instance a family and seed of :data:`SEEDS`."""
    return [instance(family, seed, sizes) for family in families for seed in SEEDS]


def tables(*rows: list[Any]) -> TablePolicy:
    """The one-state policy with the given conditionals, p(a₁), p(a₂ | a₁), …, as nested lists."""
    with seeded(0):
        return TablePolicy.from_conditionals([torch.tensor(row, dtype=F64) for row in rows])


def random_tables(states: int, K: int, d: int, seed: int, scale: float = 1.0) -> TablePolicy:
    """A table policy with normal logits: ``states`` unrelated joint distributions at once."""
    with seeded(seed):
        return TablePolicy(
            spaces.Discrete(states), spaces.MultiDiscrete([K] * d), scale=scale
        ).double()
