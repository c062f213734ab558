"""Estimators of a joint entropy from one sampled path of the chain.

With H⁽ⁱ⁾(a_<i) the entropy of component i given the components drawn before it, and
H = -Σₐ p(a) log p(a) the entropy of the joint action:

=====================  =========================  ==============================
estimator              value is unbiased for H    gradient is unbiased for ∇H
=====================  =========================  ==============================
``none``               (it is 0)                  (it is 0)
``crude``              yes                        no: its mean is exactly zero
``crude_gradient``     yes                        yes
``smoothed``           yes                        no
``unbiased_gradient``  yes                        yes
=====================  =========================  ==============================

"Unbiased" is over actions drawn from the current policy, or from an older one if ``log_weights``
holds the prefix ratios (:func:`entropy_rl.conditionals.prefix_log_weights`). Without them every
function here is *on-policy*: on replayed actions, or in later epochs of PPO, it is biased. And it
is for actions that carry no gradient. Of those of an ``rsample`` ``crude`` and ``smoothed`` have
the gradient ∇H, through the actions; ``crude_gradient`` and ``unbiased_gradient`` would count it
twice and refuse them.
"""

from __future__ import annotations

from torch import Tensor

from entropy_rl import _validate
from entropy_rl.conditionals import Chain, check_chain
from entropy_rl.estimators._base import (
    Estimate,
    check_drawn,
    estimate,
    sum_after,
    weights_until,
)


def none(chain: Chain, *, log_weights: Tensor | None = None) -> Estimate:
    """No entropy term at all: 0, with a zero gradient.

    Args:
        chain: gives the batch shape.
        log_weights: accepted and unused, so that estimators are interchangeable.

    Returns:
        Zeros, ``(*batch,)``.
    """
    check_chain("chain", chain)
    log_prob = chain.component_log_probs.detach()
    zero = log_prob.new_zeros(log_prob.shape[:-1])
    return Estimate(zero, zero)


def crude(chain: Chain, *, log_weights: Tensor | None = None) -> Estimate:
    """The crude estimate, H_crude(a) = -log p(a) = -Σᵢ log p(aᵢ | a_<i).

    Its value is unbiased. Its autograd gradient is -∇log p(a), whose mean over a ~ p is exactly
    zero: as an entropy bonus it is noise. See :func:`crude_gradient` for what was meant.

    Args:
        chain: the sampled path.
        log_weights: ``(*batch, d)`` prefix ratios; None means on-policy.

    Returns:
        value and surrogate, ``(*batch,)``, in nats.

    Raises:
        ValueError: ``log_weights`` of another shape.

    Source: zhang2018, §4.1.
    """
    _, after = weights_until(chain, log_weights)
    value = -(after * chain.component_log_probs).sum(-1)
    return estimate(value, value)


def crude_gradient(
    chain: Chain, *, baseline: Tensor | None = None, log_weights: Tensor | None = None
) -> Estimate:
    """The crude estimate with its unbiased gradient, -(log p(a) + b)·∇log p(a).

    ∇H = E[-log p(A) ∇log p(A)]: the factor log p(a), held constant, is what :func:`crude` lacks.
    A baseline b that does not depend on the action leaves the mean alone and lowers the variance;
    the entropy itself is a good one.

    Args:
        chain: the sampled path.
        log_weights: ``(*batch, d)`` prefix ratios; None means on-policy.
        baseline: ``(*batch,)``, a function of the state only, detached; or None for b = 0.

    Returns:
        value and surrogate, ``(*batch,)``, in nats.

    Raises:
        ValueError: another shape of ``log_weights`` or ``baseline``; a baseline or actions with a
            gradient.

    Source: zhang2018, equation (3).
    """
    check_drawn("chain", chain)
    _, after = weights_until(chain, log_weights)
    log_prob = chain.log_prob
    multiplier = -log_prob.detach()
    if baseline is not None:
        _check_baseline(baseline, tuple(log_prob.shape))
        multiplier = multiplier - baseline
    ratio = after if after.ndim == 0 else after[..., -1]
    value = -(after * chain.component_log_probs.detach()).sum(-1)
    return estimate(value, ratio * multiplier * log_prob)


def smoothed(chain: Chain, *, log_weights: Tensor | None = None) -> Estimate:
    """The smoothed estimate, H̃(a) = Σᵢ H⁽ⁱ⁾(a_<i).

    Its value is unbiased (Theorem 1). Its gradient Σᵢ ∇H⁽ⁱ⁾(a_<i) is not: it forgets that the
    prefixes a_<i are drawn from the policy too. :func:`unbiased_gradient` adds what is missing.

    Args:
        chain: the sampled path.
        log_weights: ``(*batch, d)`` prefix ratios; None means on-policy.

    Returns:
        value and surrogate, ``(*batch,)``, in nats.

    Raises:
        ValueError: ``log_weights`` of another shape; a chain whose entropies have no closed form.

    Source: zhang2018, §4.2 and Theorem 1; farl2020, Proposition 1.2.
    """
    before, _ = weights_until(chain, log_weights)
    value = (before * chain.entropies).sum(-1)
    return estimate(value, value)


def unbiased_gradient(
    chain: Chain, *, baseline: Tensor | None = None, log_weights: Tensor | None = None
) -> Estimate:
    """The smoothed value with an unbiased gradient (Theorem 4), optionally baselined.

    ∇H̃(a) + Σⱼ (Σ_{i>j} H⁽ⁱ⁾(a_<i) - bⱼ(a_<j)) ∇log p(aⱼ | a_<j), the multiplier held constant.
    With b = 0 this is the paper's Theorem 4, its double sum exchanged. Any bⱼ that is a function of
    the state and of a_<j keeps it unbiased, since E[∇log p(Aⱼ | a_<j) | a_<j] = 0; the best simple
    one is the entropy still to come, bⱼ(a_<j) = E[Σ_{i>j} H⁽ⁱ⁾ | a_<j].

    Args:
        chain: the sampled path.
        baseline: ``(*batch, d)``, detached, bⱼ a function of the state and of a_<j alone (this
            cannot be checked here: one that has seen aⱼ makes the gradient biased), such as
            :func:`~entropy_rl.estimators.entropy_to_go`; or None.
        log_weights: ``(*batch, d)`` prefix ratios; None means on-policy.

    Returns:
        value and surrogate, ``(*batch,)``, in nats.

    Raises:
        ValueError: another shape of ``baseline`` or ``log_weights``; a baseline or actions with a
            gradient; a chain whose entropies have no closed form.

    Source: zhang2018, Theorem 4; the baseline is this project's.
    """
    check_drawn("chain", chain)
    before, after = weights_until(chain, log_weights)
    weighted = before * chain.entropies
    multiplier = sum_after(weighted.detach())
    if baseline is not None:
        _check_baseline(baseline, tuple(chain.actions.shape))
        multiplier = multiplier - after * baseline
    value = weighted.sum(-1)
    return estimate(value, value + (multiplier * chain.component_log_probs).sum(-1))


def _check_baseline(baseline: Tensor, shape: tuple[int, ...]) -> None:
    _validate.shape("baseline", _validate.floating("baseline", baseline), shape)
    _validate.detached("baseline", baseline)
