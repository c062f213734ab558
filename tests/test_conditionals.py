"""The chain itself, against torch's distributions."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.distributions import Categorical, MultivariateNormal, Normal

from entropy_rl.conditionals import (
    Conditionals,
    GaussianConditionals,
    categorical_entropy,
    check_chain,
    prefix_log_weights,
)
from enumeration import F64, build, seeded

shapes = st.tuples(
    st.lists(st.integers(0, 3), max_size=2).map(tuple),
    st.integers(1, 4),
    st.integers(1, 5),
    st.integers(0, 2**31),
)


def random_chain(batch, d, K, seed, dtype=F64):
    generator = seeded(seed)
    logits = torch.randn(*batch, d, K, generator=generator, dtype=F64)
    return Conditionals(
        logits.log_softmax(-1).to(dtype), torch.randint(K, (*batch, d), generator=generator)
    )


@given(shapes)
def test_log_prob_and_entropies_are_torchs(arguments):
    chain = random_chain(*arguments)
    batch, d, K, _ = arguments
    torchs = Categorical(logits=chain.log_probs, validate_args=False)
    assert chain.d == d
    assert chain.component_log_probs.shape == chain.entropies.shape == (*batch, d)
    assert chain.log_prob.shape == batch
    each = torchs.log_prob(chain.actions)
    assert torch.allclose(chain.component_log_probs, each, atol=1e-12, rtol=0)
    assert torch.allclose(chain.log_prob, each.sum(-1), atol=1e-12, rtol=0)
    assert torch.allclose(chain.entropies, torchs.entropy(), atol=1e-12, rtol=0)
    assert ((chain.entropies >= 0) & (chain.entropies <= math.log(K) + 1e-12)).all()


@given(shapes)
def test_gaussian_log_prob_and_entropies_are_torchs(arguments):
    batch, d, _, seed = arguments
    means, log_stds, actions = torch.randn(3, *batch, d, generator=seeded(seed), dtype=F64)
    chain = GaussianConditionals(means, log_stds, actions)
    torchs = Normal(means, log_stds.exp())
    each = torchs.log_prob(actions)
    assert chain.d == d
    assert torch.allclose(chain.component_log_probs, each, atol=1e-10, rtol=1e-12)
    assert torch.allclose(chain.log_prob, each.sum(-1), atol=1e-10, rtol=1e-12)
    assert torch.allclose(chain.entropies, torchs.entropy(), atol=1e-12, rtol=0)


def test_a_gaussian_chain_is_the_multivariate_normal():
    """The chain rule by Schur complements: conditional means and variances of a random Σ."""
    generator = seeded(0)
    factor = torch.randn(4, 4, generator=generator, dtype=F64)
    covariance, mean = factor @ factor.T + torch.eye(4, dtype=F64), torch.arange(4, dtype=F64)
    actions = torch.randn(4, generator=generator, dtype=F64)
    means, variances = [], []
    for i in range(4):
        gain = covariance[i, :i] @ torch.linalg.inv(covariance[:i, :i])
        means.append(mean[i] + gain @ (actions[:i] - mean[:i]))
        variances.append(covariance[i, i] - gain @ covariance[:i, i])
    chain = GaussianConditionals(torch.stack(means), 0.5 * torch.stack(variances).log(), actions)
    joint = MultivariateNormal(mean, covariance)
    assert abs(chain.log_prob - joint.log_prob(actions)) < 1e-12
    assert abs(chain.entropies.sum() - joint.entropy()) < 1e-12


def test_entropy_of_illegal_actions_is_zero_with_zero_gradient():
    log_probs = torch.tensor([0.5, 0.5, 0.0], dtype=F64).log().requires_grad_()
    entropy = categorical_entropy(log_probs)
    entropy.backward()
    assert abs(entropy - math.log(2)) < 1e-15
    assert log_probs.grad.isfinite().all()
    assert log_probs.grad[2] == 0


@given(shapes)
def test_entropy_gradient_is_the_formula(arguments):
    """∂H/∂logitₖ = -pₖ (log pₖ + H), and 0 for an illegal action."""
    log_probs = random_chain(*arguments).log_probs.clone()
    log_probs[..., 1:] = log_probs[..., 1:].masked_fill(log_probs[..., 1:] < -2.5, -torch.inf)
    logits = log_probs.requires_grad_()
    normalised = logits.log_softmax(-1)
    entropy = categorical_entropy(normalised)
    (found,) = torch.autograd.grad(entropy.sum(), logits)
    p = normalised.exp()
    expected = -p * (normalised.masked_fill(p == 0, 0.0) + entropy.unsqueeze(-1))
    assert torch.allclose(found, expected, atol=1e-12, rtol=0)


@pytest.mark.parametrize("dtype", [F64, torch.float32, torch.float16, torch.bfloat16])
def test_what_log_softmax_makes_in_its_own_dtype_is_accepted(dtype):
    logits = 3 * torch.randn(2000, 3, 9, generator=seeded(0), dtype=F64)
    chain = Conditionals(logits.to(dtype).log_softmax(-1), torch.zeros(2000, 3, dtype=torch.int64))
    assert chain.log_prob.dtype == chain.entropies.dtype == dtype


@pytest.mark.parametrize(
    ("dtype", "error"),
    [(F64, 1e-6), (torch.float32, 1e-3), (torch.float16, 0.1), (torch.bfloat16, 0.1)],
)
def test_what_is_not_normalised_for_its_dtype_is_refused(dtype, error):
    log_probs = (torch.tensor([[0.5, 0.5]], dtype=F64) * (1 + error)).log().to(dtype)
    with pytest.raises(ValueError, match="log_probs: expected normalised rows"):
        Conditionals(log_probs, torch.tensor([0]))
    assert Conditionals(log_probs, torch.tensor([0]), validate_args=False).d == 1


def test_both_kinds_have_the_face():
    x = torch.zeros(2, dtype=F64)
    for chain in (random_chain((), 2, 3, 0), GaussianConditionals(x, x, x)):
        check_chain("chain", chain)
        assert chain.features is None


def test_prefix_weights_are_the_obvious_loop():
    policy, obs = build("lstm")
    older, _ = build("lstm", seed=1)
    chain = policy.sample(obs.expand(5, 2), seeded(0))
    old = older.conditionals(obs.expand(5, 2), chain.actions)
    found = prefix_log_weights(chain, old.component_log_probs)
    assert not found.requires_grad
    for row in range(5):
        total = 0.0
        for i in range(3):
            total += (chain.component_log_probs[row, i] - old.component_log_probs[row, i]).item()
            assert abs(found[row, i].item() - total) < 1e-12
    assert not prefix_log_weights(chain, chain.component_log_probs).any()
