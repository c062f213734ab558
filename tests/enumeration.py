"""What the exact tests share: small policies, and every joint action of one state."""

import itertools

import torch
from gymnasium import spaces
from hypothesis import strategies as st
from torch import nn

from entropy_rl.policies import make_policy

F64 = torch.float64
CATEGORICAL = ["table", "lstm", "mmdp", "independent", "commnet"]
SEQUENTIAL = ["table", "lstm", "mmdp"]
SIZES = {"plain": [3, 3, 3], "masked": [3, 2, 3]}
MASK = torch.tensor([[True, True, False], [True, True, True], [True, False, True]])


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def box(size):
    return spaces.Box(-1, 1, (size,))


def with_mask(space, d, K):
    return spaces.Dict(observation=space, action_mask=spaces.MultiBinary((d, K)))


def randomise(module, seed, scale=0.8):
    """Parameters large enough for conditionals that differ from prefix to prefix."""
    generator = seeded(seed)
    for parameter in module.parameters():
        parameter.data = scale * torch.randn(parameter.shape, generator=generator, dtype=F64)
    return module.double()


def build(name, kind="plain", seed=0, sizes=None):
    """A float64 policy of three components, and one observation without batch axes."""
    sizes = sizes or SIZES[kind]
    space = spaces.Discrete(2) if name == "table" else box(2)
    if kind == "masked":
        space = with_mask(space, len(sizes), max(sizes))
    options = {} if name == "table" else {"hidden_size": 8}
    policy = make_policy(name, space, spaces.MultiDiscrete(sizes), **options)
    x = torch.tensor(1) if name == "table" else torch.tensor([0.3, -0.7], dtype=F64)
    obs = {"observation": x, "action_mask": MASK} if kind == "masked" else x
    return randomise(policy, seed), obs


def stack(obs, *batch):
    """The same observation at every place of a batch."""
    if isinstance(obs, dict):
        return {key: stack(value, *batch) for key, value in obs.items()}
    return obs.expand((*batch, *obs.shape))


def joint_actions(policy, obs):
    """Every legal joint action, by the obvious product: ``(M, d)``."""
    sizes = policy.action_space.nvec.tolist()
    values = [range(n) for n in sizes]
    if isinstance(obs, dict):
        mask = obs["action_mask"]
        values = [[k for k in v if mask[i, k]] for i, v in enumerate(values)]
    return torch.tensor(list(itertools.product(*values)))


def enumerate_paths(policy, obs):
    """The chain along every joint action, differentiable, and p(a), detached: both ``(M, …)``."""
    actions = joint_actions(policy, obs)
    chain = policy.conditionals(stack(obs, len(actions)), actions)
    probabilities = chain.log_prob.detach().exp()
    assert abs(probabilities.sum() - 1) < 1e-12
    return chain, probabilities


def leaf_entropy(chain):
    """-Σₐ p(a) log p(a) over all joint actions: differentiable, by the definition."""
    return -(chain.log_prob.exp() * chain.log_prob).sum()


def gradient(scalar, module: nn.Module):
    """The flat gradient with respect to all parameters; the graph is kept."""
    grads = torch.autograd.grad(
        scalar,
        list(module.parameters()),
        retain_graph=True,
        allow_unused=True,
        materialize_grads=True,
    )
    return torch.cat([g.flatten() for g in grads])


def mean_gradient(probabilities, surrogate, module):
    """Σₐ p(a) ∇surrogate(a): the mean of the estimator's gradient."""
    return gradient((probabilities * surrogate).sum(), module)


def covariance_trace(probabilities, surrogate, module):
    """Σₐ p(a) ‖∇surrogate(a) - mean‖²: the trace of the covariance of the gradient."""
    each = torch.stack([gradient(s, module) for s in surrogate])
    mean = probabilities @ each
    return probabilities @ (each - mean).square().sum(-1)


def relative(found, true):
    """‖found - true‖ / ‖true‖."""
    return ((found - true).norm() / true.norm()).item()


def prefix_function(actions, K, seed):
    """An arbitrary bⱼ(a_<j): a table of random numbers indexed by the prefix, ``(M, d)``."""
    columns = []
    for j in range(actions.shape[-1]):
        table = torch.randn(K**j, generator=seeded(seed + j), dtype=F64)
        number = sum((actions[..., k] * K**k for k in range(j)), torch.zeros_like(actions[..., 0]))
        columns.append(table[number])
    return torch.stack(columns, -1)


@st.composite
def tables(draw, states=1):
    """A random table policy of any small sizes, uneven ones included."""
    sizes = draw(st.lists(st.integers(1, 3), min_size=1, max_size=4))
    policy = make_policy("table", spaces.Discrete(states), spaces.MultiDiscrete(sizes))
    return randomise(policy, draw(st.integers(0, 2**31)), 2.0)
