"""Two chains that the package does not have, written as an author outside would write them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from entropy_rl.conditionals import ChainBase, Conditionals, GaussianConditionals


@dataclass(frozen=True)
class TanhGaussian(ChainBase):
    """a = ``scale`` tanh(u) with u of a Gaussian chain: log p(a) = log p(u) - Σᵢ log |daᵢ/duᵢ|."""

    inner: GaussianConditionals
    scale: float = 1.0

    @property
    def actions(self) -> Tensor:
        return self.scale * self.inner.actions.tanh()

    @property
    def features(self) -> Tensor | None:
        return self.inner.features

    @property
    def component_log_probs(self) -> Tensor:
        u = self.inner.actions
        log_slope = 2 * (math.log(2) - u - torch.nn.functional.softplus(-2 * u))
        return self.inner.component_log_probs - log_slope - math.log(self.scale)

    def component_kl(self, q: TanhGaussian) -> Tensor:
        """That of the unsquashed: a bijection changes no divergence."""
        return self.inner.component_kl(q.inner)


@dataclass(frozen=True)
class Hybrid(ChainBase):
    """Discrete components first, then continuous ones."""

    discrete: Conditionals
    continuous: GaussianConditionals

    def _both(self, name: str) -> Tensor:
        return torch.cat([getattr(self.discrete, name), getattr(self.continuous, name)], -1)

    @property
    def actions(self) -> Tensor:
        return self._both("actions")

    @property
    def features(self) -> Tensor | None:
        return None

    @property
    def component_log_probs(self) -> Tensor:
        return self._both("component_log_probs")

    @property
    def entropies(self) -> Tensor:
        return self._both("entropies")

    def component_kl(self, q: Hybrid) -> Tensor:
        parts = (
            self.discrete.component_kl(q.discrete),
            self.continuous.component_kl(q.continuous),
        )
        return torch.cat(parts, -1)
