"""The squashed Gaussian against torch's transformed distribution, and its edges."""

import numpy as np
import pytest
import torch
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.distributions import AffineTransform, Normal, TanhTransform, TransformedDistribution

from entropy_rl.policies import SquashedGaussianPolicy
from enumeration import F64, box, randomise, seeded
from refusals import assert_refused

BOX = spaces.Box(np.array([-1.0, 0.0, -4.0], np.float32), np.array([3.0, 0.5, 4.0], np.float32))


def squashed():
    policy = randomise(SquashedGaussianPolicy(box(2), BOX, hidden_size=4), 0, 0.5)
    return policy, torch.randn(6, 2, generator=seeded(1), dtype=F64)


def transformed(policy, obs):
    mean, log_std = policy.parameters_of(obs)
    centre, half = (torch.tensor(x, dtype=F64) for x in (policy.centres, policy.half_ranges))
    return TransformedDistribution(
        Normal(mean, log_std.exp()), [TanhTransform(), AffineTransform(centre, half)]
    )


def test_log_prob_and_its_gradient_are_those_of_the_transformed_distribution():
    policy, obs = squashed()
    actions = policy.sample(obs, seeded(2)).actions
    parameters = list(policy.parameters())
    ours = policy.conditionals(obs, actions).log_prob
    theirs = transformed(policy, obs).log_prob(actions).sum(-1)
    assert torch.allclose(ours, theirs, atol=1e-9, rtol=1e-9)
    for x, y in zip(
        torch.autograd.grad(ours.sum(), parameters),
        torch.autograd.grad(theirs.sum(), parameters),
        strict=True,
    ):
        assert torch.allclose(x, y, atol=1e-8, rtol=1e-8)


def test_a_sample_is_within_the_bounds_and_has_the_log_prob_of_its_actions():
    policy, obs = squashed()
    chain = policy.sample(obs, seeded(2))
    assert all(BOX.contains(a.numpy().astype(np.float32)) for a in chain.actions)
    again = policy.conditionals(obs, chain.actions)
    assert torch.allclose(again.log_prob, chain.log_prob, atol=1e-9, rtol=1e-9)
    assert not chain.actions.requires_grad


def test_rsample_is_sample_with_a_graph():
    """d log π / d parameters through the action: against a difference of the same draw."""
    policy, obs = squashed()
    drawn, graph = policy.sample(obs, seeded(2)), policy.rsample(obs, seeded(2))
    assert torch.equal(drawn.actions, graph.actions.detach())
    bias = policy.head.bias

    def value():
        chain = policy.rsample(obs, seeded(2))
        return (chain.actions.square().sum(-1) + chain.log_prob).sum()

    (gradient,) = torch.autograd.grad(value(), bias)
    for i in range(len(bias)):
        ends = []
        for step in (1e-5, -1e-5):
            with torch.no_grad():
                bias[i] += step
                ends.append(value())
                bias[i] -= step
        assert abs((ends[0] - ends[1]) / 2e-5 - gradient[i]) < 1e-6


def test_the_mode_is_the_median_of_each_component():
    policy, obs = squashed()
    middle = policy.mode(obs)
    below = transformed(policy, obs).cdf(middle)
    assert torch.allclose(below, torch.full_like(below, 0.5), atol=1e-9)


def test_an_action_at_a_bound_is_read_and_one_beyond_is_refused():
    policy, obs = squashed()
    high = torch.tensor(BOX.high, dtype=F64).expand(6, 3)
    assert policy.conditionals(obs, high).log_prob.isfinite().all()
    assert_refused(
        lambda: policy.conditionals(obs, high + 1e-3), "actions", "within the bounds", "some from"
    )


@given(st.floats(-5, 5, width=32), st.floats(2**-10, 5, width=32), st.sampled_from([-20.0, 20.0]))
@settings(deadline=None, max_examples=60)
def test_in_single_precision_too_actions_are_within_any_bounds_and_can_be_read(low, width, bias):
    low = np.float32(low)
    space = spaces.Box(low, low + np.float32(width), (1,), np.float32)
    policy = SquashedGaussianPolicy(box(2), space, hidden_size=4)
    with torch.no_grad():
        policy.head.bias[0] = bias
    obs = torch.zeros(3, 2)
    chain = policy.sample(obs, seeded(0))
    assert all(space.contains(a.numpy()) for a in chain.actions)
    ends = [torch.from_numpy(x).expand(3, 1) for x in (space.low, space.high)]
    for actions in (chain.actions, *ends):
        assert policy.conditionals(obs, actions).log_prob.isfinite().all()


def test_log_std_is_kept_within_its_range():
    policy, obs = squashed()
    with torch.no_grad():
        policy.head.bias[3:] = 50.0
    assert (policy.parameters_of(obs)[1] == 2.0).all()
    assert policy.sample(obs, seeded(0)).log_prob.isfinite().all()


@pytest.mark.parametrize(
    ("space", "words"),
    [
        (spaces.Box(-np.inf, np.inf, (2,)), "finite bounds"),
        (spaces.Box(1.0, 1.0, (2,)), "low < high"),
        (spaces.Discrete(3), "a Box of one axis"),
    ],
)
def test_spaces_without_a_range_are_refused(space, words):
    assert_refused(lambda: SquashedGaussianPolicy(box(2), space), "action_space", words, str(space))


@pytest.mark.parametrize("name", ["hidden_size", "layers"])
def test_sizes_are_refused(name):
    assert_refused(
        lambda: SquashedGaussianPolicy(box(2), BOX, **{name: 0}), name, "integer ≥ 1", "0"
    )


def test_observations_of_another_size_are_refused():
    policy, _ = squashed()
    assert_refused(lambda: policy.sample(torch.zeros(1, 3)), "obs", "shape (*batch, 2)", "(1, 3)")
