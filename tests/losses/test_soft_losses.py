"""The soft actor-critic's losses against enumeration and quadrature."""

import math

import torch

from entropy_rl.losses import reparametrised_policy_loss, soft_q_target
from refusals import assert_refused, refusals

F64 = torch.float64


def test_the_mean_target_is_the_soft_bellman_backup():
    """Σ_a' π(a') y(a') = r + γ (Σ π Q + α H), with one next state and four actions."""
    g = torch.Generator().manual_seed(0)
    q, logits = torch.randn(2, 4, generator=g, dtype=F64)
    log_prob = logits.log_softmax(-1)
    reward, discount = torch.full((4,), 0.3, dtype=F64), torch.full((4,), 0.9, dtype=F64)
    found = log_prob.exp() @ soft_q_target(reward, discount, q, log_prob, 0.7)
    entropy = -(log_prob.exp() @ log_prob)
    assert abs(found - (0.3 + 0.9 * (log_prob.exp() @ q + 0.7 * entropy))) < 1e-12
    ended = soft_q_target(reward, 0 * discount, q, log_prob, 0.7)
    assert torch.equal(ended, reward)


def test_the_actors_gradient_is_that_of_the_soft_objective():
    """q = -½ c (a - m)², a = μ + σ ε: E over ε by Gauss-Hermite, exact for a square."""
    c, m, alpha = 3.0, 0.4, 0.5
    x, w = (torch.tensor(v, dtype=F64) for v in ([-math.sqrt(3), 0, math.sqrt(3)], [1, 4, 1]))
    mean = torch.tensor(-0.2, dtype=F64, requires_grad=True)
    log_std = torch.tensor(0.3, dtype=F64, requires_grad=True)
    total = torch.zeros((), dtype=F64)
    for node, weight in zip(x, w / 6, strict=True):
        action = (mean + log_std.exp() * node).unsqueeze(0)
        log_prob = -0.5 * node**2 - log_std - 0.5 * math.log(2 * math.pi)
        q = -0.5 * c * (action - m) ** 2
        total = total + weight * reparametrised_policy_loss(q, log_prob.unsqueeze(0), alpha)
    found = torch.autograd.grad(total, (mean, log_std))
    with torch.no_grad():
        expected = c * (mean - m), c * (2 * log_std).exp() - alpha
    for one, other in zip(found, expected, strict=True):
        assert abs(one - other) < 1e-12
        assert abs(other) > 0.1


ONE = torch.ones(3)
HELD = torch.ones(3, requires_grad=True)
NONE = torch.ones(0)


@refusals(
    [
        ("shape", lambda: soft_q_target(ONE, ONE, ONE, torch.ones(2), 1.0),
         "log_prob_t", "shape (3,)", "(2,)"),
        ("gradient", lambda: soft_q_target(ONE, ONE, HELD, ONE, 1.0),
         "q_t", "a detached tensor", "carries a gradient"),
        ("temperature", lambda: soft_q_target(ONE, ONE, ONE, ONE, -1.0),
         "temperature", "a number ≥ 0", "-1.0"),
        ("none", lambda: soft_q_target(NONE, NONE, NONE, NONE, 1.0),
         "r_t", "at least one element", "(0,)"),
        ("actor's shape", lambda: reparametrised_policy_loss(ONE, torch.ones(2), 1.0),
         "log_prob", "shape (3,)", "(2,)"),
        ("actor's temperature", lambda: reparametrised_policy_loss(ONE, ONE, -1.0),
         "temperature", "a number ≥ 0", "-1.0"),
        ("actor's none", lambda: reparametrised_policy_loss(NONE, NONE, 1.0),
         "q", "at least one element", "(0,)"),
    ]
)  # fmt: skip
def test_bad_arguments_are_refused_by_name(call, argument, expected, got):
    assert_refused(call, argument, expected, got)
