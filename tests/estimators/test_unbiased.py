"""What each estimator is unbiased for, by enumerating every joint action (no sampling)."""

import math

import pytest
import torch

from entropy_rl.conditionals import prefix_log_weights
from entropy_rl.estimators import (
    crude,
    crude_gradient,
    entropy_to_go,
    exact,
    none,
    sampled_entropy_to_go,
    smoothed,
    smoothed_mode,
    unbiased_gradient,
)
from enumeration import (
    CATEGORICAL,
    SEQUENTIAL,
    SIZES,
    build,
    covariance_trace,
    enumerate_paths,
    gradient,
    leaf_entropy,
    mean_gradient,
    prefix_function,
    relative,
    seeded,
    stack,
)

PATHWISE = [crude, crude_gradient, smoothed, unbiased_gradient]
UNBIASED_GRADIENT = [crude_gradient, unbiased_gradient]
TOLERANCE = 1e-10
# What a wrong variant must at least be off by: seven orders of magnitude more.
WRONG = 1e-3
families = pytest.mark.parametrize("name", CATEGORICAL)
sequential = pytest.mark.parametrize("name", SEQUENTIAL)
kinds = pytest.mark.parametrize("kind", list(SIZES))


@kinds
@families
@pytest.mark.parametrize("estimator", PATHWISE)
def test_value_is_unbiased(estimator, name, kind):
    chain, p = enumerate_paths(*build(name, kind))
    assert abs(p @ estimator(chain).value - leaf_entropy(chain)) < TOLERANCE


@kinds
@families
@pytest.mark.parametrize("estimator", UNBIASED_GRADIENT)
def test_gradient_is_unbiased(estimator, name, kind):
    policy, obs = build(name, kind)
    chain, p = enumerate_paths(policy, obs)
    true = gradient(leaf_entropy(chain), policy)
    assert true.norm() > WRONG
    found = mean_gradient(p, estimator(chain).surrogate, policy)
    assert (found - true).norm() < TOLERANCE


@kinds
@families
def test_exact_is_exact(name, kind):
    policy, obs = build(name, kind)
    chain, _ = enumerate_paths(policy, obs)
    estimate, true = exact(policy, obs), leaf_entropy(chain)
    assert abs(estimate.value - true) < TOLERANCE
    difference = gradient(estimate.surrogate, policy) - gradient(true, policy)
    assert difference.norm() < TOLERANCE


@kinds
@families
def test_crude_gradient_has_mean_zero(name, kind):
    policy, obs = build(name, kind)
    chain, p = enumerate_paths(policy, obs)
    surrogate = crude(chain).surrogate
    assert mean_gradient(p, surrogate, policy).norm() < TOLERANCE
    assert covariance_trace(p, surrogate, policy) > 0.1, "it is noise, not nothing"


@kinds
@sequential
def test_smoothed_gradient_is_biased_for_sequential_policies(name, kind):
    policy, obs = build(name, kind)
    chain, p = enumerate_paths(policy, obs)
    found = mean_gradient(p, smoothed(chain).surrogate, policy)
    assert relative(found, gradient(leaf_entropy(chain), policy)) > WRONG


@kinds
@pytest.mark.parametrize("name", ["independent", "commnet"])
def test_smoothed_is_exact_for_independent_components(name, kind):
    policy, obs = build(name, kind)
    chain, _ = enumerate_paths(policy, obs)
    estimate, true = smoothed(chain), leaf_entropy(chain)
    assert (estimate.value - true).abs().max() < TOLERANCE, "for every action, not on average"
    found = gradient(estimate.surrogate[0], policy)
    assert (found - gradient(true, policy)).norm() < TOLERANCE


@sequential
def test_smoothed_mode_is_biased(name):
    policy, obs = build(name)
    chain, _ = enumerate_paths(policy, obs)
    estimate, true = smoothed_mode(policy, obs), leaf_entropy(chain)
    assert abs(estimate.value - true) > WRONG
    biased = gradient(estimate.surrogate, policy)
    assert relative(biased, gradient(true, policy)) > WRONG


@families
def test_none_is_nothing(name):
    chain, _ = enumerate_paths(*build(name))
    estimate = none(chain)
    assert estimate.value.shape == chain.log_prob.shape
    assert not estimate.value.any()
    assert not estimate.surrogate.any()
    assert not estimate.surrogate.requires_grad


@kinds
@families
@pytest.mark.parametrize("estimator", [none, *PATHWISE, exact, smoothed_mode])
def test_surrogate_equals_value_bit_for_bit(estimator, name, kind):
    policy, obs = build(name, kind)
    arguments = (policy, obs)
    if estimator not in (exact, smoothed_mode):
        arguments = (enumerate_paths(policy, obs)[0],)
    estimate = estimator(*arguments)
    assert not estimate.value.requires_grad
    assert torch.equal(estimate.surrogate.detach(), estimate.value)


def stale(name, kind="plain"):
    """π along the actions that an older μ may draw, μ's probabilities, and log π/μ by prefixes."""
    policy, obs = build(name, kind)
    behaviour, _ = build(name, kind, seed=1)
    old, p_old = enumerate_paths(behaviour, obs)
    current = policy.conditionals(stack(obs, len(p_old)), old.actions)
    return policy, current, p_old, prefix_log_weights(current, old.component_log_probs)


@kinds
@sequential
@pytest.mark.parametrize("estimator", PATHWISE)
def test_weights_repair_the_value_on_stale_actions(estimator, name, kind):
    _, current, p_old, log_weights = stale(name, kind)
    true = leaf_entropy(current)
    assert abs(p_old @ estimator(current, log_weights=log_weights).value - true) < TOLERANCE
    assert abs(p_old @ estimator(current).value - true) > WRONG, "unrepaired it is biased"


@kinds
@sequential
@pytest.mark.parametrize("estimator", UNBIASED_GRADIENT)
def test_weights_repair_the_gradient_on_stale_actions(estimator, name, kind):
    policy, current, p_old, log_weights = stale(name, kind)
    true = gradient(leaf_entropy(current), policy)
    repaired = estimator(current, log_weights=log_weights).surrogate
    assert (mean_gradient(p_old, repaired, policy) - true).norm() < TOLERANCE
    assert relative(mean_gradient(p_old, estimator(current).surrogate, policy), true) > 0.1


@sequential
def test_weighted_crude_gradient_still_has_mean_zero(name):
    policy, current, p_old, log_weights = stale(name)
    weighted = crude(current, log_weights=log_weights).surrogate
    assert mean_gradient(p_old, weighted, policy).norm() < TOLERANCE
    unweighted = mean_gradient(p_old, crude(current).surrogate, policy)
    assert unweighted.norm() > WRONG, "in later epochs the crude bonus is not inert"


def test_each_term_carries_the_ratio_of_its_own_prefix():
    """Σᵢ exp(wᵢ₋₁) H⁽ⁱ⁾ path by path: exp(wᵢ) has the same mean, but it is noisier."""
    _, current, _, log_weights = stale("table")
    ratios, entropies = log_weights.exp(), current.entropies.detach()
    expected = entropies[:, 0] + ratios[:, 0] * entropies[:, 1] + ratios[:, 1] * entropies[:, 2]
    for estimator in (smoothed, unbiased_gradient):
        value = estimator(current, log_weights=log_weights).value
        assert (value - expected).abs().max() < 1e-12


@kinds
@sequential
@pytest.mark.parametrize("seed", [0, 100])
def test_any_function_of_the_prefix_is_a_baseline(name, kind, seed):
    policy, obs = build(name, kind)
    chain, p = enumerate_paths(policy, obs)
    true = gradient(leaf_entropy(chain), policy)
    baseline = prefix_function(chain.actions, policy.K, seed)
    estimate = unbiased_gradient(chain, baseline=baseline)
    assert torch.equal(estimate.value, unbiased_gradient(chain).value)
    assert (mean_gradient(p, estimate.surrogate, policy) - true).norm() < TOLERANCE
    seen = torch.cat([baseline[:, 1:], baseline[:, :1]], -1)
    biased = unbiased_gradient(chain, baseline=seen).surrogate
    assert relative(mean_gradient(p, biased, policy), true) > WRONG, "bⱼ has seen aⱼ"


@sequential
def test_a_baseline_stays_unbiased_on_stale_actions(name):
    policy, current, p_old, log_weights = stale(name)
    true = gradient(leaf_entropy(current), policy)
    baseline = prefix_function(current.actions, policy.K, 7)
    surrogate = unbiased_gradient(current, baseline=baseline, log_weights=log_weights).surrogate
    assert (mean_gradient(p_old, surrogate, policy) - true).norm() < TOLERANCE


@kinds
@sequential
def test_crude_baseline_is_unbiased_and_cuts_the_variance(name, kind):
    policy, obs = build(name, kind)
    chain, p = enumerate_paths(policy, obs)
    true = leaf_entropy(chain)
    baseline = true.detach().expand(len(p))
    with_baseline = crude_gradient(chain, baseline=baseline).surrogate
    assert (mean_gradient(p, with_baseline, policy) - gradient(true, policy)).norm() < TOLERANCE
    plain = covariance_trace(p, crude_gradient(chain).surrogate, policy)
    assert covariance_trace(p, with_baseline, policy) < 0.8 * plain


@sequential
def test_crude_baseline_stays_unbiased_on_stale_actions(name):
    policy, current, p_old, log_weights = stale(name)
    true = gradient(leaf_entropy(current), policy)
    baseline = torch.full_like(p_old, 1.7)
    surrogate = crude_gradient(current, baseline=baseline, log_weights=log_weights).surrogate
    assert (mean_gradient(p_old, surrogate, policy) - true).norm() < TOLERANCE


@kinds
@families
def test_entropy_to_go_is_the_conditional_expectation(name, kind):
    """Against the definition: the mean of Σ_{i>j} H⁽ⁱ⁾ over the joint actions that share a_<j."""
    policy, obs = build(name, kind)
    chain, p = enumerate_paths(policy, obs)
    found = entropy_to_go(policy, stack(obs, len(p)), chain.actions)
    entropies = chain.entropies.detach()
    for row, action in enumerate(chain.actions):
        for j in range(chain.d):
            same = (chain.actions[:, :j] == action[:j]).all(-1)
            to_come = entropies[:, j + 1 :].sum(-1)
            expected = (p * to_come)[same].sum() / p[same].sum()
            assert abs(found[row, j] - expected) < 1e-12
    assert not found.requires_grad


def mean_given_prefix(p, actions, values):
    """E[values_j | a_<j] for every row and j, from the rows that share a_<j."""
    found = torch.zeros_like(values)
    for row, action in enumerate(actions):
        for j in range(actions.shape[1]):
            same = (actions[:, :j] == action[:j]).all(-1)
            found[row, j] = (p * values[:, j])[same].sum() / p[same].sum()
    return found


@kinds
@families
def test_the_mean_of_the_sampled_entropy_to_go_is_the_exact_one(name, kind):
    policy, obs = build(name, kind)
    chain, p = enumerate_paths(policy, obs)
    found = sampled_entropy_to_go(chain)
    assert not found.requires_grad
    assert not found[:, -1].any()
    exactly = entropy_to_go(policy, stack(obs, len(p)), chain.actions)
    assert (mean_given_prefix(p, chain.actions, found) - exactly).abs().max() < 1e-12


@kinds
@sequential
def test_weights_repair_the_sampled_entropy_to_go_on_stale_actions(name, kind):
    policy, current, p_old, log_weights = stale(name, kind)
    _, obs = build(name, kind)
    exactly = entropy_to_go(policy, stack(obs, len(p_old)), current.actions)
    repaired = sampled_entropy_to_go(current, log_weights=log_weights)
    found = mean_given_prefix(p_old, current.actions, repaired)
    assert (found - exactly).abs().max() < TOLERANCE
    unrepaired = mean_given_prefix(p_old, current.actions, sampled_entropy_to_go(current))
    assert (unrepaired - exactly).abs().max() > WRONG


@pytest.mark.parametrize("far", [-104.0, -95.0, 89.0])
def test_a_ratio_that_is_no_number_to_divide_by_is_refused(far):
    """At -95 it is one with two digits left; at -104 it is 0, and 0 / 0 follows."""
    policy, obs = build("lstm", "plain")
    chain = enumerate_paths(policy, obs)[0]
    chain = type(chain)(chain.log_probs.float(), chain.actions)
    with pytest.raises(ValueError, match=r"log_weights: expected prefix ratios within .*float32"):
        sampled_entropy_to_go(chain, log_weights=torch.full(chain.actions.shape, far))


@kinds
@sequential
def test_entropy_to_go_has_not_seen_its_own_component(name, kind):
    policy, obs = build(name, kind)
    chain, p = enumerate_paths(policy, obs)
    baseline = entropy_to_go(policy, stack(obs, len(p)), chain.actions)
    for j in range(chain.d):
        for action in chain.actions:
            same = (chain.actions[:, :j] == action[:j]).all(-1)
            assert baseline[same, j].max() - baseline[same, j].min() < 1e-12
    assert baseline[:, 1].max() - baseline[:, 1].min() > 1e-6, "it does depend on a_<j"


@kinds
@sequential
def test_entropy_to_go_keeps_the_mean_and_cuts_the_variance(name, kind):
    policy, obs = build(name, kind)
    chain, p = enumerate_paths(policy, obs)
    baseline = entropy_to_go(policy, stack(obs, len(p)), chain.actions)
    surrogate = unbiased_gradient(chain, baseline=baseline).surrogate
    true = gradient(leaf_entropy(chain), policy)
    assert (mean_gradient(p, surrogate, policy) - true).norm() < TOLERANCE
    plain = covariance_trace(p, unbiased_gradient(chain).surrogate, policy)
    assert covariance_trace(p, surrogate, policy) < 0.5 * plain


@pytest.mark.parametrize("batch", [(), (4,), (2, 3), (0,), (0, 2)])
def test_entropy_to_go_takes_every_batch_shape(batch):
    policy, obs = build("lstm", "masked")
    chain = policy.sample(stack(obs, *batch))
    found = entropy_to_go(policy, stack(obs, *batch), chain.actions)
    assert found.shape == chain.actions.shape
    whole = found[..., 0] + chain.entropies[..., 0]
    assert torch.allclose(whole, exact(policy, stack(obs, *batch)).value, atol=1e-12, rtol=0)


@pytest.mark.parametrize("batch", [(), (4,), (2, 3), (0,)])
@pytest.mark.parametrize("paths", [(1,), (5,), (2, 2)])
def test_entropy_to_go_takes_several_paths_in_every_state(batch, paths):
    policy, obs = build("lstm", "masked")
    generator = seeded(3)
    obs = stack(obs, *batch)
    size = obs["observation"].shape
    obs["observation"] = torch.randn(size, generator=generator, dtype=torch.float64)
    actions = torch.stack([policy.sample(obs, generator).actions for _ in range(math.prod(paths))])
    found = entropy_to_go(policy, obs, actions.view(*paths, *batch, 3))
    one_by_one = torch.stack([entropy_to_go(policy, obs, path) for path in actions])
    assert torch.allclose(found, one_by_one.view_as(found), atol=1e-12, rtol=0)


def test_theorem_4_by_the_double_sum():
    """∇H̃ + Σᵢ H⁽ⁱ⁾ Σ_{j<i} ∇log p(aⱼ | a_<j), each term by its own autograd call."""
    policy, obs = build("lstm")
    chain, _ = enumerate_paths(policy, obs)
    row = 5
    expected = sum(gradient(chain.entropies[row, i], policy) for i in range(chain.d))
    for i in range(chain.d):
        for j in range(i):
            factor = chain.entropies[row, i].item()
            expected = expected + factor * gradient(chain.component_log_probs[row, j], policy)
    found = gradient(unbiased_gradient(chain).surrogate[row], policy)
    assert (found - expected).norm() < 1e-12
