"""KL divergences of factored policies: values and gradients."""

from __future__ import annotations

from torch import Tensor, nn

from entropy_rl.checks._base import Check, checks
from entropy_rl.checks._enumerate import (
    TOLERANCE,
    control,
    every_action,
    flat_gradient,
    largest,
    leaf_kl,
    mean_gradient,
    probabilities,
    relative_error,
    worst,
)
from entropy_rl.checks._instances import AUTOREGRESSIVE, INDEPENDENT, instances
from entropy_rl.conditionals import Conditionals, prefix_log_weights
from entropy_rl.estimators import kl_divergence

_KL = "entropy_rl.estimators.kl_divergence"
_WEIGHTS = "entropy_rl.conditionals.prefix_log_weights"


def component_kls(p: Conditionals, q: Conditionals) -> Tensor:
    """Σᵢ KL(pⁱ ‖ qⁱ) of each pair of rows, whatever prefixes they were forced on; legal everywhere.

    The padding of components of unequal sizes has probability 0 in both and adds nothing.
    """
    legal = p.log_probs > -float("inf")
    difference = (p.log_probs - q.log_probs).masked_fill(~legal, 0.0)
    return (p.log_probs.exp() * difference).sum((-2, -1))


def marginal_kl(p: Conditionals, q: Conditionals) -> float:
    """Σᵢ KL of the marginals of component i, both enumerated on the same actions."""
    total, (weights, others) = 0.0, (probabilities(p), probabilities(q))
    for component in p.actions.unbind(-1):
        zeros = weights.new_zeros(p.log_probs.shape[-1])
        first = zeros.index_add(0, component, weights)
        second = zeros.index_add(0, component, others)
        kept = first > 0
        total += float((first[kept] * (first[kept] / second[kept]).log()).sum())
    return total


@checks("farl2020.prop2.1")
def independent_kl() -> Check:
    """Proposition 2.1: with independent sub-policies, KL(π ‖ μ) = Σᵢ KL(πⁱ ‖ μⁱ).

    Enumerated: all 24 joint actions of 2×4×3 components, independent and CommNet policies; the sum
    along *every* path must be the joint divergence. Controls: autoregressive policies, where
    neither the sum along one path nor that over the marginals is.
    """
    residual = 0.0
    path: list[float] = []
    marginals: list[float] = []
    for x in instances(INDEPENDENT, sizes=(2, 4, 3)):
        p = every_action(x.policy, x.obs)
        q = every_action(x.other, x.obs, p.actions)
        joint = leaf_kl(p, q)
        residual = largest(
            residual,
            worst(kl_divergence(p, q).value, joint),
            worst(joint, marginal_kl(p, q)),
        )
    for x in instances(AUTOREGRESSIVE, sizes=(2, 4, 3)):
        p = every_action(x.policy, x.obs)
        q = every_action(x.other, x.obs, p.actions)
        joint = leaf_kl(p, q)
        path.append(worst(kl_divergence(p, q).value, joint))
        marginals.append(worst(joint, marginal_kl(p, q)))
    return Check(
        "farl2020.prop2.1",
        residual,
        TOLERANCE,
        (
            control("autoregressive: the sum along the worst path", path),
            control("autoregressive: the sum over the marginals", marginals),
        ),
        (_KL,),
        "all 24 paths of 2×4×3 components, independent and CommNet policies, 3 seeds each",
    )


@checks("farl2020.prop2.2")
def autoregressive_kl() -> Check:
    """Proposition 2.2: KL(π ‖ μ) = E_{a~π}[Σᵢ KL(πⁱ(· | uⁱ⁻¹) ‖ μⁱ(· | uⁱ⁻¹))].

    Enumerated: all 24 joint actions of 2×4×3 components (LSTM, MMDP, tables); also over actions of
    μ with the prefix ratios π/μ. Controls: prefixes drawn from μ, unweighted; π forced on a ~ π but
    μ on another a' ~ μ, all 24² pairs; the divergence the other way round.
    """
    residual = 0.0
    from_mu: list[float] = []
    mismatched: list[float] = []
    reversed_: list[float] = []
    for x in instances(sizes=(2, 4, 3)):
        p = every_action(x.policy, x.obs)
        q = every_action(x.other, x.obs, p.actions)
        pi, mu, joint = probabilities(p), probabilities(q), leaf_kl(p, q)
        weights = prefix_log_weights(p, q.component_log_probs)
        value = kl_divergence(p, q).value
        residual = largest(
            residual,
            worst(pi @ value, joint),
            worst(mu @ kl_divergence(p, q, log_weights=weights).value, joint),
        )
        from_mu.append(worst(mu @ value, joint))
        n = len(pi)
        left = Conditionals(p.log_probs.repeat_interleave(n, 0), p.actions.repeat_interleave(n, 0))
        right = Conditionals(q.log_probs.repeat(n, 1, 1), q.actions.repeat(n, 1))
        pairs = (pi.unsqueeze(1) * mu).flatten()
        mismatched.append(worst(pairs @ component_kls(left, right).detach(), joint))
        reversed_.append(worst(pi @ kl_divergence(q, p).value, joint))
    return Check(
        "farl2020.prop2.2",
        residual,
        TOLERANCE,
        (
            control("prefixes drawn from μ, unweighted", from_mu),
            control("π and μ forced on different prefixes", mismatched),
            control("the component divergences the other way round", reversed_),
        ),
        (_KL, _WEIGHTS),
        "mean over 24 joint actions of 2×4×3 components, LSTM, MMDP and tables, 3 seeds each",
    )


def _error(policy: nn.Module, drawn: Tensor, surrogate: Tensor, true: Tensor) -> float:
    return relative_error(mean_gradient(drawn, surrogate, policy), true)


@checks("farl2020.kl")
def kl_gradient() -> Check:
    """§5.2: ∇KL(π_old ‖ π) from stored actions is unbiased; ∇KL(π ‖ π_old) needs a correction.

    Forward: a ~ π_old, and θ enters through π alone, so E[∇Σᵢ KLⁱ] = ∇E[Σᵢ KLⁱ]. Reverse: a ~ π_θ,
    so Σⱼ (Σ_{i>j} KLⁱ) ∇log π(aⱼ | a_<j) is missing, the analogue of zhang2018's Theorem 4.
    Enumerated: all 24 joint actions against autograd of the joint divergence; reverse also over the
    stored actions with prefix ratios. Controls: reverse without the correction; reverse on the
    stored actions, unweighted; forward on actions of the new policy.
    """
    residual = 0.0
    bare: list[float] = []
    stored: list[float] = []
    redrawn: list[float] = []
    for x in instances(sizes=(2, 4, 3)):
        new = every_action(x.policy, x.obs)
        old = every_action(x.other, x.obs, new.actions)
        ours, theirs = probabilities(new), probabilities(old)
        forward, reverse = kl_divergence(old, new), kl_divergence(new, old)
        weights = prefix_log_weights(new, old.component_log_probs)
        repaired = kl_divergence(new, old, log_weights=weights)
        true_forward = flat_gradient(leaf_kl(old, new), x.policy)
        true_reverse = flat_gradient(leaf_kl(new, old), x.policy)
        residual = largest(
            residual,
            _error(x.policy, theirs, forward.surrogate, true_forward),
            _error(x.policy, ours, reverse.surrogate, true_reverse),
            _error(x.policy, theirs, repaired.surrogate, true_reverse),
        )
        bare.append(_error(x.policy, ours, component_kls(new, old), true_reverse))
        stored.append(_error(x.policy, theirs, reverse.surrogate, true_reverse))
        redrawn.append(_error(x.policy, ours, forward.surrogate, true_forward))
    return Check(
        "farl2020.kl",
        residual,
        TOLERANCE,
        (
            control("reverse, without the correction", bare),
            control("reverse, on the stored actions, unweighted", stored),
            control("forward, on actions of the new policy", redrawn),
        ),
        (_KL, _WEIGHTS),
        "mean gradient over 24 joint actions of 2×4×3 components against autograd of the joint "
        "divergence, LSTM, MMDP and tables, 3 seeds each",
    )
