"""The exact small games against play, a hand-solved game and the obvious recursion."""

import dataclasses

import pytest
import torch

from entropy_rl.envs import HuntersRabbits
from entropy_rl.envs.exact import backup, hunters_mdp, optimal_value, policy_value
from entropy_rl.envs.planner import play, random_play


def uniform(mdp):
    legal = mdp.legal.double()
    return legal / legal.sum(1, keepdim=True)


@pytest.fixture(scope="module")
def mdp():
    return hunters_mdp(HuntersRabbits(size=3, hunters=2))


def test_shapes_and_what_they_hold(mdp):
    states, joint = 4393, 81
    assert mdp.next_state.shape == mdp.reward.shape == mdp.legal.shape == (states, joint)
    assert mdp.observation.shape == (states, 12)
    assert mdp.mask.shape == (states, 2, 9)
    assert mdp.next_state.min() >= 0
    assert mdp.start.sum().item() == pytest.approx(1)
    assert len(mdp.observation.unique(dim=0)) == states
    assert mdp.terminal.sum() == 1
    end = mdp.terminal.nonzero().item()
    assert (mdp.next_state[end] == end).all()
    assert (mdp.reward[mdp.terminal] == 0).all()
    product = mdp.mask[:, 0, :, None] & mdp.mask[:, 1, None, :]
    assert (mdp.legal == product.flatten(1)).all()
    assert mdp.actions[11].tolist() == [1, 2]


@pytest.mark.parametrize("placement", ["paperlike", "distinct", "iid"])
@pytest.mark.parametrize("capture_at_reset", [False, True])
@pytest.mark.parametrize("masking", ["observation", "clip"])
def test_the_uniform_policy_has_the_value_that_play_gives(placement, capture_at_reset, masking):
    """3,000 episodes, within 4 standard errors; false alarm 6e-5 a setting."""
    game = HuntersRabbits(
        size=2,
        hunters=2,
        placement=placement,
        capture_at_reset=capture_at_reset,
        masking=masking,
    )
    mdp = hunters_mdp(game)
    value = mdp.from_start(policy_value(mdp, uniform(mdp)))
    # What is captured at reset is in the score and in no state's value.
    state = game.reset(200_000, generator=torch.Generator().manual_seed(9))
    found = random_play(game, episodes=3_000, seed=7)
    low, high = found.reward_interval
    expected = value + state.score.mean().item()
    assert abs(found.reward - expected) < 4 * (high - low) / 3.92 + 0.01


def test_following_the_optimum_gives_its_value(mdp):
    """4,000 episodes, within 4 standard errors; false alarm 6e-5."""
    game = HuntersRabbits(size=3, hunters=2)
    value = optimal_value(mdp)
    best = backup(mdp, value).masked_fill(~mdp.legal, -torch.inf).argmax(1)

    def choose(state):
        seen = game.observe(state)["observation"]
        _, index = torch.cat([mdp.observation, seen]).unique(dim=0, return_inverse=True)
        row = torch.empty(len(mdp.start), dtype=torch.int64)
        row[index[: len(row)]] = torch.arange(len(row))
        return mdp.actions[best[row[index[len(row) :]]]]

    played = play(game, choose, episodes=4_000, generator=torch.Generator().manual_seed(0))
    found = played.performance
    low, high = found.reward_interval
    assert abs(found.reward - mdp.from_start(value)) < 4 * (high - low) / 3.92


def test_a_game_solved_by_hand():
    """One hunter on 2×2 captures in one step: the value is 1 everywhere but at the end."""
    mdp = hunters_mdp(HuntersRabbits(size=2, hunters=1))
    assert optimal_value(mdp).tolist() == [0.0 if end else 1.0 for end in mdp.terminal]
    # At random over four legal cells: V = 1/4 + 3/4 γ V.
    value = policy_value(mdp, uniform(mdp))
    assert mdp.from_start(value) == pytest.approx(0.25 / (1 - 0.75 * 0.8), abs=1e-10)


def test_an_illegal_action_is_never_chosen():
    mdp = hunters_mdp(HuntersRabbits(size=2, hunters=1))
    only_stay = (mdp.actions[:, 0] == 4).expand_as(mdp.legal)
    stuck = dataclasses.replace(mdp, legal=only_stay)
    assert (optimal_value(stuck) == 0).all()


def test_policy_value_solves_the_linear_system():
    mdp = hunters_mdp(HuntersRabbits(size=2, hunters=2))
    probs = torch.rand(mdp.reward.shape, dtype=torch.float64) * mdp.legal
    probs /= probs.sum(1, keepdim=True)
    transition = torch.zeros(len(mdp.start), len(mdp.start), dtype=torch.float64)
    transition.scatter_add_(1, mdp.next_state, probs)
    reward = (probs * mdp.reward).sum(1)
    exact = torch.linalg.solve(
        torch.eye(len(reward), dtype=torch.float64) - mdp.gamma * transition, reward
    )
    torch.testing.assert_close(policy_value(mdp, probs), exact, atol=1e-11, rtol=0)
    assert (policy_value(mdp, probs) <= optimal_value(mdp) + 1e-11).all()


def test_bad_calls_are_refused_by_name(mdp):
    good = uniform(mdp)
    for call, said in (
        (lambda: hunters_mdp(HuntersRabbits()), "game"),
        (lambda: hunters_mdp(HuntersRabbits(size=2, hunters=1, gamma=1.0)), "gamma"),
        (lambda: optimal_value(mdp, tolerance=0), "tolerance"),
        (lambda: policy_value(mdp, good[:, :3]), "probs"),
        (lambda: policy_value(mdp, good.long()), "probs"),
        (lambda: policy_value(mdp, good * 0.9), "probs"),
        (lambda: policy_value(mdp, good * torch.nan), "probs"),
        (lambda: policy_value(mdp, torch.full_like(good, 1 / 81)), "probs"),
        (lambda: mdp.from_start(good), "value"),
    ):
        with pytest.raises(ValueError, match=f"^{said}: expected"):
            call()


def test_it_is_frozen(mdp):
    with pytest.raises(dataclasses.FrozenInstanceError):
        mdp.gamma = 0.9
