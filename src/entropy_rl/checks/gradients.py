"""Which surrogates have the gradient of the joint entropy as their mean."""

from __future__ import annotations

import math

import torch
from gymnasium import spaces

from entropy_rl.checks._base import Check, checks
from entropy_rl.checks._cases import gradient_cases, sums_after
from entropy_rl.checks._enumerate import (
    TOLERANCE,
    control,
    every_action,
    flat_gradient,
    largest,
    leaf_entropy,
    mean_gradient,
    probabilities,
    relative_error,
)
from entropy_rl.checks._instances import (
    F64,
    INDEPENDENT,
    SEEDS,
    STATE,
    instances,
    seeded,
    tables,
)
from entropy_rl.estimators import crude, crude_gradient, exact, smoothed, unbiased_gradient
from entropy_rl.policies.table import TablePolicy
from entropy_rl.tabular import enumerate_trajectories, garnet

_WEIGHTS = "entropy_rl.conditionals.prefix_log_weights"


@checks("zhang2018.eq1")
def policy_gradient_with_bonus() -> Check:
    """Equation (1) on a softmax bandit: E[∇log π(A)(R - b)] + β∇H = ∇(E[R] + βH), any constant b.

    With logits θ the k-th component is pₖ(rₖ - r̄) - βpₖ(log pₖ + H): the enumerated mean and
    autograd are both held against this closed form. 7 arms, β = 0.3, 3 seeds. Controls: the
    gradient of -log π(A) where equation (1) has ∇H; a baseline that has seen the arm; and the sum
    over an episode as printed, on random processes of 3 states, γ = 0.5, every trajectory of 3
    decisions: Σₜ ∇log π(aₜ | sₜ) Rₜ is not ∇E[Σₜ γᵗ rₜ], and with γᵗ in it, it is.
    """
    residual = 0.0
    inert: list[float] = []
    seen: list[float] = []
    undiscounted: list[float] = []
    beta, arms = 0.3, 7
    for seed in SEEDS:
        with seeded(seed):
            policy = TablePolicy(spaces.Discrete(1), spaces.Discrete(arms)).double()
            reward, baseline = torch.randn(2, arms, dtype=F64)
        chain = every_action(policy, STATE)
        p, log_p = probabilities(chain), chain.log_prob
        entropy = leaf_entropy(chain).detach()
        true = p * (reward - p @ reward) - beta * p * (log_p.detach() + entropy)

        score = log_p * (reward - baseline[0])
        bonus = beta * exact(policy, STATE).surrogate
        objective = flat_gradient(log_p.exp() @ reward + bonus.sum(), policy)
        residual = largest(
            residual,
            relative_error(mean_gradient(p, score + bonus, policy), true),
            relative_error(objective, true),
        )
        noise = beta * crude(chain).surrogate
        inert.append(relative_error(mean_gradient(p, score + noise, policy), true))
        sighted = log_p * (reward - baseline) + bonus
        seen.append(relative_error(mean_gradient(p, sighted, policy), true))

        discounted, printed = _over_an_episode(seed)
        residual = largest(residual, discounted)
        undiscounted.append(printed)
    return Check(
        "zhang2018.eq1",
        residual,
        TOLERANCE,
        (
            control("the gradient of -log π(a) as the bonus", inert),
            control("a baseline that depends on the arm", seen),
            control("an episode, without γᵗ", undiscounted),
        ),
        ("entropy_rl.estimators.exact", "entropy_rl.policies.TablePolicy"),
        f"all {arms} arms of a softmax bandit, against autograd and the closed form, 3 seeds",
    )


def _over_an_episode(seed: int, decisions: int = 3, discount: float = 0.5) -> tuple[float, float]:
    """Errors of Σₜ γᵗ ∇log π(aₜ | sₜ) Rₜ, and of the same without γᵗ, against ∇E[Σₜ γᵗ rₜ]."""
    mdp = garnet(3, 2, 2, torch.Generator().manual_seed(seed))
    with seeded(seed):
        policy = TablePolicy(spaces.Discrete(3), spaces.Discrete(2)).double()
    choices = torch.arange(2).expand(3, 2)
    log_table = policy.conditionals(
        torch.arange(3).unsqueeze(1).expand(3, 2), choices.unsqueeze(-1)
    ).log_prob
    probability, states, actions = enumerate_trajectories(mdp, log_table.exp(), decisions)
    here = states[:-1]
    factor = discount ** torch.arange(decisions, dtype=F64).unsqueeze(1)
    rewards = factor * mdp.reward[here, actions]
    true = flat_gradient((probability * rewards.sum(0)).sum(), policy)
    to_come = rewards.flip(0).cumsum(0).flip(0)  # γᵗ Rₜ
    scores = log_table[here, actions]
    weight = probability.detach()

    def error(returns: torch.Tensor) -> float:
        mean = flat_gradient((weight * (scores * returns).sum(0)).sum(), policy)
        return relative_error(mean, true)

    return error(to_come), error(to_come / factor)


@checks("zhang2018.eq3")
def crude_gradient_mean() -> Check:
    """Equation (3): ∇H = E_{a~p}[-log p(a) ∇log p(a)], also with -(log p(a) + b), b constant.

    Enumerated: the surrogate's gradient at all 27 joint actions (LSTM, MMDP, tables) against
    autograd of the exact entropy; also over an older policy's actions with the ratio p/μ. Controls:
    autograd of -log p(a), the factor log p(a) left out; a baseline that has seen the action; the
    older policy's actions unweighted.
    """
    residual = 0.0
    inert: list[float] = []
    seen: list[float] = []
    stale: list[float] = []
    for c in gradient_cases(instances()):
        constant = c.entropy.expand(len(c.p))
        weighted = crude_gradient(c.chain, baseline=constant, log_weights=c.log_weights)
        residual = largest(
            residual,
            c.error(crude_gradient(c.chain).surrogate),
            c.error(crude_gradient(c.chain, baseline=constant).surrogate),
            c.error(weighted.surrogate, c.stale),
        )
        inert.append(c.error(crude(c.chain).surrogate))
        seen.append(c.error(crude_gradient(c.chain, baseline=c.p).surrogate))
        stale.append(c.error(crude_gradient(c.chain).surrogate, c.stale))
    return Check(
        "zhang2018.eq3",
        residual,
        TOLERANCE,
        (
            control("autograd of -log p(a)", inert),
            control("a baseline that depends on the action", seen),
            control("actions of an older policy, unweighted", stale),
        ),
        ("entropy_rl.estimators.crude_gradient", _WEIGHTS),
        "mean gradient over 27 joint actions, LSTM, MMDP and tables, 3 seeds each",
    )


@checks("zhang2018.bonus_does_nothing")
def inert_bonus() -> Check:
    """E_{a~p}[∇(-log p(a))] = -∇Σₐ p(a) = 0: autograd of the crude entropy is noise without drift.

    Enumerated: all 27 joint actions of LSTM, MMDP and tables; |mean gradient| over |∇H|; and the
    same over an older policy's actions with the ratio p/μ, which keeps it inert. Controls, in the
    same measure: the crude estimator with its factor (equation 3), whose mean is ∇H; the same bonus
    on an older policy's actions unweighted, where it is *not* inert (later epochs of PPO).
    """
    residual = 0.0
    factor: list[float] = []
    stale: list[float] = []
    for c in gradient_cases(instances()):
        size = float(c.true.norm())
        weighted = crude(c.chain, log_weights=c.log_weights).surrogate
        for mean in (c.mean(crude(c.chain).surrogate), c.mean(weighted, c.stale)):
            residual = largest(residual, float(mean.norm()) / size)
        factor.append(float(c.mean(crude_gradient(c.chain).surrogate).norm()) / size)
        stale.append(float(c.mean(crude(c.chain).surrogate, c.stale).norm()) / size)
    return Check(
        "zhang2018.bonus_does_nothing",
        residual,
        TOLERANCE,
        (
            control("with the factor log p(a)", factor),
            control("actions of an older policy, unweighted", stale),
        ),
        ("entropy_rl.estimators.crude", "entropy_rl.estimators.crude_gradient", _WEIGHTS),
        "|mean gradient| / |∇H| over 27 joint actions, LSTM, MMDP and tables, 3 seeds each",
    )


@checks("zhang2018.thm4")
def unbiased_gradient_mean() -> Check:
    """Theorem 4: E_{a~p}[∇H̃(a) + Σᵢ H⁽ⁱ⁾(a_<i) ∇Σ_{j<i} log p(aⱼ | a_<j)] = ∇H.

    Enumerated: all 27 joint actions of all five families. The estimator must have ∇H as its mean,
    over an older policy's actions too when prefix ratios weight it, and must equal the double sum
    as printed in every single action (their weighted sums agree for random weights). Controls, on
    LSTM, MMDP and tables: no correction; the multiplier not detached; the correction subtracted;
    the correction one component short; an older policy's actions unweighted.
    """
    residual = 0.0
    names = (
        "no correction",
        "multiplier not detached",
        "correction subtracted",
        "correction one component short",
        "actions of an older policy, unweighted",
    )
    wrong: dict[str, list[float]] = {name: [] for name in names}
    for c in gradient_cases(instances(INDEPENDENT)):
        residual = largest(residual, c.error(unbiased_gradient(c.chain).surrogate))
    for seed, c in enumerate(gradient_cases(instances())):
        ours = unbiased_gradient(c.chain)
        entropies, log_probs = c.chain.entropies, c.chain.component_log_probs
        plain = entropies.sum(-1)
        earlier = log_probs.cumsum(-1) - log_probs
        printed = plain + (entropies.detach() * earlier).sum(-1)
        with seeded(seed):
            weights = torch.randn(len(c.p), dtype=F64)
        weighted = unbiased_gradient(c.chain, log_weights=c.log_weights)
        residual = largest(
            residual,
            c.error(ours.surrogate),
            relative_error(c.mean(ours.surrogate, weights), c.mean(printed, weights)),
            c.error(weighted.surrogate, c.stale),
        )
        later = sums_after(entropies)
        short = later.detach() - torch.nn.functional.pad(entropies.detach()[..., 1:], (0, 1))
        correction = (later.detach() * log_probs).sum(-1)
        variants = (
            (smoothed(c.chain).surrogate, c.p),
            (plain + (later * log_probs).sum(-1), c.p),
            (plain - correction, c.p),
            (plain + (short * log_probs).sum(-1), c.p),
            (ours.surrogate, c.stale),
        )
        for name, (surrogate, drawn) in zip(names, variants, strict=True):
            wrong[name].append(c.error(surrogate, drawn))
    return Check(
        "zhang2018.thm4",
        residual,
        TOLERANCE,
        tuple(control(name, wrong[name]) for name in names),
        ("entropy_rl.estimators.unbiased_gradient", _WEIGHTS),
        "mean gradient over 27 joint actions against autograd of the exact entropy: independent, "
        "CommNet, LSTM, MMDP and tables, 3 seeds each",
    )


@checks("farl2020.grad")
def smoothed_gradient() -> Check:
    """§4.1, on-policy: the value Σᵢ H⁽ⁱ⁾ is right, and its gradient needs Theorem 4 besides.

    d = K = 2; p(a₁) = (½, ½), a₂ = 0 after a₁ = 0 and uniform after a₁ = 1, so that
    H = h(p) + p log 2 with p = p(a₁ = 1). The mean of the sum is H; by the logit of a₁ = 1 the
    derivative at ½ is h'(½)/4 + log 2/4 = log 2/4, of the mean of Theorem 4's surrogate too.
    Controls: the mean derivative of the sum as it stands, h'(½)/4 = 0, since it forgets that a₁
    decides how much entropy is still to come; the sum over actions of an older policy.
    """
    policy = tables([0.5, 0.5], [[1.0, 0.0], [0.5, 0.5]])
    first = policy.logits[0]
    chain = every_action(policy, STATE)
    p, sums = probabilities(chain), chain.entropies.detach().sum(-1)

    def derivative(surrogate: torch.Tensor) -> float:
        scalar = (p * surrogate).sum()
        return float(torch.autograd.grad(scalar, first, retain_graph=True)[0][0, 0, 1])

    entropy, slope = 1.5 * math.log(2), 0.25 * math.log(2)
    stale = torch.where(chain.actions[:, 0] == 1, 0.8, 0.2) * p / 0.5
    residual = largest(
        abs(float(p.detach() @ sums) - entropy),
        abs(derivative(unbiased_gradient(chain).surrogate) - slope),
        abs(derivative(exact(policy, STATE).surrogate.expand(len(chain.actions))) - slope),
    )
    return Check(
        "farl2020.grad",
        residual,
        TOLERANCE,
        (
            control(
                "the sum differentiated as it stands",
                [abs(derivative(smoothed(chain).surrogate) - slope)],
            ),
            control("actions of an older policy", [abs(float(stale.detach() @ sums) - entropy)]),
        ),
        (
            "entropy_rl.estimators.smoothed",
            "entropy_rl.estimators.exact",
            "entropy_rl.estimators.unbiased_gradient",
        ),
        "d = K = 2, p(a₁) = (½, ½), p(·|0) = (1, 0), p(·|1) = (½, ½), by hand: the mean of the sum "
        "is 3/2 log 2, and by the logit of a₁ = 1 the derivative ¼ log 2, Theorem 4's too",
    )
