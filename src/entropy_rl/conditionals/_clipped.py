"""Gaussian actions that the environment clips, and the entropy of what then acts."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from entropy_rl import _validate
from entropy_rl.conditionals._gaussian import GaussianConditionals

_NARROWEST = 60.0  # -log σ, beyond which a width makes no difference; exp of it is finite
_FAR = 40.0  # deviations beyond which a float64 normal has no mass


def clipped_entropy(mean: Tensor, log_std: Tensor, low: float, high: float) -> Tensor:
    """The entropy of U = clip(A, low, high), A ~ N(μ, σ²): of the action that acts, in nats.

    U has the density of A inside and a mass on either bound, so that its entropy is relative to
    length plus a unit of mass on each bound. With z₁ = (low - μ)/σ, z₂ = (high - μ)/σ,
    Z = Φ(z₂) - Φ(z₁) and m₁ = Φ(z₁), m₂ = 1 - Φ(z₂)::

        H(U) = (log σ + ½ log 2π) Z + ½ (Z + z₁ φ(z₁) - z₂ φ(z₂)) - m₁ log m₁ - m₂ log m₂

    At most log(high - low + 2), for every μ and σ, while that of A, ½ log(2πe) + log σ, has no
    bound. As σ → ∞ it falls to what a coin between the bounds has, log 2.

    Args:
        mean: ``(*batch,)``, μ.
        log_std: ``(*batch,)``, log σ, natural logarithm.
        low: the lower bound, finite.
        high: the upper one, above it.

    Returns:
        ``(*batch,)``, differentiable in both.

    Raises:
        ValueError: another dtype or shape, numbers that are not finite, bounds in another order.

    Source: this project's.
    """
    _validate.shape("log_std", _validate.floating("log_std", log_std), tuple(mean.shape))
    for name, x in (("mean", _validate.floating("mean", mean)), ("log_std", log_std)):
        if not x.isfinite().all():
            raise _validate.fail(name, "finite values", "NaN or infinity among them")
    _validate.number("low", low)
    _validate.above("high", high, low)
    return _entropy(mean, log_std, low, high)


def _entropy(mean: Tensor, log_std: Tensor, low: float, high: float) -> Tensor:
    # A mean on a bound with no width at all would else be 0 · ∞.
    narrow = (-log_std).clamp(max=_NARROWEST).exp()
    z1, z2 = ((bound - mean) * narrow for bound in (low, high))
    z1, z2 = z1.clamp(-_FAR, _FAR), z2.clamp(-_FAR, _FAR)
    inside = torch.special.ndtr(z2) - torch.special.ndtr(z1)
    square = inside + z1 * _density(z1) - z2 * _density(z2)  # E[z²; inside]
    return (
        (log_std + 0.5 * math.log(2 * math.pi)) * inside
        + 0.5 * square
        + _mass_entropy(z1)
        + _mass_entropy(-z2)
    )


def _density(z: Tensor) -> Tensor:
    return (-0.5 * z.square()).exp() / math.sqrt(2 * math.pi)


def _mass_entropy(z: Tensor) -> Tensor:
    """-m log m of m = Φ(z)."""
    log_mass = torch.special.log_ndtr(z)
    return -log_mass.exp() * log_mass


@dataclass(frozen=True)
class ClippedGaussianConditionals(GaussianConditionals):
    """Gaussian conditionals whose entropies are those of the actions that act, clip(aᵢ).

    Actions and log-probabilities are those of the Gaussian, unclipped, so that score-function
    gradients are what they were. H⁽ⁱ⁾ is of :func:`clipped_entropy`, given the unclipped a_<i: for
    one component, or independent ones, its sum is the entropy of the joint clipped action. (The
    crude estimate, -log p(a), remains one of the Gaussian's.)

    Args:
        low: d lower bounds.
        high: d upper ones.

    Raises:
        ValueError: as the base; another number of bounds.

    Source: this project's.
    """

    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()

    def __post_init__(self, validate_args: bool) -> None:
        super().__post_init__(validate_args)
        for name in ("low", "high"):
            if len(getattr(self, name)) != self.d:
                raise _validate.fail(name, f"{self.d} bounds", getattr(self, name))

    @property
    def entropies(self) -> Tensor:
        """H(clip(aᵢ) | a_<i) in nats, shape ``(*batch, d)``."""
        each = [
            _entropy(self.means[..., i], self.log_stds[..., i], low, high)
            for i, (low, high) in enumerate(zip(self.low, self.high, strict=True))
        ]
        return torch.stack(each, -1)
