"""§4.2: the smoothed estimate "typically" varies less than the crude one; where it does not."""

from __future__ import annotations

import math

from entropy_rl.checks._base import Check, checks
from entropy_rl.checks._enumerate import (
    TOLERANCE,
    control,
    every_action,
    largest,
    probabilities,
    variance,
)
from entropy_rl.checks._instances import STATE, instances, tables
from entropy_rl.estimators import crude, smoothed
from entropy_rl.policies.table import TablePolicy


def variances(policy: TablePolicy) -> tuple[float, float]:
    """Var of the crude and of the smoothed value over every joint action of a one-state table."""
    chain = every_action(policy, STATE)
    p = probabilities(chain)
    return variance(p, crude(chain).value), variance(p, smoothed(chain).value)


def correlated(q: float) -> TablePolicy:
    """p(a₁) = (½, ½), p(a₂ = a₁) = q."""
    return tables([0.5, 0.5], [[q, 1 - q], [1 - q, q]])


def crude_of_correlated(q: float) -> float:
    """q(1 - q) log²(q / (1 - q)): -log p(a) is one of two values, with probabilities q, 1 - q."""
    return q * (1 - q) * math.log(q / (1 - q)) ** 2


@checks("zhang2018.variance")
def variance_of_the_smoothed() -> Check:
    """§4.2: smoothed "typically has lower variance", "counterexamples can be found". Both are so.

    Uniform on 3 of 4 cells: -log p(a) is log 3 throughout, variance 0; the smoothed value is
    h(⅓) + log 2 with probability ⅔ and h(⅓) otherwise, variance ⅔·⅓·log² 2. Correlated pair,
    p(a₂ = a₁) = q: all conditional entropies are equal, so the smoothed value is a constant however
    strong the correlation, while the crude one has q(1-q) log²(q/(1-q)), largest (.439) at .917.
    Enumerated: all joint actions, 9 values of q. Controls: "never larger" (by how much the
    counterexample breaks it); "correlation makes it vary" (crude less smoothed at q = .1 and .9).
    """
    three_of_four = tables([2 / 3, 1 / 3], [[0.5, 0.5], [1.0, 0.0]])
    crude_3, smoothed_3 = variances(three_of_four)
    residual = largest(crude_3, abs(smoothed_3 - 2 / 9 * math.log(2) ** 2))
    gaps: list[float] = []
    for q in (0.01, 0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 0.917, 0.99):
        crude_q, smoothed_q = variances(correlated(q))
        residual = largest(residual, smoothed_q, abs(crude_q - crude_of_correlated(q)))
        if q in (0.1, 0.9):
            gaps.append(crude_q - smoothed_q)

    lower, cases = 0, instances()
    for x in cases:
        chain = every_action(x.policy, x.obs)
        p = probabilities(chain)
        lower += variance(p, smoothed(chain).value) < variance(p, crude(chain).value)
    widest = max((k / 1000 for k in range(500, 1000)), key=crude_of_correlated)
    return Check(
        "zhang2018.variance",
        residual,
        TOLERANCE,
        (
            control("the smoothed variance is never the larger", [smoothed_3 - crude_3]),
            control("correlation makes the smoothed value vary as the crude one", gaps),
        ),
        ("entropy_rl.estimators.crude", "entropy_rl.estimators.smoothed"),
        f"closed forms against all joint actions; on random LSTM, MMDP and tables the smoothed "
        f"variance is lower in {lower} of {len(cases)}; crude of the pair is largest at "
        f"q = {widest:.3f}: {crude_of_correlated(widest):.3f}",
    )
