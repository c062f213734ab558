"""The conditional baseline that :func:`~entropy_rl.estimators.unbiased_gradient` is best given."""

from __future__ import annotations

import torch
from torch import Tensor

from entropy_rl import _validate
from entropy_rl.conditionals import categorical_entropy
from entropy_rl.stepwise import (
    Level,
    Observation,
    StepPolicy,
    check_actions,
    prefix_tree,
    unflatten,
)


def entropy_to_go(policy: StepPolicy, obs: Observation, actions: Tensor) -> Tensor:
    """The entropy still to come, exactly: bⱼ(a_<j) = E[Σ_{i>j} H⁽ⁱ⁾(A_<i) | a_<j].

    With Gⱼ(a_<j) = H⁽ʲ⁾(a_<j) + Σₖ p(k | a_<j) Gⱼ₊₁(a_<j, k) and G after the last component 0,
    bⱼ = Σₖ p(k | a_<j) Gⱼ₊₁(a_<j, k): one pass down the tree of prefixes and one back up. bⱼ has
    seen a_<j and neither aⱼ nor what follows, so that it leaves the mean of the gradient alone.
    It costs what :func:`~entropy_rl.estimators.exact` costs; where that is too much, a network
    of the chain's ``features`` can learn it.

    Args:
        policy: a step policy.
        obs: its observation, ``(*batch, …)``.
        actions: ``(*batch, d)``, int64 in [0, K): the path along which b is read.

    Returns:
        ``(*batch, d)`` in nats, detached; the last one is 0.

    Raises:
        ValueError: actions of another shape or dtype, out of range, or masked.

    Source: this project's; zhang2018, Theorem 4, has no baseline.
    """
    batch = policy.batch_shape(obs)
    rows = check_actions(policy, batch, actions)
    with torch.no_grad():
        levels = list(prefix_tree(policy, obs))
        still_to_come = _still_to_come(levels)
        baselines = [still_to_come[0]]
        at = torch.arange(len(rows), device=rows.device)
        for i, (log_probs, _, _) in enumerate(levels):
            legal = log_probs > -torch.inf
            if not legal[at, rows[:, i]].all():
                raise _validate.fail("actions", "legal actions", "a masked action")
            if i < policy.d - 1:
                # Prefixes are numbered in the order in which their parents' legal actions stand.
                number = legal.flatten().cumsum(0).view_as(legal) - 1
                at = number[at, rows[:, i]]
                baselines.append(still_to_come[i + 1][at])
        return unflatten(torch.stack(baselines, 1), batch)


def _still_to_come(levels: list[Level]) -> list[Tensor]:
    """For each level and each prefix a_<j in it, Σₖ p(k | a_<j) Gⱼ₊₁(a_<j, k)."""
    result = [torch.zeros_like(levels[-1].log_probs[:, 0])]
    for above, below in zip(levels[-2::-1], levels[:0:-1], strict=True):
        to_go = categorical_entropy(below.log_probs) + result[0]
        weight = above.log_probs[below.parent, below.choice].exp()
        expected = torch.zeros_like(above.log_probs[:, 0])
        result.insert(0, expected.index_add(0, below.parent, weight * to_go))
    return result
