"""The losses that an on-policy algorithm makes of the theorem, and how they are printed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from entropy_rl.checks._base import Check, Refutation, checks
from entropy_rl.checks._enumerate import LEAST, TOLERANCE, control, largest, relative_error
from entropy_rl.checks._instances import F64, SEEDS, seeded
from entropy_rl.losses import clipped_surrogate_loss, entropy_loss
from entropy_rl.returns import gae, soft_rewards
from entropy_rl.tabular import (
    FiniteMDP,
    enumerate_trajectories,
    evaluate_policy,
    garnet,
    occupancy,
    policy_gradient,
    soft_value_iteration,
    state_entropy,
)

_STATES, _ACTIONS, _HORIZON, _ALPHA, _CLIP = 3, 3, 3, 0.5, 0.2
_LOSSES = ("entropy_rl.losses.clipped_surrogate_loss", "entropy_rl.losses.entropy_loss")


class Episodes(NamedTuple):
    """Every trajectory of a few decisions in a random process; time first, ``(T, N)``.

    Attributes:
        logits: ``(S, A)``, a leaf.
        reward: r.
        entropy: H(π(· | s)) of the state acted in, differentiable.
        log_prob: log π(a | s), differentiable.
        weights: γᵗ times the trajectory's probability, detached.
        discount: γ, and 0 at the end.
        v_tm1: a baseline of the state acted in.
        v_t: the same of the state arrived at.
        true: ∇E Σₜ γᵗ (rₜ + α H(sₜ)) by autograd of the sum over trajectories.
    """

    logits: Tensor
    reward: Tensor
    entropy: Tensor
    log_prob: Tensor
    weights: Tensor
    discount: Tensor
    v_tm1: Tensor
    v_t: Tensor
    true: Tensor

    def error(self, rewards: Tensor, bonus: float, own: Tensor | float = 0.0) -> float:
        """How far the gradient of (38) is from ∇J, its advantages made of ``rewards`` less ``own``.

        The package's losses are means over their elements; here each has its own weight.
        """
        advantage = gae(rewards, self.discount, self.v_tm1, self.v_t, 1.0) - own
        weights = self.weights * self.weights.numel()
        loss = clipped_surrogate_loss(
            self.log_prob, self.log_prob.detach(), weights * advantage, _CLIP
        ) + entropy_loss(weights * self.entropy, bonus)
        (gradient,) = torch.autograd.grad(-loss, self.logits, retain_graph=True)
        return relative_error(gradient, self.true)


def episodes() -> Iterator[Episodes]:
    """One process a seed."""
    for seed in SEEDS:
        mdp = garnet(_STATES, _ACTIONS, 2, torch.Generator().manual_seed(seed))
        with seeded(seed):
            logits = torch.randn(_STATES, _ACTIONS, dtype=F64, requires_grad=True)
        policy = logits.softmax(-1)
        probability, states, actions = enumerate_trajectories(mdp, policy, _HORIZON)
        visited = states[:-1]
        reward, entropy = mdp.reward[visited, actions], state_entropy(policy)[visited]
        later = mdp.discount ** torch.arange(_HORIZON, dtype=F64)[:, None]
        whole = (probability * (later * (reward + _ALPHA * entropy)).sum(0)).sum()
        (true,) = torch.autograd.grad(whole, logits, retain_graph=True)
        discount = torch.full_like(reward, mdp.discount)
        discount[-1] = 0.0
        value = evaluate_policy(mdp, policy.detach(), _ALPHA).value
        yield Episodes(
            logits,
            reward,
            entropy,
            policy.log()[visited, actions],
            probability.detach() * later,
            discount,
            value[visited],
            value[states[1:]],
            true,
        )


@checks("liu2020.eq38")
def return_and_bonus() -> Check:
    """Equation (38): entropy in the return *and* a bonus is the soft gradient, nothing twice.

    At θ = θ_old the loss's gradient is ∇E Σₜ γᵗ (rₜ + α H(sₜ)): the return carries the entropy of
    later states to the actions that lead there, the bonus has the gradient of the state's own. Its
    own entropy in the return is a baseline, and may be left out. Enumerated: every trajectory of 3
    decisions, rewards by ``soft_rewards``, advantages by ``gae`` (λ = 1), terms weighted by γᵗ,
    against autograd of the enumerated objective. Controls: a bonus, but no entropy in the return
    (PPO); entropy in the return, but no bonus.
    """
    residual = 0.0
    hard: list[float] = []
    bare: list[float] = []
    for e in episodes():
        own = e.entropy.detach()
        soft = soft_rewards(e.reward, own, _ALPHA)
        residual = largest(residual, e.error(soft, _ALPHA), e.error(soft, _ALPHA, _ALPHA * own))
        hard.append(e.error(e.reward, _ALPHA))
        bare.append(e.error(soft, 0.0))
    return Check(
        "liu2020.eq38",
        residual,
        TOLERANCE,
        (
            control("no entropy in the return: PPO with a bonus", hard),
            control("no bonus", bare),
        ),
        ("entropy_rl.returns.soft_rewards", "entropy_rl.returns.gae", *_LOSSES),
        "every trajectory of 3 decisions, 3 states, 3 actions, 3 random processes",
    )


class Old(NamedTuple):
    """What an old policy has left: the constants of a surrogate, summed over states and actions.

    Attributes:
        mdp: the process.
        logits: ``(S, A)``, of the old policy.
        visits: ``(S, 1)``, its η.
        log_policy: ``(S, A)``, its log π.
        advantage: ``(S, A)``, Â = q + αH - v, soft.
    """

    mdp: FiniteMDP
    logits: Tensor
    visits: Tensor
    log_policy: Tensor
    advantage: Tensor

    def plain(self, logits: Tensor) -> Tensor:
        """(38) unclipped: Σ_s η {Σₐ π Â + α H(π)}."""
        policy = logits.softmax(-1)
        entropy = _ALPHA * state_entropy(policy)[:, None]
        return (self.visits * (policy * self.advantage + policy * entropy)).sum()

    def logarithmic(self, logits: Tensor) -> Tensor:
        """(40) with (41), unclipped: Σ_s η Σₐ π (Â - α log π_old)."""
        factor = self.advantage - _ALPHA * self.log_policy
        return (self.visits * logits.softmax(-1) * factor).sum()

    def divergence(self, logits: Tensor) -> Tensor:
        """Σ_s η KL(π ‖ π_old)."""
        log_policy = logits.log_softmax(-1)
        return (self.visits * log_policy.exp() * (log_policy - self.log_policy)).sum()

    def backwards(self, logits: Tensor) -> Tensor:
        """Σ_s η KL(π_old ‖ π)."""
        log_policy = logits.log_softmax(-1)
        return (self.visits * self.log_policy.exp() * (self.log_policy - log_policy)).sum()

    def fisher(self) -> Tensor:
        """Σ_s η E[∇log π ∇log πᵀ] of the old logits, ``(SA, SA)``: η (diag π - π πᵀ), in blocks."""
        blocks = [
            eta * (torch.diag(p) - torch.outer(p, p))
            for eta, p in zip(self.visits, self.log_policy.exp(), strict=True)
        ]
        return torch.block_diag(*blocks)

    def clipped(self, advantage: Tensor, coefficient: float) -> Tensor:
        """The gradient of the package's clipped loss at π_old, upwards."""
        leaf = self.logits.clone().requires_grad_()
        log_policy = leaf.log_softmax(-1)
        weights = self.visits * self.log_policy.exp() * leaf.numel()
        entropies = state_entropy(log_policy.exp())[:, None] * weights
        loss = clipped_surrogate_loss(log_policy, self.log_policy, weights * advantage, _CLIP)
        loss = loss + entropy_loss(entropies, coefficient)
        return torch.autograd.grad(-loss, leaf)[0]


def olds() -> Iterator[Old]:
    """One a seed."""
    for seed in SEEDS:
        mdp = garnet(_STATES, _ACTIONS, 2, torch.Generator().manual_seed(seed))
        with seeded(seed):
            logits = torch.randn(_STATES, _ACTIONS, dtype=F64)
        policy = logits.softmax(-1)
        value, q = evaluate_policy(mdp, policy, _ALPHA)
        advantage = q + (_ALPHA * state_entropy(policy) - value)[:, None]
        visits = occupancy(mdp, policy)[:, None]
        yield Old(mdp, logits, visits, policy.log(), advantage)


def _slope(function: Callable[[Tensor], Tensor], logits: Tensor) -> Tensor:
    leaf = logits.clone().requires_grad_()
    return torch.autograd.grad(function(leaf), leaf)[0]


@checks("liu2020.eq40-41")
def logarithmic_surrogate() -> Check:
    """Equations (40) and (41): the gradient of (38) at θ_old; elsewhere α KL(π ‖ π_old) more.

    Exact sums over states and actions: both clipped losses have ∇J as their gradient at θ_old;
    unclipped, L40 - L38 = α Σ_s η KL(π_θ ‖ π_old) at any θ, so that (40) *rewards* leaving π_old,
    and their Hessians at θ_old differ by α times the Fisher matrix. (38) has its maximum at
    softmax(Â/α); (40) is linear in π and has none inside. Controls: the gradients of both away from
    θ_old; the divergence the other way round; the Hessians taken for equal; the slope of (40) at
    the maximum of (38).
    """
    residual = 0.0
    names = (
        "(40) for (38) away from θ_old",
        "KL(π_old ‖ π) for KL(π ‖ π_old)",
        "the Hessians taken for equal",
        "the maximum of (38) taken for one of (40)",
    )
    wrong: dict[str, list[float]] = {name: [] for name in names}
    for seed, old in enumerate(olds()):
        true = policy_gradient(old.mdp, old.logits, _ALPHA)
        first = old.clipped(old.advantage, _ALPHA)
        second = old.clipped(old.advantage - _ALPHA * old.log_policy, 0.0)
        with seeded(100 + seed):
            elsewhere = old.logits + torch.randn_like(old.logits)
        gap = float(old.logarithmic(elsewhere) - old.plain(elsewhere))
        gap_at_old = float(old.logarithmic(old.logits) - old.plain(old.logits))
        bend = [
            torch.autograd.functional.hessian(f, old.logits).reshape(len(true.flatten()), -1)
            for f in (old.plain, old.logarithmic)
        ]
        fisher = _ALPHA * old.fisher()
        peak = old.advantage / _ALPHA
        residual = largest(
            residual,
            relative_error(first, true),
            relative_error(second, true),
            abs(gap - _ALPHA * float(old.divergence(elsewhere))),
            abs(gap_at_old),
            relative_error(bend[1] - bend[0], fisher),
            float(_slope(old.plain, peak).norm()) / float(true.norm()),
        )
        slopes = [_slope(f, elsewhere) for f in (old.logarithmic, old.plain)]
        wrong[names[0]].append(relative_error(*slopes))
        wrong[names[1]].append(abs(gap - _ALPHA * float(old.backwards(elsewhere))))
        wrong[names[2]].append(relative_error(bend[1], bend[0]))
        wrong[names[3]].append(float(_slope(old.logarithmic, peak).norm()) / float(true.norm()))
    return Check(
        "liu2020.eq40-41",
        residual,
        TOLERANCE,
        tuple(control(name, wrong[name]) for name in names),
        (*_LOSSES, "entropy_rl.tabular.policy_gradient"),
        "all states and actions of 3 random processes, 3 states, 3 actions; Hessians by autograd",
    )


@checks("liu2020.eq41.centred")
def silent_at_the_optimum() -> Check:
    """(41) less αH(s), its mean: the same gradient, and none in any sample at the soft optimum.

    At any policy the loss (40) of Â - α log π_old - αH has ∇J as its gradient at θ_old. Where
    π ∝ exp(q/α) that advantage is 0 for every action, as Â = α (log π + H) there. Enumerated: the
    gradient of one sample's loss for every state and action of the optimum. Controls: (41) as
    printed, whose advantage is αH there; a sample of (38); the centred one at another policy.
    """
    residual = 0.0
    names = ("(41) as printed", "a sample of (38)", "away from the optimum")
    wrong: dict[str, list[float]] = {name: [] for name in names}
    for old in olds():
        true = policy_gradient(old.mdp, old.logits, _ALPHA)
        mean = _ALPHA * state_entropy(old.log_policy.exp())[:, None]
        centred = old.advantage - _ALPHA * old.log_policy - mean
        best = soft_value_iteration(old.mdp, _ALPHA)
        log_policy = best.policy.log()
        advantage = best.q - (best.policy * best.q).sum(-1, keepdim=True)
        printed = advantage - _ALPHA * log_policy
        own = _ALPHA * state_entropy(best.policy)[:, None]
        residual = largest(
            residual,
            relative_error(old.clipped(centred, 0.0), true),
            _largest_sample(log_policy, printed - own, 0.0),
        )
        wrong[names[0]].append(_largest_sample(log_policy, printed, 0.0))
        wrong[names[1]].append(_largest_sample(log_policy, advantage, _ALPHA))
        wrong[names[2]].append(_largest_sample(old.log_policy, centred, 0.0))
    return Check(
        "liu2020.eq41.centred",
        residual,
        TOLERANCE,
        tuple(control(name, wrong[name]) for name in names),
        (*_LOSSES, "entropy_rl.tabular.soft_value_iteration"),
        "every state and action of 3 random processes, 3 states, 3 actions",
    )


def _largest_sample(log_policy: Tensor, advantage: Tensor, coefficient: float) -> float:
    """The norm of the largest gradient, by the state's logits, of one state and action's loss."""
    norms = []
    for row, values in zip(log_policy, advantage, strict=True):
        for action, value in enumerate(values):
            leaf = row.clone().requires_grad_()
            chosen = leaf.log_softmax(-1)
            loss = clipped_surrogate_loss(chosen[action], row[action], value, _CLIP)
            loss = loss + entropy_loss(state_entropy(chosen.exp())[None], coefficient)
            norms.append(float(torch.autograd.grad(loss, leaf)[0].norm()))
    return largest(*norms)


@checks("liu2020.alg1")
def descent() -> Refutation:
    """Algorithm 1, line 9: θ ← θ - λ ∇L^π(θ), where L^π of (38) and (40) is to be *as*cended.

    Two arms that pay 1 and 0, undecided, α = .1, one exact step of λ = 1 on (38). (Line 11, on the
    value's squared error, descends rightly.)
    """
    pay, alpha = torch.tensor([1.0, 0.0], dtype=F64), 0.1
    leaf = torch.zeros(2, dtype=F64, requires_grad=True)
    log_policy = leaf.log_softmax(-1)
    entropy = state_entropy(log_policy.exp())
    # Each arm has probability ½, as the loss's mean has it.
    loss = clipped_surrogate_loss(log_policy, log_policy.detach(), pay - 0.5, _CLIP)
    loss = loss + entropy_loss(entropy.expand(2), alpha)
    (ascent,) = torch.autograd.grad(-loss, leaf)
    up, down = ((leaf.detach() + sign * ascent).softmax(-1)[0] for sign in (1.0, -1.0))
    return Refutation(
        "liu2020.alg1",
        witness="two arms that pay 1 and 0, undecided, α = .1, one exact step of (38) with λ = 1, "
        "which is meant to go up",
        printed=float(up),
        found=float(down),
        least=LEAST,
        functions=_LOSSES,
        quantity="probability of the better arm after the step of Algorithm 1",
    )


@checks("liu2020.sec2.2")
def return_from_the_start() -> Refutation:
    """§2.2: A(s_t, a_t) = Σ_{t'=0}^T r_t' - V(s_t) is no advantage; the sum begins at t.

    Two steps. The first pays 1 whatever one does; in the second, arms pay 1 and 0. An advantage
    averages to 0 under its policy in every state; the printed one averages to what is past, 1. What
    is past is a baseline, so the mean gradient is right nevertheless, and only noise is added.
    """
    transition = torch.zeros(3, 2, 3, dtype=F64)
    transition[0, :, 1] = transition[1:, :, 2] = 1.0
    reward = torch.tensor([[1.0, 1.0], [1.0, 0.0], [0.0, 0.0]], dtype=F64)
    start = torch.tensor([1.0, 0.0, 0.0], dtype=F64)
    mdp = FiniteMDP(transition, reward, 1.0, start, torch.tensor([False, False, True]))
    policy = torch.full((3, 2), 0.5, dtype=F64)
    p, states, actions = enumerate_trajectories(mdp, policy, 2)
    paid = mdp.reward[states[:-1], actions]
    value = evaluate_policy(mdp, policy).value[states[:-1]]
    from_start, from_now = paid.sum(0) - value[1], paid[1] - value[1]
    score = (actions[1] == 0).to(F64) - 0.5  # ∂ log π / ∂ the first logit, in the second state
    means, spreads = [], []
    for estimate in (from_start * score, from_now * score):
        means.append(float(p @ estimate))
        spreads.append(float(p @ (estimate - means[-1]).square()))
    return Refutation(
        "liu2020.sec2.2",
        witness="two steps, the first pays 1, in the second arms pay 1 and 0, uniform policy. The "
        f"mean derivative by a logit is {means[0]:g} either way, its variance {spreads[0]:g} from "
        f"0 and {spreads[1]:g} from t",
        printed=float(p @ from_now),
        found=float(p @ from_start),
        least=LEAST,
        functions=("entropy_rl.tabular.enumerate_trajectories",),
        quantity="mean of the printed A in the second state (an advantage has 0)",
    )
