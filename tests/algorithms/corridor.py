"""What the loop's tests share: a game without chance, some policies, one-state enumerations."""

from dataclasses import dataclass

import torch
from gymnasium import spaces

from entropy_rl.algorithms import OnPolicyConfig
from entropy_rl.envs import Batch, Outcome, TeamBandit
from entropy_rl.policies import make_policy

GOAL = 6
BANDIT = TeamBandit(agents=2, arms=3, bonus=0.0)
QUICK = OnPolicyConfig(
    episodes=256, batch=64, minibatches=1, cap=1, baseline="running", learning_rate=0.02
)


@dataclass(frozen=True)
class Place(Batch):
    """Where each walker is, int64 ``(N,)``."""

    place: torch.Tensor


@dataclass(frozen=True)
class Corridor:
    """Walk to ``GOAL``: component 0 is the number of steps forward, component 1 earns half its
    own number, and every step a tenth of the place it began at. Episode n starts at n mod 5. With
    ``stops`` an episode that comes to place 3 is truncated there.
    """

    discrete: bool = False
    stops: bool = False

    action_space = spaces.MultiDiscrete([3, 3])

    @property
    def observation_space(self):
        return spaces.Discrete(GOAL + 2) if self.discrete else spaces.Box(0.0, 2.0, (2,))

    def reset(self, num, *, generator=None, device="cpu"):
        return Place(torch.arange(num, device=device) % 5)

    def step(self, state, actions):
        after = state.place + actions[:, 0]
        reward = 0.5 * actions[:, 1] + 0.1 * state.place
        ended = after >= GOAL
        return Place(after), Outcome(reward.float(), ended, (after == 3) & self.stops)

    def observe(self, state):
        return state.place if self.discrete else see(state.place)

    def info(self, state):
        return {}


def see(place):
    """What a walker sees, float32 ``(N, 2)``."""
    return torch.stack([place / GOAL, torch.ones_like(place / GOAL)], -1)


def policy_for(env, seed=0, family="lstm", **options):
    torch.manual_seed(seed)
    if family != "table":
        options.setdefault("hidden_size", 8)
    return make_policy(family, env.observation_space, env.action_space, **options)


def flat_gradient(scalar, policy):
    parts = torch.autograd.grad(
        scalar, list(policy.parameters()), retain_graph=True, materialize_grads=True
    )
    return torch.cat([p.flatten() for p in parts])


def move(policy, seed):
    """Another policy nearby: what a first update leaves behind."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in policy.parameters():
            p += 0.3 * torch.randn(p.shape, generator=generator, dtype=p.dtype)
