"""Temperature and target entropy: the softmax, the dual, α*(H̄), and descending to it; exactly."""

import math

import pytest
import torch

from entropy_rl.checks import temperature as checked
from entropy_rl.losses import temperature_loss
from entropy_rl.tabular import (
    FiniteMDP,
    boltzmann,
    boltzmann_entropy,
    boltzmann_entropy_slope,
    discounted_entropy,
    entropy_constrained,
    entropy_constrained_return,
    entropy_dual,
    enumerate_trajectories,
    evaluate_policy,
    expected_return,
    garnet,
    soft_value_iteration,
    state_entropy,
)
from refusals import assert_refused, refusals

F64 = torch.float64
TEN = torch.arange(1.0, 11.0, dtype=F64)
TIED = torch.tensor([1.0, 1.0, 0.0, -2.0], dtype=F64)
# Targets as fractions of log 10, and their temperatures to the digits of the chapter's table.
TABLE = {0.1: 0.348, 0.3: 0.673, 0.5: 1.128, 0.7: 1.880, 0.9: 3.926}


def rewards(seed, *shape):
    return 3 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=F64)


@pytest.mark.parametrize("alpha", [0.05, 0.7, 3.0, 400.0])
def test_the_policy_and_its_entropy_equal_the_plain_loop(alpha):
    table = rewards(0, 2, 3, 4)
    policy, entropy = boltzmann(table, alpha), boltzmann_entropy(table, alpha)
    assert policy.shape == (2, 3, 4)
    assert entropy.shape == (2, 3)
    for i in range(2):
        for j in range(3):
            row = table[i, j].tolist()
            weights = [math.exp((r - max(row)) / alpha) for r in row]
            p = [w / sum(weights) for w in weights]
            assert policy[i, j].tolist() == pytest.approx(p, abs=1e-14)
            by_hand = -sum(x * math.log(x) for x in p if x)
            assert float(entropy[i, j]) == pytest.approx(by_hand, abs=1e-13)


def test_at_temperature_0_the_best_arms_share():
    assert boltzmann(TIED, 0.0).tolist() == [0.5, 0.5, 0.0, 0.0]
    assert float(boltzmann_entropy(TIED, 0.0)) == pytest.approx(math.log(2), abs=1e-15)
    assert torch.allclose(boltzmann(TIED, 1e-3), boltzmann(TIED, 0.0))
    assert float(entropy_dual(TIED, 0.0, 1.0)) == 1.0
    assert float(entropy_dual(TIED, 1e-9, 1.0)) == pytest.approx(1.0, abs=1e-8)


@pytest.mark.parametrize("alpha", [0.2, 1.0, 5.0])
def test_slopes_are_those_of_autograd_and_of_differences(alpha):
    target, h = 0.8, 1e-5
    leaf = torch.tensor(alpha, dtype=F64, requires_grad=True)
    (by_alpha,) = torch.autograd.grad(boltzmann_entropy(TEN, leaf), leaf)
    dual = entropy_dual(TEN, leaf, target)
    (first,) = torch.autograd.grad(dual, leaf, create_graph=True)
    (second,) = torch.autograd.grad(first, leaf)
    first = first.detach()
    slope = boltzmann_entropy_slope(TEN, alpha)
    p = boltzmann(TEN, alpha)
    variance = sum(float(p[k]) * (TEN[k].item() - float(p @ TEN)) ** 2 for k in range(10))
    assert float(slope) == pytest.approx(variance / alpha**3, rel=1e-12)
    assert float(by_alpha) == pytest.approx(float(slope), rel=1e-10)
    assert float(second) == pytest.approx(float(slope), rel=1e-10)
    assert first.item() == pytest.approx(float(boltzmann_entropy(TEN, alpha)) - target, abs=1e-12)
    rise = boltzmann_entropy(TEN, alpha + h) - boltzmann_entropy(TEN, alpha - h)
    assert float(rise) / (2 * h) == pytest.approx(float(slope), rel=1e-6)
    lift = entropy_dual(TEN, alpha + h, target) - entropy_dual(TEN, alpha - h, target)
    assert float(lift) / (2 * h) == pytest.approx(float(first), abs=1e-7)


@pytest.mark.parametrize(("fraction", "alpha"), TABLE.items())
def test_ten_arms(fraction, alpha):
    target = fraction * math.log(10)
    found = entropy_constrained(TEN, target)
    assert found.temperature == pytest.approx(alpha, abs=5e-4)
    assert float(state_entropy(found.policy)) == pytest.approx(target, abs=1e-13)
    assert float(found.dual - found.reward) == pytest.approx(0.0, abs=1e-12)
    grid = torch.linspace(0.02, 20, 2_000, dtype=F64)
    above = torch.stack([entropy_dual(TEN, a, target) for a in grid]) - found.dual
    assert float(above.min()) > -1e-12


@pytest.mark.parametrize("seed", range(4))
def test_no_policy_of_enough_entropy_earns_more(seed):
    """Weak duality, on policies drawn at random and mixed with the uniform until they qualify."""
    arms, target = rewards(seed, 5), 1.2
    found = entropy_constrained(arms, target)
    drawn = torch.softmax(
        2 * torch.randn(500, 5, generator=torch.Generator().manual_seed(seed), dtype=F64), -1
    )
    for share in torch.linspace(0, 1, 11, dtype=F64):
        mixed = (1 - share) * drawn + share / 5
        allowed = mixed[state_entropy(mixed) >= target]
        for alpha in (0.0, 0.3, found.temperature, 4.0):
            if len(allowed):
                assert float((allowed @ arms).max()) <= float(entropy_dual(arms, alpha, target))
    assert float((drawn @ arms).max()) > float(found.dual)  # of less entropy one may earn more


@pytest.mark.parametrize("target", [-3.0, 0.0, 0.5 * math.log(2), math.log(2)])
def test_a_target_that_the_best_arms_meet_costs_nothing(target):
    found = entropy_constrained(TIED, target)
    assert found.temperature == 0.0
    assert found.policy.tolist() == [0.5, 0.5, 0.0, 0.0]
    assert float(found.dual) == float(found.reward) == 1.0


def test_a_target_a_little_above_what_the_best_arms_have_costs_a_little():
    found = entropy_constrained(TIED, math.log(2) + 1e-6)
    assert 0.0 < found.temperature < 0.1
    assert float(state_entropy(found.policy)) == pytest.approx(math.log(2) + 1e-6, abs=1e-12)


@pytest.mark.parametrize("scale", [1e-6, 0.1, 10.0, 1e8])
def test_a_pay_rise_moves_the_temperature_and_not_the_policy(scale):
    base, found = (entropy_constrained(x * TEN + 7 * (x - 1), 1.5) for x in (1.0, scale))
    assert found.temperature == pytest.approx(scale * base.temperature, rel=1e-9)
    assert torch.allclose(found.policy, base.policy, atol=1e-9)


@pytest.mark.parametrize("fraction", [1e-9, 1 - 1e-9, 1 - 2e-16])
def test_targets_near_the_ends(fraction):
    found = entropy_constrained(TEN, fraction * math.log(10))
    assert float(state_entropy(found.policy)) == pytest.approx(fraction * math.log(10), abs=1e-13)


def descended(reward, target, start=1.0, rate=0.5, steps=400, held=None):
    """The temperature after gradient steps on log α, the policy made anew at each or held."""
    log_alpha = torch.tensor(math.log(start), dtype=F64, requires_grad=True)
    for _ in range(steps):
        policy = boltzmann(reward, log_alpha.detach().exp()) if held is None else held
        loss = temperature_loss(log_alpha, state_entropy(policy)[None], target)
        (slope,) = torch.autograd.grad(loss, log_alpha)
        log_alpha = (log_alpha - rate * slope).detach().requires_grad_()
    return math.exp(log_alpha.item())


@pytest.mark.parametrize("fraction", [0.3, 0.5, 0.7])
@pytest.mark.parametrize("start", [0.1, 1.0, 6.0])
def test_descending_the_dual_finds_the_temperature(fraction, start):
    target = fraction * math.log(10)
    alpha = descended(TEN, target, start)
    entropy = float(boltzmann_entropy(TEN, alpha))
    assert abs(entropy - target) < 0.1
    assert alpha == pytest.approx(entropy_constrained(TEN, target).temperature, rel=1e-3)


def test_with_a_held_policy_there_is_nothing_to_find():
    """The loss is a line in α: it runs to 0 above the target, away below it."""
    target = 0.5 * math.log(10)
    assert descended(TEN, target, held=boltzmann(TEN, 5.0)) < 0.02
    assert descended(TEN, target, steps=4, held=boltzmann(TEN, 0.2)) > 50


def test_the_primal_by_search_knows_the_corners():
    """The search that the check compares with: a target that only bites on some rays, and two arms.

    At H̄ = 0 everything is allowed. At equal rewards of two arms the optimum mixes them.
    """
    assert checked.best_by_search([0.3, 2.0, -1.0], 0.0) == pytest.approx(2.0, abs=1e-12)
    assert checked.best_by_search([1.0, 1.0, 0.0], math.log(2)) == pytest.approx(1.0, abs=1e-12)
    assert checked.best_by_search([1.0, 0.0, 0.0], math.log(3)) == pytest.approx(1 / 3, abs=1e-7)


def pairs(number):
    """All policies of three arms in steps of 1/number, ``(N, 3)``."""
    step = torch.cartesian_prod(*[torch.arange(number + 1)] * 3)
    return step[step.sum(-1) == number].to(F64) / number


def test_the_team_of_equation_13_over_all_pairs_of_policies():
    """Nothing assumed of symmetry: 861² pairs in steps of 1/40, and two temperatures."""
    game = torch.full((3, 3), 0.75, dtype=F64)
    game[0], game[:, 0] = 0.0, 0.0
    game[0, 0] = 1.0
    policies = pairs(40)
    entropy = state_entropy(policies)
    together = policies @ game @ policies.T
    for x in (0.0, 0.25, 1.0):  # the line of x is what it says
        one = torch.tensor([x, (1 - x) / 2, (1 - x) / 2], dtype=F64)
        reward, h = checked.team(torch.tensor(x, dtype=F64))
        assert float(reward) == pytest.approx(float(one @ game @ one), abs=1e-14)
        assert float(h) == pytest.approx(float(state_entropy(one)), abs=1e-14)
    enough = entropy >= 0.4
    best = float(together[enough][:, enough].max())
    gaps = entropy - 0.4
    duals = []
    for a in torch.linspace(0.1, 0.3, 9, dtype=F64):
        for b in torch.linspace(0.1, 0.3, 9, dtype=F64):
            lagrangian = together + a * gaps[:, None] + b * gaps[None, :]
            duals.append(float(lagrangian.max()))
    printed = checked.duality_gap_of_a_team()
    assert best <= printed.found + 1e-3
    assert min(duals) >= printed.printed - 2e-3
    assert min(duals) - best > 0.04


def test_a_coin_that_both_agents_see_closes_the_gap():
    """Joint policies: half way between the two teams of the critical temperature earns the dual."""
    x = torch.linspace(0, 1, 20_001, dtype=F64)
    reward, entropy = checked.team(x)
    printed = checked.duality_gap_of_a_team()
    alpha = checked.least(lambda a: float((reward + 2 * a * (entropy - 0.4)).max()), 0.0, 1.0)
    cold, hot = ((reward + 2 * (alpha + e) * entropy).argmax() for e in (-1e-6, 1e-6))
    share = (entropy[hot] - 0.4) / (entropy[hot] - entropy[cold])
    mixed = share * x[cold] + (1 - share) * x[hot]
    assert float(checked.team(mixed)[1]) > 0.4  # each agent's own
    earned = share * reward[cold] + (1 - share) * reward[hot]
    assert float(earned) == pytest.approx(printed.printed, abs=1e-6)


MDP = garnet(4, 3, 2, torch.Generator().manual_seed(5))


def test_the_entropy_that_a_process_collects_is_that_of_its_trajectories():
    policy = torch.softmax(rewards(1, 4, 3) / 3, -1)
    short = FiniteMDP(MDP.transition, MDP.reward, 0.1, MDP.start)
    found = enumerate_trajectories(short, policy, 6)
    each = [float(state_entropy(of_state)) for of_state in policy]
    collected = 0.0
    for path, probability in zip(found.states.T.tolist(), found.probability.tolist(), strict=True):
        collected += probability * sum(0.1**k * each[s] for k, s in enumerate(path[:6]))
    assert float(discounted_entropy(short, policy)) == pytest.approx(collected, abs=3e-6)


def test_a_process_has_its_temperature_too():
    target = 5.0
    found = entropy_constrained_return(MDP, target)
    assert float(discounted_entropy(MDP, found.policy)) == pytest.approx(target, abs=1e-10)
    assert float(found.dual - found.reward) == pytest.approx(0.0, abs=1e-10)
    soft = soft_value_iteration(MDP, found.temperature)
    assert torch.allclose(found.policy, soft.policy)
    # Weak duality, on policies of more entropy than the target.
    allowed = 0
    for seed in range(60):
        policy = torch.softmax(rewards(seed, 4, 3) / 3, -1)
        if float(discounted_entropy(MDP, policy)) >= target:
            allowed += 1
            assert float(expected_return(MDP, policy)) < float(found.dual)
    assert allowed > 20


def test_the_dual_of_a_process_has_the_missing_entropy_as_its_slope():
    h, target = 1e-4, 5.0

    def dual(alpha):
        return float(MDP.start @ soft_value_iteration(MDP, alpha).value) - alpha * target

    for alpha in (0.3, 1.0):
        policy = soft_value_iteration(MDP, alpha).policy
        slope = float(discounted_entropy(MDP, policy)) - target
        assert (dual(alpha + h) - dual(alpha - h)) / (2 * h) == pytest.approx(slope, abs=1e-6)


def test_one_decision_is_a_process():
    """Arms as a process of one decision: the same temperature."""
    transition = torch.zeros(2, 10, 2, dtype=F64)
    transition[..., 1] = 1.0
    mdp = FiniteMDP(
        transition,
        torch.stack([TEN, 0 * TEN]),
        1.0,
        torch.tensor([1.0, 0.0], dtype=F64),
        torch.tensor([False, True]),
    )
    arms, process = entropy_constrained(TEN, 1.0), entropy_constrained_return(mdp, 1.0)
    assert process.temperature == pytest.approx(arms.temperature, rel=1e-9)
    assert float(process.reward) == pytest.approx(float(arms.reward), abs=1e-10)
    value = evaluate_policy(mdp, process.policy, process.temperature).value[0]
    assert float(value) == pytest.approx(float(process.dual) + process.temperature, abs=1e-9)


LOG_10 = math.log(10)
CALM = FiniteMDP(MDP.transition, 0 * MDP.reward, MDP.discount, MDP.start)


@refusals(
    [
        ("single", lambda: boltzmann(TEN.float(), 1.0), "reward", "float64", "float32"),
        ("no arms", lambda: boltzmann(TEN[:0], 1.0), "reward", "(*batch, K)", "(0,)"),
        ("scalar", lambda: boltzmann(TEN[0], 1.0), "reward", "(*batch, K)", "()"),
        ("negative", lambda: boltzmann(TEN, -1.0), "temperature", "≥ 0", "-1.0"),
        ("nan", lambda: boltzmann(TEN, math.nan), "temperature", "finite", "nan"),
        ("vector", lambda: boltzmann(TEN, TEN), "temperature", "shape ()", "(10,)"),
        ("slope", lambda: boltzmann_entropy_slope(TEN, 0.0), "temperature", "> 0", "0.0"),
        ("target", lambda: entropy_dual(TEN, 1.0, math.inf), "target", "finite", "inf"),
        ("list", lambda: entropy_constrained([1.0, 2.0], 0.5), "reward", "a torch.Tensor", "list"),
        ("batch", lambda: entropy_constrained(TEN[None], 1.0), "reward", "(K,)", "(1, 10)"),
        ("all", lambda: entropy_constrained(TEN, LOG_10), "target", "log K = 2.30", "2.302"),
        ("much", lambda: entropy_constrained_return(MDP, 99.0), "target", "less than", "99"),
        ("free", lambda: entropy_constrained_return(MDP, -1.0), "target", "by itself", "-1"),
        ("calm", lambda: entropy_constrained_return(CALM, 1.0), "target", "by itself", "1.0"),
        ("hasty", lambda: entropy_constrained_return(MDP, 1.0, sweeps=2), "mdp", "finite", "in 2"),
    ]
)
def test_refusals(call, argument, expected, got):
    assert_refused(call, argument, expected, got)
