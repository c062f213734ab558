"""A chain that the package does not have, written as an author outside would write it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from entropy_rl.conditionals import ChainBase, Conditionals, GaussianConditionals


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
