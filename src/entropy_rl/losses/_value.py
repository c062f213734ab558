"""Losses that fit a value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from torch import Tensor
from torch.nn import functional

from entropy_rl import _validate
from entropy_rl.losses._check import constant, elements

BaselineLoss = Literal["l1", "mse", "huber"]

_KINDS: dict[str, Callable[..., Tensor]] = {
    "l1": functional.l1_loss,
    "mse": functional.mse_loss,
    "huber": functional.huber_loss,
}


def baseline_loss(
    value: Tensor,
    target: Tensor,
    kind: BaselineLoss = "l1",
    reduction: Literal["mean", "none"] = "mean",
) -> Tensor:
    """The distance of a baseline from the returns it predicts.

    ::

        "l1"     mean |v - R|                              (zhang2018, appendix A)
        "mse"    mean (v - R)²                             (liu2020, eq. 33; no ½)
        "huber"  mean of ½(v - R)² where |v - R| ≤ 1, else |v - R| - ½

    Only "mse" finds the mean of the returns; "l1" finds their median, which is a baseline too.

    Args:
        value: ``(*batch,)``, v(s), with its gradient.
        target: ``(*batch,)``, R, detached.
        kind: one of the three.
        reduction: "none" leaves the mean out.

    Returns:
        L, a scalar, or ``(*batch,)``.

    Raises:
        ValueError: wrong dtypes or shapes, no elements, a target with a gradient, another kind or
            reduction.
    """
    elements("value", value)
    distance = _KINDS[_validate.choice("kind", kind, _KINDS)]
    _validate.choice("reduction", reduction, ("mean", "none"))
    return distance(value, constant("target", target, value), reduction=reduction)
