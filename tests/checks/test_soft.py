"""What the checks of the soft policy gradient stand on, each against its definition."""

import torch
from torch.distributions import Normal

from entropy_rl.checks._instances import F64
from entropy_rl.checks.reparametrised import (
    by_density,
    log_density,
    normals,
    path,
    smooth_process,
)
from entropy_rl.checks.soft_gradient import cases, one_decision, stationary, visits_by_steps
from entropy_rl.checks.soft_surrogates import episodes, olds
from entropy_rl.tabular import occupancy


def test_normals_have_the_moments_of_a_normal_variable():
    nodes, weights = normals()
    for power, moment in enumerate((1, 0, 1, 0, 3, 0, 15, 0, 105)):
        torch.testing.assert_close(weights @ nodes**power, torch.tensor(moment, dtype=F64))
    torch.testing.assert_close(weights @ torch.cos(nodes), torch.exp(torch.tensor(-0.5, dtype=F64)))


def test_log_density_is_that_of_torch():
    mean, log_std = torch.tensor([[0.3, -1.0], [-0.4, 0.5]], dtype=F64)
    actions = torch.linspace(-2, 3, 7, dtype=F64).expand(2, -1)
    torch.testing.assert_close(
        log_density(actions, mean, log_std),
        Normal(mean[:, None], log_std.exp()[:, None]).log_prob(actions),
    )


def test_both_ways_of_integrating_agree_on_the_return():
    process, mean, log_std = smooth_process(0)
    p = path(process, mean, log_std, 0.0)
    torch.testing.assert_close(
        process.start @ p.value, by_density(process, mean, log_std, 0.0).detach()
    )


def test_visits_and_the_stationary_distribution():
    for c in cases():
        policy = c.policy.detach()
        limit = stationary(c.mdp, policy)
        step = torch.einsum("sa,sat->st", policy, c.mdp.transition)
        torch.testing.assert_close(limit @ step, limit)
        torch.testing.assert_close(limit.sum(), torch.tensor(1.0, dtype=F64))
        torch.testing.assert_close(visits_by_steps(c.mdp, policy), c.visits)
    bandit = one_decision(1.0, 0.0, 2.0)
    assert occupancy(bandit, torch.full((2, 3), 1 / 3, dtype=F64)).tolist() == [1.0, 0.0]


def test_fisher_is_the_mean_square_of_the_score():
    for old in olds():
        total = torch.zeros(old.logits.numel(), old.logits.numel(), dtype=F64)
        policy = old.log_policy.exp()
        for s in range(old.mdp.states):
            for a in range(old.mdp.actions):
                leaf = old.logits.clone().requires_grad_()
                (score,) = torch.autograd.grad(leaf.log_softmax(-1)[s, a], leaf)
                total += old.visits[s] * policy[s, a] * torch.outer(score.ravel(), score.ravel())
        torch.testing.assert_close(old.fisher(), total)


def test_a_soft_advantage_averages_to_zero():
    for old in olds():
        mean = (old.log_policy.exp() * old.advantage).sum(-1)
        torch.testing.assert_close(mean, torch.zeros_like(mean))


def test_the_weights_of_episodes_are_those_of_each_step():
    for e in episodes():
        per_step = e.weights.sum(1)
        torch.testing.assert_close(per_step, torch.tensor([1.0, 0.9, 0.81], dtype=F64))
