"""Losses on a softmax bandit: their mean gradient, over all actions, against the objective's."""

import math

import pytest
import torch

from entropy_rl.losses import (
    baseline_loss,
    clipped_surrogate_loss,
    entropy_loss,
    policy_gradient_loss,
    temperature_loss,
)

F64 = torch.float64
ARMS = 5


def normal(seed: int) -> torch.Tensor:
    return torch.randn(ARMS, generator=torch.Generator().manual_seed(seed), dtype=F64)


def bandit() -> tuple[torch.Tensor, torch.Tensor]:
    """Logits, a leaf, and the arms' rewards."""
    return normal(0).requires_grad_(), normal(1)


def objective_gradient(logits: torch.Tensor, reward: torch.Tensor) -> torch.Tensor:
    return torch.autograd.grad(logits.softmax(-1) @ reward, logits)[0]


def mean_gradient(logits: torch.Tensor, loss, actor: torch.Tensor | None = None) -> torch.Tensor:
    """Σ_a μ(a) ∇ loss(a), one call an action, a batch of one; μ is π unless ``actor`` is given."""
    actor = logits if actor is None else actor
    total = torch.zeros(ARMS, dtype=F64)
    for a, p in enumerate(actor.detach().softmax(-1)):
        total += p * torch.autograd.grad(loss(torch.tensor([a])), logits)[0]
    return total


@pytest.mark.parametrize("baseline", [0.0, 3.7])
def test_reinforce_is_unbiased_whatever_the_baseline(baseline):
    logits, reward = bandit()
    found = mean_gradient(
        logits,
        lambda a: policy_gradient_loss(logits.log_softmax(-1)[a], reward[a] - baseline),
    )
    torch.testing.assert_close(found, -objective_gradient(logits, reward))


def test_a_baseline_that_sees_the_action_is_biased():
    logits, reward = bandit()
    found = mean_gradient(
        logits, lambda a: policy_gradient_loss(logits.log_softmax(-1)[a], reward[a] - normal(2)[a])
    )
    assert (found + objective_gradient(logits, reward)).norm() > 0.1


def test_importance_weights_repair_another_policys_actions():
    logits, reward = bandit()
    other = normal(3)
    ratio = (logits.log_softmax(-1) - other.log_softmax(-1)).exp().detach()

    def loss(a, weights):
        return policy_gradient_loss(logits.log_softmax(-1)[a], reward[a], weights)

    truth = -objective_gradient(logits, reward)
    torch.testing.assert_close(mean_gradient(logits, lambda a: loss(a, ratio[a]), other), truth)
    unweighted = mean_gradient(logits, lambda a: loss(a, None), other)
    assert (unweighted - truth).norm() > 0.5 * truth.norm()


def test_every_loss_is_the_mean_over_all_elements():
    x, y = normal(4), normal(5)
    log_temperature = torch.tensor(0.3, dtype=F64)
    for loss in (
        policy_gradient_loss,
        lambda x, y: policy_gradient_loss(x, y, y.exp()),
        lambda x, y: clipped_surrogate_loss(x, 0.5 * y, y, 0.2),
        lambda x, y: entropy_loss(x, 0.1),
        lambda x, y: temperature_loss(log_temperature, x, -1.0),
        baseline_loss,
        lambda x, y: baseline_loss(x, y, "mse"),
        lambda x, y: baseline_loss(x, y, "huber"),
    ):
        each = torch.stack([loss(x[i : i + 1], y[i : i + 1]) for i in range(ARMS)])
        torch.testing.assert_close(loss(x, y), each.mean())
        torch.testing.assert_close(
            loss(x.expand(2, ARMS).contiguous(), y.expand(2, ARMS)), each.mean()
        )


def test_the_bonus_of_an_exact_entropy():
    logits, _ = bandit()
    entropy = torch.distributions.Categorical(logits=logits).entropy()
    (gradient,) = torch.autograd.grad(entropy_loss(entropy[None], 0.3), logits, retain_graph=True)
    torch.testing.assert_close(gradient, -0.3 * torch.autograd.grad(entropy, logits)[0])


def test_the_bonus_of_minus_log_p_has_mean_gradient_zero():
    """zhang2018, eq. 3 without its factor: as a bonus it is noise."""
    logits, _ = bandit()
    found = mean_gradient(logits, lambda a: entropy_loss(-logits.log_softmax(-1)[a], 1.0))
    torch.testing.assert_close(found, torch.zeros(ARMS, dtype=F64))


def test_clipped_surrogate_at_the_old_policy_is_the_policy_gradient():
    logits, reward = bandit()
    old = logits.detach().log_softmax(-1)
    found = mean_gradient(
        logits,
        lambda a: clipped_surrogate_loss(logits.log_softmax(-1)[a], old[a], reward[a], 0.2),
    )
    torch.testing.assert_close(found, -objective_gradient(logits, reward))


@pytest.mark.parametrize(
    ("ratio", "advantage", "value", "slope"),
    [
        (1.1, 2.0, 2.2, 2.2),
        (1.5, 2.0, 2.4, 0.0),  # gained enough: no more reward for it
        (0.5, 2.0, 1.0, 1.0),  # moved the wrong way: not clipped
        (1.5, -2.0, -3.0, -3.0),  # moved the wrong way: not clipped
        (0.5, -2.0, -1.6, 0.0),  # gained enough
        (1.5, 0.0, 0.0, 0.0),
    ],
)
def test_clipped_surrogate_by_hand(ratio, advantage, value, slope):
    """liu2020, eq. 39, ε = .2; the slope is in log π, hence ρA where it is not clipped."""
    log_prob = torch.tensor([math.log(ratio)], dtype=F64, requires_grad=True)
    old, advantage = torch.zeros(1, dtype=F64), torch.tensor([advantage], dtype=F64)
    loss = clipped_surrogate_loss(log_prob, old, advantage, 0.2)
    loss.backward()
    assert float(loss.detach()) == pytest.approx(-value)
    assert float(log_prob.grad) == pytest.approx(-slope)


def test_sppo_both_forms_have_the_soft_gradient_at_the_old_policy():
    """liu2020, eqs 38 and 40, at θ = θ_old: the gradient of E[r] + αH."""
    logits, reward = bandit()
    log_p, alpha = logits.log_softmax(-1), 0.4
    old = log_p.detach()
    soft = logits.softmax(-1) @ (reward - alpha * log_p)
    truth = -torch.autograd.grad(soft, logits, retain_graph=True)[0]

    def bonus(a):
        entropy = torch.distributions.Categorical(logits=logits).entropy()
        surrogate = clipped_surrogate_loss(logits.log_softmax(-1)[a], old[a], reward[a], 0.2)
        return surrogate + entropy_loss(entropy[None], alpha)

    def inside(a):
        advantage = reward[a] - alpha * old[a]
        return clipped_surrogate_loss(logits.log_softmax(-1)[a], old[a], advantage, 0.2)

    torch.testing.assert_close(mean_gradient(logits, bonus), truth)
    torch.testing.assert_close(mean_gradient(logits, inside), truth)


@pytest.mark.parametrize(
    ("kind", "expected", "slope"),
    [("l1", 1.75, [0.5, -0.5]), ("mse", 4.625, [0.5, -3.0]), ("huber", 1.3125, [0.25, -0.5])],
)
def test_baseline_loss_by_hand(kind, expected, slope):
    """Errors of .5 and -3."""
    value = torch.tensor([1.5, 1.0], dtype=F64, requires_grad=True)
    loss = baseline_loss(value, torch.tensor([1.0, 4.0], dtype=F64), kind)
    loss.backward()
    assert float(loss.detach()) == pytest.approx(expected)
    assert value.grad.tolist() == pytest.approx(slope)


@pytest.mark.parametrize(("target", "direction"), [(-1.0, 1), (9.0, -1)])
def test_temperature_falls_while_the_entropy_is_above_its_target(target, direction):
    """The mean over actions of -log π's gradient is that of the entropy itself."""
    log_p = normal(6).log_softmax(-1)
    entropy = -(log_p.exp() @ log_p)
    log_temperature = torch.tensor(-0.7, dtype=F64, requires_grad=True)
    loss = temperature_loss(log_temperature, entropy[None], target)
    (gradient,) = torch.autograd.grad(loss, log_temperature)
    torch.testing.assert_close(gradient, math.exp(-0.7) * (entropy - target))
    assert gradient.sign() == direction
    sampled = sum(
        p * temperature_loss(log_temperature.detach(), -log_p[a : a + 1], target)
        for a, p in enumerate(log_p.exp())
    )
    torch.testing.assert_close(sampled, loss.detach())


X = torch.zeros(3)
G = torch.zeros(3, requires_grad=True)
NONE = torch.zeros(0)
SCALAR = torch.tensor(0.0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: policy_gradient_loss(X, G), "advantage: expected a detached tensor"),
        (lambda: policy_gradient_loss(X, X, G), "weights: expected a detached tensor"),
        (lambda: policy_gradient_loss(X, X[:, None]), r"advantage: expected shape \(3,\)"),
        (lambda: policy_gradient_loss(X, X, X[:1]), r"weights: expected shape \(3,\)"),
        (lambda: policy_gradient_loss(X, X.long()), "advantage: expected a floating-point"),
        (lambda: policy_gradient_loss(NONE, NONE), "log_prob: expected at least one element"),
        (lambda: clipped_surrogate_loss(X, G, X, 0.2), "old_log_prob: expected a detached"),
        (lambda: clipped_surrogate_loss(X, X, G, 0.2), "advantage: expected a detached"),
        (lambda: clipped_surrogate_loss(X, X, X, 0.0), "clip: expected a number > 0"),
        (lambda: entropy_loss(X, -0.1), "coefficient: expected a number ≥ 0"),
        (lambda: entropy_loss(NONE, 0.1), "surrogate: expected at least one element"),
        (lambda: entropy_loss(X, math.nan), "coefficient: expected a finite number"),
        (lambda: baseline_loss(X, G), "target: expected a detached tensor"),
        (lambda: baseline_loss(X[:, None], X), r"target: expected shape \(3, 1\)"),
        (lambda: baseline_loss(X, X, "hubert"), "kind: .*did you mean 'huber'"),
        (lambda: temperature_loss(SCALAR, G, 0.0), "entropy: expected a detached tensor"),
        (lambda: temperature_loss(X, X, 0.0), r"log_temperature: expected shape \(\)"),
        (lambda: temperature_loss(SCALAR, X, math.inf), "target: expected a finite number"),
    ],
)
def test_bad_input_is_refused_by_name(call, message):
    with pytest.raises(ValueError, match=message):
        call()
