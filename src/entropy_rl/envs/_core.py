"""What our environments have in common: a batched state, and a core whose step is a function.

All chance is drawn in ``reset`` and kept in the state: the same state and the same actions give the
same next state in any batch that holds them. Stochastic dynamics keep a key for each episode there
and take the noise of a step from it, see :mod:`entropy_rl.envs._chance`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from typing import (
    Any,
    ClassVar,
    NamedTuple,
    Protocol,
    Self,
    TypeAlias,
    TypeVar,
    cast,
    runtime_checkable,
)

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from entropy_rl import _validate as check
from entropy_rl.envs._actions import ActionSpace

Observation: TypeAlias = Tensor | dict[str, Tensor]


@dataclass(frozen=True)
class Batch:
    """A state of ``N`` episodes: every field is a tensor of shape ``(N, …)`` on one device."""

    def _map(self, f: Any, *others: Batch) -> Self:
        return type(self)(
            **{x.name: f(*(getattr(b, x.name) for b in (self, *others))) for x in fields(self)}
        )

    def __len__(self) -> int:
        return len(getattr(self, fields(self)[0].name))

    @property
    def device(self) -> torch.device:
        """Where the tensors lie."""
        return getattr(self, fields(self)[0].name).device

    def __getitem__(self, index: Tensor | slice) -> Self:
        """The episodes at ``index``, a mask ``(N,)``, indices or a slice; drops the others."""
        if isinstance(index, slice):
            return self._map(lambda x: x[index])
        # Whole rows are copied by index_select, entry by entry by an index in brackets.
        rows = index.nonzero().squeeze(1) if index.dtype == torch.bool else index
        return self._map(lambda x: x.index_select(0, rows))

    def replaced(self, mask: Tensor, fresh: Self) -> Self:
        """A copy in which the episodes under ``mask`` ``(N,)`` are those of ``fresh``, in order."""

        def put(old: Tensor, new: Tensor) -> Tensor:
            out = old.clone()
            out[mask] = new
            return out

        return self._map(put, fresh)

    def to(self, device: torch.device | str) -> Self:
        """The same episodes on another device."""
        return self._map(lambda x: x.to(device))


class Outcome(NamedTuple):
    """What a step gave, each ``(N,)``: reward (float32), terminated (bool), truncated (bool)."""

    reward: Tensor
    terminated: Tensor
    truncated: Tensor


S = TypeVar("S", bound=Batch)


class Core(Protocol[S]):
    """The pure part of an environment; the faces in ``_vector`` and ``_single`` need no more.

    Attributes:
        starts: the names of what ``start`` takes and the state holds under the same name; of
            stochastic dynamics the keys are among them.

    A core may also have ``merits``, names of its ``info``: a training records their means over the
    episodes, as they are at the end; and a :class:`ClosedForm`.
    """

    starts: ClassVar[tuple[str, ...]]

    @property
    def observation_space(self) -> spaces.Space:
        """What one episode shows."""
        ...

    @property
    def action_space(self) -> ActionSpace:
        """What one episode is given, Discrete, MultiDiscrete or a Box."""
        ...

    def reset(self, num: int, *, generator: Any = None, device: torch.device | str = "cpu") -> S:
        """Begin ``num`` episodes; all chance is drawn here, for stochastic dynamics as keys.

        Args:
            num: N.
            generator: a ``torch.Generator``, or None; a core that draws by
                :mod:`entropy_rl.streams` also takes :class:`~entropy_rl.streams.Streams`.
            device: where the state shall lie.
        """
        ...

    def start(self, *args: Any, **given: Any) -> S:
        """Begin episodes as given, such as ``hunters=`` and ``rabbits=``."""
        ...

    def step(self, state: S, actions: Tensor) -> tuple[S, Outcome]:
        """One step of every episode; a function of its arguments.

        Args:
            state: of N episodes.
            actions: a row an episode: int64 ``(N, d)``, d = 1 for a Discrete space; for a Box
                floating point ``(N, *shape)``.

        Raises:
            ValueError: actions that :func:`check_actions` refuses.
        """
        ...

    def observe(self, state: S) -> Observation:
        """What each episode shows, ``(N, …)``."""
        ...

    def info(self, state: S) -> dict[str, Tensor]:
        """Figures of merit so far, each ``(N,)``."""
        ...

    def draw(self, state: S) -> np.ndarray:
        """A picture of the first episode, ``(height, width, 3)``, uint8."""
        ...

    def policy_defaults(self, family: str) -> dict[str, Any]:
        """Options of a policy of that family that only the environment knows; mostly none."""
        ...


@runtime_checkable
class ClosedForm(Protocol):
    """What a core has of which something is known without playing."""

    def closed_form(self, policy: Any) -> dict[str, float]:
        """Figures of merit of a policy, by name."""
        ...


@runtime_checkable
class GoesOn(Protocol):
    """What a core has whose episodes go on after some outcomes that are "terminated".

    There a learner's return ends, as where a life is lost of a game of several; but the episode is
    neither begun anew nor counted.
    """

    def over(self, state: Any) -> Tensor:
        """Whether each episode is over, bool ``(N,)``."""
        ...


def episodes_over(env: Core[Any], state: Any, outcome: Outcome) -> Tensor:
    """Which episodes are over after a step, bool ``(N,)``: those terminated or truncated.

    Or what the core says, if it has a word in it: see :class:`GoesOn`.

    Args:
        env: the core.
        state: after the step.
        outcome: of the step.
    """
    if _goes_on(type(env)):
        return cast("GoesOn", env).over(state)
    return outcome.terminated | outcome.truncated


@cache
def _goes_on(kind: type[Core[Any]]) -> bool:
    """Whether it is a :class:`GoesOn`, kept: to ask a protocol takes as long as a step."""
    return issubclass(kind, GoesOn)


C = TypeVar("C")


def build(core: type[C], options: Mapping[str, Any]) -> C:
    """``core(**options)``, with a suggestion for an option that is misspelt.

    Raises:
        ValueError: an option that ``core`` does not have.
    """
    known = [x.name for x in fields(core) if x.init]  # type: ignore[arg-type]
    for name in options:
        check.choice("option", name, known)
    return core(**options)
