"""The team bandit against its definition, arm by arm."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from entropy_rl.envs import TeamBandit
from entropy_rl.policies import make_policy


def slow_reward(game, actions, lucky):
    """The definition, one round: distinct arms pay once, and the bonus if lucky and exceptional."""
    paid = sum(arm + 1 for arm in set(actions))
    return paid + game.bonus * (lucky and list(actions) == game.exceptional.tolist())


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_reward_is_the_definitions(data):
    arms = data.draw(st.integers(1, 6))
    agents = data.draw(st.integers(1, min(arms, 3)))
    assignment = data.draw(st.one_of(st.just("identity"), st.integers(0, 50)))
    game = TeamBandit(agents=agents, arms=arms, bonus=7.5, assignment=assignment)
    actions = torch.cartesian_prod(*[torch.arange(arms)] * agents).view(-1, agents)
    for lucky in (False, True):
        start = game.start(lucky=torch.full((len(actions),), lucky))
        state, outcome = game.step(start, actions)
        expected = [slow_reward(game, row, lucky) for row in actions.tolist()]
        assert outcome.reward.tolist() == expected
        assert state.score.tolist() == expected
        assert outcome.terminated.all()
        assert not outcome.truncated.any()
        assert game.info(state)["optimal"].sum() == 1


def test_expected_reward_and_its_maximum():
    game = TeamBandit()
    actions = torch.tensor(list(itertools.product(range(10), repeat=4)))
    value = game.expected_reward(actions)
    assert value.max().item() == pytest.approx(35.66)
    assert actions[value.argmax()].tolist() == game.exceptional.tolist() == [6, 7, 8, 9]
    assert value.sort().values[-2].item() == 34
    assert game.expected_reward(torch.tensor([0, 0, 1, 1])).item() == 3


def test_the_reward_that_is_expected_of_a_round_is_that_of_its_arms():
    game = TeamBandit(agents=2, arms=3, bonus=7.5, bonus_probability=0.3)
    actions = torch.cartesian_prod(torch.arange(3), torch.arange(3))
    for lucky in (False, True):
        start = game.start(lucky=torch.full((9,), lucky))
        assert game.info(start)["expected"].tolist() == [0.0] * 9
        state, _ = game.step(start, actions)
        found = game.info(state)["expected"]
        assert (found - game.expected_reward(actions)).abs().max() < 1e-12


@pytest.mark.parametrize("agents", [1, 3])
def test_the_closed_form_is_the_sum_over_joint_actions(agents):
    game = TeamBandit(agents=agents, arms=4, bonus=7.5, bonus_probability=0.3, assignment=1)
    torch.manual_seed(0)
    policy = make_policy("lstm", game.observation_space, game.action_space, hidden_size=5)
    policy, reward, optimal = policy.double(), 0.0, 0.0
    for arms in itertools.product(range(4), repeat=agents):
        chain = policy.conditionals(torch.ones(1), torch.tensor(arms))
        p = chain.log_prob.exp().item()
        reward += p * (0.3 * slow_reward(game, arms, True) + 0.7 * slow_reward(game, arms, False))
        optimal += p * (list(arms) == game.exceptional.tolist())
    found = game.closed_form(policy)
    assert found == pytest.approx({"expected_reward": reward, "optimal": optimal}, abs=1e-12)


def test_a_closed_form_of_too_many_joint_actions_is_refused():
    with pytest.raises(ValueError, match="closed_form: expected at most 1000000 joint actions"):
        TeamBandit(agents=7).closed_form(None)


def test_seeds_choose_among_all_assignments():
    chosen = {tuple(TeamBandit(assignment=k).exceptional.tolist()) for k in range(300)}
    assert chosen == set(itertools.permutations([6, 7, 8, 9]))
    assert (TeamBandit(assignment=5).exceptional == TeamBandit(assignment=5).exceptional).all()


def test_luck_comes_with_its_probability():
    """Of 100,000 rounds; false alarm 6e-5 (four standard errors)."""
    game = TeamBandit()
    lucky = game.reset(100_000, generator=torch.Generator().manual_seed(0)).lucky
    assert abs(lucky.double().mean().item() - 0.01) < 4 * (0.01 * 0.99 / 100_000) ** 0.5


def test_observation_is_constant():
    game = TeamBandit()
    state = game.reset(3)
    assert game.observe(state).tolist() == [[1.0]] * 3


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"agents": 5, "arms": 4}, "agents"),
        ({"agents": 0}, "agents"),
        ({"arms": 0}, "arms"),
        ({"bonus": -1}, "bonus"),
        ({"bonus": float("inf")}, "bonus"),
        ({"bonus_probability": 1.1}, "bonus_probability"),
        ({"assignment": "identify"}, "did you mean 'identity'"),
        ({"assignment": -1}, "assignment"),
        ({"assignment": 0.5}, "assignment"),
        ({"assignment": True}, "assignment"),
    ],
)
def test_impossible_settings_are_refused_by_name(options, said):
    with pytest.raises(ValueError, match=said):
        TeamBandit(**options)


def test_bad_calls_are_refused_by_name():
    game = TeamBandit()
    for call, said in (
        (lambda: game.reset(0), "num"),
        (lambda: game.start(lucky=torch.ones(3)), "lucky"),
        (lambda: game.start(lucky=torch.tensor(True)), "lucky"),
        (lambda: game.expected_reward([0, 1, 2, 3]), "actions"),
        (lambda: game.expected_reward(torch.tensor([0, 1, 2])), "actions"),
        (lambda: game.expected_reward(torch.tensor([0, 1, 2, 10])), "actions"),
    ):
        with pytest.raises(ValueError, match=f"^{said}: expected"):
            call()


def test_the_expected_reward_is_exact_in_double_precision():
    """0.1 and 166 × 0.01 have no single-precision form: a float32 on the way would show."""
    game = TeamBandit(bonus=0.1, bonus_probability=0.3)
    best = game.exceptional[None]
    assert abs(game.expected_reward(best).item() - 34.03) < 1e-13
    state, _ = game.step(game.start(lucky=torch.tensor([True])), best)
    assert abs(state.score.item() - 34.1) < 1e-13
