"""What all categorical policies share: spaces, masks, sampling, teacher forcing."""

from __future__ import annotations

from typing import Any

import torch
from gymnasium import spaces
from torch import Tensor, nn

from entropy_rl import _validate, stepwise
from entropy_rl.conditionals import Conditionals
from entropy_rl.policies import _spaces
from entropy_rl.stepwise import Observation, State
from entropy_rl.streams import Source


class CategoricalPolicy(nn.Module):
    """A policy p(a | s) = Πᵢ p(aᵢ | s, a_<i) over d components of at most K values.

    A family defines :meth:`start` and :meth:`step`; the rest is written once, in
    :mod:`entropy_rl.stepwise`. Of one that defines ``_begin`` instead of :meth:`start`
    ``_conditionals`` look at no values and so pass through ``torch.func.vmap``. Whether several may
    be stacked in one says ``stackable``.

    Args:
        observation_space: a Box of one axis (or what a family says), or a Dict of
            ``"observation"``, which is such a space, and ``"action_mask"`` (shape ``(d, K)``, 1
            where legal).
        action_space: Discrete or MultiDiscrete. Components of different sizes are padded to the
            largest; the padding is masked.

    Raises:
        ValueError: a space of another kind.
    """

    legal: Tensor | None
    stackable = False  # whether stack_policies may make one of several
    replicas = 1
    validate_steps = False  # its numbers are those of masked_log_softmax

    def __init__(
        self, observation_space: spaces.Space[Any], action_space: spaces.Space[Any]
    ) -> None:
        super().__init__()
        sizes = _spaces.component_sizes(action_space)
        self.observation_space, self.action_space = observation_space, action_space
        self.d, self.K = len(sizes), max(sizes)
        self.takes_mask = _spaces.observation_part(observation_space)[1]
        self.register_buffer("legal", _spaces.legal_components(sizes), persistent=False)
        self.config: dict[str, Any] = {}

    def start(self, obs: Observation) -> State:
        """The state before the first component."""
        return self._begin(*self._read(obs))

    def _begin(self, x: Tensor, mask: Tensor | None) -> State:
        """:meth:`start` from flat rows ``(N, size)`` and legality ``(N, d, K)`` or None."""
        raise NotImplementedError

    def step(self, state: State, previous: Tensor | None) -> tuple[Tensor, Tensor | None, State]:
        """The next conditional: ``(log_probs (N, K), features (N, F) or None, next state)``."""
        raise NotImplementedError

    def sample(self, obs: Observation, generator: Source | None = None) -> Conditionals:
        """Draw a ~ p(· | obs) and return the chain along it, differentiable.

        Args:
            obs: ``(*batch, …)``, or a dict with an action mask.
            generator: the source of randomness, on the policy's device.
        """
        return stepwise.sample(self, obs, generator)

    def conditionals(self, obs: Observation, actions: Tensor) -> Conditionals:
        """The chain along given actions ``(*batch, d)``, differentiable (teacher forcing).

        Raises:
            ValueError: actions of another shape or dtype, out of range, or masked.
        """
        return stepwise.teacher_force(self, obs, actions)

    def _conditionals(self, obs: Observation, actions: Tensor) -> Conditionals:
        """:meth:`conditionals` of actions and masks whose values are not looked at."""
        state = self._begin(*self._rows(obs))
        return stepwise.follow(self, state, self.batch_shape(obs), actions.reshape(-1, self.d))

    def batch_shape(self, obs: Observation) -> torch.Size:
        """The batch shape of ``obs``."""
        shape = self._observation(obs)[0].shape
        return shape[: len(shape) - len(self._observation_shape())]

    def _observation(self, obs: Observation) -> tuple[Tensor, Tensor | None]:
        """The observation proper and the mask, with their shapes checked."""
        seen, mask = obs, None
        if self.takes_mask:
            if not isinstance(obs, dict) or not {"observation", "action_mask"} <= obs.keys():
                raise _validate.fail(
                    "obs", "a dict of 'observation' and 'action_mask'", _validate.describe(obs)
                )
            seen, mask = obs["observation"], obs["action_mask"]
        x = _validate.tensor("obs", seen)
        size = self._observation_shape()
        if x.ndim < len(size) or tuple(x.shape[x.ndim - len(size) :]) != size:
            shape = ", ".join(map(str, size))
            raise _validate.fail("obs", f"shape (*batch, {shape})", _validate.describe(x))
        if mask is not None:
            expected = (*x.shape[: x.ndim - len(size)], self.d, self.K)
            _validate.shape("action_mask", _validate.tensor("action_mask", mask), expected)
        return x, mask

    def _observation_shape(self) -> tuple[int, ...]:
        return (_spaces.observation_size(self.observation_space),)

    def _read(self, obs: Observation) -> tuple[Tensor, Tensor | None]:
        """What :meth:`_rows` gives, or ``ValueError`` if a component has no legal action."""
        x, mask = self._rows(obs)
        return x, self._check_legality(mask)

    def _rows(self, obs: Observation) -> tuple[Tensor, Tensor | None]:
        """Flat rows ``(N, size)`` in the parameters' dtype, and legality ``(N, d, K)`` or None."""
        x, mask = self._observation(obs)
        size = self._observation_shape()[0]
        x = x.reshape(x.shape[:-1].numel(), size).to(next(self.parameters()).dtype)
        return x, self._legality(mask, len(x))

    def _legality(self, mask: Tensor | None, rows: int) -> Tensor | None:
        """The mask as bool ``(rows, d, K)``, the padding of short components masked too."""
        if mask is None:
            return None if self.legal is None else self.legal.expand(rows, -1, -1)
        mask = mask.reshape(rows, self.d, self.K).bool()
        return mask if self.legal is None else mask & self.legal

    def _check_legality(self, mask: Tensor | None) -> Tensor | None:
        if self.takes_mask and mask is not None and not mask.any(-1).all():
            raise _validate.fail(
                "action_mask", "a legal action in every component", "a component without one"
            )
        return mask


def masked_log_softmax(logits: Tensor, legal: Tensor | None) -> Tensor:
    """log p = logits - log Σ exp logits over the legal actions; -inf elsewhere.

    In half precisions the normalisation is done in float32 (bfloat16 alone normalises only to
    about .008), so the result is float32 there.

    Args:
        logits: ``(*batch, K)``.
        legal: bool of the same shape, or None if all are legal.
    """
    if logits.dtype in (torch.bfloat16, torch.float16):
        logits = logits.float()
    if legal is not None:
        logits = logits.masked_fill(~legal, -torch.inf)
    # Over so few actions, a quarter of the time of torch's log_softmax.
    return logits - logits.logsumexp(-1, keepdim=True)


def component_legality(mask: Tensor | None, i: int) -> Tensor | None:
    """The legality ``(N, K)`` of component i, or None."""
    return None if mask is None else mask[:, i]
