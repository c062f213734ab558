"""A clipped action, scored by the density of the one that was drawn, has another score."""

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
from entropy_rl.checks.clipped_action import expected_reward
from entropy_rl.conditionals import GaussianConditionals

_FAR = 12.0  # deviations beyond which there is no mass
_PLACES = ((0.0, 0.3), (0.0, 1.0), (0.5, 1.0), (-0.9, 2.0))


def expected_score(mean: Tensor, log_std: Tensor) -> Tensor:
    """E ∇log p(clip(A, -1, 1)) by μ and by log σ, in closed form; ``(2,)``.

    With zₖ the bounds in deviations from μ and ζ = clip(Z, z₁, z₂): E[ζ]/σ and E[ζ²] - 1.
    """
    std = log_std.exp()
    z1, z2 = (-1 - mean) / std, (1 - mean) / std
    p1, p2 = torch.special.ndtr(z1), torch.special.ndtr(-z2)
    d1, d2 = ((-0.5 * z.square()).exp() / math.sqrt(2 * math.pi) for z in (z1, z2))
    first = d1 - d2 + z1 * p1 + z2 * p2
    second = 1 - p1 - p2 + z1 * d1 - z2 * d2 + z1.square() * p1 + z2.square() * p2
    return torch.stack([first / std, second - 1])


def _nodes(mean: float, std: float) -> tuple[Tensor, Tensor]:
    """Actions and weights of Gauss–Legendre, apart below, within and above the bounds."""
    x, w = (torch.from_numpy(y) for y in np.polynomial.legendre.leggauss(200))
    ends = sorted({mean - _FAR * std, -1.0, 1.0, mean + _FAR * std})
    pieces = [(low, high) for low, high in pairwise(ends)]
    actions = [(high + low) / 2 + (high - low) / 2 * x for low, high in pieces]
    return torch.cat(actions), torch.cat([(high - low) / 2 * w for low, high in pieces])


def _score(mean: float, std: float, stored: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
    """E ∇log p and E r(clip A) ∇log p at the stored action, by μ and by log σ, by quadrature."""
    actions, weights = _nodes(mean, std)
    mu = torch.tensor(mean, dtype=F64, requires_grad=True)
    log_std = torch.tensor(math.log(std), dtype=F64, requires_grad=True)

    def log_prob(x: Tensor) -> Tensor:
        wide = x[:, None]
        return GaussianConditionals(mu.expand_as(wide), log_std.expand_as(wide), wide).log_prob

    mass = weights * log_prob(actions).detach().exp()
    paid = -0.5 * actions.clamp(-1, 1).square()
    found = [
        torch.stack(torch.autograd.grad((mass * factor) @ log_prob(stored(actions)), (mu, log_std)))
        for factor in (torch.ones_like(paid), paid)
    ]
    return found[0], found[1]


@checks("liu2020.clipped_score")
def clipped_actions_have_another_score() -> Check:
    """E ∂log p(clip A)/∂log σ = E[clip(Z)²] - 1 < 0, if μ lies within the bounds.

    One decision, A ~ N(μ, σ²), bounds ±1, r = -½ clip(A)². By quadrature, the log-probabilities
    being the package's: of drawn actions the score has mean 0, and weighted with r it is the
    gradient of E r, that of its closed form; of clipped ones its mean is another closed form, in
    log σ below 0 and -1 in the limit. With μ = 0 and σ = 1 the clipped one would widen σ, where E r
    falls. Controls: the clipped score as if its mean were 0; as if it gave the reward's gradient.
    """
    residual, means, gradients = 0.0, [], []
    for mean, std in _PLACES:
        mu = torch.tensor(mean, dtype=F64, requires_grad=True)
        log_std = torch.tensor(math.log(std), dtype=F64, requires_grad=True)
        truth = torch.stack(torch.autograd.grad(expected_reward(mu, log_std, 1.0), (mu, log_std)))
        score, weighted = _score(mean, std, lambda x: x)
        residual = largest(residual, worst(score, 0), worst(weighted, truth))
        score, weighted = _score(mean, std, lambda x: x.clamp(-1, 1))
        residual = largest(residual, worst(score, expected_score(mu, log_std)), float(score[1]))
        means.append(float(score.abs().max()))
        gradients.append(float((weighted - truth).abs().max()))
        if (mean, std) == (0.0, 1.0):
            residual = largest(residual, float(truth[1]), -float(weighted[1]))
    far, _ = _score(0.2, 1e6, lambda x: x.clamp(-1, 1))
    residual = largest(residual, worst(far, torch.tensor([0.0, -1.0])))
    return Check(
        "liu2020.clipped_score",
        residual,
        1e-9,
        (
            control("the score of clipped actions taken to have mean 0", means),
            control("the reward's gradient from clipped actions", gradients),
        ),
        ("entropy_rl.conditionals.GaussianConditionals",),
        f"Gauss–Legendre on three pieces of the line, {len(_PLACES)} means and widths",
    )
