"""Optimal policies, values, occupancies and gradients of a finite process."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from entropy_rl import _validate
from entropy_rl.tabular._mdp import FiniteMDP, distribution, table


class Values(NamedTuple):
    """Values of a policy.

    Attributes:
        value: ``(S,)``, v_π.
        q: ``(S, A)``, q_π, without the entropy of its own state.
    """

    value: Tensor
    q: Tensor


class Solution(NamedTuple):
    """An optimal policy and its values.

    Attributes:
        value: ``(S,)``.
        q: ``(S, A)``, without the entropy of its own state.
        policy: ``(S, A)``, probabilities.
    """

    value: Tensor
    q: Tensor
    policy: Tensor


def value_iteration(mdp: FiniteMDP, *, tolerance: float = 1e-12, sweeps: int = 200_000) -> Solution:
    """The optimal values and a deterministic optimal policy.

        v(s) = maxₐ q(s, a),    q(s, a) = r(s, a) + γ Σ_s' P(s' | s, a) v(s')

    Iterated until a sweep changes nothing; the greedy policy (the first of equals; with a discount
    of 1 the first that leads towards an end) is then evaluated by a linear solve, so that value and
    q are exact for it and differentiable in the reward and the transitions.

    Args:
        mdp: the process.
        tolerance: the largest change of a value in the last sweep, at least 1e-14, relative to the
            largest value (or to 1, if that is less).
        sweeps: the most sweeps to make.

    Returns:
        value ``(S,)``, q ``(S, A)``, policy ``(S, A)`` of zeros and ones.

    Raises:
        ValueError: no convergence within ``sweeps``, which takes a discount of 1 or very near it.
    """
    q = _iterate(mdp, lambda q: q.amax(-1), tolerance, sweeps)
    chosen = _towards_an_end(mdp, q, tolerance) if mdp.discount == 1.0 else q.argmax(-1)
    policy = torch.nn.functional.one_hot(chosen, mdp.actions).to(q.dtype)
    value, q = evaluate_policy(mdp, policy)
    return Solution(value, q, policy)


def soft_value_iteration(
    mdp: FiniteMDP, temperature: float, *, tolerance: float = 1e-12, sweeps: int = 200_000
) -> Solution:
    """The values and the policy that maximise the return with the entropy inside it.

        v(s) = α log Σₐ exp(q(s, a) / α),    π(a | s) = exp((q(s, a) - v(s)) / α)

    Iterated, then evaluated by a linear solve at that policy. By the envelope theorem the
    gradients of value and q with respect to reward and transitions are those of the optimum.

    Args:
        mdp: the process.
        temperature: α > 0, reward per nat.
        tolerance: as for ``value_iteration``.
        sweeps: as for ``value_iteration``.

    Returns:
        value ``(S,)``, q ``(S, A)``, policy ``(S, A)``; uniform in terminal states.

    Raises:
        ValueError: a temperature that is not positive, or no convergence within ``sweeps``
            (with discount 1 the entropy of a detour can be worth more than arriving).
    """
    _validate.at_least("temperature", temperature, 0.0)
    if temperature == 0.0:
        raise _validate.fail("temperature", "more than 0 (else value_iteration)", temperature)
    alpha = temperature
    q = _iterate(mdp, lambda q: alpha * torch.logsumexp(q / alpha, -1), tolerance, sweeps)
    value, q = evaluate_policy(mdp, torch.softmax(q / alpha, -1), temperature)
    return Solution(value, q, torch.softmax(q / alpha, -1))


def evaluate_policy(mdp: FiniteMDP, policy: Tensor, temperature: float = 0.0) -> Values:
    """The values of a policy, by one linear solve.

        v_π = (I - γ P_π)⁻¹ (r_π + α H_π)

    Args:
        mdp: the process.
        policy: ``(S, A)``, π(a | s), float64.
        temperature: α ≥ 0, reward per nat; 0 leaves the entropy out.

    Returns:
        value ``(S,)`` and q ``(S, A)``, differentiable in policy, reward and transitions.

    Raises:
        ValueError: a policy that is none, a negative temperature, or, with discount 1, a policy
            that never reaches a terminal state from some state.
    """
    _validate.at_least("temperature", temperature, 0.0)
    system = _system(mdp, policy)
    income = (policy * mdp.reward).sum(-1)
    if temperature > 0:
        income = income + temperature * state_entropy(policy)
    value = torch.linalg.solve(system, income * mdp.running)
    return Values(value, _backup(mdp, value))


def occupancy(mdp: FiniteMDP, policy: Tensor) -> Tensor:
    """The discounted number of decisions taken in each state, not normalised.

        η(s) = Σ_k γᵏ Pr(s_k = s),    η = (I - γ P_πᵀ)⁻¹ start    (terminal states: 0)

    Without terminal states Ση = 1/(1-γ), the constant behind the ∝ of liu2020, eqs 17 to 20.

    Args:
        mdp: the process.
        policy: ``(S, A)``, π(a | s), float64.

    Returns:
        η ``(S,)``, differentiable.

    Raises:
        ValueError: as ``evaluate_policy``.
    """
    return torch.linalg.solve(_system(mdp, policy).T, mdp.start) * mdp.running


def expected_return(mdp: FiniteMDP, policy: Tensor, temperature: float = 0.0) -> Tensor:
    """The expected return from the start, J(π) = Σ_s start(s) v_π(s).

    Args:
        mdp: the process.
        policy: ``(S, A)``, π(a | s), float64.
        temperature: α ≥ 0; above 0 the return has the entropy inside it (liu2020, eq. 2).

    Returns:
        J, a scalar, differentiable.

    Raises:
        ValueError: as ``evaluate_policy``.
    """
    return mdp.start @ evaluate_policy(mdp, policy, temperature).value


def policy_gradient(mdp: FiniteMDP, logits: Tensor, temperature: float = 0.0) -> Tensor:
    """∇J of a softmax policy with respect to its logits, through the linear solve.

        ∂J/∂l(s, a) = η(s) π(a | s) [q(s, a) - α log π(a | s) - v(s)]

    The right-hand side is liu2020, eq. 20, with γ restored and ∝ made =; computed is the left.

    Args:
        mdp: the process.
        logits: ``(S, A)``, float64.
        temperature: α ≥ 0.

    Returns:
        The gradient ``(S, A)``.

    Raises:
        ValueError: as ``evaluate_policy``.
    """
    leaf = table("logits", logits).detach().requires_grad_()
    objective = expected_return(mdp, torch.softmax(leaf, -1), temperature)
    return torch.autograd.grad(objective, leaf)[0]


def state_entropy(policy: Tensor) -> Tensor:
    """The entropy of a policy in each state, H(π(· | s)) = -Σₐ π(a | s) log π(a | s), 0 log 0 = 0.

    Args:
        policy: ``(*batch, A)``, probabilities.

    Returns:
        ``(*batch,)``, nats; at a probability of 0 the gradient is set to 0 (in truth, ∞).

    Raises:
        ValueError: ``policy`` is no tensor of floating point.
    """
    _validate.floating("policy", policy)
    inside = torch.where(policy > 0, policy, 1.0)
    return -(inside * inside.log()).sum(-1)


def _backup(mdp: FiniteMDP, value: Tensor) -> Tensor:
    """``(S, A)``: r + γ P v; v is 0 in terminal states, hence so is this."""
    return mdp.reward + mdp.discount * (mdp.transition @ value)


def _iterate(
    mdp: FiniteMDP, best: Callable[[Tensor], Tensor], tolerance: float, sweeps: int
) -> Tensor:
    _validate.at_least("tolerance", tolerance, 1e-14)
    _validate.positive_integer("sweeps", sweeps)
    with torch.no_grad():
        value = torch.zeros_like(mdp.start)
        for _ in range(sweeps):
            q = _backup(mdp, value)
            previous, value = value, best(q) * mdp.running
            if (value - previous).abs().max() <= tolerance * value.abs().max().clamp(min=1.0):
                return _backup(mdp, value)
    raise _validate.fail("mdp", "finite optimal values", f"no convergence in {sweeps} sweeps")


def _towards_an_end(mdp: FiniteMDP, q: Tensor, tolerance: float) -> Tensor:
    """Of each state's best actions one after which the episode may end, ``(S,)``.

    Undiscounted, an action that leads round in a circle can be as good as one that leads on, though
    who always takes it never arrives. From the ends backwards: the first of the equals that may
    lead to where is known how to end.
    """
    highest = q.amax(-1, keepdim=True)
    best = q >= highest - 10 * tolerance * highest.abs().max().clamp(min=1.0)
    chosen, known = q.argmax(-1), mdp.terminal.clone()
    for _ in range(mdp.states):
        leads = best & (mdp.transition[:, :, known].sum(-1) > 0)
        found = leads.any(-1) & ~known
        chosen = torch.where(found, leads.to(torch.uint8).argmax(-1), chosen)
        known = known | found
    return chosen


def _system(mdp: FiniteMDP, policy: Tensor) -> Tensor:
    """``(S, S)``: I - γ P_π, where nothing leads on from a terminal state, not even to itself."""
    distribution("policy", policy, (mdp.states, mdp.actions))
    step = torch.einsum("sa,sat->st", policy, mdp.transition) * mdp.running[:, None]
    if mdp.discount == 1.0:
        ends = mdp.terminal
        for _ in range(mdp.states):
            ends = ends | (step[:, ends] > 0).any(-1)
        if not ends.all():
            stuck = (~ends).nonzero().flatten().tolist()
            expected = "a policy that can end the episode from every state (discount 1)"
            raise _validate.fail("policy", expected, f"none from {stuck}")
    return torch.eye(mdp.states, dtype=step.dtype, device=step.device) - mdp.discount * step
