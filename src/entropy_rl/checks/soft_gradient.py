"""The soft policy gradient theorem: its two forms, its state weights, and what a bonus is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from entropy_rl.checks._base import Check, Refutation, checks
from entropy_rl.checks._enumerate import LEAST, TOLERANCE, control, largest, relative_error, worst
from entropy_rl.checks._instances import F64, SEEDS, seeded
from entropy_rl.tabular import (
    FiniteMDP,
    ascend,
    bonus_gradient,
    evaluate_policy,
    expected_return,
    garnet,
    occupancy,
    patience,
    policy_gradient,
    rooms,
    soft_value_iteration,
    state_entropy,
)

_STATES, _ACTIONS, _ALPHA = 5, 3, 0.5
_SOLVE = (
    "entropy_rl.tabular.expected_return",
    "entropy_rl.tabular.evaluate_policy",
    "entropy_rl.tabular.occupancy",
)
_SIZE = "5 states, 3 actions, a policy whose parameters all states share, 3 random processes"


class Case(NamedTuple):
    """A random process under a policy whose parameters all states share.

    Attributes:
        mdp: the process, without terminal states.
        theta: ``(3, A)``, a leaf.
        policy: ``(S, A)``, the softmax of features times ``theta``.
        q: ``(S, A)``, soft, without the entropy of its own state, detached.
        visits: ``(S,)``, η, detached.
        true: ∇J by autograd through the linear solve, flat.
    """

    mdp: FiniteMDP
    theta: Tensor
    policy: Tensor
    q: Tensor
    visits: Tensor
    true: Tensor

    def gradient(self, scalar: Tensor) -> Tensor:
        """The gradient of ``scalar`` by ``theta``, flat; the graph is kept."""
        return torch.autograd.grad(scalar, self.theta, retain_graph=True)[0].flatten()

    def error(self, scalar: Tensor) -> float:
        """How far the gradient of ``scalar`` is from ∇J, relatively."""
        return relative_error(self.gradient(scalar), self.true)

    def along(self, weights: Tensor, factor: Tensor) -> Tensor:
        """Σ_s w(s) Σₐ f(s, a) π(a | s), to be differentiated in π alone."""
        return (weights[:, None] * factor.detach() * self.policy).sum()


def cases() -> Iterator[Case]:
    """One case a seed."""
    for seed in SEEDS:
        mdp = garnet(_STATES, _ACTIONS, 2, torch.Generator().manual_seed(seed))
        with seeded(seed):
            features = torch.randn(_STATES, 3, dtype=F64)
            theta = torch.randn(3, _ACTIONS, dtype=F64, requires_grad=True)
        policy = torch.softmax(features @ theta, -1)
        objective = expected_return(mdp, policy, _ALPHA)
        true = torch.autograd.grad(objective, theta, retain_graph=True)[0].flatten()
        with torch.no_grad():
            q = evaluate_policy(mdp, policy, _ALPHA).q
            visits = occupancy(mdp, policy)
        yield Case(mdp, theta, policy, q, visits, true)


def visits_by_steps(mdp: FiniteMDP, policy: Tensor, steps: int = 400) -> Tensor:
    """Σ_k γᵏ Pr(s_k = s), ``(S,)``, one step after the other."""
    step = torch.einsum("sa,sat->st", policy, mdp.transition)
    total, now = torch.zeros_like(mdp.start), mdp.start
    for _ in range(steps):
        total, now = total + now, mdp.discount * now @ step
    return total


def stationary(mdp: FiniteMDP, policy: Tensor) -> Tensor:
    """The distribution that a step of the policy leaves as it is, ``(S,)``."""
    step = torch.einsum("sa,sat->st", policy, mdp.transition)
    return mdp.start @ torch.linalg.matrix_power(
        0.5 * (step + torch.eye(len(step), dtype=F64)), 4096
    )


def one_decision(*pay: float) -> FiniteMDP:
    """A bandit: one decision in state 0, and state 1 is over."""
    transition = torch.zeros(2, len(pay), 2, dtype=F64)
    transition[..., 1] = 1.0
    reward = torch.tensor([pay, [0.0] * len(pay)], dtype=F64)
    start = torch.tensor([1.0, 0.0], dtype=F64)
    return FiniteMDP(transition, reward, 0.9, start, torch.tensor([False, True]))


@checks("liu2020.eq20")
def logarithmic_form() -> Check:
    """Equation (20): ∇J = Σ_s η(s) Σₐ [q(s, a) - α log π(a | s)] ∇π(a | s), η = Σ_k γᵏ Pr(s_k = s).

    With γ restored, and with = for ∝, its constant being Ση = 1/(1-γ). The right side is held
    against autograd of J through the linear solve, with q as in soft actor–critic and with the
    paper's, which has the entropy of its own state; η against the sum over k, step by step.
    Controls: the stationary distribution for the discounted one; without -α log π; the q of the
    reward alone, which is what a bonus does.
    """
    residual = 0.0
    undiscounted: list[float] = []
    without: list[float] = []
    bonus: list[float] = []
    for c in cases():
        surprise = -_ALPHA * c.policy.log()
        with_own = c.q + _ALPHA * state_entropy(c.policy).unsqueeze(-1)
        residual = largest(
            residual,
            c.error(c.along(c.visits, c.q + surprise)),
            c.error(c.along(c.visits, with_own + surprise)),
            worst(visits_by_steps(c.mdp, c.policy.detach()), c.visits),
            abs(float(c.visits.sum()) * (1 - c.mdp.discount) - 1),
        )
        limit = stationary(c.mdp, c.policy.detach()) / (1 - c.mdp.discount)
        undiscounted.append(c.error(c.along(limit, c.q + surprise)))
        without.append(c.error(c.along(c.visits, c.q)))
        reward_q = evaluate_policy(c.mdp, c.policy).q
        bonus.append(c.error(c.along(c.visits, reward_q + surprise)))
    return Check(
        "liu2020.eq20",
        residual,
        TOLERANCE,
        (
            control("the stationary distribution for the discounted one", undiscounted),
            control("without -α log π", without),
            control("no entropy in q: a bonus", bonus),
        ),
        _SOLVE,
        f"against autograd through the linear solve: {_SIZE}",
    )


@checks("liu2020.eq19.corrected")
def entropy_form() -> Check:
    """Equation (19), corrected: ∇J = Σ_s η(s) {Σₐ q(s, a) ∇π(a | s) + α ∇H(π(· | s))}.

    Held against autograd of J through the linear solve. Controls: α∇H inside the sum over actions,
    as printed; without it; with the q of the reward alone.
    """
    residual = 0.0
    inside: list[float] = []
    without: list[float] = []
    bonus: list[float] = []
    for c in cases():
        entropy = _ALPHA * (c.visits @ state_entropy(c.policy))
        value = c.along(c.visits, c.q)
        residual = largest(residual, c.error(value + entropy))
        inside.append(c.error(value + _ACTIONS * entropy))
        without.append(c.error(value))
        reward_q = evaluate_policy(c.mdp, c.policy).q
        bonus.append(c.error(c.along(c.visits, reward_q) + entropy))
    return Check(
        "liu2020.eq19.corrected",
        residual,
        TOLERANCE,
        (
            control("α∇H inside the sum over actions, as printed", inside),
            control("without α∇H", without),
            control("no entropy in q: a bonus", bonus),
        ),
        (*_SOLVE, "entropy_rl.tabular.state_entropy"),
        f"against autograd through the linear solve: {_SIZE}",
    )


@checks("liu2020.eq19")
def entropy_inside_the_sum() -> Refutation:
    """Equations (11), (12), (14) to (17) and (19): α∇H inside Σₐ counts once for every action.

    One decision between two arms that pay 1 and 0; logits (1, 0), α = .6. By the first logit,
    ∂J = p(1-p)(1 - α) = .079. As printed it is p(1-p)(1 - 2α) = -.039: uphill is downhill. The
    step from (17) to (18) would be wrong as well; from the corrected (17) it is right.
    """
    mdp, alpha = one_decision(1.0, 0.0), 0.6
    logits = torch.tensor([[1.0, 0.0], [0.0, 0.0]], dtype=F64)
    found = float(policy_gradient(mdp, logits, alpha)[0, 0])
    leaf = logits.clone().requires_grad_()
    policy = leaf.softmax(-1)
    terms = mdp.reward[0] * policy[0] + alpha * state_entropy(policy)[0]  # one for each action
    printed = float(torch.autograd.grad(terms.sum(), leaf)[0][0, 0])
    return Refutation(
        "liu2020.eq19",
        witness="one decision, two arms that pay 1 and 0, logits (1, 0), α = .6: p(1-p)(1 - 2α) "
        f"for p(1-p)(1 - α). The log form (20) gives {found:.4f} as well, so (19) and (20) "
        "contradict each other as printed",
        printed=printed,
        found=found,
        least=LEAST,
        functions=("entropy_rl.tabular.policy_gradient", "entropy_rl.tabular.state_entropy"),
        quantity="derivative of the soft return by the first logit",
    )


@checks("liu2020.eq16")
def normalisation() -> Refutation:
    """Equations (16) and (17): Σ_s η(s') leaves s' free, and μ(s) = Σ_s η(s) / Σ_s' η(s') is 1.

    The sums are misplaced: Σ_s' η(s') stands in front, and μ(s) = η(s) / Σ_s' η(s'). Two states,
    from the first to the second and there for ever, γ = ½: η = (1, 1), μ = (½, ½).
    """
    transition = torch.zeros(2, 1, 2, dtype=F64)
    transition[..., 1] = 1.0
    start = torch.tensor([1.0, 0.0], dtype=F64)
    mdp = FiniteMDP(transition, torch.zeros(2, 1, dtype=F64), 0.5, start)
    visits = occupancy(mdp, torch.ones(2, 1, dtype=F64))
    return Refutation(
        "liu2020.eq16",
        witness="two states, from the first to the second and there for ever, γ = ½: "
        f"η = ({float(visits[0]):g}, {float(visits[1]):g}); as printed every state has μ = 1",
        printed=float(visits.sum() / visits.sum()),
        found=float(visits[0] / visits.sum()),
        least=LEAST,
        functions=("entropy_rl.tabular.occupancy",),
        quantity="weight μ of the first state",
    )


@checks("liu2020.gamma")
def omitted_discount() -> Refutation:
    """§3, "the discount factor γ is omitted": it must come back into the state weights too.

    Two decisions, one after the other; in each the first action pays 1. γ = ½, uniform policy. The
    two derivatives by a logit are ¼ and γ/4; with η(s) = Σ_k Pr(s_k = s), as printed, ¼ and ¼. No
    constant behind ∝ repairs a direction. (Almost every implementation does as printed, knowingly.)
    """
    transition = torch.zeros(3, 2, 3, dtype=F64)
    transition[0, :, 1] = transition[1:, :, 2] = 1.0
    reward = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 0.0]], dtype=F64)
    start = torch.tensor([1.0, 0.0, 0.0], dtype=F64)
    ends = torch.tensor([False, False, True])
    mdp = FiniteMDP(transition, reward, 0.5, start, ends)
    whole = FiniteMDP(transition, reward, 1.0, start, ends)
    logits = torch.zeros(3, 2, dtype=F64)
    policy = logits.softmax(-1)
    true = policy_gradient(mdp, logits)
    value, q = evaluate_policy(mdp, policy)
    printed = occupancy(whole, policy)[:, None] * policy * (q - value[:, None])
    return Refutation(
        "liu2020.gamma",
        witness="two decisions, the first action of each pays 1, γ = ½, uniform policy: the second "
        "decision counts as much as the first, and should count γ times that",
        printed=float(printed[1, 0] / printed[0, 0]),
        found=float(true[1, 0] / true[0, 0]),
        least=LEAST,
        functions=("entropy_rl.tabular.policy_gradient", "entropy_rl.tabular.occupancy"),
        quantity="second decision's derivative over the first's",
    )


@checks("liu2020.next_state")
def entropy_of_the_next_state() -> Refutation:
    """§3, with H(π(· | s')) in the reward "the formula don't change": it does.

    Then the entropy of the first state is in nobody's reward, and that of s weighs
    (η(s) - Pr(s_0 = s)) / γ instead of η(s). One decision between arms that pay 1 and 0, logits
    (1, 0), α = .6: there is no next state, and the derivative is p(1-p), without any entropy.
    """
    mdp, alpha = one_decision(1.0, 0.0), 0.6
    leaf = torch.tensor([[1.0, 0.0], [0.0, 0.0]], dtype=F64, requires_grad=True)
    policy = leaf.softmax(-1)
    bonus = alpha * (mdp.transition @ (state_entropy(policy) * mdp.running))
    paid = FiniteMDP(
        mdp.transition,
        mdp.reward + bonus * mdp.running[:, None],
        mdp.discount,
        mdp.start,
        mdp.terminal,
    )
    (true,) = torch.autograd.grad(expected_return(paid, policy), leaf)
    return Refutation(
        "liu2020.next_state",
        witness="one decision, two arms that pay 1 and 0, logits (1, 0), α = .6: no state follows, "
        "hence no entropy; equation (20) has α ∇H of the one state there is",
        printed=float(policy_gradient(mdp, leaf.detach(), alpha)[0, 0]),
        found=float(true[0, 0]),
        least=LEAST,
        functions=("entropy_rl.tabular.expected_return", "entropy_rl.tabular.policy_gradient"),
        quantity="derivative of the return by the first logit",
    )


@checks("liu2020.bonus")
def where_a_bonus_rests() -> Check:
    """A bonus rests exactly where π ∝ exp(Q^reward_π / α), a soft return at the soft optimum.

    Limits of exact ascent: Patience at α = .125 from P(quit) = .5 and from .001, Rooms at α = .1
    and three random processes at α = .5: |π - softmax(q_π / α)|, with q of the reward alone, and
    the largest component of the gradient there; and the limits with the entropy in the return
    against soft value iteration. Controls: the bonus's limit taken for the soft optimum; the soft
    gradient there; on Patience, one of its two limits taken for the only one.
    """
    residual = 0.0
    apart: list[float] = []
    slope: list[float] = []
    impatient = torch.zeros(2, 2, dtype=F64)
    patient = torch.tensor([[0.001, 0.999], [0.5, 0.5]], dtype=F64).log()
    places = [(patience(), 0.125, impatient), (patience(), 0.125, patient)]
    places += [(rooms(), 0.1, torch.zeros(3, 4, dtype=F64))]
    places += [(c.mdp, _ALPHA, c.policy.detach().log()) for c in cases()]
    limits = []
    for mdp, alpha, start in places:
        policy = ascend(mdp, start, alpha, "bonus")
        soft = ascend(mdp, start, alpha, "soft")
        logits, best = policy.log(), soft_value_iteration(mdp, alpha).policy
        residual = largest(
            residual,
            worst(policy, (evaluate_policy(mdp, policy).q / alpha).softmax(-1)),
            float(bonus_gradient(mdp, logits, alpha).abs().max()),
            float(policy_gradient(mdp, soft.log(), alpha).abs().max()),
            worst(soft, best),
        )
        apart.append(worst(policy, best))
        slope.append(float(policy_gradient(mdp, logits, alpha).abs().max()))
        limits.append(policy)
    return Check(
        "liu2020.bonus",
        residual,
        TOLERANCE,
        (
            control("the bonus's limit taken for the soft optimum", apart),
            control("the soft gradient at the bonus's limit", slope),
            control("one limit on Patience taken for the only one", [worst(limits[0], limits[1])]),
        ),
        (
            "entropy_rl.tabular.ascend",
            "entropy_rl.tabular.bonus_gradient",
            "entropy_rl.tabular.policy_gradient",
        ),
        "exact ascent on Patience from two starts, on Rooms and on 3 random processes",
    )
