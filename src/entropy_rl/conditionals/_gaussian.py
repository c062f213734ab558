"""Gaussian conditionals."""

from __future__ import annotations

import math
from dataclasses import InitVar, dataclass
from typing import Self

from torch import Tensor

from entropy_rl import _validate
from entropy_rl.conditionals._chain import ChainBase, check_features


@dataclass(frozen=True)
class GaussianConditionals(ChainBase):
    """Gaussian conditionals aᵢ | a_<i ~ N(μᵢ(a_<i), σᵢ²(a_<i)), along the path of ``actions``.

    Args:
        means: ``(*batch, d)``: μᵢ(a_<i).
        log_stds: ``(*batch, d)``: log σᵢ(a_<i), natural logarithm.
        actions: ``(*batch, d)``, floating point.
        features: ``(*batch, d, F)`` or None, as in :class:`Conditionals`.
        validate_args: check values too (finite).

    Raises:
        ValueError: wrong rank, shape or dtype; a value that is not finite.
    """

    means: Tensor
    log_stds: Tensor
    actions: Tensor
    features: Tensor | None = None
    validate_args: InitVar[bool] = True

    def __post_init__(self, validate_args: bool) -> None:
        means = _validate.floating("means", self.means)
        if means.ndim < 1 or means.shape[-1] == 0:
            raise _validate.fail("means", "shape (*batch, d) with d ≥ 1", _validate.describe(means))
        for name in ("log_stds", "actions"):
            _validate.shape(name, _validate.floating(name, getattr(self, name)), means.shape)
        check_features(self.features, self.actions)
        if validate_args:
            for name in ("means", "log_stds", "actions"):
                if not getattr(self, name).isfinite().all():
                    raise _validate.fail(name, "finite values", "NaN or infinity among them")

    @property
    def d(self) -> int:
        """The number of action components."""
        return self.means.shape[-1]

    @property
    def component_log_probs(self) -> Tensor:
        """log p(aᵢ | a_<i) = -½((aᵢ - μᵢ)/σᵢ)² - log σᵢ - ½ log 2π, shape ``(*batch, d)``."""
        z = (self.actions - self.means) * (-self.log_stds).exp()
        return -0.5 * z.square() - self.log_stds - 0.5 * math.log(2 * math.pi)

    @property
    def entropies(self) -> Tensor:
        """H⁽ⁱ⁾(a_<i) = ½ log(2πe) + log σᵢ(a_<i) in nats, shape ``(*batch, d)``."""
        return 0.5 * math.log(2 * math.pi * math.e) + self.log_stds

    def component_kl(self, q: Self) -> Tensor:
        """KL(pⁱ ‖ qⁱ) = ½ (σ²/τ² + (μ - ν)²/τ² - 1) - log(σ/τ), shape ``(*batch, d)``.

        Here μ and σ are of p = ``self``, ν and τ of q, each at a_<i.

        Raises:
            ValueError: another shape.
        """
        _validate.shape("q", q.means, tuple(self.means.shape))
        ratio = self.log_stds - q.log_stds
        shift = (self.means - q.means) * (-q.log_stds).exp()
        return 0.5 * ((2 * ratio).exp() + shift.square() - 1) - ratio
