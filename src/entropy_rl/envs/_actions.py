"""What an environment takes as actions, by the kind of its action space.

A core takes a row of components an episode, whatever the space: int64 ``(N, 1)`` for Discrete,
int64 ``(N, d)`` for MultiDiscrete, floating point ``(N, d)`` for Box (``(N, *shape)`` in general).
This is what policies draw. The faces take what Gymnasium says: an element of the space.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from entropy_rl import _validate as check

ActionSpace: TypeAlias = spaces.Discrete | spaces.MultiDiscrete | spaces.Box


def check_actions(
    actions: Tensor,
    space: ActionSpace,
    batch: tuple[int, ...],
    device: torch.device | None = None,
) -> Tensor:
    """``actions`` themselves, if a core with this action space can take them.

    The bounds of a Box are not looked at: whether to clip or to refuse is the core's own rule.

    Args:
        actions: int64, or floating point for a Box, ``(*batch, d)``.
        space: of one episode.
        batch: the batch shape, ``(N,)`` in a step.
        device: where they must lie; None for anywhere.

    Raises:
        ValueError: another dtype, shape or device; an integer out of range; a number that is not
            finite; a space of another kind.
    """
    expected = (*batch, *row_shape(space))
    continuous = isinstance(space, spaces.Box)
    (check.floating if continuous else check.integer)("actions", actions)
    check.shape("actions", actions, expected)
    if device is not None and actions.device != device:
        raise check.fail("actions", f"a tensor on {device}", actions.device)
    if isinstance(space, spaces.Box):
        if not actions.isfinite().all():
            raise check.fail("actions", "finite numbers", "NaN or infinity among them")
        return actions
    sizes = _sizes(space)
    below = sizes if isinstance(sizes, int) else torch.tensor(sizes, device=actions.device)
    if not bool(((actions >= 0) & (actions < below)).all()):
        raise check.fail("actions", _range(sizes), actions.unique().tolist())
    return actions


def check_action(action: Any, space: ActionSpace) -> np.ndarray:
    """The action of one episode as an array, if it is an element of ``space`` but for its bounds.

    Args:
        action: a number or an array.
        space: its space.

    Returns:
        int64, or the Box's own dtype, of the shape of ``space``.

    Raises:
        ValueError: another dtype or shape; an integer out of range; a number that is not finite; a
            space of another kind.
    """
    array, continuous = np.asarray(action), isinstance(space, spaces.Box)
    row_shape(space)
    if not np.issubdtype(array.dtype, np.floating if continuous else np.integer):
        kind = "floating-point numbers" if continuous else "integers"
        raise check.fail("action", kind, f"{array.dtype} {array.shape}")
    if array.shape != space.shape:
        raise check.fail("action", f"shape {space.shape}", array.shape)
    if isinstance(space, spaces.Box):
        if not np.isfinite(array).all():
            raise check.fail("action", "finite numbers", array.tolist())
        return array.astype(space.dtype)
    sizes = _sizes(space)
    if not ((array >= 0) & (array < sizes)).all():
        raise check.fail("action", _range(sizes), array.tolist())
    return array.astype(np.int64)


def rows(actions: Any, space: ActionSpace, batch: tuple[int, ...], device: torch.device) -> Tensor:
    """A face's actions, a tensor or an array of elements of ``space``, as a core takes them.

    Only what the core cannot see is checked: that Discrete's have no axis for the component.

    Raises:
        ValueError: neither a tensor nor an array; another shape than ``batch`` if Discrete.
    """
    if isinstance(actions, np.ndarray):
        actions = torch.as_tensor(actions, device=device)
    if isinstance(space, spaces.Discrete):
        check.shape("actions", check.tensor("actions", actions), batch)
        return actions.unsqueeze(-1)
    return check.tensor("actions", actions)


def row_shape(space: ActionSpace) -> tuple[int, ...]:
    """The shape of one episode's row of actions in a core.

    Raises:
        ValueError: a space of another kind, or integers that do not start at 0.
    """
    if isinstance(space, spaces.Box):
        return space.shape
    if not isinstance(space, (spaces.Discrete, spaces.MultiDiscrete)):
        raise check.fail("action_space", "Discrete, MultiDiscrete or Box", space)
    if any(space.start.ravel().tolist()):
        raise check.fail("action_space", "components that start at 0", space)
    return (1,) if isinstance(space, spaces.Discrete) else space.nvec.shape


def _sizes(space: spaces.Discrete | spaces.MultiDiscrete) -> int | list[Any]:
    """The number of values of each component; one number if it is the same for all."""
    if isinstance(space, spaces.Discrete):
        return int(space.n)
    # Lists, since this is asked at every step and NumPy's reductions take longer.
    sizes: list[int] = space.nvec.ravel().tolist()
    return sizes[0] if len(set(sizes)) == 1 else space.nvec.tolist()


def _range(sizes: int | list[Any]) -> str:
    one = isinstance(sizes, int)
    return f"integers in [0, {sizes})" if one else f"integers in [0, n), n = {sizes}"
