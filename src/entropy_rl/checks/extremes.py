"""Theorem 3: the supremum and the infimum of the smoothed entropy."""

from __future__ import annotations

import copy
import math

from torch import Tensor

from entropy_rl.checks._base import Check, Refutation, checks
from entropy_rl.checks._enumerate import (
    LEAST,
    TOLERANCE,
    control,
    every_action,
    largest,
    probabilities,
)
from entropy_rl.checks._instances import SEEDS, STATE, random_tables, tables
from entropy_rl.estimators import smoothed
from entropy_rl.policies.table import TablePolicy

D = K = 3
LARGEST = D * math.log(K)


def scaled(policy: TablePolicy, factor: float) -> TablePolicy:
    """The same table with its logits multiplied: 0 is uniform, ∞ deterministic."""
    twin = copy.deepcopy(policy)
    for table in twin.logits:
        table.data *= factor
    return twin


def towards(policy: TablePolicy, mode: Tensor, logit: float) -> TablePolicy:
    """The table with the conditionals along ``mode`` driven to it, the others left as they are.

    Args:
        policy: one state.
        mode: ``(d,)``, a*.
        logit: added to the logit of a*ᵢ in the row of its prefix a*_<i.
    """
    twin, prefix = copy.deepcopy(policy), 0
    for table, component in zip(twin.logits, mode.tolist(), strict=True):
        table.data[0, prefix, component] += logit
        prefix = prefix * policy.K + component
    return twin


def off_mode_example(epsilon: float) -> TablePolicy:
    """d = K = 2, a* = (0, 0): p(a₁) = p(· | 0) = (1 - ε, ε), while p(· | 1) stays uniform."""
    row = [1 - epsilon, epsilon]
    return tables(row, [row, [0.5, 0.5]])


@checks("zhang2018.thm3i")
def supremum() -> Check:
    """Theorem 3(i): if p_{θₙ} tends to the uniform distribution, sup H̃(a) = sup H for all a.

    Every H⁽ⁱ⁾ ≤ log K, so both are at most d log K; and every conditional tends to the uniform one,
    so both tend to it. Enumerated: H̃ at all 27 actions of random tables never exceeds 3 log 3, and
    with the logits scaled by 1e-6 it is there (the gap is quadratic in the scale) in the *worst*
    action. Control: sequences in which one conditional after the first component stays where it was
    (they do not tend to the uniform distribution): the worst action stays below.
    """
    residual = 0.0
    held: list[float] = []
    for seed in SEEDS:
        policy = random_tables(1, K, D, seed)
        for factor in (10.0, 1.0, 0.1, 1e-6):
            values = smoothed(every_action(scaled(policy, factor), STATE)).value
            residual = largest(residual, float(values.max()) - LARGEST)
        residual = largest(residual, LARGEST - float(values.min()))
        frozen = scaled(policy, 1e-6)
        frozen.logits[1].data[0, 0] = policy.logits[1].data[0, 0]
        values = smoothed(every_action(frozen, STATE)).value
        held.append(LARGEST - float(values.min()))
    return Check(
        "zhang2018.thm3i",
        residual,
        TOLERANCE,
        (control("one conditional does not tend to the uniform one", held),),
        ("entropy_rl.estimators.smoothed",),
        "all 27 actions of 3 random tables, logits scaled by 10, 1, .1 and 1e-6",
    )


@checks("zhang2018.thm3ii")
def infimum() -> Refutation:
    """Theorem 3(ii), "∀a": false for an a that leaves the mode before its last component.

    The smallest case, d = K = 2: p(a₁) = p(· | 0) = (1 - ε, ε) and p(· | 1) uniform. As ε → 0,
    p(0, 0) → 1 and H → 0, but H̃(1, ·) = h(ε) + log 2 > log 2 for every ε: the infimum at (1, ·) is
    log 2. Smaller there is none: with d = 1 or K = 1 the value does not depend on a.
    """
    found = min(
        float(smoothed(every_action(off_mode_example(e), STATE)).value[2:].min())
        for e in (0.5, 0.1, 1e-3, 1e-6, 1e-9, 1e-13)
    )
    return Refutation(
        "zhang2018.thm3ii",
        witness="d = K = 2, p(a₁) = p(·|0) = (1-ε, ε), p(·|1) = (½, ½), ε from ½ to 1e-13: "
        "p(0,0) → 1, yet the smoothed value at (1,·) is h(ε) + log 2, with infimum log 2",
        printed=0.0,
        found=found,
        least=LEAST,
        functions=("entropy_rl.estimators.smoothed", "entropy_rl.policies.TablePolicy"),
        quantity="infimum over ε of the smoothed value at (1,·), in nats",
    )


def fano(escape: float) -> float:
    """h(δ) + δ log(K - 1): no distribution with a value of probability 1 - δ has more entropy."""
    if escape <= 0:
        return 0.0
    rest = -math.log1p(-escape) * (1 - escape) if escape < 1 else 0.0
    return rest - escape * math.log(escape) + escape * math.log(K - 1)


@checks("zhang2018.thm3ii.corrected")
def infimum_near_the_mode() -> Check:
    """Theorem 3(ii) for every a that shares the first d - 1 components of a*: inf H̃(a) = 0.

    H̃(a) depends on a_<d only, so such an a has the value of a*; and p(a*) → 1 drives every
    conditional along a* to certainty, whence H̃(a) ≤ Σᵢ fano(1 - p(a*ᵢ | a*_<i)) → 0. Verified: that
    bound along the sequence and the limit, for random modes in random tables whose other
    conditionals never move. Control: actions that leave the mode earlier, at the same limit.
    """
    residual = 0.0
    off: list[float] = []
    for seed in SEEDS:
        policy = random_tables(1, K, D, seed)
        actions = every_action(policy, STATE).actions
        mode = actions[(7 * seed + 5) % len(actions)]
        near = (actions[:, :-1] == mode[:-1]).all(-1)
        for logit in (0.0, 2.0, 5.0, 10.0, 20.0, 34.0):
            chain = every_action(towards(policy, mode, logit), STATE)
            values = smoothed(chain).value
            along = chain.log_probs.detach().exp()[(actions == mode).all(-1)][0]
            escapes = [
                float(row.sum() - row[component])
                for row, component in zip(along, mode.tolist(), strict=True)
            ]
            bound = sum(fano(escape) for escape in escapes)
            residual = largest(residual, float(values[near].max()) - bound)
        residual = largest(residual, float(values[near].max()))
        residual = largest(residual, 1 - float(probabilities(chain).max()))
        off.append(float(values[~near].max()))
    return Check(
        "zhang2018.thm3ii.corrected",
        residual,
        TOLERANCE,
        (control("actions that leave the mode before their last component", off),),
        ("entropy_rl.estimators.smoothed",),
        "all 27 actions of 3 random tables, conditionals along a random a* driven to certainty",
    )
