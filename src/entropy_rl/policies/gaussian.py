"""An autoregressive Gaussian policy whose joint action is multivariate normal."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor, nn
from torch.nn.functional import softplus

from entropy_rl import _validate
from entropy_rl.conditionals import ClippedGaussianConditionals, GaussianConditionals
from entropy_rl.networks import Linear, mlp, of_rows
from entropy_rl.policies._spaces import action_dimensions, flat_rows, unmasked_size
from entropy_rl.streams import Source, normal

VARIANCES = ("global", "local", "product", "clipped")  # liu2020, Table 1
SCHEMES = (*VARIANCES, "softplus")
ACTIVATIONS: dict[str, type[nn.Module]] = {"tanh": nn.Tanh, "relu": nn.ReLU}

_SMALL = -30.0  # below it log softplus(x) is x, to 10⁻¹³


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
    ``softplus``  log log(1 + exp l(s))   scheme 2, as in its authors' code
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
        activation: of the torso, "tanh" or "relu".
        bounded_mean: whether m(s) is kept within the bounds of ``action_space``, c + h tanh of the
            network's output with their middle c and half their distance h.
        clipped_actions: whether :meth:`sample` returns the actions clipped to the bounds of
            ``action_space`` in place of those that it drew, scored by the density of the latter.
            That is a bias, kept because the authors of liu2020 have it: E ∇log p(clip A) is not 0,
            and the score function's gradient is not that of the reward. Nobody needs it: an
            environment clips what it is given.

    Raises:
        ValueError: a space of another kind, a size below 1, an unknown name; an option that reads
            the bounds where there are none.

    Source: zhang2018, Theorem 2 and Appendix B; liu2020, §4.2, and the code of its authors (the
    clip of scheme 4, "softplus", and the last three options).
    """

    stackable = True
    row_parameters = ("log_std",)

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        hidden_size: int = 64,
        layers: int = 1,
        variance: str = "local",
        clipped_entropy: bool = False,
        activation: str = "tanh",
        bounded_mean: bool = False,
        clipped_actions: bool = False,
    ) -> None:
        super().__init__()
        self.variance = _validate.choice("variance", variance, SCHEMES)
        between = ACTIVATIONS[_validate.choice("activation", activation, ACTIVATIONS)]
        _validate.positive_integer("hidden_size", hidden_size)
        _validate.positive_integer("layers", layers)
        self.observation_space, self.action_space = observation_space, action_space
        self.d = action_dimensions(action_space)
        size = unmasked_size(observation_space)
        self.torso = mlp([size] + [hidden_size] * layers, between, activate_last=True)
        self.head = Linear(hidden_size, 2 * self.d + self.d * self.d)
        self.clipped_entropy = _validate.boolean("clipped_entropy", clipped_entropy)
        self.bounded_mean = _validate.boolean("bounded_mean", bounded_mean)
        self.clipped_actions = _validate.boolean("clipped_actions", clipped_actions)
        self.bounds: tuple[tuple[float, ...], ...] = ()
        if clipped_entropy or bounded_mean or clipped_actions:
            self.bounds = _bounds(action_space)
        if variance not in ("local", "softplus"):
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
        if self.bounded_mean:
            low, high = self._bounds_as(mean)
            mean = (high + low) / 2 + (high - low) / 2 * mean.tanh()
        log_std = self._log_std(local)
        if self.d == 1:  # nothing lies below the diagonal
            return mean, log_std, torch.zeros_like(lower).unsqueeze(-1)
        return mean, log_std, lower.unflatten(-1, (self.d, self.d)).tril(-1)

    def _log_std(self, local: Tensor) -> Tensor:
        if self.variance == "local":
            return local
        if self.variance == "softplus":
            # The logarithm of what rounds to 0 has no gradient.
            ordinary = softplus(local.clamp(min=_SMALL)).log()
            return torch.where(local < _SMALL, local, ordinary)
        shared = of_rows(self.log_std.to(local.dtype), local)
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

    def sample(self, obs: Tensor, generator: Source | None = None) -> GaussianConditionals:
        """Draw a ~ p(· | obs); the actions are detached, as the score function needs them.

        Args:
            obs: ``(*batch, size)``.
            generator: the source of randomness, on the policy's device.
        """
        parameters = self.parameters_of(obs)
        with torch.no_grad():
            actions = self._acting(_draw(*parameters, generator))
        return self._chain(*parameters, actions)

    def rsample(self, obs: Tensor, generator: Source | None = None) -> GaussianConditionals:
        """Draw a = m(s) + B(s) σ(s) ε with ε standard normal; the actions carry the graph.

        The reparametrised gradient, E[∇f(a)] = ∇E[f(A)], for an f that is differentiable in a. The
        same numbers as :meth:`sample` from the same generator. Estimators that multiply by
        ∇log p(a) need the detached actions of :meth:`sample` instead.

        Args:
            obs: ``(*batch, size)``.
            generator: the source of randomness, on the policy's device.
        """
        parameters = self.parameters_of(obs)
        return self._chain(*parameters, self._acting(_draw(*parameters, generator)))

    def conditionals(self, obs: Tensor, actions: Tensor) -> GaussianConditionals:
        """The chain along given actions ``(*batch, d)``, differentiable.

        The actions are read in the dtype of the mean, as observations in that of the parameters.

        Raises:
            ValueError: actions of another shape, or not floating point.
        """
        mean, log_std, lower = self.parameters_of(obs)
        _validate.shape("actions", _validate.floating("actions", actions), tuple(mean.shape))
        return self._chain(mean, log_std, lower, actions.to(mean.dtype))

    def _acting(self, actions: Tensor) -> Tensor:
        if not self.clipped_actions:
            return actions
        low, high = self._bounds_as(actions)
        return actions.clamp(low, high)

    def _bounds_as(self, x: Tensor) -> tuple[Tensor, Tensor]:
        low, high = self.bounds
        return x.new_tensor(low), x.new_tensor(high)

    def _chain(
        self, mean: Tensor, log_std: Tensor, lower: Tensor, actions: Tensor
    ) -> GaussianConditionals:
        means = mean
        if self.d > 1:
            means = mean + (lower @ (actions - mean).unsqueeze(-1)).squeeze(-1)
        if not self.clipped_entropy:
            return GaussianConditionals(means, log_std, actions, validate_args=False)
        low, high = self.bounds
        return ClippedGaussianConditionals(means, log_std, actions, None, False, low, high)


def _draw(mean: Tensor, log_std: Tensor, lower: Tensor, generator: Source | None) -> Tensor:
    """a = m + x with xᵢ = σᵢ εᵢ + Σ_{j<i} Lᵢⱼ xⱼ, differentiable in m, σ and L."""
    noise = normal(mean.shape, generator, dtype=mean.dtype, device=mean.device)
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
