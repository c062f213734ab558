"""liu2020, §4.2: four ways for σ to depend on the state, as tables."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from entropy_rl.checks._base import Check, checks
from entropy_rl.checks._enumerate import TOLERANCE, control, largest, worst
from entropy_rl.checks._instances import F64, SEEDS, seeded
from entropy_rl.policies._spaces import observation_size
from entropy_rl.policies.gaussian import VARIANCES, GaussianPolicy

_STATES, _ALPHA = 4, 0.3
_NODES = 8  # of Gauss–Hermite: exact up to degree 15, of which 8 is asked
_SCHEMES = "entropy_rl.policies.GaussianPolicy"


def tabular_gaussian(variance: str, shared: float, local: Tensor) -> GaussianPolicy:
    """A policy with mean 0 in S states, whose l(s) are given and whose g is ``shared``.

    The observation of a state is a row of the identity, and its output weight is l(s): a table, by
    way of the network.

    Args:
        variance: a scheme of :class:`~entropy_rl.policies.GaussianPolicy`.
        shared: g; without one ("local") it has no meaning.
        local: ``(S,)``, l; without them ("global") it has none.
    """
    n = len(local)
    rows, line = (spaces.Box(-np.inf, np.inf, (k,), np.float64) for k in (n, 1))
    with seeded(0), torch.no_grad():
        policy = GaussianPolicy(rows, line, hidden_size=n, variance=variance).double()
        for parameter in policy.parameters():
            parameter.zero_()
        next(policy.torso.parameters()).copy_(torch.eye(n))
        policy.head.weight[1].copy_(local / math.tanh(1))
        if variance != "local":
            policy.log_std.fill_(shared)
    return policy


def log_stds(policy: GaussianPolicy) -> Tensor:
    """log σ in every state, ``(S,)``, differentiable."""
    obs = torch.eye(observation_size(policy.observation_space), dtype=F64)
    return policy.parameters_of(obs)[1][:, 0]


def _table(policy: GaussianPolicy) -> list[Tensor]:
    """g, if the scheme has one, and the weights that l(s) are times tanh 1."""
    return [*([policy.log_std] if policy.variance != "local" else []), policy.head.weight]


def jacobian(policy: GaussianPolicy) -> Tensor:
    """∂log σ(s) by (g, l(1), …, l(S)), ``(S, 1 + S)``; 0 by what the scheme has not."""
    rows = []
    for x in log_stds(policy):
        *shared, weight = torch.autograd.grad(
            x, _table(policy), retain_graph=True, materialize_grads=True
        )
        own = weight[1] / math.tanh(1)
        rows.append(torch.cat([*(shared or [torch.zeros(1, dtype=F64)]), own]))
    return torch.stack(rows)


def coupling(variance: str, local: Tensor) -> Tensor:
    """K = J Jᵀ ``(S, S)``, in closed form: one step moves log σ by it times the states' gradients.

    Local: I. Global: 11ᵀ. Product: 11ᵀ + I. Clipped: 11ᵀ + diag(¼ sech⁴ l).
    """
    n = len(local)
    ones, own = torch.ones(n, n, dtype=F64), torch.eye(n, dtype=F64)
    if variance == "clipped":
        own = torch.diag(local.cosh() ** -4 / 4)
    found = torch.zeros(n, n, dtype=F64)
    if variance != "local":
        found = found + ones
    return found if variance == "global" else found + own


def relative_variance(kernel: Tensor) -> Tensor:
    """Var / mean² of one sample's step of log σ(s), if all states pay -½ c (a - m)²; ``(S,)``.

    A sample is of one state, uniformly, and gives there (z² - 1)(r - E r) = -½ c σ² (z² - 1)²,
    whose second moment is 15 times the square of its mean: E (z² - 1)⁴ = 60, E (z² - 1)² = 2. So in
    row s it is 15 S Σ K(s, s')² / (Σ K(s, s'))² - 1.
    """
    n = len(kernel)
    return 15 * n * kernel.square().sum(-1) / kernel.sum(-1).square() - 1


def _one_sample(policy: GaussianPolicy, curvature: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance of one sample's step of log σ, ``(S,)`` each, by enumeration.

    States one by one, the action at Gauss–Hermite nodes; a step is JJᵀ's own, by the gradient with
    respect to g and l of log p(a | s) times the advantage.
    """
    nodes, masses = np.polynomial.hermite_e.hermegauss(_NODES)
    noise, weights = torch.from_numpy(nodes), torch.from_numpy(masses / masses.sum())
    J, steps, probabilities = jacobian(policy).detach(), [], []
    n = len(J)
    for s in range(n):
        obs = torch.eye(n, dtype=F64)[s].expand(len(noise), -1)
        with torch.no_grad():
            std = policy.parameters_of(obs)[1].exp()
        actions = std * noise[:, None]
        reward = -0.5 * curvature[s] * actions[:, 0].square()
        advantage = reward - weights @ reward
        for k, log_p in enumerate(policy.conditionals(obs, actions).log_prob):
            *shared, weight = torch.autograd.grad(
                advantage[k] * log_p, _table(policy), retain_graph=True, materialize_grads=True
            )
            own = weight[1] / math.tanh(1)
            steps.append(J @ torch.cat([*(shared or [torch.zeros(1, dtype=F64)]), own]))
        probabilities.append(weights / n)
    step, p = torch.stack(steps), torch.cat(probabilities)
    mean = p @ step
    return mean, p @ (step - mean).square()


def _tables() -> Iterator[tuple[Tensor, float, Tensor]]:
    """Curvatures c(s) in (½, 4.5), g, and l(s), one of each a seed."""
    for seed in SEEDS:
        with seeded(seed):
            yield (
                torch.rand(_STATES, dtype=F64) * 4 + 0.5,
                float(torch.randn((), dtype=F64)),
                torch.randn(_STATES, dtype=F64),
            )


@checks("liu2020.variance.noise")
def noise_of_a_local_variance() -> Check:
    """§4.2: of a local σ the update varies too much. In a table: 15 S - 1 squared means, not 14.

    Four schemes as tables of 4 states, random g and l. J by autograd of the policy's log σ, JJᵀ
    against the closed forms; mean and variance of one sample's step by enumeration of the states
    and Gauss–Hermite over the action, against JJᵀ times the states' gradients, -c σ²/S, and, with c
    σ² the same in all states, against the closed form. Controls: no coupling between states in the
    product; the clip's Jacobian taken for 1; the product's variance taken for the local one's.
    """
    residual = 0.0
    uncoupled: list[float] = []
    unclipped: list[float] = []
    same: list[float] = []
    for curvature, shared, local in _tables():
        for variance in VARIANCES:
            policy = tabular_gaussian(variance, shared, local)
            J = jacobian(policy).detach()
            K = coupling(variance, local)
            square = (2 * log_stds(policy)).exp().detach()
            mean, _ = _one_sample(policy, curvature)
            level, spread = _one_sample(policy, 1 / square)
            relative = spread / level.square()
            residual = largest(
                residual,
                worst(J @ J.T, K),
                worst(mean, K @ (-curvature * square / _STATES)),
                worst(relative, relative_variance(K)),
            )
            if variance == "product":
                uncoupled.append(worst(J @ J.T, coupling("local", local)))
                same.append(worst(relative, relative_variance(coupling("local", local))))
            if variance == "clipped":
                unclipped.append(worst(J @ J.T, coupling("product", local)))
    return Check(
        "liu2020.variance.noise",
        residual,
        TOLERANCE,
        (
            control("no coupling between states in the product", uncoupled),
            control("the clip's derivative taken for 1", unclipped),
            control("the product's step taken to vary as the local one's", same),
        ),
        (_SCHEMES, "entropy_rl.conditionals.GaussianConditionals"),
        f"four schemes, 3 random tables of {_STATES} states: autograd against closed forms, "
        f"every state and {_NODES} Gauss–Hermite nodes of the action",
    )


def soft_value(log_std: Tensor, curvature: Tensor, alpha: float) -> Tensor:
    """Mean over states of E[-½ c (a - m)²] + α H = -½ c σ² + α (½ log 2πe + log σ), a scalar."""
    reward = -0.5 * curvature * (2 * log_std).exp()
    return (reward + alpha * (0.5 * math.log(2 * math.pi * math.e) + log_std)).mean()


def best_log_std(variance: str, curvature: Tensor, alpha: float) -> Tensor:
    """The best log σ of a scheme with mean m in every state, ``(S,)``.

    A σ for every state: σ² = α/c. One for all: σ² = α / mean c. Clipped: those of their own, cut
    to a window (g - 1, g) whose place g is the best.
    """
    from scipy.optimize import minimize_scalar

    own = 0.5 * (alpha / curvature).log()
    if variance in ("local", "product"):
        return own
    if variance == "global":
        return (0.5 * (alpha / curvature.mean()).log()).expand_as(curvature)

    def lost(g: float) -> float:
        return -float(soft_value(own.clamp(g - 1, g), curvature, alpha))

    low, high = float(own.min()), float(own.max())
    found = minimize_scalar(
        lost, bounds=(low, max(high, low + 1)), method="bounded", options={"xatol": 1e-12}
    )
    return own.clamp(float(found.x) - 1, float(found.x))


def _ascended(variance: str, curvature: Tensor, alpha: float) -> Tensor:
    """log σ where L-BFGS on the scheme's own g and l ends, from 0."""
    policy = tabular_gaussian(variance, 0.0, torch.zeros(len(curvature), dtype=F64))
    leaves = _table(policy)
    optimiser = torch.optim.LBFGS(
        leaves,
        max_iter=40,
        tolerance_grad=1e-8,
        tolerance_change=1e-13,
        line_search_fn="strong_wolfe",
    )

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = -soft_value(log_stds(policy), curvature, alpha)
        loss.backward()
        return loss

    optimiser.step(closure)
    return log_stds(policy).detach()


@checks("liu2020.variance.capacity")
def capacity_of_a_global_variance() -> Check:
    """One σ for all states costs ½ α (log mean c - mean log c) of the soft objective, no reward.

    Quadratic bandits, r = -½ c(s) (a - m)²; α = .3, 3 random tables of 4 states, and one with
    curvatures .2, 1, 5, 25. The schemes' own g and l ascend the objective, by L-BFGS, to the closed
    forms; the loss is the difference of two such values, and the rewards are equal. (Where the best
    σ are more than a factor e apart, the clipped scheme would have to bring l to ±∞: there it is
    not ascended, and its window is held against (g - 1, g).) Controls: the mean of the local
    variances for the global one; a clip from above alone.
    """
    ends = log_stds(tabular_gaussian("clipped", 0.0, torch.tensor([-50.0, 50.0], dtype=F64)))
    residual = worst(ends, torch.tensor([-1.0, 0.0], dtype=F64))
    averaged: list[float] = []
    one_sided: list[float] = []
    cases = [c for c, _, _ in _tables()] + [torch.tensor([0.2, 1.0, 5.0, 25.0], dtype=F64)]
    for c in cases:
        best = {v: best_log_std(v, c, _ALPHA) for v in VARIANCES}
        value = {v: soft_value(x, c, _ALPHA) for v, x in best.items()}
        wide = worst(best["clipped"], best["local"]) > 0  # the window is too narrow
        for variance in VARIANCES:
            if not (wide and variance == "clipped"):
                found = soft_value(_ascended(variance, c, _ALPHA), c, _ALPHA)
                residual = largest(residual, worst(found, value[variance]))
        loss = 0.5 * _ALPHA * (c.mean().log() - c.log().mean())
        reward = {v: (-0.5 * c * (2 * x).exp()).mean() for v, x in best.items()}
        residual = largest(
            residual,
            worst(value["local"] - value["global"], loss),
            worst(reward["local"], reward["global"]),
        )
        mean_variance = 0.5 * (_ALPHA / c).mean().log().expand_as(c)
        averaged.append(worst(value["local"] - soft_value(mean_variance, c, _ALPHA), loss))
        one_sided.append(worst(value["clipped"], value["local"]))
    return Check(
        "liu2020.variance.capacity",
        residual,
        TOLERANCE,
        (
            control("the mean of the local variances for the global one", averaged),
            control("a window without its lower end", one_sided),
        ),
        (_SCHEMES,),
        "4 quadratic bandits of 4 states, ascended by L-BFGS in each scheme's own parameters",
    )
