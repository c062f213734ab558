"""Returns and advantages from rewards, discounts and values: pure functions, time first.

Every tensor is ``(T, *batch)``: axis 0 is time, the rest is carried along. The names are those of
one transition s_{t-1}, a_{t-1} → r_t, γ_t, s_t, with t = 1 … T; row k of a tensor holds t = k + 1:

==============  ============  ==========================================================
name            row k holds   meaning
==============  ============  ==========================================================
``r_t``         r_{k+1}       what action a_k was paid
``discount_t``  γ_{k+1}       γ, or 0 where the episode *ended* with this transition
``v_tm1``       v(s_k)        value of the state acted in
``v_t``         v(s_{k+1})    value of the state arrived at; no matter where γ_{k+1} = 0
``lambda_t``    λ_{k+1}       a number, or a tensor ``(T, *batch)``
==============  ============  ==========================================================

**Ends.** A terminated episode has γ_t = 0 there: nothing after it counts. An episode cut off by a
time limit, whose column goes on with another, keeps γ_t = γ and takes λ_t = 0 there: the return
then stops at v_t, the value of the last observation *before* the reset.

**Soft returns** (liu2020) have the entropy inside: pay it with the reward, ``soft_rewards``, and
use any function below unchanged.

**Ranges.** λ is checked, given as a number or as a tensor. Tensors of rewards, values, discounts
and ratios are data: any numbers in them are taken as they are, and a NaN comes out as one.

Nothing is detached: what carries a gradient in, carries it out. The losses refuse a target or an
advantage with a gradient, so compute these under ``torch.no_grad()``.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from entropy_rl import _validate


class VTrace(NamedTuple):
    """Off-policy targets.

    Attributes:
        value: ``(T, *batch)``, vs_{t-1}, the target of v(s_{t-1}).
        advantage: ``(T, *batch)``, the multiplier of ∇log π(a_{t-1} | s_{t-1}), ρ included.
    """

    value: Tensor
    advantage: Tensor


def soft_rewards(r_t: Tensor, entropy_tm1: Tensor, temperature: float) -> Tensor:
    """The reward with the entropy of the state that was acted in (liu2020, eq. 35).

        r^soft_t = r_t + α H(π(· | s_{t-1}))

    A return of soft rewards from t-1 is then Σ_k γᵏ (r_{t+k} + α H(s_{t-1+k})): its own state's
    entropy is in it, as in v_π of liu2020, eq. 3, so that it is a target for that v_π.

    To a policy gradient the own entropy is a baseline, *if* it is the exact one. An estimate that
    looks at a_{t-1} (crude, smoothed) is none: its product with ∇log π(a_{t-1}) has a mean, the
    part of ∇H that the gradient of its value lacks. So either take it out of the advantage,
    ``advantage - temperature * entropy_tm1`` (V-trace: times ρ), and add a bonus with an unbiased
    gradient, or leave it in and add the bonus of the *same* estimate by plain autograd. Both are
    unbiased; to mix them counts that part twice or not at all.

    Args:
        r_t: ``(T, *batch)``, rewards.
        entropy_tm1: ``(T, *batch)``, entropies of the policy at s_{t-1}, nats, or estimates of
            unbiased value.
        temperature: α ≥ 0, reward per nat.

    Returns:
        ``(T, *batch)``.

    Raises:
        ValueError: wrong dtypes or shapes, a negative temperature.
    """
    _check(r_t, entropy_tm1=entropy_tm1)
    _validate.at_least("temperature", temperature, 0.0)
    return r_t + temperature * entropy_tm1


def discounted_returns(r_t: Tensor, discount_t: Tensor, v_final: Tensor | None = None) -> Tensor:
    """Monte Carlo returns, from each state to the end (zhang2018, section 2).

        G_{t-1} = r_t + γ_t G_t,    G_T = v(s_T), or 0

    Args:
        r_t: ``(T, *batch)``, rewards; pad a finished episode with zeros.
        discount_t: ``(T, *batch)``, γ, and 0 where the episode ended.
        v_final: ``(*batch,)``, v(s_T), for an episode that goes on after T; left out, 0.

    Returns:
        G_{t-1}, ``(T, *batch)``.

    Raises:
        ValueError: wrong dtypes or shapes.
    """
    _check(r_t, discount_t=discount_t)
    if v_final is None:
        v_final = torch.zeros_like(r_t[0])
    else:
        _validate.shape("v_final", _validate.floating("v_final", v_final), tuple(r_t.shape[1:]))
    return _accumulate(r_t, discount_t, v_final)


def start_discounted_return(r_t: Tensor, discount: float, first_exponent: int = 0) -> Tensor:
    """The return of a whole episode as seen from its start, by either count of the first step.

        G = Σ_{t=1}^T γ^{t-1+e} r_t

    With e = 0 the first reward is undiscounted (exponent t-1) and G is the first row of
    ``discounted_returns``; with e = 1 a reward at step t is paid γ^t, as in the words of zhang2018,
    section 5.1.

    Args:
        r_t: ``(T, *batch)``, the rewards of one episode a column, padded with zeros.
        discount: γ in [0, 1].
        first_exponent: e, 0 or 1: the exponent of the first reward.

    Returns:
        G, ``(*batch,)``.

    Raises:
        ValueError: a wrong dtype or shape, a discount or an exponent out of range.
    """
    _check(r_t)
    _validate.between("discount", discount, 0.0, 1.0)
    if first_exponent not in (0, 1):
        raise _validate.fail("first_exponent", "0 or 1", first_exponent)
    weights = discount ** torch.arange(
        first_exponent, first_exponent + len(r_t), dtype=r_t.dtype, device=r_t.device
    )
    return torch.tensordot(weights, r_t, dims=1)


def n_step_returns(
    r_t: Tensor, discount_t: Tensor, v_t: Tensor, n: int, lambda_t: float | Tensor = 1.0
) -> Tensor:
    """Returns of n rewards and a bootstrap; fewer rewards where the data ends.

        G⁽ⁿ⁾_{t-1} = r_t + γ_t r_{t+1} + … + (γ_t … γ_{t+n-1}) v(s_{t+n-1}),    t + n - 1 ≤ T

    With λ_t = 0 somewhere, the return bootstraps there already (see Ends, above).

    Args:
        r_t: ``(T, *batch)``, rewards.
        discount_t: ``(T, *batch)``, γ, and 0 where the episode ended.
        v_t: ``(T, *batch)``, values of the states arrived at.
        n: ≥ 1, the number of rewards.
        lambda_t: in [0, 1], a number or ``(T, *batch)``.

    Returns:
        G⁽ⁿ⁾_{t-1}, ``(T, *batch)``.

    Raises:
        ValueError: wrong dtypes or shapes, n below 1, λ out of range.
    """
    _check(r_t, discount_t=discount_t, v_t=v_t)
    _validate.positive_integer("n", n)
    mix = _mix(lambda_t, r_t)
    target = v_t
    for _ in range(min(n, len(r_t))):
        # G⁽ᵐ⁺¹⁾_{t-1} from G⁽ᵐ⁾_t; after the last row there is only v(s_T) to go on with.
        here = r_t + discount_t * ((1.0 - mix) * v_t + mix * target)
        target = torch.cat([here[1:], v_t[-1:]])
    return here


def lambda_returns(
    r_t: Tensor, discount_t: Tensor, v_t: Tensor, lambda_t: float | Tensor
) -> Tensor:
    """Mixtures of n-step returns, TD(λ)'s target.

        G_{t-1} = r_t + γ_t [(1-λ_t) v(s_t) + λ_t G_t],    G_T = v(s_T)

    Args:
        r_t: ``(T, *batch)``, rewards.
        discount_t: ``(T, *batch)``, γ, and 0 where the episode ended.
        v_t: ``(T, *batch)``, values of the states arrived at.
        lambda_t: in [0, 1], a number or ``(T, *batch)``; 0 is one step, 1 all the way.

    Returns:
        G_{t-1}, ``(T, *batch)``.

    Raises:
        ValueError: wrong dtypes or shapes, λ out of range.
    """
    _check(r_t, discount_t=discount_t, v_t=v_t)
    mix = _mix(lambda_t, r_t)
    return _accumulate(r_t + discount_t * (1.0 - mix) * v_t, discount_t * mix, v_t[-1])


def gae(
    r_t: Tensor, discount_t: Tensor, v_tm1: Tensor, v_t: Tensor, lambda_t: float | Tensor
) -> Tensor:
    """Generalised advantage estimates (Schulman et al. 2016; liu2020, eqs 36 and 37).

        δ_t = r_t + γ_t v(s_t) - v(s_{t-1}),    A_{t-1} = δ_t + γ_t λ_t A_t,    A_T = 0

    Args:
        r_t: ``(T, *batch)``, rewards.
        discount_t: ``(T, *batch)``, γ, and 0 where the episode ended.
        v_tm1: ``(T, *batch)``, values of the states acted in.
        v_t: ``(T, *batch)``, values of the states arrived at: ``v_tm1`` one row later, but for
            the row where an episode was cut off.
        lambda_t: in [0, 1], a number or ``(T, *batch)``.

    Returns:
        A_{t-1}, ``(T, *batch)``; A + v_tm1 is the value's target.

    Raises:
        ValueError: wrong dtypes or shapes, λ out of range.
    """
    _check(r_t, discount_t=discount_t, v_tm1=v_tm1, v_t=v_t)
    mix = _mix(lambda_t, r_t)
    delta = r_t + discount_t * v_t - v_tm1
    return _accumulate(delta, discount_t * mix, torch.zeros_like(delta[0]))


def vtrace(
    r_t: Tensor,
    discount_t: Tensor,
    v_tm1: Tensor,
    v_t: Tensor,
    log_rho_tm1: Tensor,
    *,
    clip_rho: float = 1.0,
    clip_c: float = 1.0,
    lambda_t: float | Tensor = 1.0,
) -> VTrace:
    """V-trace: n-step targets from another policy's actions (Espeholt et al. 2018, eq. 1).

    ::

        ρ = min(ρ̄, π/μ),    c = λ_t min(c̄, π/μ)                    at a_{t-1}, s_{t-1}
        vs_{t-1} - v_{t-1} = ρ (r_t + γ_t v_t - v_{t-1}) + γ_t c (vs_t - v_t)
        A_{t-1} = ρ (r_t + γ_t [(1-λ_t) v_t + λ_t vs_t] - v_{t-1})

    With π = μ, ρ̄, c̄ ≥ 1, vs is the λ-return.

    Args:
        r_t: ``(T, *batch)``, rewards.
        discount_t: ``(T, *batch)``, γ, and 0 where the episode ended.
        v_tm1: ``(T, *batch)``, values of the states acted in.
        v_t: ``(T, *batch)``, values of the states arrived at.
        log_rho_tm1: ``(T, *batch)``, log π(a_{t-1} | s_{t-1}) - log μ(a_{t-1} | s_{t-1}).
        clip_rho: ρ̄ > 0, which decides what value is found.
        clip_c: c̄ > 0, which decides how fast.
        lambda_t: in [0, 1], a number or ``(T, *batch)``.

    Returns:
        value and advantage, both ``(T, *batch)``.

    Raises:
        ValueError: wrong dtypes or shapes, a bound that is not positive, λ out of range.
    """
    _check(r_t, discount_t=discount_t, v_tm1=v_tm1, v_t=v_t, log_rho_tm1=log_rho_tm1)
    for name, bound in (("clip_rho", clip_rho), ("clip_c", clip_c)):
        _validate.at_least(name, bound, 0.0)
        if bound == 0.0:
            raise _validate.fail(name, "a number > 0", bound)
    mix, ratio = _mix(lambda_t, r_t), log_rho_tm1.exp()
    rho, c = ratio.clamp(max=clip_rho), ratio.clamp(max=clip_c)
    nothing = torch.zeros_like(v_t[0])
    error = _accumulate(rho * (r_t + discount_t * v_t - v_tm1), discount_t * mix * c, nothing)
    later = torch.cat([error[1:], nothing[None]])  # vs_t - v_t
    return VTrace(error + v_tm1, rho * (r_t + discount_t * (v_t + mix * later) - v_tm1))


def _accumulate(term: Tensor, factor: Tensor, last: Tensor) -> Tensor:
    """x_k = term_k + factor_k x_{k+1}, from the end, where x is ``last``."""
    out = []
    for k in reversed(range(len(term))):
        last = term[k] + factor[k] * last
        out.append(last)
    return torch.stack(out[::-1])


def _check(r_t: Tensor, **others: Tensor) -> None:
    if _validate.floating("r_t", r_t).dim() == 0 or len(r_t) == 0:
        raise _validate.fail("r_t", "shape (T, *batch) with T ≥ 1", _validate.describe(r_t))
    for name, x in others.items():
        _validate.shape(name, _validate.floating(name, x), tuple(r_t.shape))


def _mix(lambda_t: float | Tensor, r_t: Tensor) -> float | Tensor:
    if isinstance(lambda_t, Tensor):
        _validate.shape("lambda_t", _validate.floating("lambda_t", lambda_t), tuple(r_t.shape))
        if not ((lambda_t >= 0) & (lambda_t <= 1)).all():
            low, high = lambda_t.min().item(), lambda_t.max().item()
            raise _validate.fail("lambda_t", "numbers in [0, 1]", f"from {low:g} to {high:g}")
        return lambda_t
    _validate.between("lambda_t", lambda_t, 0.0, 1.0)
    return lambda_t
