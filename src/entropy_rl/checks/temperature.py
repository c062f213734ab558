"""The temperature's dual, and targets for it: what is constrained, and what is minimised."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
from gymnasium import spaces
from torch import Tensor

from entropy_rl.checks._base import Check, Refutation, checks
from entropy_rl.checks._enumerate import LEAST, TOLERANCE, control, largest, worst
from entropy_rl.checks._instances import F64, SEEDS, STATE, seeded
from entropy_rl.estimators import exact
from entropy_rl.losses import temperature_loss
from entropy_rl.policies import TablePolicy
from entropy_rl.tabular import (
    boltzmann_entropy,
    boltzmann_entropy_slope,
    entropy_constrained,
    entropy_dual,
    state_entropy,
)

_FRACTIONS = (0.2, 0.5, 0.9)  # of log 3
_GOLDEN = 0.5 * (math.sqrt(5) - 1)
_SAFE, _TEAM_TARGET = 0.75, 0.4  # of the game that refutes (13)


def least(f: Callable[[float], float], low: float, high: float) -> float:
    """Where a function with one valley is least, by golden section."""
    for _ in range(80):
        width = _GOLDEN * (high - low)
        if f(high - width) <= f(low + width):
            high = low + width
        else:
            low = high - width
    return 0.5 * (low + high)


def entropy_of(policy: list[float]) -> float:
    """-Σ p log p in plain floats."""
    return -sum(p * math.log(p) for p in policy if p > 0)


def best_by_search(reward: list[float], target: float) -> float:
    """max E_π[r] over the policies of three arms with H(π) ≥ H̄; no softmax, no Lagrangian.

    The allowed policies are a convex patch around the uniform one. On each ray from there the
    farthest is found by bisection; the reward of these has one peak in the angle.
    """
    across, along = (2**-0.5, -(2**-0.5), 0.0), (6**-0.5, 6**-0.5, -2 * 6**-0.5)

    def cost(angle: float) -> float:
        ray = [
            math.cos(angle) * a + math.sin(angle) * b for a, b in zip(across, along, strict=True)
        ]
        inside, outside = 0.0, min(-1 / (3 * d) for d in ray if d < 0)
        if entropy_of([1 / 3 + outside * d for d in ray]) < target:
            for _ in range(60):
                middle = 0.5 * (inside + outside)
                allowed = entropy_of([1 / 3 + middle * d for d in ray]) >= target
                inside, outside = (middle, outside) if allowed else (inside, middle)
        else:
            inside = outside
        return -sum((1 / 3 + inside * d) * r for d, r in zip(ray, reward, strict=True))

    step = 2 * math.pi / 48
    start = min(range(48), key=lambda k: cost(k * step)) * step
    return -cost(least(cost, start - step, start + step))


def _without_reward(reward: Tensor, target: float, alpha: float) -> float:
    """α (H(π_α) - H̄), as printed, with a policy that follows α."""
    return alpha * (float(boltzmann_entropy(reward, alpha)) - target)


@checks("kim2022.eq4")
def temperature_dual() -> Check:
    """Equation (4), completed: min over α ≥ 0 of g(α) is the constrained optimum, at H(π*) = H̄.

    g(α) = max_π {E_π[r] + α(H(π) - H̄)}, r being Q. Three arms: the optimum by a search over the
    patch {H(π) ≥ H̄}, which knows no temperature, against g at α*. By autograd g' = H - H̄ and
    g'' = Var/α³ ≥ 0, at five temperatures; α g' is also the derivative of α(H - H̄) by log α at a
    *held* policy, which is what algorithms descend. Controls: the minimiser of α(H - H̄) over
    α ≥ 0 at a held policy; its minimiser with π*(α) put in, the reward left out; H̄ = -1 without
    α ≥ 0.
    """
    residual = 0.0
    held: list[float] = []
    without_reward: list[float] = []
    negative: list[float] = []
    for seed in SEEDS:
        reward = 2 * torch.randn(3, generator=torch.Generator().manual_seed(seed), dtype=F64)
        for fraction in _FRACTIONS:
            target = fraction * math.log(3)
            found = entropy_constrained(reward, target)
            searched = best_by_search(reward.tolist(), target)
            residual = largest(
                residual,
                abs(searched - float(found.dual)),
                abs(searched - float(found.reward)),
                abs(float(state_entropy(found.policy)) - target),
                *(
                    _derivatives(reward, factor * found.temperature, target)
                    for factor in (0.1, 0.5, 1.0, 2.0, 10.0)
                ),
            )
            warm = boltzmann_entropy(reward, 2 * found.temperature)
            line = 0.0 if float(warm) > target else math.inf  # least of α(H - H̄), H held
            held.append(abs(line - found.temperature))
            printed = least(
                partial(_without_reward, reward, target),
                1e-3 * found.temperature,
                found.temperature,
            )
            without_reward.append(target - float(boltzmann_entropy(reward, printed)))
        slack = entropy_constrained(reward, -1.0)
        most = float(reward.max())
        residual = largest(residual, slack.temperature, abs(float(slack.dual) - most))
        negative.append(most - _dual_at_minus_one(reward, -1.0))
    return Check(
        "kim2022.eq4",
        residual,
        TOLERANCE,
        (
            control("the policy held: a line, least at α = 0 (by how much α* is missed)", held),
            control("π*(α) in α(H - H̄), without the reward: nats short of H̄", without_reward),
            control("α < 0 allowed, H̄ = -1: the dual falls below the optimum by", negative),
        ),
        (
            "entropy_rl.tabular.entropy_constrained",
            "entropy_rl.tabular.entropy_dual",
            "entropy_rl.tabular.boltzmann_entropy_slope",
            "entropy_rl.losses.temperature_loss",
        ),
        "three arms, 3 random rewards × 3 targets, and a target below 0: against a search over all "
        "policies of enough entropy, and autograd at 5 temperatures each",
    )


def _dual_at_minus_one(reward: Tensor, target: float) -> float:
    """max_π {E_π[r] - (H(π) - H̄)} over policies in steps of 1/20; a corner is best."""
    step = torch.cartesian_prod(*[torch.arange(21)] * 3)
    policies = step[step.sum(-1) == 20].to(F64) / 20
    return float((policies @ reward - (state_entropy(policies) - target)).max())


def _derivatives(reward: Tensor, temperature: float, target: float) -> float:
    """How far g', g'' and the loss's derivative are from H - H̄, Var/α³ and α g'."""
    alpha = torch.tensor(temperature, dtype=F64, requires_grad=True)
    dual = entropy_dual(reward, alpha, target)
    (first,) = torch.autograd.grad(dual, alpha, create_graph=True)
    (second,) = torch.autograd.grad(first, alpha)
    entropy = boltzmann_entropy(reward, temperature)
    slope = boltzmann_entropy_slope(reward, temperature)
    log_alpha = alpha.detach().log().requires_grad_()
    loss = temperature_loss(log_alpha, entropy[None], target)
    (by_log,) = torch.autograd.grad(loss, log_alpha)
    return largest(
        worst(first, entropy - target),
        worst(second, slope),
        worst(by_log, temperature * first),
        largest(0.0, -float(second)),
    )


def team(x: Tensor) -> tuple[Tensor, Tensor]:
    """What two agents expect who both venture with probability x, and the entropy of each.

    Both venture: 1. Both play one of their two safe arms: .75. Else nothing.
    """
    safe = 0.5 * (1 - x)
    return x**2 + _SAFE * (1 - x) ** 2, state_entropy(torch.stack([x, safe, safe], -1))


@checks("kim2022.eq13")
def duality_gap_of_a_team() -> Refutation:
    """Equation (13): temperatures need not exist where each agent has a policy of its own.

    The expected reward of independent agents is a product of their policies, not linear, and the
    Lagrangian's maximiser may jump. Two agents, three arms each (``team``), H̄ = .4 nats for both.
    For policies x, y: x y ≤ (x² + y²)/2, so the best pair of a common temperature is symmetric, as
    is the best pair of entropy ≥ H̄; and g, convex and symmetric, is least at a common temperature.
    So one line of x and one of α are all there is to search. (Over *joint* policies the reward is
    linear, the agents' entropies are concave, and there is no gap.)
    """
    x = torch.linspace(0, 1, 20_001, dtype=F64)
    reward, entropy = team(x)
    best = float(reward[entropy >= _TEAM_TARGET].max())

    def dual(alpha: float) -> float:
        return float((reward + 2 * alpha * (entropy - _TEAM_TARGET)).max())

    alpha = least(dual, 0.0, 1.0)
    below, above = (
        float(entropy[(reward + 2 * near * entropy).argmax()])
        for near in (alpha - 1e-6, alpha + 1e-6)
    )
    return Refutation(
        "kim2022.eq13",
        witness="two agents, both venture: 1, both play one of two safe arms: .75, else 0; "
        f"H̄ = {_TEAM_TARGET} nats each. At α = {alpha:.4f} the entropy jumps from "
        f"{below:.3f} to {above:.3f}: no temperature gives {_TEAM_TARGET}",
        printed=dual(alpha),
        found=best,
        least=LEAST,
        functions=("entropy_rl.tabular.state_entropy",),
        quantity="least of the dual, and the most reward that the targets allow",
    )


def uniform(*sizes: int) -> TablePolicy:
    """The uniform policy over components of these many values, one state."""
    with seeded(0):
        space = spaces.MultiDiscrete(list(sizes))
        return TablePolicy(spaces.Discrete(1), space, scale=0.0).double()


@checks("kim2022.dim")
def dimension_for_number() -> Refutation:
    """Appendix C2: H* = log(dim A) is to be the most entropy; that is log|A|.

    A discrete action is one number, however many values it may have. With nine values dim A = 1 and
    log(dim A) = 0, a target that a deterministic policy meets.
    """
    nine = uniform(9)
    return Refutation(
        "kim2022.dim",
        witness="one discrete action of nine values: its dimension is 1, and log 1 = 0",
        printed=math.log(nine.d),
        found=float(exact(nine, STATE).value),
        least=LEAST,
        functions=("entropy_rl.policies.TablePolicy", "entropy_rl.estimators.exact"),
        quantity="the most entropy, in nats",
    )


@checks("farl2020.table1")
def uniform_entropies() -> Check:
    """Table 1: the uniform policy has log n nats, Σᵢ log nᵢ, and on [-1, 1]ⁿ n log 2.

    By enumeration of the joint actions, and by the tree of prefixes. On [-1, 1]ⁿ: m equal cells a
    side, each action's density 1/(2/m) in its cell, so the entropy is that of the mᵈ cells plus
    n log(2/m), for every m. Controls: the same space cut into 11 bins, its entropy taken for the
    density's; log of the sum of the numbers; SAC's target -n as the nearest fraction in [0, 1].
    """
    residual = 0.0
    binned: list[float] = []
    summed: list[float] = []
    nearest: list[float] = []
    for sizes in ((7,), (2, 3), (4, 2, 3)):
        count = math.prod(sizes)
        joint = torch.full((count,), 1 / count, dtype=F64)
        table1 = sum(map(math.log, sizes))
        found = exact(uniform(*sizes), STATE).value
        residual = largest(residual, worst(found, table1), worst(state_entropy(joint), table1))
        if len(sizes) > 1:
            summed.append(abs(math.log(sum(sizes)) - float(found)))
    for n, cells in ((1, 5), (2, 11), (3, 4)):
        of_cells = float(exact(uniform(*[cells] * n), STATE).value)
        residual = largest(residual, abs(of_cells + n * math.log(2 / cells) - n * math.log(2)))
        binned.append(abs(of_cells - n * math.log(2)))
        nearest.append(min(abs(beta * n * math.log(2) + n) for beta in (0.0, 0.5, 1.0)))
    return Check(
        "farl2020.table1",
        residual,
        TOLERANCE,
        (
            control("cells of [-1, 1]ⁿ for its density", binned),
            control("log Σ nᵢ for Σ log nᵢ", summed),
            control("SAC's target -n as a fraction in [0, 1] of n log 2", nearest),
        ),
        ("entropy_rl.estimators.exact", "entropy_rl.tabular.state_entropy"),
        "all joint actions of 7, 2×3 and 4×2×3 values; [-1, 1]ⁿ in 5, 11² and 4³ cells",
    )


@checks("farl2020.a4")
def not_below() -> Refutation:
    """A.4: α is updated "so as to ensure that the policy entropy does go below" H̄; does *not*.

    Two arms pay 1, one pays 0; H̄ = ½ log 2. Descending the loss (12) with the policy made anew each
    time, α goes to 0 and the policy to the two best arms: its entropy is log 2, above H̄, and stays.
    """
    reward = torch.tensor([1.0, 1.0, 0.0], dtype=F64)
    target = 0.5 * math.log(2)
    log_alpha = torch.zeros((), dtype=F64, requires_grad=True)
    for _ in range(200):
        entropy = boltzmann_entropy(reward, log_alpha.detach().exp())
        loss = temperature_loss(log_alpha, entropy[None], target)
        (slope,) = torch.autograd.grad(loss, log_alpha)
        log_alpha = (log_alpha - 0.5 * slope).detach().requires_grad_()
    found = float(boltzmann_entropy(reward, log_alpha.detach().exp()))
    return Refutation(
        "farl2020.a4",
        witness="two arms pay 1 and one pays 0, H̄ = ½ log 2: descending (12), α falls to "
        f"{float(log_alpha.detach().exp()):.3f} and the entropy rests above its target",
        printed=target,
        found=found,
        least=LEAST,
        functions=("entropy_rl.losses.temperature_loss", "entropy_rl.tabular.boltzmann_entropy"),
        quantity="entropy where (12) comes to rest, printed as less than its target",
    )


@checks("farl2020.fig3")
def bins_not_joints() -> Refutation:
    """Figure 3's caption: H̄ᵢ = β log 17; Table 3 has 11 bins a dimension, and Humanoid-v2 has 17.

    With β = 1 the printed target is log 17, more than a component of 11 values can have.
    """
    return Refutation(
        "farl2020.fig3",
        witness="17 is the number of Humanoid's dimensions, 11 that of the bins of each (Table 3)",
        printed=math.log(17),
        found=float(exact(uniform(11), STATE).value),
        least=LEAST,
        functions=("entropy_rl.estimators.exact",),
        quantity="entropy of one uniform dimension, in nats",
    )
