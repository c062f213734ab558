"""The Gaussian policy against the multivariate normal that it is."""

import math

import numpy as np
import pytest
import torch
from gymnasium import spaces
from torch import nn
from torch.distributions import MultivariateNormal, Normal

from entropy_rl.conditionals import ClippedGaussianConditionals, clipped_entropy, concatenate
from entropy_rl.estimators import crude
from entropy_rl.policies import GaussianPolicy, make_policy
from enumeration import F64, box, randomise, seeded


def gaussian(d=3, variance="local"):
    policy = randomise(GaussianPolicy(box(2), box(d), hidden_size=4, variance=variance), 0, 0.5)
    return policy, torch.randn(6, 2, generator=seeded(1), dtype=F64)


def normal(policy, obs):
    return MultivariateNormal(policy.parameters_of(obs)[0], policy.covariance(obs))


@pytest.mark.parametrize("variance", ["global", "local", "product", "clipped", "softplus"])
@pytest.mark.parametrize("d", [1, 3])
def test_gaussian_is_the_multivariate_normal(d, variance):
    policy, obs = gaussian(d, variance)
    chain, joint = policy.sample(obs, seeded(2)), normal(policy, obs)
    assert torch.allclose(chain.log_prob, joint.log_prob(chain.actions), atol=1e-10, rtol=1e-10)
    assert torch.allclose(chain.entropies.sum(-1), joint.entropy(), atol=1e-10, rtol=1e-10)


def test_gaussian_gradient_is_that_of_the_multivariate_normal():
    policy, obs = gaussian()
    actions = policy.sample(obs, seeded(2)).actions
    parameters = list(policy.parameters())
    ours = torch.autograd.grad(policy.conditionals(obs, actions).log_prob.sum(), parameters)
    theirs = torch.autograd.grad(normal(policy, obs).log_prob(actions).sum(), parameters)
    for x, y in zip(ours, theirs, strict=True):
        assert torch.allclose(x, y, atol=1e-8, rtol=1e-8)


def test_gaussian_sample_is_mean_plus_factor_times_noise():
    """B diag(σ) ε with B = (I - L)⁻¹, from the same noise: no statistics needed."""
    policy, obs = gaussian()
    chain = policy.sample(obs, seeded(2))
    mean, log_std, lower = policy.parameters_of(obs)
    noise = torch.empty_like(mean).normal_(generator=seeded(2))
    factor = torch.linalg.inv(torch.eye(3, dtype=F64) - lower) @ torch.diag_embed(log_std.exp())
    expected = mean + (factor @ noise.unsqueeze(-1)).squeeze(-1)
    assert torch.allclose(chain.actions, expected, atol=1e-12, rtol=0)
    assert not chain.actions.requires_grad
    assert torch.equal(policy.sample(obs, seeded(2)).actions, chain.actions)
    assert torch.allclose(factor @ factor.mT, policy.covariance(obs), atol=1e-12, rtol=0)


def test_gaussian_conditionals_do_not_see_later_components():
    policy, obs = gaussian()
    actions = torch.randn(6, 3, generator=seeded(3), dtype=F64)
    means = policy.conditionals(obs, actions).means
    for i in range(3):
        other = actions.clone()
        other[:, i:] += 1
        assert torch.equal(policy.conditionals(obs, other).means[:, : i + 1], means[:, : i + 1])
        if i < 2:
            assert not torch.equal(policy.conditionals(obs, other).means, means)


@pytest.mark.parametrize("batch", [(), (4,), (2, 3), (0,)])
def test_gaussian_takes_every_batch_shape(batch):
    policy, _ = gaussian()
    chain = policy.sample(torch.zeros(*batch, 2), seeded(0))
    assert chain.actions.shape == (*batch, 3)
    assert chain.log_prob.shape == batch


def gradient(value, policy):
    return torch.cat([g.flatten() for g in torch.autograd.grad(value, list(policy.parameters()))])


def test_a_reparametrised_draw_is_the_same_draw():
    policy, obs = gaussian()
    chain, plain = policy.rsample(obs, seeded(2)), policy.sample(obs, seeded(2))
    assert chain.actions.requires_grad
    for name in ("actions", "means", "log_stds"):
        assert torch.equal(getattr(chain, name), getattr(plain, name))


def test_reparametrised_gradients_are_finite_differences():
    """Of a smooth f of the actions, along ten random directions, the noise held."""
    policy, obs = gaussian()
    parameters = list(policy.parameters())

    def f():
        return policy.rsample(obs, seeded(2)).actions.sin().prod(-1).sum()

    found, step = gradient(f(), policy), 1e-5
    start = torch.nn.utils.parameters_to_vector(parameters).detach()
    for seed in range(10):
        direction = torch.randn(len(start), generator=seeded(seed), dtype=F64)
        values = []
        for sign in (1, -1):
            torch.nn.utils.vector_to_parameters(start + sign * step * direction, parameters)
            values.append(f().detach())
        torch.nn.utils.vector_to_parameters(start, parameters)
        expected = (values[0] - values[1]) / (2 * step)
        assert abs(found @ direction - expected) < 1e-7 * max(1.0, abs(expected))
        assert abs(expected) > 1e-3


def test_reparametrised_gradients_of_the_crude_entropy_are_exact():
    """-log p(a(ε)) = Σᵢ log σᵢ + a function of ε: its gradient is that of H, draw by draw."""
    policy, obs = gaussian()
    found = gradient(crude(policy.rsample(obs, seeded(2))).surrogate.sum(), policy)
    expected = gradient(policy.parameters_of(obs)[1].sum(), policy)
    assert (found - expected).norm() < 1e-10 * expected.norm()
    score = gradient(crude(policy.sample(obs, seeded(2))).surrogate.sum(), policy)
    assert (score - expected).norm() > 0.1 * expected.norm()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_networks_have_single_precision_log_probs(dtype):
    """Given the half-precision heads the chain is float32's own: 1e-5, where half would miss 1e-3.

    The actions are float32 too; in bfloat16 they would lie on a grid of 2⁻⁸ of their size.
    """
    policy, obs = gaussian()
    policy.to(dtype)
    mean, log_std, lower = policy.parameters_of(obs)
    chain = policy.sample(obs, seeded(2))
    assert {x.dtype for x in (mean, log_std, lower, chain.actions, chain.log_prob)} == {
        torch.float32
    }
    assert (chain.actions != chain.actions.to(dtype)).all()
    conditional = mean + (lower @ (chain.actions - mean).unsqueeze(-1)).squeeze(-1)
    torchs = Normal(conditional.double(), log_std.double().exp()).log_prob(chain.actions.double())
    assert torch.allclose(chain.component_log_probs.double(), torchs, atol=1e-5, rtol=1e-5)
    assert policy.covariance(obs).dtype == torch.float32
    chain.log_prob.sum().backward()
    assert all(p.grad.dtype == dtype and p.grad.isfinite().all() for p in policy.parameters())


def test_the_four_schemes_of_the_variance():
    """As liu2020's Table 1 has them, from the same network."""
    found, local = {}, None
    for variance in ("local", "global", "product", "clipped"):
        policy, obs = gaussian(variance=variance)
        if variance == "local":
            local = policy.parameters_of(obs)[1]
        else:
            policy.head.load_state_dict(gaussian()[0].head.state_dict())
            policy.torso.load_state_dict(gaussian()[0].torso.state_dict())
            policy.log_std.data = torch.tensor([0.3, -0.2, 0.1], dtype=F64)
        found[variance] = policy.parameters_of(obs)[1]
    shared = torch.tensor([0.3, -0.2, 0.1], dtype=F64).expand_as(local)
    assert torch.equal(found["local"], local)
    assert torch.equal(found["global"], shared)
    assert torch.allclose(found["product"], shared + local)
    assert torch.allclose(found["clipped"], shared - 0.5 * (1 - local.tanh()))
    assert (found["clipped"] < shared).all(), "Δσ below 1"
    assert (found["product"] > shared).any(), "control: without the clip it is not"


def test_the_mode_is_where_the_density_is_highest():
    policy, obs = gaussian(variance="global")
    mode = policy.mode(obs)
    top = policy.conditionals(obs, mode).log_prob
    for step in torch.randn(20, *mode.shape, generator=seeded(3), dtype=F64):
        assert (policy.conditionals(obs, mode + 0.1 * step).log_prob < top).all()


def test_a_scheme_that_there_is_not_is_refused():
    with pytest.raises(ValueError, match=r"variance: .*did you mean 'global'"):
        GaussianPolicy(box(2), box(1), variance="globl")


def bounded(d, **options):
    action_space = spaces.Box(-np.arange(1.0, d + 1), np.full(d, 2.0), dtype=np.float64)
    return randomise(GaussianPolicy(box(2), action_space, hidden_size=4, **options), 0, 0.5)


@pytest.mark.parametrize("variance", ["global", "local", "product", "clipped"])
def test_clipped_entropies_are_of_the_clipped_actions_and_change_nothing_else(variance):
    policy, plain = (
        bounded(2, variance=variance, clipped_entropy=True),
        bounded(2, variance=variance),
    )
    obs = torch.randn(6, 2, generator=seeded(1), dtype=F64)
    chain, other = policy.sample(obs, seeded(2)), plain.sample(obs, seeded(2))
    for name in ("actions", "means", "log_stds", "component_log_probs"):
        assert torch.equal(getattr(chain, name), getattr(other, name))
    for i, low in enumerate((-1.0, -2.0)):
        expected = clipped_entropy(chain.means[:, i], chain.log_stds[:, i], low, 2.0)
        assert torch.equal(chain.entropies[:, i], expected)
    for made in (
        policy.conditionals(obs, chain.actions),
        policy.rsample(obs, seeded(2)),
        concatenate([chain.rows(torch.arange(2)), chain.rows(torch.arange(2, 6))]).detach(),
    ):
        assert torch.equal(made.entropies, chain.entropies)


def test_clipped_entropies_need_bounds():
    free = spaces.Box(-np.inf, np.inf, (1,), np.float64)
    with pytest.raises(ValueError, match="action_space: expected a Box with finite bounds"):
        GaussianPolicy(box(2), free, clipped_entropy=True)
    with pytest.raises(ValueError, match="low: expected 1 bounds"):
        ClippedGaussianConditionals(*[torch.zeros(3, 1)] * 3, low=(0.0, 1.0), high=(2.0,))


def test_softplus_is_the_local_scheme_through_another_map():
    """σ = log(1 + exp l), from the network whose l is log σ; where exp l is no number, l itself."""
    policy, obs = gaussian(variance="softplus")
    local = gaussian()[0].parameters_of(obs)[1]
    assert {n for n, _ in policy.named_parameters()} == {
        n for n, _ in gaussian()[0].named_parameters()
    }
    assert torch.allclose(policy.parameters_of(obs)[1], local.exp().log1p().log(), atol=1e-14)
    far = torch.tensor([-800.0, -31.0, -30.0, -29.0, 40.0], dtype=F64, requires_grad=True)
    log_std = policy._log_std(far)
    expected = torch.tensor([-800.0, -31.0, -30.0, -29.0, math.log(40.0)], dtype=F64)
    assert torch.allclose(log_std, expected, atol=1e-12)
    (slope,) = torch.autograd.grad(log_std.sum(), far)
    assert torch.allclose(slope[:4], torch.ones(4, dtype=F64), atol=1e-12)
    assert abs(slope[4] - 1 / 40) < 1e-12


def test_the_torso_has_the_activation_that_is_asked_for():
    for name, kind, other in (("tanh", nn.Tanh, nn.ReLU), ("relu", nn.ReLU, nn.Tanh)):
        made = make_policy("gaussian", box(2), box(1), layers=2, activation=name)
        kinds = [type(layer) for layer in made.torso]
        assert (kinds.count(kind), kinds.count(other)) == (2, 0)
    with pytest.raises(ValueError, match=r"activation: .*did you mean 'relu'"):
        GaussianPolicy(box(2), box(1), activation="rellu")


def test_a_bounded_mean_is_a_tanh_between_the_bounds():
    policy, plain = bounded(2, bounded_mean=True), bounded(2)
    obs = 30 * torch.randn(50, 2, generator=seeded(1), dtype=F64)
    mean, log_std, lower = policy.parameters_of(obs)
    free, *others = plain.parameters_of(obs)
    assert torch.equal(log_std, others[0])
    assert torch.equal(lower, others[1])
    low, high = torch.tensor([-1.0, -2.0], dtype=F64), torch.tensor(2.0, dtype=F64)
    assert torch.allclose(mean, low + (high - low) * torch.special.expit(2 * free), atol=1e-12)
    assert torch.equal(policy.mode(obs), mean)
    assert (free < low).any(), "control: the network's own output is not bounded"
    assert (policy.sample(obs, seeded(2)).actions < low).any(), "nor are the actions"


@pytest.mark.parametrize("variance", ["local", "softplus"])
def test_clipped_actions_are_those_drawn_cut_off_and_scored_where_they_are(variance):
    policy = bounded(2, variance=variance, clipped_actions=True)
    plain = bounded(2, variance=variance)
    obs = torch.randn(40, 2, generator=seeded(1), dtype=F64)
    chain, drawn = policy.sample(obs, seeded(2)), plain.sample(obs, seeded(2)).actions
    low, high = torch.tensor([-1.0, -2.0], dtype=F64), torch.full((2,), 2.0, dtype=F64)
    assert torch.equal(chain.actions, torch.minimum(torch.maximum(drawn, low), high))
    assert 5 < (chain.actions != drawn).sum() < 75
    assert not chain.actions.requires_grad
    given = plain.conditionals(obs, chain.actions)
    for made in (chain, policy.rsample(obs, seeded(2)), policy.conditionals(obs, chain.actions)):
        assert torch.equal(made.actions, chain.actions)
        assert torch.equal(made.component_log_probs, given.component_log_probs)
        assert torch.equal(made.entropies, given.entropies)
    outside = plain.conditionals(obs, drawn)
    assert torch.equal(policy.conditionals(obs, drawn).log_prob, outside.log_prob)


@pytest.mark.parametrize("option", ["bounded_mean", "clipped_actions"])
def test_options_that_read_the_bounds_need_them(option):
    half = spaces.Box(np.zeros(1), np.full(1, np.inf), (1,), np.float64)
    with pytest.raises(ValueError, match="action_space: expected a Box with finite bounds"):
        GaussianPolicy(box(2), half, **{option: True})
    with pytest.raises(ValueError, match=f"{option}: expected"):
        GaussianPolicy(box(2), box(1), **{option: "yes"})
