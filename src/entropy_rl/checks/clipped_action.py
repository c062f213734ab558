"""An entropy bonus for an action that the environment clips pays for width that has no effect."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from entropy_rl.checks._base import Check, checks
from entropy_rl.checks._enumerate import control, largest, worst
from entropy_rl.checks._instances import F64
from entropy_rl.checks.local_variance import log_stds, tabular_gaussian
from entropy_rl.conditionals import GaussianConditionals, clipped_entropy
from entropy_rl.policies.gaussian import VARIANCES

_STATES, _ALPHA = 4, 0.3


def expected_reward(mean: Tensor, log_std: Tensor, curvature: float) -> Tensor:
    """E[-½ c clip(A, -1, 1)²], A ~ N(mean, σ²), in closed form; ``(*batch,)``."""
    std = log_std.exp()
    z1, z2 = (-1 - mean) / std, (1 - mean) / std
    p1, p2 = torch.special.ndtr(z1), torch.special.ndtr(z2)
    d1, d2 = ((-0.5 * z.square()).exp() / math.sqrt(2 * math.pi) for z in (z1, z2))
    inside = p2 - p1
    square = std.square() * (inside + z1 * d1 - z2 * d2)
    cross = 2 * mean * std * (d1 - d2)
    return -0.5 * curvature * (square + cross + mean.square() * inside + p1 + 1 - p2)


def marginal_cost(std: float) -> float:
    """-d E[r] / d log σ over c, with mean 0: σ² E[z²; |z| < 1/σ] = σ² (2Φ(k) - 1 - 2 k φ(k))."""
    k = 1 / std
    density = math.exp(-0.5 * k * k) / math.sqrt(2 * math.pi)
    return std * std * (math.erf(k / math.sqrt(2)) - 2 * k * density)


def threshold() -> tuple[float, float]:
    """α*/c above which σ has no resting place, and the σ at which it is reached."""
    from scipy.optimize import minimize_scalar

    found = minimize_scalar(
        lambda x: -marginal_cost(x), bounds=(0.3, 3.0), method="bounded", options={"xatol": 1e-12}
    )
    return -float(found.fun), float(found.x)


def rests(alpha: float) -> list[float]:
    """The σ at which the slope of E[r(clip A)] + α H is 0, with c = 1: two of them, or none."""
    from scipy.optimize import brentq

    top, place = threshold()
    if alpha >= top:
        return []

    def slope(x: float) -> float:
        return alpha - marginal_cost(math.exp(x))

    far = math.log(1 / alpha)  # marginal_cost(σ) < (2/3) φ(0) / σ < alpha there
    edges = (-20.0, math.log(place), far + 1)
    return [math.exp(brentq(slope, a, b, xtol=1e-14)) for a, b in pairwise(edges)]


def _gaussian_entropy(log_std: Tensor) -> Tensor:
    """H of the package's own Gaussian conditionals, ``(n,)``."""
    zero = torch.zeros_like(log_std)[:, None]
    return GaussianConditionals(zero, log_std[:, None], zero).entropies[:, 0]


def _paid_by_quadrature(log_std: Tensor) -> Tensor:
    """E[-½ clip(A, -1, 1)²] with mean 0 as -½ (1 - ∫ (1 - u²) p(u) du): without cancellation."""
    nodes, weights = np.polynomial.legendre.leggauss(64)
    u, w = torch.from_numpy(nodes), torch.from_numpy(weights)
    means, widths, actions = torch.broadcast_tensors(0.0 * u, log_std[:, None], u)
    density = GaussianConditionals(means, widths, actions).component_log_probs.exp()
    return -0.5 * (1 - density @ (w * (1 - u.square())))


def _growth(entropy: Callable[[Tensor], Tensor], clipped: bool, variance: str) -> float:
    """Of the objective, mean over states, as log σ rises from 30 to 60 by g, or l where no g is."""
    values = []
    for level in (30.0, 60.0):
        shift = torch.full((_STATES,), level if variance == "local" else 0.0, dtype=F64)
        log_std = log_stds(tabular_gaussian(variance, level, shift)).detach()
        paid = _paid_by_quadrature(log_std) if clipped else -0.5 * (2 * log_std).exp()
        values.append(float((paid + _ALPHA * entropy(log_std)).mean()))
    return values[1] - values[0]


def _clipped_by_quadrature(mean: float, std: float) -> float:
    """The entropy of clip(N(mean, std²), -1, 1) by Gauss–Legendre inside, and its two masses."""
    nodes, weights = np.polynomial.legendre.leggauss(200)
    x, z = torch.from_numpy(nodes), torch.from_numpy(weights)
    normal = torch.distributions.Normal(torch.tensor(mean, dtype=F64), torch.tensor(std, dtype=F64))
    log_p = normal.log_prob(x)
    masses = [normal.cdf(-torch.ones((), dtype=F64)), 1 - normal.cdf(torch.ones((), dtype=F64))]
    return float(-(z @ (log_p.exp() * log_p)) - sum(torch.special.xlogy(m, m) for m in masses))


@checks("liu2020.variance.clipped_action")
def clipped_actions_pay_for_any_width() -> Check:
    """Where the environment clips, E[r(clip A)] + α H is unbounded above in σ, for every α > 0.

    One decision, r = -½ c u², u = clip(A, -1, 1). In each scheme log σ is raised from 30 to 60 by
    its g, or its l: the objective grows by 30 α. Below α* = .214 c there are two resting places,
    found by root; above it, on a grid of σ, the slope is positive throughout. The slope's closed
    form against autograd. At an edge: μ = λ², σ = λ = 10: the reward is that of a sure u = 1 and H
    is that of N(0, 100). And the entropy of u itself against quadrature, and below log 4. Controls:
    with that entropy; without the clip; the resting place of what is not clipped.
    """
    residual = 0.0
    top, _ = threshold()
    for variance in VARIANCES:
        residual = largest(residual, abs(_growth(_gaussian_entropy, True, variance) - 30 * _ALPHA))
    x = torch.linspace(-4, 8, 241, dtype=F64, requires_grad=True)
    (slope,) = torch.autograd.grad(expected_reward(torch.zeros_like(x), x, 1.0).sum(), x)
    broad = x.detach()[60:]
    closed = expected_reward(torch.zeros_like(broad), broad, 1.0)
    residual = largest(residual, worst(closed, _paid_by_quadrature(broad)))
    formula = torch.tensor([-marginal_cost(math.exp(y)) for y in x.tolist()], dtype=F64)
    residual = largest(residual, worst(slope, formula))
    naive = []
    for alpha in (0.2 * top, 0.9 * top):
        for std in rests(alpha):
            residual = largest(residual, abs(alpha - marginal_cost(std)))
        naive.append(abs(alpha - marginal_cost(alpha**0.5)))
    residual = largest(residual, -float((1.01 * top + formula).min()))
    ten = torch.tensor([math.log(10.0)], dtype=F64)
    residual = largest(
        residual, worst(expected_reward(100 * torch.ones(1, dtype=F64), ten, 1.0), -0.5)
    )
    for mean, std in ((0.0, 0.4), (0.3, 1.0), (-2.0, 1.5), (0.9, 6.0)):
        found = clipped_entropy(
            torch.tensor(mean, dtype=F64), torch.tensor(math.log(std), dtype=F64), -1.0, 1.0
        )
        residual = largest(residual, worst(found, _clipped_by_quadrature(mean, std)))
        residual = largest(residual, float(found) - math.log(4))
    acting = [
        _growth(lambda y: clipped_entropy(torch.zeros_like(y), y, -1.0, 1.0), True, v)
        for v in VARIANCES
    ]
    unclipped = _growth(_gaussian_entropy, False, "global")
    return Check(
        "liu2020.variance.clipped_action",
        residual,
        1e-9,
        (
            control(
                "with the entropy of the clipped action", [abs(x - 30 * _ALPHA) for x in acting]
            ),
            control("without the clip", [abs(unclipped - 30 * _ALPHA)]),
            control("σ² = α/c for a resting place, as if nothing were clipped", naive),
        ),
        (
            "entropy_rl.conditionals.clipped_entropy",
            "entropy_rl.conditionals.GaussianConditionals",
            "entropy_rl.policies.GaussianPolicy",
        ),
        "closed forms of a clipped Gaussian against autograd and quadrature; 4 schemes of "
        f"{_STATES} states, log σ from 30 to 60",
    )
