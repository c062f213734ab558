"""Variance and bias of a gradient from independent draws of it, with jackknife intervals.

A statistic of K draws is an array of K + 1 numbers: its value, and its values with each draw left
out. Statistics are divided as arrays are; what was drawn in pairs stays paired.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.stats import t
from torch import Tensor

from entropy_rl import _validate


class Interval(NamedTuple):
    """A number and its two-sided interval."""

    value: float
    low: float
    high: float


def variance(draws: Tensor) -> np.ndarray:
    """Tr Cov = Σₖ |gₖ - ḡ|² / (K - 1), unbiased.

    Args:
        draws: ``(K, P)``, independent, K ≥ 3.

    Returns:
        ``(K + 1,)``: of all draws, and of all but the kth.

    Raises:
        ValueError: fewer than three draws.
    """
    count, deviations = _counted(draws), draws - draws.mean(0)
    squares = _squares(deviations)
    total = squares.sum()
    without = (total - count / (count - 1) * squares) / (count - 2)
    return np.concatenate([[total / (count - 1)], without])


def squared_bias(draws: Tensor, true: Tensor) -> np.ndarray:
    """|E[g] - g*|², unbiased: the mean of (gₖ - g*)·(gₗ - g*) over pairs k ≠ l; may be negative.

    Args:
        draws: ``(K, P)``, independent, K ≥ 3.
        true: g*, ``(P,)``.

    Returns:
        ``(K + 1,)``: of all draws, and of all but the kth.

    Raises:
        ValueError: fewer than three draws.
    """
    count, errors = _counted(draws), draws - true
    squares, total = _squares(errors), errors.double().sum(0)
    along = (errors.double() @ total).cpu().numpy()
    whole = float(total @ total)
    value = (whole - squares.sum()) / (count * (count - 1))
    left = whole - 2 * along + squares - (squares.sum() - squares)
    return np.concatenate([[value], left / ((count - 1) * (count - 2))])


def interval(statistic: np.ndarray, level: float = 0.95) -> Interval:
    """Student's interval with the jackknife's standard error, √((K-1)/K Σₖ (θ₍ₖ₎ - θ̄)²).

    Args:
        statistic: ``(K + 1,)``.
        level: its coverage, nearly, where the statistic is nearly linear in the draws.
    """
    value, left = float(statistic[0]), statistic[1:]
    count = len(left)
    error = np.sqrt((count - 1) / count * np.square(left - left.mean()).sum())
    half = float(t.ppf((1 + level) / 2, count - 1) * error)
    return Interval(value, value - half, value + half)


def _counted(draws: Tensor) -> int:
    if len(draws) < 3:
        raise _validate.fail("draws", "at least three", len(draws))
    return len(draws)


def _squares(rows: Tensor) -> np.ndarray:
    return rows.double().square().sum(1).cpu().numpy()
