"""Policies stacked to be trained as one: each does what it does alone."""

import copy

import pytest
import torch
from torch import nn

from entropy_rl.networks import StackedEmbedding, StackedLinear, mlp, of_rows, stack, unstack
from entropy_rl.policies import GaussianPolicy, make_policy, stack_policies, unstack_policies
from entropy_rl.policies.gaussian import SCHEMES
from entropy_rl.streams import Streams
from enumeration import F64, MASK, box, build, randomise, seeded

R, ROWS = 3, 4
families = pytest.mark.parametrize("name", ["independent", "lstm"])
kinds = pytest.mark.parametrize("kind", ["plain", "masked"])


def replicas(name, kind):
    """Policies of other numbers, and rows of observations that differ."""
    policies = [build(name, kind, seed)[0] for seed in range(R)]
    obs = torch.randn(R * ROWS, 2, generator=seeded(7), dtype=F64)
    if kind == "masked":
        # A row whose last components have no choice is one that a schedule would leave out.
        mask = MASK.expand(R * ROWS, *MASK.shape).clone()
        mask[1::2, 1:] = torch.tensor([True, False, False])
        obs = {"observation": obs, "action_mask": mask}
    return policies, obs


def own(x, r):
    """The rows of replica r."""
    if isinstance(x, dict):
        return {key: value[r * ROWS : (r + 1) * ROWS] for key, value in x.items()}
    return x[r * ROWS : (r + 1) * ROWS]


@families
@kinds
def test_samples_and_gradients_are_those_of_each_alone(name, kind):
    policies, obs = replicas(name, kind)
    together = stack_policies(policies)
    chain = together.sample(obs, Streams([3, 4, 5]))
    (chain.log_prob.sin() + chain.entropies.sum(-1)).sum().backward()
    for r, policy in enumerate(policies):
        alone = policy.sample(own(obs, r), seeded(3 + r))
        assert torch.equal(own(chain.actions, r), alone.actions)
        assert torch.allclose(own(chain.log_probs, r), alone.log_probs, atol=1e-12, rtol=0)
        known = alone.features != 0  # alone, it leaves out what nothing depends on
        difference = own(chain.features, r) - alone.features
        assert (difference * known).abs().max() < 1e-12
        (alone.log_prob.sin() + alone.entropies.sum(-1)).sum().backward()
        for key, parameter in policy.named_parameters():
            mine = together.get_parameter(key).grad[r]
            assert torch.allclose(mine, parameter.grad, atol=1e-12, rtol=0), key


@families
@kinds
def test_forced_chains_are_those_of_each_alone(name, kind):
    """And those of another replica are not: the control."""
    policies, obs = replicas(name, kind)
    together = stack_policies(policies)
    actions = together.sample(obs, Streams([0, 1, 2])).actions
    found = together.conditionals(obs, actions)
    for r in range(R):
        alone, other = (
            policies[k].conditionals(own(obs, r), own(actions, r)) for k in (r, (r + 1) % R)
        )
        mine = own(found.log_prob, r)
        assert torch.allclose(mine, alone.log_prob, atol=1e-12, rtol=0)
        assert (mine - other.log_prob).abs().max() > 0.01


@families
def test_half_precision_is_close_to_each_alone(name):
    policies, obs = replicas(name, "plain")
    half = [copy.deepcopy(p).to(torch.bfloat16) for p in policies]
    actions = torch.randint(3, (R * ROWS, 3), generator=seeded(0))
    found = stack_policies(half).conditionals(obs, actions).log_prob
    for r, policy in enumerate(half):
        alone = policy.conditionals(own(obs, r), own(actions, r)).log_prob
        assert (own(found, r) - alone).abs().max() < 0.1


@families
def test_unstacked_they_are_what_they_were(name):
    policies, obs = replicas(name, "plain")
    together = stack_policies(policies)
    assert together.replicas == R
    for r, (policy, back) in enumerate(zip(policies, unstack_policies(together), strict=True)):
        assert back.replicas == 1
        assert back.config == policy.config
        assert policy.state_dict().keys() == back.state_dict().keys()
        for key, value in policy.state_dict().items():
            assert torch.equal(back.state_dict()[key], value)
        mine = (p.sample(own(obs, r), seeded(0)).log_probs for p in (policy, back))
        assert torch.equal(*mine)
    with torch.no_grad():
        for parameter in back.parameters():
            parameter.fill_(0.0)
    assert all((p != 0).any() for p in together.parameters()), "a copy shares nothing"
    assert all((p != 0).any() for p in policies[-1].parameters())


@pytest.mark.parametrize("variance", SCHEMES)
@pytest.mark.parametrize("batch", [(), (5,)], ids=str)
def test_gaussian_replicas_are_those_of_each_alone(variance, batch):
    """Their draws, their gradients, that of the σ without a layer too, and what is unstacked."""
    options = {"hidden_size": 4, "variance": variance, "bounded_mean": True}
    policies = [
        randomise(make_policy("gaussian", box(2), box(3), **options).double(), seed)
        for seed in range(R)
    ]
    obs = torch.randn(R * ROWS, *batch, 2, generator=seeded(7), dtype=F64)
    together = stack_policies(policies)
    chain = together.sample(obs, Streams([3, 4, 5]))
    (chain.log_prob.sin() + chain.entropies.sum(-1)).sum().backward()
    forced = together.conditionals(obs, chain.actions)
    for r, (policy, back) in enumerate(zip(policies, unstack_policies(together), strict=True)):
        alone = policy.sample(own(obs, r), seeded(3 + r))
        assert torch.allclose(own(chain.actions, r), alone.actions, atol=1e-12, rtol=0)
        assert torch.allclose(own(forced.log_prob, r), alone.log_prob, atol=1e-11, rtol=0)
        (alone.log_prob.sin() + alone.entropies.sum(-1)).sum().backward()
        assert policy.state_dict().keys() == back.state_dict().keys()
        for key, parameter in policy.named_parameters():
            mine = together.get_parameter(key).grad[r]
            assert torch.allclose(mine, parameter.grad, atol=1e-10, rtol=0), key
            assert torch.equal(back.get_parameter(key), parameter)
    with torch.no_grad():
        for parameter in back.parameters():
            parameter.fill_(0.0)
    assert all((p != 0).any() for p in together.parameters()), "a copy shares nothing"


def test_a_parameter_of_a_stack_is_read_by_the_rows_of_its_replica():
    like = torch.zeros(4, 3, 2)
    alone, both = torch.tensor([1.0, 2.0]), torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert torch.equal(of_rows(alone, like), alone.expand(4, 3, 2))
    found = of_rows(both, like)
    assert torch.equal(found[:2], both[0].expand(2, 3, 2))
    assert torch.equal(found[2:], both[1].expand(2, 3, 2))


def test_rows_that_are_no_equal_parts_are_refused():
    policies, obs = replicas("independent", "plain")
    with pytest.raises(ValueError, match="rows: expected as many for each of 3 replicas, got 11"):
        stack_policies(policies).conditionals(obs[:11], torch.zeros(11, 3, dtype=torch.int64))


@pytest.mark.parametrize("name", ["table", "mmdp", "commnet"])
def test_families_that_cannot_be_stacked_are_refused(name):
    with pytest.raises(ValueError, match="policies: expected those of a family that can be"):
        stack_policies([build(name)[0]])


def test_policies_that_differ_are_refused():
    spaces = box(2), build("lstm")[0].action_space
    small, large = (make_policy("lstm", *spaces, hidden_size=n) for n in (4, 5))
    with pytest.raises(ValueError, match="policies: expected policies that were made alike"):
        stack_policies([small, large])
    for options in ({"variance": "product"}, {"activation": "relu"}, {"clipped_actions": True}):
        both = [GaussianPolicy(box(2), box(1), variance="global")]
        both.append(GaussianPolicy(box(2), box(1), **{"variance": "global", **options}))
        with pytest.raises(ValueError, match="modules: expected modules of one class, shape and"):
            stack_policies(both)
    with pytest.raises(ValueError, match="policies: expected"):
        stack_policies([])


def test_stacked_layers_are_their_layers():
    x = torch.randn(6, 2, 4, generator=seeded(0), dtype=F64)
    index = torch.randint(5, (6, 3), generator=seeded(1))
    linear = [randomise(nn.Linear(4, 3), k) for k in range(2)]
    bare = [randomise(nn.Linear(4, 3, bias=False), k) for k in range(2)]
    tables = [randomise(nn.Embedding(5, 3), k) for k in range(2)]
    for layers, given in ((linear, x), (bare, x), (tables, index)):
        together = stack([nn.Sequential(layer) for layer in layers])
        assert isinstance(together[0], (StackedLinear, StackedEmbedding))
        expected = torch.cat([layers[0](given[:3]), layers[1](given[3:])])
        assert torch.allclose(together(given), expected, atol=1e-12, rtol=0)
        for layer, back in zip(layers, unstack(together), strict=True):
            assert torch.equal(back(given), nn.Sequential(layer)(given))


def test_modules_that_cannot_be_stacked_are_refused():
    with pytest.raises(ValueError, match="modules: expected modules of one class, shape and"):
        stack([mlp([2, 3]), mlp([2, 4])])
    with pytest.raises(ValueError, match="modules: expected parameters in Linear, Embedding or"):
        stack([nn.Sequential(nn.LayerNorm(3))])
