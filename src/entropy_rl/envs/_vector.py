"""The batched face of every core: Gymnasium's ``VectorEnv`` with torch tensors."""

from __future__ import annotations

from typing import Any, ClassVar, Generic

import numpy as np
import torch
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from torch import Tensor

from entropy_rl import _validate as check
from entropy_rl.envs import _actions
from entropy_rl.envs._core import Core, Observation, S, build

RENDER_MODES = ("rgb_array",)


def read_options(
    starts: tuple[str, ...], options: dict[str, Any] | None, others: tuple[str, ...] = ()
) -> dict[str, Any]:
    """The options of a ``reset``, checked: the core's own starts, all or none, and ``others``."""
    options = dict(options or {})
    for name in options:
        check.choice("options", name, (*others, *starts))
    given = [name for name in starts if name in options]
    if given and len(given) < len(starts):
        raise check.fail("options", f"all of {starts} or none", given)
    return options


class TensorVectorEnv(VectorEnv, Generic[S]):
    """``num_envs`` episodes stepped together on one device; autoreset is disabled.

    An episode that is over stays as it is, with reward 0, until ``reset`` is called with
    ``options={"reset_mask": mask}``. ``info`` holds the core's running figures, ``(N,)`` each: at
    the end of an episode they are those of the episode.

    Args:
        num_envs: N, ≥ 1.
        device: of every tensor.
        generator: the only source of chance, on ``device``; by default one of our own, which
            ``reset(seed=…)`` seeds.
        render_mode: None or "rgb_array".
        options: the core's own arguments.

    Raises:
        ValueError: an argument out of range, or an option that the core does not have.
    """

    core_type: ClassVar[type]
    metadata: dict[str, Any] = {  # noqa: RUF012 - Gymnasium's own attribute
        "autoreset_mode": AutoresetMode.DISABLED,
        "render_modes": list(RENDER_MODES),
        "render_fps": 4,
    }

    def __init__(
        self,
        num_envs: int = 1,
        *,
        device: torch.device | str = "cpu",
        generator: torch.Generator | None = None,
        render_mode: str | None = None,
        **options: Any,
    ) -> None:
        self.num_envs = check.positive_integer("num_envs", num_envs)
        if render_mode is not None:
            check.choice("render_mode", render_mode, RENDER_MODES)
        self.render_mode = render_mode
        self.device = torch.device(device)
        check.generator("generator", generator, self.device)
        self.core: Core[S] = build(self.core_type, options)
        self.single_observation_space = self.core.observation_space
        self.single_action_space = self.core.action_space
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.state: S | None = None
        if generator is None:
            generator = torch.Generator(self.device)
            generator.seed()
        self.generator = generator

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin new episodes.

        Args:
            seed: reseeds the generator; the same seed gives the same episodes.
            options: "reset_mask", bool ``(N,)``: begin only these and leave the others; the core's
                ``starts``, tensors with a row an episode begun: begin there instead of drawing.

        Raises:
            ValueError: an unknown option, a mask of another kind, or a mask at the first reset.
        """
        super().reset(seed=seed)
        if seed is not None:
            self.generator.manual_seed(seed)
        options = read_options(self.core.starts, options, ("reset_mask",))
        mask = self._mask(options.pop("reset_mask", None))
        num = self.num_envs if mask is None else int(mask.sum())
        if num > 0:
            fresh = self._begin(num, options)
            self.state = fresh if mask is None else self._state().replaced(mask, fresh)
        state = self._state()
        return self.core.observe(state), self._info(state)

    def step(self, actions: Tensor | np.ndarray) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """One step of every episode.

        Args:
            actions: an element of ``action_space``, a tensor on the environment's device or a
                NumPy array: int64 ``(N, d)``, or ``(N,)`` if one episode's are Discrete; floating
                point ``(N, d)`` if they are a Box.

        Returns:
            observation, reward float32 ``(N,)``, terminated, truncated (bool ``(N,)``), info.

        Raises:
            ValueError: before the first reset, or actions that the core refuses.
        """
        state = self._state()
        rows = _actions.rows(actions, self.core.action_space, (self.num_envs,), self.device)
        self.state, outcome = self.core.step(state, rows)
        return self.core.observe(self.state), *outcome, self._info(self.state)

    def render(self) -> tuple[np.ndarray, ...] | None:
        """A picture of every episode, each uint8 ``(height, width, 3)``; None without a mode."""
        if self.render_mode is None:
            return None
        state = self._state()
        return tuple(self.core.draw(state[n : n + 1]) for n in range(self.num_envs))

    def _state(self) -> S:
        if self.state is None:
            raise check.fail("reset", "a whole reset before anything else", "none")
        return self.state

    def _info(self, state: S) -> dict[str, Tensor]:
        return {name: value.clone() for name, value in self.core.info(state).items()}

    def _mask(self, mask: Any) -> Tensor | None:
        if mask is None:
            return None
        self._state()
        mask = torch.as_tensor(mask, device=self.device)
        if mask.dtype != torch.bool:
            raise check.fail("reset_mask", "dtype bool", check.describe(mask))
        return check.shape("reset_mask", mask, (self.num_envs,))

    def _begin(self, num: int, given: dict[str, Any]) -> S:
        if not given:
            return self.core.reset(num, generator=self.generator, device=self.device)
        starts = {name: torch.as_tensor(x, device=self.device) for name, x in given.items()}
        for name, x in starts.items():
            if len(x.shape) == 0 or len(x) != num:
                raise check.fail(name, f"{num} rows, one an episode begun", check.describe(x))
        return self.core.start(**starts)
