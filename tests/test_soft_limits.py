"""A bonus and a soft return are different objectives: Patience and Rooms, exactly."""

import math

import pytest
import torch

from entropy_rl.tabular import (
    ascend,
    bonus_gradient,
    enumerate_trajectories,
    evaluate_policy,
    expected_return,
    garnet,
    occupancy,
    patience,
    policy_gradient,
    rooms,
    soft_value_iteration,
    state_entropy,
    value_iteration,
)

F64 = torch.float64
PATIENCE, ROOMS = patience(), rooms()
STARTS = (0.5, 0.99, 0.1, 0.001)


def quitting(p: float) -> torch.Tensor:
    return torch.tensor([[math.log(p), math.log1p(-p)], [0.0, 0.0]], dtype=F64)


def limit(start: float, alpha: float, entropy: str) -> torch.Tensor:
    return ascend(PATIENCE, quitting(start), alpha, entropy)


def random_logits(mdp, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(mdp.states, mdp.actions, generator=generator, dtype=F64)


@pytest.mark.parametrize("start", [0.5, 0.99, 0.1])
def test_with_a_bonus_patience_is_lost(start):
    policy = limit(start, 0.125, "bonus")
    assert float(policy[0, 0]) == pytest.approx(0.4058, abs=5e-4)
    assert float(expected_return(PATIENCE, policy)) == pytest.approx(1.028, abs=1e-3)
    assert float(expected_return(PATIENCE, policy, 0.125)) == pytest.approx(1.230, abs=1e-3)


def test_a_bonus_has_a_second_limit():
    policy = limit(0.001, 0.125, "bonus")
    assert float(policy[0, 0]) == pytest.approx(0.0004, abs=1e-4)
    assert float(expected_return(PATIENCE, policy)) == pytest.approx(1.981, abs=1e-3)
    assert float(expected_return(PATIENCE, policy, 0.125)) == pytest.approx(2.002, abs=1e-3)


@pytest.mark.parametrize("start", STARTS)
def test_with_a_soft_return_one_waits(start):
    policy = limit(start, 0.125, "soft")
    assert float(policy[0, 0]) == pytest.approx(0.0003, abs=1e-4)
    assert float(expected_return(PATIENCE, policy)) == pytest.approx(1.984, abs=1e-3)
    assert float(expected_return(PATIENCE, policy, 0.125)) == pytest.approx(2.002, abs=1e-3)


@pytest.mark.parametrize("start", STARTS)
def test_at_a_fifth_the_bad_limit_is_the_only_one_and_at_a_twentieth_the_good_one(start):
    bad = expected_return(PATIENCE, limit(start, 0.2, "bonus"))
    assert float(bad) == pytest.approx(1.024, abs=1e-3)
    assert float(expected_return(PATIENCE, limit(start, 0.2, "soft"))) == pytest.approx(
        1.792, abs=1e-3
    )
    for entropy in ("bonus", "soft"):
        good = expected_return(PATIENCE, limit(start, 0.05, entropy))
        assert float(good) == pytest.approx(2.0, abs=1e-3)


def test_rooms():
    uniform = torch.zeros(3, 4, dtype=F64)
    bonus, soft = (ascend(ROOMS, uniform, 0.1, entropy) for entropy in ("bonus", "soft"))
    assert float(soft[0, 3]) == pytest.approx(0.9999, abs=5e-5)
    assert float(bonus[0, 3]) == pytest.approx(0.043, abs=5e-4)
    assert float(expected_return(ROOMS, soft, 0.1)) == pytest.approx(10.248, abs=5e-4)
    assert float(expected_return(ROOMS, bonus, 0.1)) == pytest.approx(9.368, abs=5e-4)
    assert float(expected_return(ROOMS, bonus)) == pytest.approx(9.19, abs=5e-3)
    assert float(expected_return(ROOMS, soft)) == pytest.approx(9.00, abs=5e-3)


def test_rooms_by_hand():
    """Quiet for ever is worth 10, entered for .2 more; freedom is worth α log 4 a step."""
    assert float(value_iteration(ROOMS).value[0]) == pytest.approx(0.2 + 9.0)
    soft = soft_value_iteration(ROOMS, 0.1)
    assert float(soft.value[2]) == pytest.approx(10 * (1 + 0.1 * math.log(4)))


@pytest.mark.parametrize("alpha", [0.05, 0.125, 0.2])
def test_a_second_way_to_the_limits_of_patience(alpha):
    """Sign changes of q(quit) - q(wait) - α log odds, from v(p) written down, on a fine line."""

    def slope(z: torch.Tensor, inside: float) -> torch.Tensor:
        p = torch.sigmoid(z)
        earned = p + 0.0398 * (1 - p) + inside * state_entropy(torch.stack([p, 1 - p], -1))
        value = earned / (1 - 0.9801 * (1 - p))
        return 1 - (0.0398 + 0.9801 * value) - alpha * z

    z = torch.linspace(-30, 10, 400_001, dtype=F64)
    for entropy, inside in (("bonus", 0.0), ("soft", alpha)):
        rises = slope(z, inside) > 0
        stable = z[:-1][rises[:-1] & ~rises[1:]].sigmoid()
        found = {round(float(limit(start, alpha, entropy)[0, 0]), 9) for start in STARTS}
        assert len(stable) == len(found)
        for p, exact in zip(sorted(stable.tolist()), sorted(found), strict=True):
            assert p == pytest.approx(exact, rel=2e-4, abs=1e-9)


@pytest.mark.parametrize(
    ("entropy", "gradient"), [("bonus", bonus_gradient), ("soft", policy_gradient)]
)
def test_the_gradient_itself_ends_at_the_same_limits(entropy, gradient):
    logits = quitting(0.5)
    for _ in range(1500):
        logits = logits + 4.0 * gradient(PATIENCE, logits, 0.125)
    assert float(logits.softmax(-1)[0, 0]) == pytest.approx(
        float(limit(0.5, 0.125, entropy)[0, 0]), rel=1e-3
    )


@pytest.mark.parametrize("entropy", ["bonus", "soft"])
@pytest.mark.parametrize("seed", range(3))
def test_a_limit_is_a_softmax_of_its_own_values_and_its_gradient_vanishes(entropy, seed):
    mdp, alpha = garnet(4, 3, 2, torch.Generator().manual_seed(seed)), 0.3
    policy = ascend(mdp, random_logits(mdp, seed), alpha, entropy)
    q = evaluate_policy(mdp, policy, alpha if entropy == "soft" else 0.0).q
    torch.testing.assert_close(policy, (q / alpha).softmax(-1), rtol=0, atol=1e-10)
    gradient = {"bonus": bonus_gradient, "soft": policy_gradient}[entropy]
    assert float(gradient(mdp, policy.log(), alpha).abs().max()) < 1e-10
    if entropy == "soft":
        best = soft_value_iteration(mdp, alpha).policy
        torch.testing.assert_close(policy, best, rtol=0, atol=1e-10)


@pytest.mark.parametrize("seed", range(3))
def test_the_bonus_in_closed_form_and_over_trajectories(seed):
    mdp = garnet(3, 2, 2, torch.Generator().manual_seed(seed), discount=0.3)
    logits, alpha = random_logits(mdp, seed), 0.4
    policy = logits.softmax(-1)
    value, q = evaluate_policy(mdp, policy)
    away = q - value[:, None] - alpha * (policy.log() + state_entropy(policy)[:, None])
    found = bonus_gradient(mdp, logits, alpha)
    torch.testing.assert_close(found, occupancy(mdp, policy)[:, None] * policy * away)

    leaf = logits.clone().requires_grad_()
    horizon = 6  # what comes later weighs .3⁶ < .001
    p, states, actions = enumerate_trajectories(mdp, leaf.softmax(-1), horizon)
    weights = mdp.discount ** torch.arange(horizon, dtype=F64)
    reward = weights @ mdp.reward[states[:-1], actions]
    entropy = weights @ state_entropy(leaf.softmax(-1))[states[:-1]]
    objective = (p * reward).sum() + alpha * (p.detach() * entropy).sum()
    (sampled,) = torch.autograd.grad(objective, leaf)
    torch.testing.assert_close(sampled, found, rtol=0, atol=5e-3)


def test_a_bonus_is_not_a_soft_return_and_at_no_temperature_they_are_one():
    logits = quitting(0.1)  # the bonus asks to quit more often, the soft return less
    bonus, soft = (g(PATIENCE, logits, 0.125)[0, 0] for g in (bonus_gradient, policy_gradient))
    assert float(bonus) > 0 > float(soft)
    torch.testing.assert_close(
        bonus_gradient(PATIENCE, logits, 0.0), policy_gradient(PATIENCE, logits, 0.0)
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": 0.0}, "temperature: expected"),
        ({"entropy": "both"}, "entropy: expected one of"),
        ({"rate": 0.0}, "rate: expected"),
        ({"rate": 1.5}, "rate: expected"),
        ({"tolerance": 0.0}, "tolerance: expected"),
        ({"steps": 0}, "steps: expected"),
        ({"steps": 3}, "steps: expected a limit within them, got none in 3"),
        ({"logits": torch.zeros(2, 2)}, "logits: expected dtype float64"),
    ],
)
def test_bad_input_is_refused_by_name(options, message):
    given = {"logits": quitting(0.5), "temperature": 0.1, "entropy": "soft"} | options
    with pytest.raises(ValueError, match=message):
        ascend(
            PATIENCE, given.pop("logits"), given.pop("temperature"), given.pop("entropy"), **given
        )


def test_a_bonus_refuses_bad_input():
    with pytest.raises(ValueError, match="temperature: expected a number ≥ 0"):
        bonus_gradient(PATIENCE, quitting(0.5), -1.0)
    with pytest.raises(ValueError, match="logits: expected dtype float64"):
        bonus_gradient(PATIENCE, torch.zeros(2, 2), 0.1)
