"""Gaussian conditionals behind a tanh, which keeps the action within bounds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import InitVar, dataclass
from typing import Self

from torch import Tensor
from torch.nn.functional import softplus

from entropy_rl import _validate
from entropy_rl.conditionals._chain import ChainBase
from entropy_rl.conditionals._gaussian import GaussianConditionals


@dataclass(frozen=True)
class SquashedGaussianConditionals(ChainBase):
    """aᵢ = cᵢ + sᵢ tanh uᵢ with uᵢ | u_<i Gaussian: densities of what acts, not of u.

    ::

        log p(aᵢ | a_<i) = log N(uᵢ) - log sᵢ - log(1 - tanh² uᵢ)

    Their entropies have no closed form; ``crude`` and ``crude_gradient`` estimate them.

    Args:
        inner: of u, along the path.
        centres: c, one for each component.
        half_ranges: s, likewise, > 0.
        bounds: the least and the most of each component, which actions keep whatever c and s round
            to; None for c ± s.
        validate_args: check values too.

    Raises:
        ValueError: as many numbers as components are expected; a half-range that is not positive.

    Source: Haarnoja et al. 2018, appendix C, eq. 21.
    """

    inner: GaussianConditionals
    centres: tuple[float, ...]
    half_ranges: tuple[float, ...]
    bounds: tuple[tuple[float, ...], tuple[float, ...]] | None = None
    validate_args: InitVar[bool] = True

    def __post_init__(self, validate_args: bool) -> None:
        if not validate_args:
            return
        for name in ("centres", "half_ranges"):
            given: Sequence[float] = getattr(self, name)
            if len(given) != self.inner.d:
                raise _validate.fail(name, f"{self.inner.d} numbers", given)
            for x in given:
                _validate.number(name, x)
        for x in self.half_ranges:
            _validate.above("half_ranges", x, 0.0)

    @property
    def actions(self) -> Tensor:
        """aᵢ ``(*batch, d)``, within the bounds; for rounding at them too."""
        u = self.inner.actions
        made = u.new_tensor(self.centres) + u.new_tensor(self.half_ranges) * u.tanh()
        if self.bounds is None:
            return made
        low, high = (made.new_tensor(x) for x in self.bounds)
        return made.clamp(low, high)

    @property
    def features(self) -> Tensor | None:
        """Those of the inner chain."""
        return self.inner.features

    @property
    def component_log_probs(self) -> Tensor:
        """log p(aᵢ | a_<i), nats for actions in their own units, shape ``(*batch, d)``."""
        u = self.inner.actions
        # log(1 - tanh² u) = 2 (log 2 - u - softplus(-2u)), which is finite for every u.
        log_slope = 2 * (math.log(2) - u - softplus(-2 * u))
        return self.inner.component_log_probs - log_slope - u.new_tensor(self.half_ranges).log()

    def component_kl(self, q: Self) -> Tensor:
        """KL(pⁱ ‖ qⁱ) ``(*batch, d)``: that of u, since a bijection changes no divergence.

        Raises:
            ValueError: other bounds, or another shape.
        """
        mine, theirs = (self.centres, self.half_ranges), (q.centres, q.half_ranges)
        if mine != theirs:
            raise _validate.fail("q", f"the bounds {mine}", theirs)
        return self.inner.component_kl(q.inner)
