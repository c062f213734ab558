"""KL of two joint policies: by enumeration, by exact quadrature, and against torch's own."""

import pytest
import torch
from torch.distributions import Categorical, MultivariateNormal, Normal
from torch.distributions import kl_divergence as torch_kl

from entropy_rl.conditionals import Conditionals, GaussianConditionals, prefix_log_weights
from entropy_rl.estimators import kl_divergence
from entropy_rl.policies import GaussianPolicy
from enumeration import (
    F64,
    SEQUENTIAL,
    SIZES,
    box,
    build,
    enumerate_paths,
    gradient,
    mean_gradient,
    randomise,
    relative,
    seeded,
    stack,
)

TOLERANCE = 1e-10
WRONG = 1e-3
families = pytest.mark.parametrize("name", SEQUENTIAL)
kinds = pytest.mark.parametrize("kind", list(SIZES))


def pair(name, kind="plain"):
    """Two policies, their chains along every joint action of the first, and its probabilities."""
    p_policy, obs = build(name, kind)
    q_policy, _ = build(name, kind, seed=1)
    p, probabilities = enumerate_paths(p_policy, obs)
    q = q_policy.conditionals(stack(obs, len(probabilities)), p.actions)
    true = (p.log_prob.exp() * (p.log_prob - q.log_prob)).sum()
    return p_policy, q_policy, p, q, probabilities, true


@kinds
@families
def test_value_and_both_gradients_are_unbiased(name, kind):
    p_policy, q_policy, p, q, probabilities, true = pair(name, kind)
    estimate = kl_divergence(p, q)
    assert true > WRONG
    assert abs(probabilities @ estimate.value - true) < TOLERANCE
    assert torch.equal(estimate.surrogate.detach(), estimate.value)
    assert not estimate.value.requires_grad
    for policy in (p_policy, q_policy):
        found = mean_gradient(probabilities, estimate.surrogate, policy)
        assert (found - gradient(true, policy)).norm() < TOLERANCE


@families
def test_without_the_correction_the_gradient_of_p_is_biased(name):
    p_policy, _, p, q, probabilities, true = pair(name)
    pathwise = (p.log_probs.exp() * (p.log_probs - q.log_probs)).sum((-1, -2))
    found = mean_gradient(probabilities, pathwise, p_policy)
    assert relative(found, gradient(true, p_policy)) > WRONG


@families
def test_mismatched_prefixes_give_another_number(name):
    _, q_policy, p, _, probabilities, true = pair(name)
    obs = stack(build(name)[1], len(probabilities))
    elsewhere = q_policy.conditionals(obs, p.actions.roll(1, 0))
    pathwise = (p.log_probs.exp() * (p.log_probs - elsewhere.log_probs)).sum((-1, -2))
    assert abs(probabilities @ pathwise.detach() - true) > WRONG
    with pytest.raises(ValueError, match="q: expected the actions that p was forced on"):
        kl_divergence(p, elsewhere)


@families
def test_weights_repair_it_on_actions_of_an_older_policy(name):
    p_policy, q_policy, p, _, _, true = pair(name)
    old_policy, obs = build(name, seed=2)
    old, p_old = enumerate_paths(old_policy, obs)
    many = stack(obs, len(p_old))
    p, q = p_policy.conditionals(many, old.actions), q_policy.conditionals(many, old.actions)
    weights = prefix_log_weights(p, old.component_log_probs)
    estimate = kl_divergence(p, q, log_weights=weights)
    assert abs(p_old @ estimate.value - true) < TOLERANCE
    assert abs(p_old @ kl_divergence(p, q).value - true) > WRONG
    for policy in (p_policy, q_policy):
        found = mean_gradient(p_old, estimate.surrogate, policy)
        assert (found - gradient(true, policy)).norm() < TOLERANCE


@kinds
def test_of_a_policy_with_itself_is_zero(kind):
    policy, obs = build("lstm", kind)
    chain, _ = enumerate_paths(policy, obs)
    estimate = kl_divergence(chain, chain)
    assert not estimate.value.any()
    # A minimum: its gradient vanishes along every path.
    assert gradient(estimate.surrogate.sum(), policy).norm() < TOLERANCE


def test_components_are_torchs_categorical_kl():
    _, _, p, q, _, _ = pair("lstm")
    one = torch_kl(Categorical(logits=p.log_probs), Categorical(logits=q.log_probs)).sum(-1)
    assert torch.allclose(kl_divergence(p, q).value, one, atol=1e-12, rtol=0)


def test_components_are_torchs_normal_kl():
    means, log_stds, other_means, other_log_stds, actions = torch.randn(
        5, 4, 3, generator=seeded(0), dtype=F64
    )
    p = GaussianConditionals(means, log_stds, actions)
    q = GaussianConditionals(other_means, other_log_stds, actions)
    each = torch_kl(Normal(means, log_stds.exp()), Normal(other_means, other_log_stds.exp()))
    assert torch.allclose(kl_divergence(p, q).value, each.sum(-1), atol=1e-12, rtol=1e-12)


def quadrature(policy, obs):
    """Actions and weights with Σ w f(a) = E[f(A)] for every f of degree ≤ 5 in each component."""
    mean, log_std, lower = policy.parameters_of(obs)
    nodes = torch.tensor([-(3**0.5), 0.0, 3**0.5], dtype=F64)
    weights = torch.tensor([1 / 6, 2 / 3, 1 / 6], dtype=F64)
    noise = torch.cartesian_prod(*[nodes] * policy.d)
    weight = torch.cartesian_prod(*[weights] * policy.d).prod(-1)
    scaled = torch.linalg.inv(torch.eye(policy.d, dtype=F64) - lower) @ log_std.exp().diag()
    return (mean + noise @ scaled.mT).detach(), weight


def test_gaussian_joint_kl_and_gradients_by_exact_quadrature():
    """The components' KLs are quadratic in the prefix, so three Gauss–Hermite nodes are exact."""
    obs = torch.tensor([0.3, -0.7], dtype=F64)
    p_policy, q_policy = (
        randomise(GaussianPolicy(box(2), box(3), hidden_size=4), seed, 0.4) for seed in (0, 1)
    )
    actions, weights = quadrature(p_policy, obs)
    many = stack(obs, len(weights))
    estimate = kl_divergence(
        p_policy.conditionals(many, actions), q_policy.conditionals(many, actions)
    )

    def normal(policy):
        return MultivariateNormal(policy.parameters_of(obs)[0], policy.covariance(obs))

    true = torch_kl(normal(p_policy), normal(q_policy))
    assert abs(weights @ estimate.value - true) < TOLERANCE
    for policy in (p_policy, q_policy):
        found = mean_gradient(weights, estimate.surrogate, policy)
        assert (found - gradient(true, policy)).norm() < 1e-9 * gradient(true, policy).norm()


def test_zero_probability_of_p_costs_nothing():
    p = torch.tensor([[0.5, 0.5, 0.0]], dtype=F64).log().requires_grad_()
    q = torch.tensor([[0.25, 0.75, 0.0]], dtype=F64).log().requires_grad_()
    actions = torch.tensor([0])
    estimate = kl_divergence(Conditionals(p, actions), Conditionals(q, actions))
    expected = 0.5 * torch.tensor(0.5 / 0.25).log() + 0.5 * torch.tensor(0.5 / 0.75).log()
    assert abs(estimate.value - expected) < 1e-7
    estimate.surrogate.backward()
    assert p.grad.isfinite().all()
    assert q.grad.isfinite().all()
    assert p.grad[0, 2] == 0
    assert q.grad[0, 2] == 0
