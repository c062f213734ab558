"""Replicas of a policy stacked by ``torch.func.vmap``: the loop's numbers, gradients included."""

import pytest
import torch
from torch.func import functional_call, grad, stack_module_state, vmap

from entropy_rl.estimators import crude, smoothed, unbiased_gradient
from entropy_rl.policies import GaussianPolicy
from enumeration import F64, MASK, box, build, randomise, seeded

ESTIMATORS = {"crude": crude, "smoothed": smoothed, "unbiased_gradient": unbiased_gradient}
families = pytest.mark.parametrize("name", ["independent", "mmdp", "commnet"])
kinds = pytest.mark.parametrize("kind", ["plain", "masked"])


class Forward(torch.nn.Module):
    """``forward`` as ``functional_call`` wants it: what ``read`` makes of the chain."""

    def __init__(self, policy, read):
        super().__init__()
        self.policy, self.read = policy, read

    def forward(self, obs, actions):
        return self.read(self.policy._conditionals(obs, actions))


def replicas(name, kind, count=3, rows=5):
    """Policies of other numbers, each with rows of observations and legal actions of its own."""
    policies = [build(name, kind, seed)[0] for seed in range(count)]
    obs = torch.randn(count, rows, 2, generator=seeded(7), dtype=F64)
    if kind == "masked":
        obs = {"observation": obs, "action_mask": MASK.expand(count, rows, *MASK.shape)}
    drawn = [p.sample(one(obs, k), seeded(k)).actions for k, p in enumerate(policies)]
    return policies, obs, torch.stack(drawn)


def one(obs, k):
    return {key: x[k] for key, x in obs.items()} if isinstance(obs, dict) else obs[k]


def stacked(policies, read):
    """The function of (parameters, buffers, obs, actions) of one replica, and all their numbers."""
    modules = [Forward(policy, read) for policy in policies]
    parameters, buffers = stack_module_state(modules)

    def call(parameters, buffers, obs, actions):
        return functional_call(modules[0], (parameters, buffers), (obs, actions))

    return call, parameters, buffers


def everything(chain):
    return chain.log_probs, chain.actions, chain.features, chain.log_prob, chain.entropies


@families
@kinds
def test_stacked_chains_are_the_loops(name, kind):
    policies, obs, actions = replicas(name, kind)
    call, parameters, buffers = stacked(policies, everything)
    found = vmap(call)(parameters, buffers, obs, actions)
    for k, policy in enumerate(policies):
        expected = everything(policy.conditionals(one(obs, k), actions[k]))
        for x, y in zip(found, expected, strict=True):
            assert torch.allclose(x[k], y, atol=1e-12, rtol=0)


@pytest.mark.parametrize("estimator", ESTIMATORS)
@families
@kinds
def test_stacked_gradients_are_the_loops(name, kind, estimator):
    policies, obs, actions = replicas(name, kind)
    estimate = ESTIMATORS[estimator]
    call, parameters, buffers = stacked(policies, lambda chain: estimate(chain).surrogate.sum())
    found = vmap(grad(call))(parameters, buffers, obs, actions)
    for k, policy in enumerate(policies):
        estimate(policy.conditionals(one(obs, k), actions[k])).surrogate.sum().backward()
        for key, parameter in policy.named_parameters():
            each = found[f"policy.{key}"][k]
            assert torch.allclose(each, parameter.grad, atol=1e-12, rtol=0), key


@families
@kinds
def test_the_unchecked_chain_is_the_checked_one(name, kind):
    policies, obs, actions = replicas(name, kind, count=1)
    checked = everything(policies[0].conditionals(one(obs, 0), actions[0]))
    unchecked = everything(policies[0]._conditionals(one(obs, 0), actions[0]))
    assert all(torch.equal(x, y) for x, y in zip(unchecked, checked, strict=True))


def test_stacked_gaussian_chains_are_the_loops():
    """They look at no values, so that the public method serves."""
    policies = [randomise(GaussianPolicy(box(2), box(3), hidden_size=4), k) for k in range(3)]
    obs, actions = (torch.randn(3, 5, n, generator=seeded(n), dtype=F64) for n in (2, 3))
    parameters, buffers = stack_module_state([Public(policy) for policy in policies])

    def call(parameters, buffers, obs, actions):
        return functional_call(Public(policies[0]), (parameters, buffers), (obs, actions))

    found = vmap(call)(parameters, buffers, obs, actions)
    for k, policy in enumerate(policies):
        expected = policy.conditionals(obs[k], actions[k]).component_log_probs
        assert torch.allclose(found[k], expected, atol=1e-10, rtol=1e-12)


class Public(torch.nn.Module):
    def __init__(self, policy):
        super().__init__()
        self.policy = policy

    def forward(self, obs, actions):
        return self.policy.conditionals(obs, actions).component_log_probs
