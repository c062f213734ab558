"""A Gaussian policy whose actions stay within the bounds of their space."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor, nn

from entropy_rl import _validate
from entropy_rl.conditionals import GaussianConditionals, SquashedGaussianConditionals
from entropy_rl.networks import Linear, mlp
from entropy_rl.policies._spaces import action_dimensions, flat_rows, unmasked_size

LOG_STD = (-20.0, 2.0)
_INSIDE = 1 - 1e-6


class SquashedGaussianPolicy(nn.Module):
    """aᵢ = cᵢ + sᵢ tanh uᵢ,  uᵢ | s ~ N(mᵢ(s), σᵢ²(s)), components independent given the state.

    c and s are the middle and half the range of the action space; log σ is kept in [-20, 2].

    Args:
        observation_space: a Box of one axis.
        action_space: a Box of one axis with finite bounds.
        hidden_size: width of the torso.
        layers: number of hidden layers.

    Raises:
        ValueError: a space of another kind or without bounds, a size below 1.

    Source: Haarnoja et al. 2018, appendix C; liu2020, §3.1 (SDDPG).
    """

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        hidden_size: int = 256,
        layers: int = 2,
    ) -> None:
        super().__init__()
        _validate.positive_integer("hidden_size", hidden_size)
        _validate.positive_integer("layers", layers)
        self.observation_space, self.action_space = observation_space, action_space
        self.d = action_dimensions(action_space)
        assert isinstance(action_space, spaces.Box)  # action_dimensions refuses the rest
        if not action_space.is_bounded():
            raise _validate.fail("action_space", "a Box with finite bounds", action_space)
        low, high = (x.astype(np.float64) for x in (action_space.low, action_space.high))
        if not (low < high).all():
            raise _validate.fail("action_space", "a Box with low < high", action_space)
        self.centres = tuple(((high + low) / 2).tolist())
        self.half_ranges = tuple(((high - low) / 2).tolist())
        self.bounds = tuple(low.tolist()), tuple(high.tolist())
        size = unmasked_size(observation_space)
        self.torso = mlp([size] + [hidden_size] * layers, nn.ReLU, activate_last=True)
        self.head = Linear(hidden_size, 2 * self.d)
        self.config: dict[str, Any] = {}

    def parameters_of(self, obs: Tensor) -> tuple[Tensor, Tensor]:
        """m and log σ in the states ``obs``, each ``(*batch, d)``.

        Raises:
            ValueError: an observation of another size.
        """
        x = flat_rows(obs, self.observation_space)
        mean, log_std = self.head(self.torso(x.to(self.head.weight.dtype))).chunk(2, -1)
        return mean, log_std.clamp(*LOG_STD)

    def mode(self, obs: Tensor) -> Tensor:
        """The squashed mean, c + s tanh m(s), ``(*batch, d)``: the median of the action.

        (The mode of the density itself may lie at a bound.)
        """
        mean, log_std = self.parameters_of(obs)
        return self._chain(mean, log_std, mean).actions

    def sample(
        self, obs: Tensor, generator: torch.Generator | None = None
    ) -> SquashedGaussianConditionals:
        """Draw a ~ p(· | obs); the actions are detached, as the score function needs them.

        Args:
            obs: ``(*batch, size)``.
            generator: the source of randomness, on the policy's device.
        """
        mean, log_std = self.parameters_of(obs)
        with torch.no_grad():
            u = _draw(mean, log_std, generator)
        return self._chain(mean, log_std, u)

    def rsample(
        self, obs: Tensor, generator: torch.Generator | None = None
    ) -> SquashedGaussianConditionals:
        """Draw with u = m(s) + σ(s) ε, ε standard normal; the actions carry the graph.

        The same numbers as :meth:`sample` from the same generator.

        Args:
            obs: ``(*batch, size)``.
            generator: the source of randomness, on the policy's device.
        """
        mean, log_std = self.parameters_of(obs)
        return self._chain(mean, log_std, _draw(mean, log_std, generator))

    def conditionals(self, obs: Tensor, actions: Tensor) -> SquashedGaussianConditionals:
        """The chain along given actions ``(*batch, d)``, differentiable in the parameters.

        In single precision a tanh rounds to 1 from 9 on: an action at a bound is read as one at
        1 - 10⁻⁶ of the way to it, and near a bound u is known to few digits. An algorithm that
        forms ratios of what it stored needs a policy without a tanh.

        Raises:
            ValueError: actions of another shape, not floating point, or beyond a bound.
        """
        mean, log_std = self.parameters_of(obs)
        _validate.shape("actions", _validate.floating("actions", actions), tuple(mean.shape))
        low, high = (actions.new_tensor(x) for x in self.bounds)
        if not ((actions >= low) & (actions <= high)).all():
            got = f"some from {float(actions.min()):g} to {float(actions.max()):g}"
            raise _validate.fail("actions", "numbers within the bounds", got)
        y = (actions - actions.new_tensor(self.centres)) / actions.new_tensor(self.half_ranges)
        return self._chain(mean, log_std, y.clamp(-_INSIDE, _INSIDE).atanh().to(mean.dtype))

    def _chain(self, mean: Tensor, log_std: Tensor, u: Tensor) -> SquashedGaussianConditionals:
        inner = GaussianConditionals(mean, log_std, u, validate_args=False)
        return SquashedGaussianConditionals(
            inner, self.centres, self.half_ranges, self.bounds, validate_args=False
        )


def _draw(mean: Tensor, log_std: Tensor, generator: torch.Generator | None) -> Tensor:
    """m + σ ε, differentiable in m and σ."""
    _validate.generator("generator", generator, mean.device)
    noise = torch.empty_like(mean).normal_(generator=generator)
    return mean + log_std.exp() * noise
