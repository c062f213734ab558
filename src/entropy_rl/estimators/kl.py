"""The Kullback–Leibler divergence of two joint policies from one sampled path."""

from __future__ import annotations

import torch
from torch import Tensor

from entropy_rl import _validate
from entropy_rl.conditionals import Chain
from entropy_rl.estimators._base import Estimate, check_drawn, estimate, sum_after, weights_until


def kl_divergence(p: Chain, q: Chain, *, log_weights: Tensor | None = None) -> Estimate:
    """KL(p ‖ q) of two chains teacher-forced on the *same* actions, drawn from p.

    KL(p ‖ q) = E_{a~p}[Σᵢ KL(pⁱ(· | a_<i) ‖ qⁱ(· | a_<i))]. The surrogate's gradient is unbiased
    with respect to the parameters of q *and* of p: for p it carries the analogue of zhang2018's
    Theorem 4, Σⱼ (Σ_{i>j} KLᵢ) ∇log p(aⱼ | a_<j), which vanishes when p is an old, detached policy.

    Args:
        p: the chain whose actions were drawn.
        q: the other chain, on the same actions.
        log_weights: ``(*batch, d)`` prefix ratios of p over the policy that drew the actions; None
            means that p drew them.

    Returns:
        value and surrogate, ``(*batch,)``, in nats.

    Raises:
        ValueError: different actions, kinds or shapes; actions with a gradient; p not absolutely
            continuous with respect to q (an action legal under p has probability 0 under q).

    Source: farl2020, Propositions 2.1 and 2.2.
    """
    check_drawn("p", p)
    if type(p) is not type(q):
        raise _validate.fail("q", f"a {type(p).__name__} as p", type(q).__name__)
    if not torch.equal(p.actions, q.actions):
        raise _validate.fail("q", "the actions that p was forced on", "other actions")
    before, _ = weights_until(p, log_weights)
    weighted = before * p.component_kl(q)
    multiplier = sum_after(weighted.detach())
    value = weighted.sum(-1)
    return estimate(value, value + (multiplier * p.component_log_probs).sum(-1))
