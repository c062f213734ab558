"""What every loss asks of its arguments."""

from __future__ import annotations

from torch import Tensor

from entropy_rl import _validate


def elements(name: str, x: Tensor) -> Tensor:
    """``x`` itself, if it is floating and has elements: the mean of none is NaN."""
    if _validate.floating(name, x).numel() == 0:
        raise _validate.fail(name, "at least one element", _validate.describe(x))
    return x


def constant(name: str, x: Tensor, like: Tensor) -> Tensor:
    """``x`` itself, if it is floating, detached and shaped as ``like``: nothing is broadcast."""
    _validate.shape(name, _validate.floating(name, x), tuple(like.shape))
    return _validate.detached(name, x)
