"""Theorem 2: for a multivariate normal the smoothed entropy is the entropy, on every path."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.distributions import MultivariateNormal

from entropy_rl.checks._base import Check, Control, Refutation, checks
from entropy_rl.checks._enumerate import LEAST, TOLERANCE, control, largest, worst
from entropy_rl.checks._instances import F64, instance, instances
from entropy_rl.estimators import crude, smoothed

_LOG_2PI_E = math.log(2 * math.pi * math.e)
_DIMENSIONS = (1, 1, 1, 1)  # four components; only their number counts here
_FUNCTIONS = (
    "entropy_rl.conditionals.GaussianConditionals",
    "entropy_rl.policies.GaussianPolicy",
    "entropy_rl.estimators.smoothed",
)


def normal_entropy(covariance: Tensor) -> Tensor:
    """H = ½ (d log 2πe + log|Σ|) in nats: the formula of Appendix B with its logarithm."""
    return 0.5 * (covariance.shape[-1] * _LOG_2PI_E + torch.logdet(covariance))


def printed_entropy(covariance: Tensor) -> Tensor:
    """½ (d log 2πe + |Σ|): the formula as Appendix B prints it."""
    return 0.5 * (covariance.shape[-1] * _LOG_2PI_E + torch.det(covariance))


def conditional_variance(covariance: Tensor, i: int) -> Tensor:
    """The Schur complement Var(aᵢ | a_<i) = Σᵢᵢ - Σ_{i,<i} Σ_{<i,<i}⁻¹ Σ_{<i,i}."""
    cross = covariance[:i, i]
    return covariance[i, i] - cross @ torch.linalg.solve(covariance[:i, :i], cross)


def printed_variance(covariance: Tensor, i: int) -> Tensor:
    """Σᵢᵢ - Σ_{i,<i} Σ_{<i,<i} Σ_{<i,i}: as Appendix B prints it, without the inverse."""
    return covariance[i, i] - covariance[i, :i] @ covariance[:i, :i] @ covariance[:i, i]


def quadrature_entropy(mean: Tensor, covariance: Tensor, prefix: Tensor) -> Tensor:
    """-∫ p(x | a_<i) log p(x | a_<i) dx, with p the ratio of two joint densities.

    Trapezoids on 401 points over ±12 conditional deviations: exact to rounding for a Gaussian
    integrand. The regression formulas place the grid; they do not enter the integrand.

    Args:
        mean: ``(d,)`` of the joint normal.
        covariance: ``(d, d)``.
        prefix: ``(i,)``: a_<i.
    """
    i = len(prefix)
    slope = torch.linalg.solve(covariance[:i, :i], covariance[:i, i])
    half = 12 * conditional_variance(covariance, i).sqrt()
    x = torch.linspace(-1, 1, 401, dtype=F64) * half + mean[i] + slope @ (prefix - mean[:i])
    points = torch.cat([prefix.expand(len(x), -1), x.unsqueeze(-1)], -1)
    log_p = MultivariateNormal(mean[: i + 1], covariance[: i + 1, : i + 1]).log_prob(points)
    if i:
        log_p = log_p - MultivariateNormal(mean[:i], covariance[:i, :i]).log_prob(prefix)
    return torch.trapezoid(-log_p.exp() * log_p, x)


@checks("zhang2018.thm2")
def smoothed_of_a_normal() -> Check:
    """Theorem 2: if a is multivariate normal, H̃(a) = H for *every* a.

    Random Gaussian policies of 4 components, their joint Σ = B diag(σ²) Bᵀ. In each: the policy's
    σᵢ² against Schur complements; H̃ at 5 actions, some far out, against ½ log|2πe Σ|; and H⁽ⁱ⁾
    at three of those prefixes against 1-D quadrature of a ratio of joint densities. Controls: the
    two printed formulas of Appendix B; a mixture of two normals, for which H̃ depends on a.
    """
    residual = 0.0
    logless: list[float] = []
    inverseless: list[float] = []
    for x in instances(("gaussian",), _DIMENSIONS):
        with torch.no_grad():
            mean = x.policy.parameters_of(x.obs)[0][0]
            covariance = x.policy.covariance(x.obs)[0]
            far = torch.linspace(-4, 4, 5, dtype=F64).unsqueeze(-1)
            actions = mean + far * torch.tensor([1.0, -0.5, 2.0, 0.1], dtype=F64)
            chain = x.policy.conditionals(x.obs.expand(5, -1), actions)
        entropy = normal_entropy(covariance)
        residual = largest(residual, worst(smoothed(chain).value, entropy))
        logless.append(worst(printed_entropy(covariance), entropy))
        wrong = 0.0
        for i in range(x.policy.d):
            schur = conditional_variance(covariance, i)
            variance = (2 * chain.log_stds[0, i]).exp()
            residual = largest(residual, worst(variance / schur, 1.0))
            wrong = largest(wrong, worst(printed_variance(covariance, i) / schur, 1.0))
            for row in (0, 2, 4):
                found = quadrature_entropy(mean, covariance, actions[row, :i])
                residual = largest(residual, worst(found, chain.entropies[row, i]))
        inverseless.append(wrong)
    return Check(
        "zhang2018.thm2",
        residual,
        TOLERANCE,
        (
            control("½|Σ| for ½ log|Σ| (printed)", logless),
            control("conditional variance without the inverse (printed), relatively", inverseless),
            Control("a mixture of two normals", _spread_of_a_mixture(), LEAST),
        ),
        _FUNCTIONS,
        "4 components, 3 random policies: Schur complements, log-determinants at 5 actions, "
        "quadrature on 401 points at 3 prefixes of every length",
    )


def _spread_of_a_mixture() -> float:
    """max - min over a₁ of h(a₂ | a₁), for ½N((0,0), I) + ½N((3,0), diag(1, 9)): by quadrature."""
    x = torch.linspace(-60, 60, 4001, dtype=F64)
    narrow = (-0.5 * x.square()).exp() / math.sqrt(2 * math.pi)
    wide = (-0.5 * (x / 3).square()).exp() / math.sqrt(18 * math.pi)
    entropies = []
    for a1 in (0.0, 1.5, 3.0):
        odds = math.exp(-0.5 * a1**2), math.exp(-0.5 * (a1 - 3) ** 2)
        p = (odds[0] * narrow + odds[1] * wide) / sum(odds)
        entropies.append(float(torch.trapezoid(-torch.special.xlogy(p, p), x)))
    return largest(*entropies) - min(entropies)


@checks("zhang2018.thm2.montecarlo")
def crude_of_a_normal() -> Check:
    """The mean of -log p(A) over sampled A is ½ log|2πe Σ|, within three standard errors.

    100,000 samples of a Gaussian policy with 4 components, one fixed seed. For a normal,
    -log p(A) = H + ½(χ²_d - d), so the standard error is √(d/2n) exactly, and a new seed would fail
    3 times in 1,000. The samples are also those of that Σ: their smoothed values do not vary at
    all. Controls: the entropy as printed; the samples scored by another policy (a cross entropy).
    """
    n, x = 100_000, instance("gaussian", 0, _DIMENSIONS)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        covariance = x.policy.covariance(x.obs)[0]
        observations = x.obs.expand(n, -1)
        chain = x.policy.sample(observations, generator)
        other = x.other.conditionals(observations, chain.actions)
        mean = crude(chain).value.mean()
        crossed = crude(other).value.mean()
    entropy = normal_entropy(covariance)
    standard_error = math.sqrt(x.policy.d / (2 * n))
    return Check(
        "zhang2018.thm2.montecarlo",
        worst(mean, entropy),
        3 * standard_error,
        (
            Control("½|Σ| for ½ log|Σ| (printed)", worst(mean, printed_entropy(covariance)), 0.1),
            Control("samples scored by another policy", worst(crossed, entropy), 0.1),
        ),
        (*_FUNCTIONS[:2], "entropy_rl.estimators.crude"),
        f"{n:,} samples of one Gaussian policy with {x.policy.d} components, seed 0; variance of "
        f"the smoothed value {float(smoothed(chain).value.var()):.1g}",
        standard_error=standard_error,
    )


@checks("zhang2018.appB.covariance")
def printed_conditional_covariance() -> Refutation:
    """Appendix B prints Σ̄ = Σ₂₂ - Σ₂₁Σ₁₁Σ₁₂; it is Σ₂₂ - Σ₂₁Σ₁₁⁻¹Σ₁₂. Σ = [[2, 1], [1, 1]].

    As printed the variance of a₂ given a₁ is 1 - 1·2·1 = -1. It is 1 - 1·½·1 = ½, which the
    quadrature of the ratio of densities confirms through ½ log(2πe σ²).
    """
    covariance = torch.tensor([[2.0, 1.0], [1.0, 1.0]], dtype=F64)
    zero = torch.zeros(2, dtype=F64)
    entropy = float(quadrature_entropy(zero, covariance, zero[:1]))
    return Refutation(
        "zhang2018.appB.covariance",
        witness="Σ = [[2, 1], [1, 1]]: Var(a₂ | a₁) as printed is negative",
        printed=float(printed_variance(covariance, 1)),
        found=math.exp(2 * entropy - _LOG_2PI_E),
        least=LEAST,
        quantity="variance of a₂ given a₁",
    )


@checks("zhang2018.appB.entropy")
def printed_normal_entropy() -> Refutation:
    """Appendix B prints H = ½k log 2πe + ½|Σ| (and ½σᵢ²); it is ½ log|Σ| (and ½ log σᵢ²).

    For the standard normal, k = 1 and Σ = 1, the printed value is half a nat too large; found by
    quadrature.
    """
    one, zero = torch.ones(1, 1, dtype=F64), torch.zeros(1, dtype=F64)
    return Refutation(
        "zhang2018.appB.entropy",
        witness="N(0, 1): ½(log 2π + 1 + |Σ|) is ½ nat more than -∫ p log p",
        printed=float(printed_entropy(one)),
        found=float(quadrature_entropy(zero, one, zero[:0])),
        least=LEAST,
        quantity="entropy of N(0, 1), in nats",
    )
