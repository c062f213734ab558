"""Shapes, dtypes, numerics and names of the estimators, apart from what they are unbiased for."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.distributions import MultivariateNormal

from entropy_rl.conditionals import Conditionals
from entropy_rl.estimators import (
    ESTIMATORS,
    crude,
    crude_gradient,
    estimate_entropy,
    exact,
    kl_divergence,
    none,
    select,
    smoothed,
    smoothed_mode,
    unbiased_gradient,
)
from entropy_rl.estimators._base import sum_after
from entropy_rl.policies import GaussianPolicy
from enumeration import F64, box, build, randomise, seeded, stack

PATHWISE = [*select.PATHWISE.values()]


@st.composite
def chains(draw, dtype=F64):
    """Random conditionals of any shape, some actions illegal, none of the drawn ones."""
    batch = tuple(draw(st.lists(st.integers(0, 3), max_size=2)))
    d, K = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    generator = seeded(draw(st.integers(0, 2**31)))
    logits = 2 * torch.randn(*batch, d, K, generator=generator, dtype=F64)
    actions = torch.randint(K, (*batch, d), generator=generator)
    illegal = torch.rand(*batch, d, K, generator=generator) < draw(st.sampled_from([0.0, 0.6]))
    illegal.scatter_(-1, actions.unsqueeze(-1), False)
    logits = logits.masked_fill(illegal, -torch.inf).to(dtype)
    return Conditionals(logits.log_softmax(-1), actions)


def rows(chain):
    """(log_probs, actions) of every place of the batch, as plain lists."""
    d, K = chain.log_probs.shape[-2:]
    return zip(
        chain.log_probs.reshape(-1, d, K).tolist(),
        chain.actions.reshape(-1, d).tolist(),
        strict=True,
    )


def entropy_by_loop(row):
    return -sum(math.exp(x) * x for x in row if x > -math.inf)


@given(chains())
def test_values_equal_the_obvious_loop(chain):
    log_p, h = [], []
    for log_probs, actions in rows(chain):
        log_p.append(sum(row[a] for row, a in zip(log_probs, actions, strict=True)))
        h.append(sum(entropy_by_loop(row) for row in log_probs))
    shape = chain.actions.shape[:-1]
    for estimator, expected in [
        (crude, [-x for x in log_p]),
        (crude_gradient, [-x for x in log_p]),
        (smoothed, h),
        (unbiased_gradient, h),
        (none, [0.0] * len(h)),
    ]:
        value = estimator(chain).value
        assert value.shape == shape
        expected = torch.tensor(expected, dtype=F64).reshape(shape)
        assert torch.allclose(value, expected, atol=1e-12, rtol=1e-12)


@given(chains())
def test_correction_equals_the_obvious_double_loop(chain):
    """multiplierⱼ = Σ_{i>j} H⁽ⁱ⁾, seen through the gradient with respect to log p(aⱼ | a_<j)."""
    leaf = chain.log_probs.clone().requires_grad_()
    tracked = Conditionals(leaf, chain.actions)
    with_correction = unbiased_gradient(tracked).surrogate.sum()
    (found,) = torch.autograd.grad(with_correction - smoothed(tracked).surrogate.sum(), leaf)
    expected = torch.zeros_like(found).reshape(-1, *found.shape[-2:])
    for n, (log_probs, actions) in enumerate(rows(chain)):
        for j, action in enumerate(actions):
            expected[n, j, action] = sum(entropy_by_loop(row) for row in log_probs[j + 1 :])
    assert torch.allclose(found, expected.reshape(found.shape), atol=1e-12, rtol=1e-12)


@given(chains())
def test_gradients_are_finite_through_illegal_actions(chain):
    for estimator in (crude, crude_gradient, smoothed, unbiased_gradient):
        logits = chain.log_probs.clone().requires_grad_()
        tracked = Conditionals(logits.log_softmax(-1), chain.actions)
        estimator(tracked).surrogate.sum().backward()
        assert logits.grad.isfinite().all()
        assert not logits.grad[chain.log_probs == -torch.inf].any()


@given(chains())
def test_a_mask_put_on_by_where_gives_finite_gradients(chain):
    """The trap of 0 · -inf, also when the mask is applied afterwards."""
    logits = chain.log_probs.clamp_min(-5).clone().requires_grad_()
    legal = chain.log_probs > -torch.inf
    masked = torch.where(legal, logits, -torch.inf).log_softmax(-1)
    tracked = Conditionals(masked, chain.actions)
    total = unbiased_gradient(tracked).surrogate + kl_divergence(tracked, chain).surrogate
    total.sum().backward()
    assert logits.grad.isfinite().all()
    assert not logits.grad[~legal].any()


@given(st.integers(1, 5), st.integers(0, 1000))
def test_sum_after_is_the_obvious_sum(d, seed):
    x = torch.randn(2, d, generator=seeded(seed), dtype=F64)
    expected = torch.stack([x[:, j + 1 :].sum(-1) for j in range(d)], -1)
    assert torch.allclose(sum_after(x), expected, atol=1e-12, rtol=0)


# float16 has 11 significant bits, bfloat16 8: a sum of four entropies of size log 4 may be off by
# a few units in the last place.
@pytest.mark.parametrize(
    ("dtype", "tolerance"),
    [(F64, 1e-14), (torch.float32, 1e-5), (torch.float16, 2e-2), (torch.bfloat16, 1e-1)],
)
@pytest.mark.parametrize("estimator", PATHWISE)
def test_precision_goes_by_dtype(estimator, dtype, tolerance):
    generator = seeded(0)
    logits = torch.randn(64, 4, 4, generator=generator, dtype=F64)
    logits[:, :, 3] = -torch.inf
    actions = torch.randint(3, (64, 4), generator=generator)
    reference = estimator(Conditionals(logits.log_softmax(-1), actions)).value
    low = logits.to(dtype).requires_grad_()
    estimate = estimator(Conditionals(low.log_softmax(-1), actions))
    assert estimate.value.dtype == estimate.surrogate.dtype == dtype
    assert (estimate.value.double() - reference).abs().max() < tolerance
    if estimate.surrogate.requires_grad:
        estimate.surrogate.sum().backward()
        assert low.grad.isfinite().all()


def test_a_single_legal_action_is_exactly_nothing():
    policy, obs = build("lstm", "masked")
    mask = torch.zeros(3, 3, dtype=torch.bool)
    mask[:, 1] = True
    obs = stack({**obs, "action_mask": mask}, 5)
    chain = policy.sample(obs, seeded(0))
    assert (chain.actions == 1).all()
    assert not chain.log_prob.any()
    assert not chain.entropies.any()
    for estimator in (crude, crude_gradient, smoothed, unbiased_gradient):
        policy.zero_grad()
        estimate = estimator(policy.sample(obs, seeded(0)))
        assert not estimate.value.any()
        estimate.surrogate.sum().backward()
        assert not any(p.grad.any() for p in policy.parameters() if p.grad is not None)
    assert not exact(policy, obs).value.any()


def test_a_certain_action_gives_finite_gradients():
    logits = torch.tensor([[[2000.0, 0.0, -2000.0]]], dtype=F64, requires_grad=True)
    chain = Conditionals(logits.log_softmax(-1), torch.tensor([[0]]))
    (unbiased_gradient(chain).surrogate + crude_gradient(chain).surrogate).sum().backward()
    assert not logits.grad.any()


def test_gaussian_smoothed_is_the_entropy_of_the_multivariate_normal():
    """Theorem 2 for state-dependent σ and L that do not depend on the prefix: at every action."""
    policy = randomise(GaussianPolicy(box(2), box(3), hidden_size=4), 0)
    obs = torch.randn(5, 2, generator=seeded(1), dtype=F64)
    chain = policy.sample(obs, seeded(2))
    true = MultivariateNormal(policy.parameters_of(obs)[0], policy.covariance(obs)).entropy()
    for estimator in (smoothed, unbiased_gradient):
        assert torch.allclose(estimator(chain).value, true, atol=1e-11, rtol=0)


def test_gaussian_crude_gradient_is_the_score_times_log_p():
    policy = randomise(GaussianPolicy(box(2), box(3), hidden_size=4), 0)
    chain = policy.sample(torch.ones(1, 2, dtype=F64), seeded(2))
    parameters = list(policy.parameters())
    found = torch.autograd.grad(crude_gradient(chain).surrogate, parameters, retain_graph=True)
    score = torch.autograd.grad(chain.log_prob, parameters)
    for f, s in zip(found, score, strict=True):
        assert torch.allclose(f, -chain.log_prob.item() * s, atol=1e-11, rtol=1e-11)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_by_name_is_the_function_itself(name):
    policy, obs = build("lstm", "masked")
    obs = stack(obs, 4)
    chain = policy.sample(obs, seeded(0))
    functions = {f.__name__: f for f in PATHWISE}
    found = estimate_entropy(name, policy, obs, chain)
    if name in functions:
        expected = functions[name](chain)
    else:
        expected = {"exact": exact, "smoothed_mode": smoothed_mode}[name](policy, obs)
    assert torch.equal(found.value, expected.value)
    assert torch.equal(found.surrogate, expected.surrogate)


@pytest.mark.parametrize("estimator", PATHWISE)
def test_estimators_work_under_vmap(estimator):
    logits = torch.randn(6, 3, 4, generator=seeded(0), dtype=F64)
    actions = torch.randint(4, (6, 3), generator=seeded(1))

    def surrogate(x, a):
        return estimator(Conditionals(x.log_softmax(-1), a, validate_args=False)).surrogate

    batched = torch.func.vmap(surrogate)(logits, actions)
    assert torch.allclose(batched, surrogate(logits, actions), atol=1e-14, rtol=0)
    if estimator is not none:
        gradients = torch.func.vmap(torch.func.grad(surrogate))(logits, actions)
        tracked = logits.clone().requires_grad_()
        surrogate(tracked, actions).sum().backward()
        assert torch.allclose(gradients, tracked.grad, atol=1e-14, rtol=0)
