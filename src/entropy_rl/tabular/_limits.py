"""Where gradient ascent ends: with a bonus for the entropy, and with the entropy in the return."""

from __future__ import annotations

import torch
from torch import Tensor

from entropy_rl import _validate
from entropy_rl.tabular._mdp import FiniteMDP, table
from entropy_rl.tabular._solve import evaluate_policy, expected_return, occupancy, state_entropy


def bonus_gradient(mdp: FiniteMDP, logits: Tensor, temperature: float) -> Tensor:
    """The policy gradient of the reward plus an entropy bonus, as on-policy algorithms take it.

        g = ∇J_reward + α Σ_s η(s) ∇H(π(· | s)),    η held constant

    For logits, with q and v of the reward alone::

        g(s, a) = η(s) π(a | s) [q(s, a) - v(s) - α (log π(a | s) + H(π(· | s)))]

    The bonus is differentiated in each visited state, but not what the policy does to the visits.
    So g is not the gradient of J_reward + α Σ_s η(s) H(s), which is ``policy_gradient`` at the same
    temperature, and in general the gradient of nothing. Sources: Mnih et al. 2016; zhang2018,
    eq. 1; and liu2020, §1 and §3, where it is what "PG" with a bonus does.

    Args:
        mdp: the process.
        logits: ``(S, A)``, float64.
        temperature: α ≥ 0, reward per nat.

    Returns:
        g ``(S, A)``.

    Raises:
        ValueError: as ``evaluate_policy``.
    """
    _validate.at_least("temperature", temperature, 0.0)
    leaf = table("logits", logits).detach().requires_grad_()
    policy = torch.softmax(leaf, -1)
    visits = occupancy(mdp, policy).detach()
    objective = expected_return(mdp, policy) + temperature * (visits @ state_entropy(policy))
    return torch.autograd.grad(objective, leaf)[0]


def ascend(
    mdp: FiniteMDP,
    logits: Tensor,
    temperature: float,
    entropy: str,
    *,
    rate: float = 0.5,
    tolerance: float = 1e-12,
    steps: int = 100_000,
) -> Tensor:
    """The limit of exact gradient ascent from a start.

    The direction is the natural one, the gradient without its factors η(s) π(a | s). It vanishes
    where the gradient does, and is not slow where a policy is sure of itself::

        ∇̃(s, a) = q(s, a) - α log π(a | s)    (up to a constant in each state)

    with q of the reward alone for "bonus" (``bonus_gradient``), and q with the entropy of later
    states inside for "soft" (``policy_gradient``). A step of ρ/α makes of the logits
    (1-ρ) log π + ρ q/α, so a limit has π ∝ exp(q_π / α): for "soft" that is the optimum, whatever
    the start; for "bonus" there may be several limits. In one state with two actions the gradient
    itself walks the same line, at another pace, to the same limit.

    Args:
        mdp: the process.
        logits: ``(S, A)``, float64, of the start.
        temperature: α > 0, reward per nat.
        entropy: "bonus" or "soft".
        rate: ρ in (0, 1]; 1 is (soft) policy iteration.
        tolerance: how far log π may be from q/α, up to a constant and relative to the largest
            q/α in size (or to 1, if that is less), at least 1e-14.
        steps: the most steps to take.

    Returns:
        The limit's policy ``(S, A)``; uniform in terminal states.

    Raises:
        ValueError: logits that are none, a temperature that is not positive, another ``entropy``,
            a rate or a tolerance out of range, ``steps`` below 1, no limit within them.
    """
    _validate.above("temperature", temperature, 0.0)
    _validate.choice("entropy", entropy, ("bonus", "soft"))
    _validate.above("rate", rate, 0.0)
    _validate.between("rate", rate, 0.0, 1.0)
    _validate.at_least("tolerance", tolerance, 1e-14)
    _validate.positive_integer("steps", steps)
    inside = temperature if entropy == "soft" else 0.0
    with torch.no_grad():
        log_policy = table("logits", logits).log_softmax(-1)
        for _ in range(steps):
            goal = evaluate_policy(mdp, log_policy.exp(), inside).q / temperature
            away = goal - log_policy
            far = away.amax(-1) - away.amin(-1)
            if (far <= tolerance * goal.abs().max().clamp(min=1.0)).all():
                return goal.softmax(-1)
            log_policy = (log_policy + rate * away).log_softmax(-1)
    raise _validate.fail("steps", "a limit within them", f"none in {steps}: try a lower rate")
