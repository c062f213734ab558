"""Temperature and target entropy: a softmax of rewards, and the price at which it keeps a target.

The problem, for one decision between K arms and for a whole process::

    maximise  E_π[r]   subject to   H(π) ≥ H̄          (Haarnoja et al. 2018b; kim2022, eq. 3)

Its dual, a convex function of the temperature α ≥ 0, has the optimum as its least value::

    g(α) = max_π { E_π[r] + α (H(π) - H̄) },    g'(α) = H(π_α) - H̄
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from entropy_rl import _validate
from entropy_rl.tabular._mdp import FiniteMDP, table
from entropy_rl.tabular._solve import (
    Solution,
    expected_return,
    occupancy,
    soft_value_iteration,
    state_entropy,
)

_STEPS = 200
_LEAST_RATIO = 1e-6  # of a process's temperature to the spread of its rewards


class EntropyConstrained(NamedTuple):
    """The best policy among those that keep a target entropy.

    Attributes:
        temperature: α* ≥ 0, reward per nat: the price of the target; 0 where it costs nothing.
        policy: π*, ``(K,)`` for arms, ``(S, A)`` for a process.
        reward: E_π*[r], or the expected return without entropy: a scalar, the primal's value.
        dual: g(α*), a scalar. ``dual - reward`` is the duality gap, and 0 up to rounding.
    """

    temperature: float
    policy: Tensor
    reward: Tensor
    dual: Tensor


def boltzmann(reward: Tensor, temperature: float | Tensor) -> Tensor:
    """The policy that maximises E_π[r] + α H(π).

        π_α(a) = exp(r(a) / α) / Σ_b exp(r(b) / α)

    Args:
        reward: ``(*batch, K)``, float64.
        temperature: α ≥ 0, reward per nat, a number or a scalar tensor with a gradient. At 0 it is
            the limit: uniform over the arms that pay most.

    Returns:
        π_α ``(*batch, K)``, differentiable in both.

    Raises:
        ValueError: rewards that are none, a negative temperature.
    """
    arms = _arms(reward)
    alpha = _temperature(temperature)
    if _number(alpha) == 0.0:
        best = (arms == arms.amax(-1, keepdim=True)).to(arms.dtype)
        return best / best.sum(-1, keepdim=True)
    return torch.softmax((arms - arms.amax(-1, keepdim=True)) / alpha, -1)


def boltzmann_entropy(reward: Tensor, temperature: float | Tensor) -> Tensor:
    """H(α), the entropy of ``boltzmann``: from log(number of best arms) at 0 up towards log K.

    Args:
        reward: ``(*batch, K)``, float64.
        temperature: as for ``boltzmann``.

    Returns:
        H(α) ``(*batch,)``, nats.

    Raises:
        ValueError: as ``boltzmann``.
    """
    return state_entropy(boltzmann(reward, temperature))


def boltzmann_entropy_slope(reward: Tensor, temperature: float | Tensor) -> Tensor:
    """How fast the entropy rises with the temperature; positive unless all arms pay the same.

        dH/dα = Var_{π_α}[r] / α³

    The dual's second derivative is the same.

    Args:
        reward: ``(*batch, K)``, float64.
        temperature: α > 0.

    Returns:
        ``(*batch,)``, nats per unit of reward per nat.

    Raises:
        ValueError: rewards that are none, a temperature that is not positive.
    """
    alpha = _temperature(temperature)
    if _number(alpha) == 0.0:
        raise _validate.fail("temperature", "a number > 0", temperature)
    policy = boltzmann(reward, alpha)
    mean = (policy * reward).sum(-1, keepdim=True)
    return (policy * (reward - mean).square()).sum(-1) / alpha**3


def entropy_dual(reward: Tensor, temperature: float | Tensor, target: float) -> Tensor:
    """The dual of the entropy constraint, the reward included.

        g(α) = max_π { E_π[r] + α (H(π) - H̄) } = α log Σₐ exp(r(a) / α) - α H̄,    g(0) = max r

    Convex in α ≥ 0, with g'(α) = H(α) - H̄ and g''(α) = Var/α³. Never below the constrained optimum,
    and equal to it at α*. Source: kim2022, eq. 4 and 13, whose J(α) = α (H - H̄) lacks the reward:
    J's derivative at a held policy is g', its minimiser is not g's.

    Args:
        reward: ``(*batch, K)``, float64.
        temperature: α ≥ 0, a number or a scalar tensor with a gradient.
        target: H̄, nats.

    Returns:
        g(α) ``(*batch,)``.

    Raises:
        ValueError: as ``boltzmann``, or a target that is not finite.
    """
    _validate.number("target", target)
    arms = _arms(reward)
    alpha = _temperature(temperature)
    most = arms.amax(-1, keepdim=True)
    if _number(alpha) == 0.0:
        return most.squeeze(-1)
    free = torch.logsumexp((arms - most) / alpha, -1)
    return most.squeeze(-1) + alpha * (free - target)


def entropy_constrained(reward: Tensor, target: float) -> EntropyConstrained:
    """The arms' best policy of at least a target entropy, and its temperature α*(H̄).

    H(α) rises strictly from log m, m being the number of arms that pay most, to log K, so there is
    one α* with H(α*) = H̄ in between, found in log α by a bracketed secant. For H̄ ≤ log m the
    constraint costs nothing: α* = 0. At H̄ = log K only the uniform policy is allowed, Slater's
    condition fails, and no finite temperature gives it.

    Args:
        reward: ``(K,)``, float64.
        target: H̄ < log K, nats; a negative one is met by every policy.

    Returns:
        α*, π*, its expected reward and the dual.

    Raises:
        ValueError: rewards of another shape, or a target that no temperature reaches.
    """
    _validate.number("target", target)
    if _validate.tensor("reward", reward).dim() != 1:
        raise _validate.fail("reward", "shape (K,)", _validate.describe(reward))
    arms = _arms(reward.detach())
    if not target < math.log(len(arms)):
        raise _validate.fail("target", f"less than log K = {math.log(len(arms)):.6g}", target)
    alpha = 0.0
    if target > float(boltzmann_entropy(arms, 0.0)):
        alpha = _temperature_of(
            lambda alpha: float(boltzmann_entropy(arms, alpha)) - target,
            float(arms.max() - arms.min()),
            1e-15,
        )
    policy = boltzmann(arms, alpha)
    return EntropyConstrained(alpha, policy, policy @ arms, entropy_dual(arms, alpha, target))


def discounted_entropy(mdp: FiniteMDP, policy: Tensor) -> Tensor:
    """The entropy that a policy is expected to collect, Σ_s η(s) H(π(· | s)).

    Args:
        mdp: the process.
        policy: ``(S, A)``, π(a | s), float64.

    Returns:
        A scalar, discounted nats, differentiable.

    Raises:
        ValueError: as ``evaluate_policy``.
    """
    return occupancy(mdp, policy) @ state_entropy(policy)


def entropy_constrained_return(
    mdp: FiniteMDP, target: float, *, sweeps: int = 200_000
) -> EntropyConstrained:
    """A process's best policy of at least a target ``discounted_entropy``.

        max_π J_reward(π)   subject to   Σ_s η_π(s) H(π(· | s)) ≥ H̄

    In the discounted visits of state and action the return is linear and the entropy concave, so
    this has the dual g(α) = J_soft*(α) - α H̄, convex, with g' = Σ_s η(s) H(s) - H̄. The soft optimum
    at α is that of ``soft_value_iteration``, and α* is found as for ``entropy_constrained``.

    Args:
        mdp: the process.
        target: H̄, discounted nats: more than the optimum of the reward has by itself, less than the
            most there is, which must be finite: with a discount of 1, an end that no policy
            avoids.
        sweeps: as for ``soft_value_iteration``, at each temperature that is tried.

    Returns:
        α*, π*, its expected return without entropy, and the dual.

    Raises:
        ValueError: a target that no temperature reaches, or that costs (nearly) nothing: one that
            the soft optimum exceeds at a millionth of the spread of the rewards; no convergence
            within ``sweeps``, as where a policy need not end and nothing is discounted.
    """
    _validate.number("target", target)
    calm = dataclasses.replace(mdp, reward=torch.zeros_like(mdp.reward))
    most = float(expected_return(calm, soft_value_iteration(calm, 1.0, sweeps=sweeps).policy, 1.0))
    if not target < most:
        raise _validate.fail("target", f"less than the most there is, {most:.6g}", target)
    spread = float(mdp.reward.max() - mdp.reward.min())
    least = max(spread, torch.finfo(mdp.reward.dtype).tiny) * _LEAST_RATIO

    def solved(alpha: float) -> Solution:
        return soft_value_iteration(mdp, alpha, sweeps=sweeps)

    def excess(alpha: float) -> float:
        return float(discounted_entropy(mdp, solved(alpha).policy)) - target

    if spread == 0.0 or excess(least) >= 0.0:
        raise _validate.fail("target", "more entropy than the optimum has by itself", target)
    alpha = _temperature_of(excess, spread, 1e-14 * max(1.0, most))
    policy = solved(alpha).policy
    dual = mdp.start @ solved(alpha).value - alpha * target
    return EntropyConstrained(alpha, policy, expected_return(mdp, policy), dual)


def _arms(reward: Tensor) -> Tensor:
    if table("reward", reward).dim() < 1 or reward.shape[-1] == 0:
        raise _validate.fail("reward", "shape (*batch, K) with K ≥ 1", _validate.describe(reward))
    return reward


def _temperature(temperature: float | Tensor) -> float | Tensor:
    """``temperature`` itself, if it is one number that is not negative."""
    if isinstance(temperature, Tensor):
        _validate.shape("temperature", _validate.floating("temperature", temperature), ())
    _validate.at_least("temperature", _number(temperature), 0.0)
    return temperature


def _number(alpha: float | Tensor) -> float:
    return float(alpha.detach()) if isinstance(alpha, Tensor) else alpha


def _temperature_of(excess: Callable[[float], float], scale: float, tolerance: float) -> float:
    """The α > 0 at which an increasing ``excess`` is 0; ``scale`` > 0 is where to begin."""
    low = high = math.log(scale)
    while excess(math.exp(low)) > 0.0:
        low -= 1.0
    # Hotter than this the policy is uniform to rounding.
    while excess(math.exp(high)) < 0.0 and high < math.log(scale) + 40.0:
        high += 1.0
    return math.exp(_root(lambda x: excess(math.exp(x)), low, high, tolerance))


def _root(f: Callable[[float], float], low: float, high: float, tolerance: float) -> float:
    """Where an increasing ``f`` with f(low) ≤ 0 ≤ f(high) is 0: |f| ≤ tolerance, or to rounding.

    The secant through the ends, the value at an end that stays being halved (Illinois); every third
    step bisects, so that the bracket shrinks whatever the shape.
    """
    at_low, at_high = f(low), f(high)
    for step in range(_STEPS):
        if high - low <= 1e-15 * max(1.0, abs(high)) or at_low == at_high:
            break
        x = 0.5 * (low + high)
        if step % 3 < 2:
            x = min(max(high - at_high * (high - low) / (at_high - at_low), low), high)
        here = f(x)
        if abs(here) <= tolerance:
            return x
        if here < 0.0:
            low, at_low, at_high = x, here, 0.5 * at_high
        else:
            high, at_high, at_low = x, here, 0.5 * at_low
    return 0.5 * (low + high)
