"""The conditional baseline that :func:`~entropy_rl.estimators.unbiased_gradient` is best given.

Exactly, by the tree of prefixes, and as the sample of it that a network can learn from.
"""

from __future__ import annotations

import torch
from torch import Tensor

from entropy_rl import _validate
from entropy_rl.conditionals import Chain, categorical_entropy
from entropy_rl.estimators._base import sum_after, weights_until
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
    can learn it from :func:`sampled_entropy_to_go`.

    Args:
        policy: a step policy.
        obs: its observation, ``(*batch, …)``.
        actions: ``(*paths, *batch, d)``, int64 in [0, K): the path along which b is read, or
            several in every state, for which the tree is walked once.

    Returns:
        of the shape of ``actions``, in nats, detached; the last component's is 0.

    Raises:
        ValueError: actions of another shape or dtype, out of range, or masked.

    Source: this project's; zhang2018, Theorem 4, has no baseline.
    """
    batch = policy.batch_shape(obs)
    paths = _validate.integer("actions", actions).shape[: -1 - len(batch)]
    rows = check_actions(policy, paths + batch, actions)
    with torch.no_grad():
        levels = list(prefix_tree(policy, obs))
        still_to_come = _still_to_come(levels)
        at = torch.arange(batch.numel(), device=rows.device).repeat(paths.numel())
        baselines = [still_to_come[0][at]]
        for i, (log_probs, _, _) in enumerate(levels):
            legal = log_probs > -torch.inf
            if not legal[at, rows[:, i]].all():
                raise _validate.fail("actions", "legal actions", "a masked action")
            if i < policy.d - 1:
                # Prefixes are numbered in the order in which their parents' legal actions stand.
                number = legal.flatten().cumsum(0).view_as(legal) - 1
                at = number[at, rows[:, i]]
                baselines.append(still_to_come[i + 1][at])
        return unflatten(torch.stack(baselines, 1), paths + batch)


def sampled_entropy_to_go(chain: Chain, *, log_weights: Tensor | None = None) -> Tensor:
    """The entropy still to come along the path that was drawn, Yⱼ = Σ_{i>j} exp(wᵢ₋₁ - wⱼ₋₁) H⁽ⁱ⁾.

    E[Yⱼ | a_<j] is :func:`entropy_to_go`, also where an older policy drew the actions: what a
    network of the state and of a_<j learns from Yⱼ in least squares is that baseline. Yⱼ itself is
    none: it has seen aⱼ.

    Args:
        chain: the sampled path.
        log_weights: ``(*batch, d)`` prefix ratios w; None means on-policy (all 0).

    Returns:
        ``(*batch, d)`` in nats, detached; the last one is 0.

    Raises:
        ValueError: ``log_weights`` of another shape, or so far from 0 that their exponentials are
            no numbers of their type to divide by; a chain whose entropies have no closed form.

    Source: this project's.
    """
    before, _ = weights_until(chain, log_weights)
    if not ((before >= torch.finfo(before.dtype).tiny) & before.isfinite()).all():
        raise _validate.fail(
            "log_weights",
            f"prefix ratios within the range of {before.dtype}",
            f"{before.min().item():.3g} to {before.max().item():.3g}",
        )
    return sum_after(before * chain.entropies.detach()) / before


def _still_to_come(levels: list[Level]) -> list[Tensor]:
    """For each level and each prefix a_<j in it, Σₖ p(k | a_<j) Gⱼ₊₁(a_<j, k)."""
    result = [torch.zeros_like(levels[-1].log_probs[:, 0])]
    for above, below in zip(levels[-2::-1], levels[:0:-1], strict=True):
        to_go = categorical_entropy(below.log_probs) + result[0]
        weight = above.log_probs[below.parent, below.choice].exp()
        expected = torch.zeros_like(above.log_probs[:, 0])
        result.insert(0, expected.index_add(0, below.parent, weight * to_go))
    return result
