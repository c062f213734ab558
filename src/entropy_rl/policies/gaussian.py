"""An autoregressive Gaussian policy whose joint action is multivariate normal."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor, nn

from entropy_rl import _validate
from entropy_rl.conditionals import ClippedGaussianConditionals, GaussianConditionals
from entropy_rl.networks import mlp
from entropy_rl.policies._spaces import action_dimensions, flat_rows, observation_size

VARIANCES = ("global", "local", "product", "clipped")


class GaussianPolicy(nn.Module):
    """aᵢ | s, a_<i ~ N(mᵢ(s) + Σ_{j<i} Lᵢⱼ(s) (aⱼ - mⱼ(s)), σᵢ²(s)).

    Jointly a ~ N(m, B diag(σ²) Bᵀ) with B = (I - L)⁻¹ and L strictly lower triangular, so every
    multivariate normal is of this form and log|Σ| = 2 Σᵢ log σᵢ.

    With g a parameter for each component and l(s) an output of the network, log σ(s) is

    ============  ======================  ======================================
    ``variance``  log σ(s)                liu2020, Table 1
    ============  ======================  ======================================
    ``global``    g                       scheme 1, global σ
    ``local``     l(s)                    scheme 2, local σ
    ``product``   g + l(s)                scheme 3, global σ times local Δσ
    ``clipped``   g - ½ (1 - tanh l(s))   scheme 4, Δσ kept below 1
    ============  ======================  ======================================

    Args:
        observation_space: a Box of one axis.
        action_space: a Box of one axis; its bounds are not enforced.
        hidden_size: width of the torso.
        layers: number of hidden layers.
        variance: how σ depends on the state.
        clipped_entropy: whether its entropies are those of the actions clipped to the bounds of
            ``action_space``, as they act, instead of the Gaussian's, which clipping leaves without
            an upper bound.

    Raises:
        ValueError: a space of another kind, a size below 1, an unknown name; clipped entropies
            without finite bounds.

    Source: zhang2018, Theorem 2 and Appendix B; liu2020, §4.2 (the clip of scheme 4 is that of its
    authors' code).
    """

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        hidden_size: int = 64,
        layers: int = 1,
        variance: str = "local",
        clipped_entropy: bool = False,
    ) -> None:
        super().__init__()
        self.variance = _validate.choice("variance", variance, VARIANCES)
        _validate.positive_integer("hidden_size", hidden_size)
        _validate.positive_integer("layers", layers)
        self.observation_space, self.action_space = observation_space, action_space
        self.d = action_dimensions(action_space)
        size = observation_size(observation_space)
        self.torso = mlp([size] + [hidden_size] * layers, nn.Tanh, activate_last=True)
        self.head = nn.Linear(hidden_size, 2 * self.d + self.d * self.d)
        self.bounds: tuple[tuple[float, ...], ...] | None = None
        if _validate.boolean("clipped_entropy", clipped_entropy):
            self.bounds = _bounds(action_space)
        if variance != "local":
            self.log_std = nn.Parameter(torch.zeros(self.d))
        self.config: dict[str, Any] = {}

    def parameters_of(self, obs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """m ``(*batch, d)``, log σ ``(*batch, d)`` and L ``(*batch, d, d)`` in the states ``obs``.

        Of a network in a half precision they are float32, as the log-probabilities made of them.

        Raises:
            ValueError: an observation of another size.
        """
        x = flat_rows(obs, self.observation_space)
        out = self.head(self.torso(x.to(self.head.weight.dtype)))
        if out.dtype in (torch.bfloat16, torch.float16):
            out = out.float()
        mean, local, lower = out.split([self.d, self.d, self.d * self.d], -1)
        log_std = self._log_std(local)
        return mean, log_std, lower.unflatten(-1, (self.d, self.d)).tril(-1)

    def _log_std(self, local: Tensor) -> Tensor:
        if self.variance == "local":
            return local
        shared = self.log_std.to(local.dtype).expand_as(local)
        if self.variance == "global":
            return shared
        return shared + (local if self.variance == "product" else -0.5 * (1 - local.tanh()))

    def mode(self, obs: Tensor) -> Tensor:
        """The most likely action, m(s), ``(*batch, d)``."""
        return self.parameters_of(obs)[0]

    def covariance(self, obs: Tensor) -> Tensor:
        """Σ = B diag(σ²) Bᵀ with B = (I - L)⁻¹, shape ``(*batch, d, d)``."""
        _, log_std, lower = self.parameters_of(obs)
        identity = torch.eye(self.d, dtype=lower.dtype, device=lower.device)
        scaled = torch.linalg.solve_triangular(
            identity - lower, torch.diag_embed(log_std.exp()), upper=False, unitriangular=True
        )
        return scaled @ scaled.mT

    def sample(self, obs: Tensor, generator: torch.Generator | None = None) -> GaussianConditionals:
        """Draw a ~ p(· | obs); the actions are detached, as the score function needs them.

        Args:
            obs: ``(*batch, size)``.
            generator: the source of randomness, on the policy's device.
        """
        parameters = self.parameters_of(obs)
        with torch.no_grad():
            actions = _draw(*parameters, generator)
        return self._chain(*parameters, actions)

    def rsample(
        self, obs: Tensor, generator: torch.Generator | None = None
    ) -> GaussianConditionals:
        """Draw a = m(s) + B(s) σ(s) ε with ε standard normal; the actions carry the graph.

        The reparametrised gradient, E[∇f(a)] = ∇E[f(A)], for an f that is differentiable in a. The
        same numbers as :meth:`sample` from the same generator. Estimators that multiply by
        ∇log p(a) need the detached actions of :meth:`sample` instead.

        Args:
            obs: ``(*batch, size)``.
            generator: the source of randomness, on the policy's device.
        """
        parameters = self.parameters_of(obs)
        return self._chain(*parameters, _draw(*parameters, generator))

    def conditionals(self, obs: Tensor, actions: Tensor) -> GaussianConditionals:
        """The chain along given actions ``(*batch, d)``, differentiable.

        Raises:
            ValueError: actions of another shape, or not floating point.
        """
        mean, log_std, lower = self.parameters_of(obs)
        _validate.shape("actions", _validate.floating("actions", actions), tuple(mean.shape))
        return self._chain(mean, log_std, lower, actions)

    def _chain(
        self, mean: Tensor, log_std: Tensor, lower: Tensor, actions: Tensor
    ) -> GaussianConditionals:
        means = mean + (lower @ (actions - mean).unsqueeze(-1)).squeeze(-1)
        if self.bounds is None:
            return GaussianConditionals(means, log_std, actions, validate_args=False)
        low, high = self.bounds
        return ClippedGaussianConditionals(means, log_std, actions, None, False, low, high)


def _draw(
    mean: Tensor, log_std: Tensor, lower: Tensor, generator: torch.Generator | None
) -> Tensor:
    """a = m + x with xᵢ = σᵢ εᵢ + Σ_{j<i} Lᵢⱼ xⱼ, differentiable in m, σ and L."""
    _validate.generator("generator", generator, mean.device)
    noise = torch.empty_like(mean).normal_(generator=generator)
    shifts: list[Tensor] = []
    for i in range(mean.shape[-1]):
        shift = log_std[..., i].exp() * noise[..., i]
        for j, earlier in enumerate(shifts):
            shift = shift + lower[..., i, j] * earlier
        shifts.append(shift)
    return mean + torch.stack(shifts, -1)


def _bounds(space: spaces.Space[Any]) -> tuple[tuple[float, ...], ...]:
    """The lower and the upper bounds of a Box, which must be finite."""
    assert isinstance(space, spaces.Box)  # action_dimensions has asked
    if not (np.isfinite(space.low).all() and np.isfinite(space.high).all()):
        raise _validate.fail("action_space", "a Box with finite bounds", space)
    return tuple(map(float, space.low)), tuple(map(float, space.high))
