"""Timing things against each other on a machine that does other work too.

CPU-seconds, not wall-clock; the things compared take turns, so that what slows one round slows all
of it; and only ratios within a round are compared, by their median, whose interval needs no
assumption about the noise.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.stats import binom


@dataclass(frozen=True)
class Ratio:
    """The median of ratios measured in pairs, and its two-sided 95 % interval.

    Attributes:
        median: of the rounds' ratios.
        low: lower end: an order statistic of the ratios.
        high: upper end.
        rounds: how many ratios.
    """

    median: float
    low: float
    high: float
    rounds: int

    def __str__(self) -> str:
        return f"{self.median:5.2f} [{self.low:.2f}, {self.high:.2f}]"


def interleave(tasks: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, np.ndarray]:
    """CPU-seconds a unit of every task, in rounds of one call each.

    Args:
        tasks: each does its work and returns how many units (steps, states) that was.
        rounds: ≥ 1; before them every task runs once unmeasured.

    Returns:
        for each task ``(rounds,)``, CPU-seconds a unit. Every second round goes through the tasks
        backwards.
    """
    found: dict[str, list[float]] = {name: [] for name in tasks}
    for k in range(rounds + 1):
        for name in list(tasks)[:: 1 if k % 2 else -1]:
            start = time.process_time()
            units = tasks[name]()
            spent = time.process_time() - start
            if k:
                found[name].append(spent / units)
    return {name: np.array(x) for name, x in found.items()}


def ratio(numerator: np.ndarray, denominator: np.ndarray) -> Ratio:
    """The median ratio of two tasks of one :func:`interleave`, with its interval.

    The interval runs between the order statistics x₍ₖ₎ and x₍ₙ₊₁₋ₖ₎ with the largest k for which
    P(Binomial(n, ½) < k) ≤ .025; with fewer than six rounds, from the least to the largest.

    Args:
        numerator: ``(rounds,)``.
        denominator: ``(rounds,)``.
    """
    x = np.sort(numerator / denominator)
    k = max(int(binom.ppf(0.025, len(x), 0.5)), 1)
    return Ratio(float(np.median(x)), float(x[k - 1]), float(x[len(x) - k]), len(x))
