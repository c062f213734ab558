"""Advantages by name: what an update is given for an action, and what the baseline learns.

Every one of them leaves out ``context.own_tm1``, weighted as it weighs the reward of that step.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from entropy_rl.algorithms.context import Context, Targets
from entropy_rl.returns import discounted_returns, gae, n_step_returns, vtrace


def return_less_baseline(context: Context) -> Targets:
    """A = G - b with Gₜ = Σₖ γᵏ rₜ₊ₖ to the end or the cut (zhang2018, §2 and equation 1)."""
    returns = discounted_returns(context.r_t, context.rollout.discount_t * _uncut(context))
    return Targets(returns - context.own_tm1 - context.values.v_tm1, returns)


def generalised(context: Context) -> Targets:
    """A = Σₖ (γλ)ᵏ δₜ₊ₖ, GAE(λ) with the row's ``lambda`` (liu2020, eqs 36 and 37)."""
    values = context.values
    advantage = gae(
        context.r_t, context.rollout.discount_t, *values, _uncut(context) * _option(context)
    )
    return Targets(advantage - context.own_tm1, advantage + values.v_tm1)


def n_step(context: Context) -> Targets:
    """A = G⁽ⁿ⁾ - v with the row's ``n`` rewards and a bootstrap (liu2020, eq. 34)."""
    returns = n_step_returns(
        context.r_t,
        context.rollout.discount_t,
        context.values.v_t,
        int(context.options["n"]),
        _uncut(context),
    )
    return Targets(returns - context.own_tm1 - context.values.v_tm1, returns)


def v_trace(context: Context) -> Targets:
    """A = ρ (r + γ [(1 - λ) v' + λ vs'] - v), and vs for the baseline.

    The ratios of the learning policy to the one that acted are in it, ρ clipped at the row's
    ``clip_rho`` and c = λ min(ρ, ``clip_c``); a surrogate must not weigh it again. With the row's
    ``lambda`` 1 it is eq. 1 of Espeholt et al. 2018.
    """
    bound = context.options["clip_rho"]
    value, advantage = vtrace(
        context.r_t,
        context.rollout.discount_t,
        *context.values,
        context.log_rho_tm1,
        clip_rho=bound,
        clip_c=context.options["clip_c"],
        lambda_t=_uncut(context) * _option(context),
    )
    own = context.log_rho_tm1.exp().clamp(max=bound) * context.own_tm1
    return Targets(advantage - own, value)


def _uncut(context: Context) -> Tensor:
    """1, and 0 where an episode was cut: a return stops there at the value of what came next."""
    return (~context.rollout.cut).to(context.r_t.dtype)


def _option(context: Context) -> float:
    return context.options["lambda"]


Advantage = Callable[[Context], Targets]

ADVANTAGES: dict[str, Advantage] = {
    "return": return_less_baseline,
    "gae": generalised,
    "n_step": n_step,
    "v_trace": v_trace,
}
