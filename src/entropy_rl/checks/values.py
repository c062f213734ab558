"""Which sums along a path have the joint entropy as their mean: values, not yet gradients."""

from __future__ import annotations

import math

import torch
from gymnasium import spaces

from entropy_rl.checks._base import Check, checks
from entropy_rl.checks._enumerate import (
    TOLERANCE,
    control,
    every_action,
    flat_gradient,
    largest,
    leaf_entropy,
    probabilities,
    relative_error,
    worst,
)
from entropy_rl.checks._instances import (
    AUTOREGRESSIVE,
    INDEPENDENT,
    STATE,
    Instance,
    instances,
    seeded,
)
from entropy_rl.conditionals import Conditionals, prefix_log_weights
from entropy_rl.estimators import crude, exact, smoothed, smoothed_mode
from entropy_rl.policies.table import TablePolicy


def marginal_entropies(chain: Conditionals) -> float:
    """Σᵢ H(Aᵢ), the entropies of the marginals of an enumerated chain (≥ H, = if independent)."""
    p, size = probabilities(chain), chain.log_probs.shape[-1]
    total = 0.0
    for component in chain.actions.unbind(-1):
        marginal = torch.zeros(size, dtype=p.dtype).index_add(0, component, p)
        total -= float(torch.special.xlogy(marginal, marginal).sum())
    return total


@checks("zhang2018.eq2")
def exact_entropy() -> Check:
    """H = -Σₐ p(a) log p(a) = -E[Σᵢ log p(Aᵢ | A_<i)] = Σᵢ Σ_{a_<i} p(a_<i) H⁽ⁱ⁾(a_<i).

    The leaves, the mean crude value and the prefix tree; the tree's gradient too, relatively, and
    Σₐ p(a) = 1. Enumerated: all joint actions of LSTM, MMDP and table policies, 3×3×3 and, with the
    padding masked, 2×3×2. Controls: the sum of the marginals' entropies (right only for independent
    components); the conditional entropies along the greedy path alone.
    """
    residual = 0.0
    marginals: list[float] = []
    mode: list[float] = []
    for x in [*instances(), *instances(sizes=(2, 3, 2))]:
        chain, tree = every_action(x.policy, x.obs), exact(x.policy, x.obs)
        leaves = leaf_entropy(chain)
        gradient = flat_gradient(tree.surrogate, x.policy)
        residual = largest(
            residual,
            worst(tree.value, leaves),
            worst(probabilities(chain) @ crude(chain).value, leaves),
            relative_error(gradient, flat_gradient(leaves, x.policy)),
            worst(probabilities(chain).sum(), 1.0),
        )
        marginals.append(worst(leaves, marginal_entropies(chain)))
        mode.append(worst(smoothed_mode(x.policy, x.obs).value, leaves))
    return Check(
        "zhang2018.eq2",
        residual,
        TOLERANCE,
        (
            control("entropies of the marginals added up", marginals),
            control("conditional entropies along the greedy path only", mode),
        ),
        ("entropy_rl.estimators.exact", "entropy_rl.stepwise.tree_entropy"),
        "value and gradient by 13 prefixes against 27 joint actions, LSTM, MMDP and tables, "
        "3 seeds each, and again with components of 2, 3 and 2 values",
    )


def _smoothed_is_unbiased(claim: str, cases: list[Instance], how: str) -> Check:
    """Mean of the smoothed value over all a against the leaves; stale actions as the control."""
    residual = 0.0
    stale: list[float] = []
    mode: list[float] = []
    for x in cases:
        chain = every_action(x.policy, x.obs)
        entropy = leaf_entropy(chain)
        old = every_action(x.other, x.obs, chain.actions)
        weights = prefix_log_weights(chain, old.component_log_probs)
        repaired = smoothed(chain, log_weights=weights).value
        value = smoothed(chain).value
        residual = largest(
            residual,
            worst(probabilities(chain) @ value, entropy),
            worst(probabilities(old) @ repaired, entropy),
        )
        stale.append(worst(probabilities(old) @ value, entropy))
        mode.append(worst(smoothed_mode(x.policy, x.obs).value, entropy))
    return Check(
        claim,
        residual,
        TOLERANCE,
        (
            control("actions drawn from an older policy, unweighted", stale),
            control("the greedy action instead of a drawn one", mode),
        ),
        ("entropy_rl.estimators.smoothed", "entropy_rl.conditionals.prefix_log_weights"),
        how,
    )


@checks("zhang2018.thm1")
def smoothed_value() -> Check:
    """Theorem 1: E_{a~p}[Σᵢ H⁽ⁱ⁾(a_<i)] = H.

    Enumerated: all 27 joint actions of LSTM, MMDP and table policies; also with actions of an older
    policy, weighted by the prefix ratios. Controls: the same older actions unweighted; the mode.
    """
    return _smoothed_is_unbiased(
        "zhang2018.thm1",
        instances(),
        "mean over 27 joint actions, LSTM, MMDP and tables, 3 seeds each; again over an older "
        "policy's actions with prefix weights",
    )


@checks("farl2020.prop1.2")
def autoregressive_entropy() -> Check:
    """Proposition 1.2: H(π) = E_{a~π}[Σᵢ H(πⁱ(· | uⁱ⁻¹))], components of different sizes.

    The statement of zhang2018's Theorem 1, found again; here with sub-actions of 2, 4 and 3 values.
    Controls: actions from a replay buffer (an older policy), unweighted; the mode.
    """
    return _smoothed_is_unbiased(
        "farl2020.prop1.2",
        instances(sizes=(2, 4, 3)),
        "mean over 24 joint actions of 2×4×3 components, LSTM, MMDP and tables, 3 seeds each; "
        "again over an older policy's actions with prefix weights",
    )


@checks("farl2020.prop1.1")
def independent_entropy() -> Check:
    """Proposition 1.1: with independent sub-policies, H(π) = Σᵢ H(πⁱ).

    Enumerated: all joint actions of independent and CommNet policies, where the sum along *any*
    path must be H. Controls: autoregressive policies, where neither the sum along one path nor the
    sum of the marginals' entropies is.
    """
    residual = 0.0
    path: list[float] = []
    marginals: list[float] = []
    for x in instances(INDEPENDENT, sizes=(2, 4, 3)):
        chain = every_action(x.policy, x.obs)
        entropy = leaf_entropy(chain)
        residual = largest(
            residual,
            worst(smoothed(chain).value, entropy),
            worst(entropy, marginal_entropies(chain)),
        )
    for x in instances(AUTOREGRESSIVE, sizes=(2, 4, 3)):
        chain = every_action(x.policy, x.obs)
        entropy = leaf_entropy(chain)
        path.append(worst(smoothed(chain).value, entropy))
        marginals.append(worst(entropy, marginal_entropies(chain)))
    return Check(
        "farl2020.prop1.1",
        residual,
        TOLERANCE,
        (
            control("autoregressive: the sum along the worst path", path),
            control("autoregressive: the sum of the marginals' entropies", marginals),
        ),
        ("entropy_rl.estimators.smoothed",),
        "all 24 paths of 2×4×3 components, independent and CommNet policies, 3 seeds each",
    )


@checks("zhang2018.padding")
def padding() -> Check:
    """§3's "inconsequential actions" add their own entropy; masked, they add none.

    Components of 2 and 3 values, padded to 3×3. With the padding masked, all three estimates have
    as mean the entropy of the 6 actions that exist; at the uniform policy it is log 2 + log 3. Left
    in, with the padded value doing what value 1 does, the padded policy has the entropy of what is
    done *plus* E[H(label | what is done)]: that identity is verified too. Control: the entropy of
    the padded policy in the place of the entropy of what is done.
    """
    with seeded(0):
        uniform = TablePolicy(spaces.Discrete(1), spaces.MultiDiscrete([2, 3]), scale=0.0).double()
    residual = abs(float(exact(uniform, STATE).value) - math.log(6))
    for x in instances(("table", "lstm"), sizes=(2, 3)):
        chain = every_action(x.policy, x.obs)
        p = probabilities(chain)
        entropy = leaf_entropy(chain)
        residual = largest(
            residual,
            worst(exact(x.policy, x.obs).value, entropy),
            worst(p @ smoothed(chain).value, entropy),
            worst(p @ crude(chain).value, entropy),
            abs(len(p) - 6),
        )

    inflation: list[float] = []
    for x in instances(("table", "lstm"), sizes=(3, 3)):
        joint = probabilities(every_action(x.policy, x.obs)).view(3, 3)
        done = torch.stack([joint[0], joint[1] + joint[2]])
        label = torch.special.entr(joint[1:] / done[1]).sum(0)  # entropy of 1 or 2, given a₂
        hidden = float((done[1] * label).sum())
        padded = float(exact(x.policy, x.obs).value)
        effective = float(torch.special.entr(done).sum())
        residual = largest(residual, abs(padded - effective - hidden))
        inflation.append(padded - effective)
    return Check(
        "zhang2018.padding",
        residual,
        TOLERANCE,
        (control("padding left unmasked", inflation),),
        (
            "entropy_rl.policies.TablePolicy",
            "entropy_rl.policies.LSTMPolicy",
            "entropy_rl.estimators.exact",
        ),
        "6 real joint actions among 9 padded ones, tables and LSTM, 3 seeds each",
    )
