"""The reparametrised soft gradient: Gaussian actions, its deterministic limit, and SAC's update."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from entropy_rl.checks._base import Check, Refutation, checks
from entropy_rl.checks._enumerate import LEAST, TOLERANCE, control, largest, relative_error, worst
from entropy_rl.checks._instances import F64, SEEDS, seeded
from entropy_rl.checks.soft_gradient import one_decision
from entropy_rl.tabular import (
    FiniteMDP,
    evaluate_policy,
    expected_return,
    occupancy,
    policy_gradient,
)

_STATES, _ALPHA, _NODES = 3, 0.5, 64
_REACH, _STEP = 18.0, 0.05  # of the grid on which densities are integrated


class Smooth(NamedTuple):
    """A process of a few states with a real-valued action, smooth in it.

    Attributes:
        reward: actions ``(S, n)`` → r(s, a) ``(S, n)``.
        transition: actions ``(S, n)`` → P(s' | s, a) ``(S, n, S)``.
        start: ``(S,)``.
        discount: γ < 1.
    """

    reward: Callable[[Tensor], Tensor]
    transition: Callable[[Tensor], Tensor]
    start: Tensor
    discount: float = 0.9

    def at(self, actions: Tensor) -> FiniteMDP:
        """The process with the n given actions a state, ``(S, n)``, differentiable in them."""
        return FiniteMDP(self.transition(actions), self.reward(actions), self.discount, self.start)

    def q(self, value: Tensor, actions: Tensor) -> Tensor:
        """r(s, a) + γ Σ_s' P(s' | s, a) v(s'), ``(S, n)``, v held constant."""
        return self.reward(actions) + self.discount * self.transition(actions) @ value.detach()


def normals() -> tuple[Tensor, Tensor]:
    """Nodes ε and weights with Σ w f(ε) = E f(N(0, 1)), Gauss–Hermite, ``(n,)`` each."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(_NODES)
    return torch.from_numpy(nodes), torch.from_numpy(weights / weights.sum())


def log_density(actions: Tensor, mean: Tensor, log_std: Tensor) -> Tensor:
    """log π(a | s) of N(mean, std²), ``(S, n)``."""
    z = (actions - mean[:, None]) / log_std.exp()[:, None]
    return -0.5 * z.square() - log_std[:, None] - 0.5 * math.log(2 * math.pi)


def by_density(process: Smooth, mean: Tensor, log_std: Tensor, alpha: float) -> Tensor:
    """J, its actions integrated over densities on a fine grid: no reparametrisation anywhere.

    The grid is a finite process, whose entropies are the differential ones less log of the grid's
    step; without terminal states that adds a constant to J.
    """
    grid = torch.arange(-_REACH, _REACH, _STEP, dtype=F64).expand(len(mean), -1)
    policy = log_density(grid, mean, log_std).exp() * _STEP
    return expected_return(process.at(grid), policy, alpha)


class Path(NamedTuple):
    """Actions as functions of noise, at the nodes of Gauss–Hermite.

    Attributes:
        actions: ``(S, n)``, μ + σ ε, differentiable.
        surprise: ``(S, n)``, -log π(a | s), differentiable through a and through the density.
        weights: ``(n,)``.
        value: ``(S,)``, v_π, soft, detached.
        visits: ``(S,)``, η, detached.
    """

    actions: Tensor
    surprise: Tensor
    weights: Tensor
    value: Tensor
    visits: Tensor

    def mean(self, terms: Tensor) -> Tensor:
        """Σ_s η(s) E_ε[terms(s, ε)] of terms ``(S, n)``."""
        return self.visits @ terms @ self.weights


def path(process: Smooth, mean: Tensor, log_std: Tensor, alpha: float) -> Path:
    """The policy's values and visits, with a finite process whose "actions" are the noise."""
    noise, weights = normals()
    actions = mean[:, None] + log_std.exp()[:, None] * noise
    surprise = -log_density(actions, mean, log_std)
    with torch.no_grad():
        mdp = process.at(actions)
        income = FiniteMDP(mdp.transition, mdp.reward + alpha * surprise, mdp.discount, mdp.start)
        policy = weights.expand(len(mean), -1)
        value, visits = evaluate_policy(income, policy).value, occupancy(mdp, policy)
    return Path(actions, surprise, weights, value, visits)


def smooth_process(seed: int) -> tuple[Smooth, Tensor, Tensor]:
    """A random process, and the mean and log σ of a policy in each of its states, leaves."""
    with seeded(seed):
        scale, phase, turn = torch.randn(3, _STATES, 1, dtype=F64)
        rows = torch.randn(2, _STATES, 1, _STATES, dtype=F64).softmax(-1)
        start = torch.randn(_STATES, dtype=F64).softmax(-1)
        mean = torch.randn(_STATES, dtype=F64).requires_grad_()
        log_std = (0.3 * torch.randn(_STATES, dtype=F64)).requires_grad_()

    def reward(actions: Tensor) -> Tensor:
        return scale * torch.sin(actions + phase) - 0.1 * actions.square()

    def transition(actions: Tensor) -> Tensor:
        mixing = (0.5 + 0.4 * torch.sin(actions + turn)).unsqueeze(-1)
        return mixing * rows[0] + (1 - mixing) * rows[1]

    return Smooth(reward, transition, start), mean, log_std


def processes() -> Iterator[tuple[Smooth, Tensor, Tensor]]:
    """One a seed."""
    return (smooth_process(seed) for seed in SEEDS)


def _gradient(scalar: Tensor, *leaves: Tensor) -> Tensor:
    found = torch.autograd.grad(scalar, leaves, retain_graph=True, materialize_grads=True)
    return torch.cat([g.flatten() for g in found])


@checks("liu2020.rpg26-31")
def reparametrised_gradient() -> Check:
    """Equations (26) to (32): ∇J = Σ_s η(s) E_ε[∇_θ {q(s, ã) - α log π(ã | s)}], ã = μ + σε.

    The right side by Gauss–Hermite, η discounted, q held constant but for its action and without
    the entropy of its own state (SAC's: line 12 of the paper's figure 1 is its Bellman equation,
    line 14 the expression in braces); the left side by autograd of J, integrated over densities on
    a grid, without and with entropy. As σ → 0, equation (27), which is held against autograd of the
    deterministic policy's return. Controls: without -α log π; equal state weights, as of a replay
    buffer; the entropy of its own state left in q, and differentiated.
    """
    residual = 0.0
    names = (
        "without -α log π",
        "equal weights for all states",
        "α H(s) in q as well, differentiated",
    )
    wrong: dict[str, list[float]] = {name: [] for name in names}
    for process, mean, log_std in processes():
        for alpha in (0.0, _ALPHA):
            p = path(process, mean, log_std, alpha)
            q = process.q(p.value, p.actions)
            inside = q + alpha * p.surprise  # line 14 of SAC1, for each noise
            true = _gradient(by_density(process, mean, log_std, alpha), mean, log_std)
            leaves = (mean, log_std)
            residual = largest(
                residual,
                relative_error(_gradient(p.mean(inside), *leaves), true),
                worst(inside.detach() @ p.weights, p.value),  # line 12 of SAC1
            )
            if not alpha:
                continue
            level = p._replace(visits=torch.full_like(p.visits, float(p.visits.mean())))
            own = alpha * (p.surprise @ p.weights).unsqueeze(-1)
            variants = (p.mean(q), level.mean(inside), p.mean(inside + own))
            for name, variant in zip(names, variants, strict=True):
                wrong[name].append(relative_error(_gradient(variant, *leaves), true))
        residual = largest(residual, _deterministic_limit(process, mean))
    return Check(
        "liu2020.rpg26-31",
        residual,
        TOLERANCE,
        tuple(control(name, wrong[name]) for name in names),
        (
            "entropy_rl.tabular.expected_return",
            "entropy_rl.tabular.evaluate_policy",
            "entropy_rl.tabular.occupancy",
        ),
        f"3 states, Gaussian actions, 3 random processes: {_NODES} Gauss–Hermite nodes against "
        "densities integrated on a grid; σ = 10⁻⁶ for the limit",
    )


def _deterministic_limit(process: Smooth, mean: Tensor) -> float:
    """The worse of two errors: (27) against autograd of J(μ), and (26) at σ = 10⁻⁶ against it."""
    nothing = torch.ones(len(mean), 1, dtype=F64)
    mdp = process.at(mean[:, None])
    true = _gradient(expected_return(mdp, nothing), mean)
    value, visits = evaluate_policy(mdp, nothing).value, occupancy(mdp, nothing).detach()
    ours = _gradient(visits @ process.q(value, mean[:, None])[:, 0], mean)
    p = path(process, mean, torch.full_like(mean, math.log(1e-6)), 0.0)
    near = _gradient(p.mean(process.q(p.value, p.actions)), mean)
    return largest(relative_error(ours, true), relative_error(near, true))


@checks("liu2020.eq25")
def evaluated_elsewhere() -> Refutation:
    """Equation (25): the sum is over x, and ∇_a q is evaluated at s, the state one started from.

    From s one comes to x whatever one does, and there for ever; γ = ½; only x pays, -(a - 1)². With
    a ~ N(0, 1) in x, the derivative by the mean there is 2 Σ_k γᵏ = 2, k ≥ 1. As printed it is 0,
    since q(s, a) does not depend on a.
    """
    pays = torch.tensor([[0.0], [1.0]], dtype=F64)

    def transition(actions: Tensor) -> Tensor:
        return torch.tensor([0.0, 1.0], dtype=F64).expand(*actions.shape, 2)

    start = torch.tensor([1.0, 0.0], dtype=F64)
    process = Smooth(lambda a: -pays * (a - 1).square(), transition, start, 0.5)
    mean = torch.zeros(2, dtype=F64, requires_grad=True)
    log_std = torch.zeros(2, dtype=F64)
    p = path(process, mean, log_std, 0.0)
    right = _gradient(p.mean(process.q(p.value, p.actions)), mean)
    at_s = process.q(p.value, p.actions[1].expand(2, -1))[0]  # q(s, ·) at the actions of x
    printed = _gradient(p.visits[1] * (at_s @ p.weights), mean)
    true = _gradient(by_density(process, mean, log_std, 0.0), mean)
    return Refutation(
        "liu2020.eq25",
        witness="from s to x and there for ever, γ = ½, only x pays, -(a - 1)², a ~ N(0, 1): with "
        f"q at x, {float(right[1]):g}; integrated over densities, {float(true[1]):.6g}",
        printed=float(printed[1]),
        found=float(right[1]),
        least=LEAST,
        functions=("entropy_rl.tabular.occupancy", "entropy_rl.tabular.expected_return"),
        quantity="derivative of the return by the mean in x",
    )


@checks("liu2020.discrete")
def discrete_actions() -> Refutation:
    """§3.1, reparametrisation is "also applicable to discrete case": only by a biased relaxation.

    One arm pays 1, the other 0; arm 1 is pulled where z + L > 0, L being logistic noise. With the
    noise held, the arm is a step in z: its derivative is 0 wherever it has one, and so is the mean.
    In truth the derivative of p = sigmoid(z) at 0 is ¼. Relaxed, with sigmoid((z + L)/τ) for the
    arm, the mean is E[sigmoid'(L/τ)]/τ: 1/6 at τ = 1, and ¼ only as τ → 0, where its variance has
    no bound.
    """
    z = torch.zeros((), dtype=F64, requires_grad=True)
    noise = torch.logit((torch.arange(2000, dtype=F64) + 0.5) / 2000)
    arm = torch.where(z + noise > 0, 1.0, 0.0) + 0.0 * z
    relaxed = torch.sigmoid(z + noise)
    held, soft = (float(_gradient(x.mean(), z)) for x in (arm, relaxed))
    true = policy_gradient(one_decision(1.0, 0.0), torch.zeros(2, 2, dtype=F64))
    return Refutation(
        "liu2020.discrete",
        witness="two arms that pay 1 and 0, undecided: with its noise held the arm is a step "
        f"function of the logit. Relaxed at temperature 1 the mean is {soft:.4f}, 1/6",
        printed=held,
        found=float(true[0, 0]),
        least=LEAST,
        functions=("entropy_rl.tabular.policy_gradient",),
        quantity="mean derivative of the reward by the better arm's logit",
    )
