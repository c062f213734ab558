"""Independent heads on a torso that looks at pictures."""

from __future__ import annotations

from typing import Any

from gymnasium import spaces
from torch import Tensor, nn

from entropy_rl import _validate
from entropy_rl.networks import ConvolutionalTorso, Linear, picture_shape
from entropy_rl.policies._base import CategoricalPolicy, component_legality, masked_log_softmax
from entropy_rl.policies._spaces import observation_part
from entropy_rl.stepwise import State


class ConvolutionalPolicy(CategoricalPolicy):
    """p(a | s) = Πᵢ p(aᵢ | s) from pictures: a torso of convolutions and d heads.

    The heads' weights are orthogonal and small, so that the policy is nearly uniform at first.

    Args:
        observation_space: a Box of pictures, uint8 ``(channels, height, width)``, or a Dict of
            ``"observation"`` (such a Box) and ``"action_mask"``.
        action_space: Discrete or MultiDiscrete.
        hidden_size: the number of the torso's features.

    Raises:
        ValueError: another space, or pictures of less than 36 × 36 pixels.

    Source: Mnih et al. 2015 (the torso), OpenAI's baselines (initialisation).
    """

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        hidden_size: int = 512,
    ) -> None:
        super().__init__(observation_space, action_space)
        part, _ = observation_part(observation_space)
        shape = picture_shape(part)
        if shape is None:
            raise _validate.fail("observation_space", "a Box of three axes, uint8", part)
        self.pictures = shape
        self.torso = ConvolutionalTorso(*self.pictures, hidden_size)
        self.heads = Linear(hidden_size, self.d * self.K)
        nn.init.orthogonal_(self.heads.weight, 0.01)
        nn.init.zeros_(self.heads.bias)

    def _observation_shape(self) -> tuple[int, ...]:
        return self.pictures

    def _rows(self, obs: Any) -> tuple[Tensor, Tensor | None]:
        """Pictures ``(N, channels, height, width)`` as they come, and legality as in the base."""
        x, mask = self._observation(obs)
        x = x.reshape(-1, *self.pictures)
        return x, self._legality(mask, len(x))

    def _begin(self, x: Tensor, mask: Tensor | None) -> State:
        """All heads at once: state = (features, logits, mask, i)."""
        features = self.torso(x)
        logits = self.heads(features).unflatten(-1, (self.d, self.K))
        return features, logits, mask, 0

    def step(self, state: State, previous: Tensor | None) -> tuple[Tensor, Tensor | None, State]:
        """Head i, whatever was drawn before."""
        features, logits, mask, i = state
        log_probs = masked_log_softmax(logits[:, i], component_legality(mask, i))
        return log_probs, features, (features, logits, mask, i + 1)
