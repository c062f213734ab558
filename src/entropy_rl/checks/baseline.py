"""Theorem 4 with a baseline of the prefix: unbiased still, and less noisy."""

from __future__ import annotations

import statistics
from dataclasses import replace

import torch
from torch import Tensor, nn

from entropy_rl.algorithms import EntropyCritic
from entropy_rl.checks._base import Check, checks
from entropy_rl.checks._cases import GradientCase, gradient_cases, sums_after
from entropy_rl.checks._enumerate import TOLERANCE, control, jacobian, largest, total_variance
from entropy_rl.checks._instances import F64, SEEDS, Instance, instances, seeded
from entropy_rl.conditionals import Conditionals
from entropy_rl.estimators import unbiased_gradient


def _prefix_numbers(chain: Conditionals) -> Tensor:
    """``(N, d + 1)``: the number of the prefix of length j = 0, …, d of each enumerated action."""
    size = chain.log_probs.shape[-1]
    numbers = [torch.zeros_like(chain.actions[:, 0])]
    for component in chain.actions.unbind(-1):
        numbers.append(numbers[-1] * size + component)
    return torch.stack(numbers, -1)


def entropy_to_come(case: GradientCase) -> Tensor:
    """bⱼ(a_<j) = E[Σ_{i>j} H⁽ⁱ⁾ | a_<j], by adding up the enumerated actions of each prefix."""
    to_come = sums_after(case.chain.entropies.detach())
    numbers = _prefix_numbers(case.chain)
    columns = []
    for j in range(case.chain.d):
        prefix = numbers[:, j]
        zeros = case.p.new_zeros(int(prefix.max()) + 1)
        mass = zeros.index_add(0, prefix, case.p)
        columns.append((zeros.index_add(0, prefix, case.p * to_come[:, j]) / mass)[prefix])
    return torch.stack(columns, -1)


def random_critic(x: Instance, seed: int) -> EntropyCritic:
    """A critic that has learnt nothing: normal weights, float64."""
    with seeded(seed):
        critic = EntropyCritic(x.policy, x.obs, hidden=8, learning_rate=0.05)
        critic.network.double()
        for parameter in critic.network.parameters():
            nn.init.normal_(parameter)
    return critic


def _one_further(chain: Conditionals) -> Conditionals:
    """What stood before component j + 1 in the place of what stood before j: it has seen aⱼ."""
    actions, features = chain.actions.roll(-1, -1), chain.features
    features = None if features is None else features.roll(-1, -2)
    return replace(chain, actions=actions, features=features, validate_args=False)


def _learnt_from_itself(x: Instance, seed: int, chain: Conditionals) -> Tensor:
    """For each action the baseline of a critic that had learnt from that very action before."""
    rows = []
    for n in range(len(chain.actions)):
        critic, own = random_critic(x, seed), chain.rows(torch.tensor([n]))
        critic.learn(critic.lesson(x.obs, own))
        rows.append(critic.provide(x.policy, x.obs, own))
    return torch.cat(rows)


@checks("zhang2018.thm4.baseline")
def baselined() -> Check:
    """Theorem 4 stays unbiased when bⱼ(a_<j) is taken from the multiplier of ∇log p(aⱼ | a_<j).

    Since E[∇log p(Aⱼ | a_<j) | a_<j] = 0, any function b of the prefix will do. Enumerated: all 27
    joint actions (LSTM, MMDP, tables); b random in every prefix, b the entropy still to come, b a
    critic with random weights, and the latter two over an older policy's actions with prefix
    ratios. Controls: a random b that has seen aⱼ too, a critic that has, and a critic that had
    learnt from the very action. The variance is the trace of the gradient's covariance, by all 27
    gradients.
    """
    residual = 0.0
    sighted: list[float] = []
    looking: list[float] = []
    taught: list[float] = []
    reductions: list[float] = []
    cases = instances()
    for seed, (x, c) in enumerate(zip(cases, gradient_cases(cases), strict=True)):
        numbers = _prefix_numbers(c.chain)
        with seeded(seed):
            table = torch.randn(c.chain.d, int(numbers.max()) + 1, dtype=F64)
        component = torch.arange(c.chain.d)
        blind = table[component, numbers[:, :-1]]
        best = entropy_to_come(c)
        obs, critic = x.obs.expand(len(c.p), *x.obs.shape[1:]), random_critic(x, seed)
        guess = critic.provide(x.policy, obs, c.chain)
        plain, helped = unbiased_gradient(c.chain), unbiased_gradient(c.chain, baseline=best)
        residual = largest(
            residual,
            c.error(unbiased_gradient(c.chain, baseline=blind).surrogate),
            c.error(helped.surrogate),
            c.error(
                unbiased_gradient(c.chain, baseline=best, log_weights=c.log_weights).surrogate,
                c.stale,
            ),
            c.error(unbiased_gradient(c.chain, baseline=guess).surrogate),
            c.error(
                unbiased_gradient(c.chain, baseline=guess, log_weights=c.log_weights).surrogate,
                c.stale,
            ),
        )
        guess = critic.provide(x.policy, obs, _one_further(c.chain))
        looking.append(c.error(unbiased_gradient(c.chain, baseline=guess).surrogate))
        if seed % len(SEEDS) == 0:  # 27 critics each: one instance a family will do
            guess = _learnt_from_itself(x, seed, c.chain.detach())
            taught.append(c.error(unbiased_gradient(c.chain, baseline=guess).surrogate))
        seen = table[component, numbers[:, 1:]]
        sighted.append(c.error(unbiased_gradient(c.chain, baseline=seen).surrogate))
        reductions.append(
            total_variance(c.p, jacobian(plain.surrogate, c.policy))
            / total_variance(c.p, jacobian(helped.surrogate, c.policy))
        )
    low, middle, high = min(reductions), statistics.median(reductions), max(reductions)
    return Check(
        "zhang2018.thm4.baseline",
        residual,
        TOLERANCE,
        (
            control("a baseline that has seen aⱼ", sighted),
            control("a critic that has seen aⱼ", looking),
            control("a critic that had learnt from the very action", taught),
        ),
        (
            "entropy_rl.estimators.unbiased_gradient",
            "entropy_rl.algorithms.EntropyCritic",
            "entropy_rl.conditionals.prefix_log_weights",
        ),
        "mean gradient over 27 joint actions, LSTM, MMDP and tables, 3 seeds each; the entropy "
        f"still to come as the baseline divides the variance by {middle:.1f} (median; {low:.1f} to "
        f"{high:.1f}: below 1 it is a loss, so it is a good baseline, not always the best)",
    )
