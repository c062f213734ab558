"""The face of one episode: Gymnasium's ``Env`` in NumPy, over the same cores."""

from __future__ import annotations

from typing import Any, ClassVar, SupportsFloat

import gymnasium
import numpy as np
import torch
from gymnasium import spaces

from entropy_rl import _validate as check
from entropy_rl.envs._actions import check_action, row_shape
from entropy_rl.envs._core import Core, build
from entropy_rl.envs._vector import RENDER_MODES, read_options


def to_numpy(x: Any) -> Any:
    """The only row of a tensor, or of each tensor in a dict, as an array of its own."""
    if isinstance(x, dict):
        return {name: to_numpy(value) for name, value in x.items()}
    row = x[0].cpu().numpy().copy()
    return row.astype(np.int8) if row.dtype == bool else row


class SingleEnv(gymnasium.Env):
    """One episode, as a batch of one; a subclass names its core.

    Args:
        render_mode: None or "rgb_array".
        options: the core's own arguments.

    Raises:
        ValueError: an argument out of range, or an option that the core does not have.
    """

    core_type: ClassVar[type]
    defaults: ClassVar[dict[str, Any]] = {}
    metadata: dict[str, Any] = {"render_modes": list(RENDER_MODES), "render_fps": 4}  # noqa: RUF012

    def __init__(self, *, render_mode: str | None = None, **options: Any) -> None:
        if render_mode is not None:
            check.choice("render_mode", render_mode, RENDER_MODES)
        self.render_mode = render_mode
        self.core: Core[Any] = build(self.core_type, {**self.defaults, **options})
        self.observation_space = self.core.observation_space
        self.action_space = self.core.action_space
        self._state: Any = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin an episode.

        Args:
            seed: reseeds ``np_random``, the only source of chance.
            options: the core's ``starts``, to begin there instead of drawing.

        Raises:
            ValueError: an unknown option, or a start that is none.
        """
        super().reset(seed=seed)
        given = read_options(self.core.starts, options)
        if given:
            rows = {name: torch.as_tensor(x)[None] for name, x in given.items()}
            self._load(self.core.start(**rows))
        else:
            generator = torch.Generator().manual_seed(int(self.np_random.integers(2**63)))
            self._load(self.core.reset(1, generator=generator))
        return self._observe(), self._info()

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        """One step; an episode that is over stays as it is and pays nothing.

        Args:
            action: an element of ``action_space``.

        Raises:
            ValueError: before the first reset, or an action of another dtype, shape or range.
        """
        space = self.core.action_space
        row = torch.as_tensor(check_action(action, space)).reshape(1, *row_shape(space))
        self._state, outcome = self.core.step(self._started(), row)
        reward, terminated, truncated = (x.item() for x in outcome)
        return self._observe(), reward, bool(terminated), bool(truncated), self._info()

    def render(self) -> np.ndarray | None:
        """A picture, uint8 ``(height, width, 3)``; None without a mode."""
        return None if self.render_mode is None else self.core.draw(self._started())

    def _load(self, state: Any) -> None:
        self._state = state

    def _started(self) -> Any:
        if self._state is None:
            raise check.fail("reset", "a reset before anything else", "none")
        return self._state

    def _observe(self) -> Any:
        seen = to_numpy(self.core.observe(self._started()))
        return np.int64(seen) if isinstance(self.observation_space, spaces.Discrete) else seen

    def _info(self) -> dict[str, Any]:
        return {name: x.item() for name, x in self.core.info(self._started()).items()}
