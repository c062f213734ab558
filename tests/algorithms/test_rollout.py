"""Rollouts: what a batch that shrinks records is what one episode after the other records."""

import dataclasses

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings

from entropy_rl.algorithms import OnPolicyConfig, Trainer, evaluate
from entropy_rl.algorithms.curves import merit_figures
from entropy_rl.algorithms.minibatches import first_visits
from entropy_rl.algorithms.rollout import (
    Rollout,
    concatenate_observations,
    play_episodes,
    staggered,
)
from entropy_rl.envs import HuntersRabbits, Outcome, Pendulum, TeamBandit
from entropy_rl.policies import make_policy

GAME = HuntersRabbits(size=3, hunters=2)


def played(cap, episodes=16):
    torch.manual_seed(0)
    policy = make_policy("independent", GAME.observation_space, GAME.action_space)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        return play_episodes(
            GAME, lambda obs: policy.sample(obs, generator), episodes, cap, 0.8, generator
        )


@pytest.mark.parametrize("masked_first", [True, False])
def test_observations_of_two_kinds_are_refused(masked_first):
    plain, masked = torch.zeros(1, 2), {"observation": torch.ones(1, 2)}
    both = [masked, plain] if masked_first else [plain, masked]
    with pytest.raises(ValueError, match="observations: expected one kind, got some with a mask"):
        concatenate_observations(both)


def test_every_episode_has_its_rows_in_order_and_no_more():
    rollout = played(cap=40)
    for episode, length in enumerate(rollout.lengths.tolist()):
        mine = rollout.episode == episode
        assert rollout.time[mine].tolist() == list(range(length))


def test_rewards_lie_on_the_grid_where_the_steps_were_taken():
    rollout = played(cap=60)
    for episode, length in enumerate(rollout.lengths.tolist()):
        rewards = rollout.r_t[:, episode]
        assert (rewards[length:] == 0).all()
        ended = rollout.discount_t[length - 1, episode] == 0
        assert ended != rollout.cut[length - 1, episode]
        assert rewards.sum() == 2 or not ended
        assert (rollout.discount_t[: length - 1, episode] == 0.8).all()


@pytest.mark.parametrize("over", [0, 3, 8, 20])
def test_staggered_episodes_have_begun_at_different_times(over):
    """Of eight steps each; one that is over is followed by a fresh one, which goes on."""
    game = Pendulum(max_episode_steps=8)
    generator = torch.Generator().manual_seed(1)
    policy = make_policy("gaussian", game.observation_space, game.action_space)
    state = staggered(game, lambda obs: policy.sample(obs, generator), 5, over, generator)
    ages = [i * over // 5 for i in range(5)]
    assert state.time.tolist() == [age % 8 for age in ages]
    assert not state.score.requires_grad


def test_a_rollout_goes_on_from_a_staggered_beginning_once():
    config = OnPolicyConfig(
        algorithm="ppo", episodes=12, batch=4, cap=2, continuing=True, stagger=8, minibatches=1
    )
    game = Pendulum(max_episode_steps=8)
    policy = make_policy("gaussian", game.observation_space, game.action_space)
    trainer = Trainer(game, policy, config, 0)
    for after in ([2, 4, 6, 0], [4, 6, 0, 2]):
        trainer.step()
        assert trainer.running.time.tolist() == after
    assert trainer.steps == 2 * 4 * 2, "what is not learnt from is not counted"


def test_grid_and_rows_are_inverse():
    rollout = played(cap=20)
    values = torch.arange(len(rollout)).double() + 1
    assert torch.equal(rollout.rows(rollout.grid(values)), values)
    assert rollout.grid(values).count_nonzero() == len(rollout)


def test_next_values_equal_the_loop():
    rollout = played(cap=4)
    values = torch.rand(len(rollout), generator=torch.Generator().manual_seed(0))
    v_tm1, cuts = rollout.grid(values), rollout.cut.nonzero().tolist()
    v_final = 10 + torch.arange(len(cuts)).float()
    v_t = rollout.next_values(v_tm1, v_final)
    assert cuts
    for episode, length in enumerate(rollout.lengths.tolist()):
        for t in range(length):
            if [t, episode] in cuts:
                expected = v_final[cuts.index([t, episode])]
            else:
                expected = v_tm1[t + 1, episode] if t + 1 < length else 0.0
            assert v_t[t, episode] == expected


def test_final_observations_are_those_after_the_cut():
    """One more step from a longer rollout of the same draws sees what the cut one ended with."""
    short, long = played(cap=1), played(cap=2)
    cut = short.cut.nonzero()[:, 1]
    later = long.time == 1
    order = long.episode[later].argsort()
    for key, final in short.final_obs.items():
        assert torch.equal(final, long.obs[key][later][order])
    assert torch.equal(long.episode[later][order], cut)


def test_the_grid_is_no_longer_than_the_longest_episode():
    rollout = played(cap=10_000)
    assert len(rollout.r_t) == rollout.lengths.max() < 1_000


def test_the_cap_cuts():
    rollout = played(cap=3)
    assert rollout.lengths.max() == 3
    assert len(rollout) == rollout.lengths.sum()


@pytest.mark.parametrize("cap", [1, 3, 1_000])
def test_a_whole_grid_is_read_as_its_rows_stand(cap):
    """Where no episode has ended before the others, and only there."""
    rollout = played(cap=cap)
    assert rollout.whole == (len(rollout) == rollout.r_t.numel())
    assert rollout.whole == (cap == 1)
    check_whole(rollout)


def test_a_whole_grid_of_several_steps_is_read_by_steps():
    env = Pendulum(max_episode_steps=50)
    torch.manual_seed(0)
    policy = make_policy("gaussian", env.observation_space, env.action_space)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        rollout = play_episodes(
            env, lambda obs: policy.sample(obs, generator), 4, 6, 0.8, generator, continuing=True
        )
    assert rollout.whole
    assert rollout.r_t.shape == (6, 4)
    check_whole(rollout)


def check_whole(rollout):
    """Read either way the grid is the same, and by columns it is not whole any more."""
    apart = dataclasses.replace(rollout, whole=False)
    rows = torch.rand(len(rollout), generator=torch.Generator().manual_seed(0))
    assert torch.equal(rollout.grid(rows), apart.grid(rows))
    assert torch.equal(rollout.rows(rollout.r_t), apart.rows(rollout.r_t))
    columns = rollout.by_columns(2)
    assert not columns.whole
    assert torch.equal(columns.rows(columns.grid(rows)), rows)


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1)), min_size=1, max_size=20))
def test_first_visits_equal_the_loop(rows):
    seen, expected = set(), []
    for row in rows:
        expected.append(row not in seen)
        seen.add(row)
    empty = torch.zeros(0)
    rollout = Rollout(
        obs=torch.tensor([[float(o)] for _, o in rows]),
        chain=None,
        time=torch.arange(len(rows)),
        episode=torch.tensor([e for e, _ in rows]),
        r_t=empty,
        discount_t=empty,
        cut=empty,
        final_obs=None,
    )
    assert first_visits(rollout).tolist() == expected


@pytest.mark.parametrize("dtype", [torch.uint8, torch.bool, torch.bfloat16, torch.float32])
def test_first_visits_know_three_hundred_episodes_whatever_the_observations_are_made_of(dtype):
    empty = torch.zeros(0)
    rollout = Rollout(
        obs=torch.ones(600, 1).to(dtype),
        chain=None,
        time=torch.arange(600),
        episode=torch.arange(300).repeat(2),
        r_t=empty,
        discount_t=empty,
        cut=empty,
        final_obs=None,
    )
    assert first_visits(rollout).tolist() == [True] * 300 + [False] * 300


class Lives(Pendulum):
    """Eight steps; at the third a life is lost, which is "terminated" and not over."""

    def step(self, state, actions):
        after, outcome = super().step(state, actions)
        return after, Outcome(outcome.reward, after.time == 3, self.over(after))

    def over(self, state):
        return state.time >= self.max_episode_steps


def lives():
    game = Lives(max_episode_steps=8)
    return game, make_policy("gaussian", game.observation_space, game.action_space)


def test_an_episode_that_goes_on_after_a_termination_is_not_begun_anew():
    game, policy = lives()
    generator = torch.Generator().manual_seed(1)

    def act(obs):
        return policy.sample(obs, generator)

    rollout = play_episodes(game, act, 3, 12, 0.9, generator, continuing=True)
    lost = [t in (2, 10) for t in range(12)]
    assert (rollout.discount_t == 0).all(1).tolist() == lost
    assert (rollout.discount_t[[not x for x in lost]] == 0.9).all()
    assert rollout.cut.all(1).tolist() == [t in (7, 11) for t in range(12)]
    assert rollout.running.time.tolist() == [4, 4, 4]
    whole = play_episodes(game, act, 3, 12, 0.9, generator)
    assert whole.lengths.tolist() == [8, 8, 8]
    assert (whole.discount_t == 0).all(1).tolist() == [t == 2 for t in range(8)]
    assert staggered(game, act, 5, 10, generator).time.tolist() == [0, 2, 4, 6, 0]


@pytest.mark.parametrize("groups", [1, 2, 3])
def test_rows_by_columns_stand_for_the_same_steps(groups):
    """Cut at the end of an episode and at that of the stretch; values of what comes next too."""
    game, policy = Pendulum(max_episode_steps=5), lives()[1]
    generator = torch.Generator().manual_seed(1)

    def act(obs):
        return policy.sample(obs, generator)

    before = play_episodes(game, act, 6, 12, 0.9, generator, continuing=True)
    after = before.by_columns(groups)
    told = torch.stack([before.time, before.episode], 1).tolist()
    order = [told.index(pair) for pair in torch.stack([after.time, after.episode], 1).tolist()]
    assert torch.equal(after.obs, before.obs[order])
    assert torch.equal(after.chain.actions, before.chain.actions[order])
    assert torch.equal(after.grid(after.rows(before.r_t)), before.r_t)
    owner = after.episode // (6 // groups)
    assert owner.tolist() == sorted(owner.tolist())
    assert all((after.time[after.episode == e].diff() == 1).all() for e in range(6))
    # v of a state is a function of it: here its own first number.
    grid = before.grid(before.obs[:, 0])
    expected = before.next_values(grid, before.final_obs[:, 0])
    assert torch.equal(after.next_values(grid, after.final_obs[:, 0]), expected)
    assert before.cut.sum() == 6 * 3
    if groups > 1:
        assert not torch.equal(before.next_values(grid, after.final_obs[:, 0]), expected)


def test_an_episode_that_goes_on_is_judged_to_its_end():
    game, policy = lives()
    found = evaluate(game, policy, 4, cap=20)
    assert found.lengths == (8.0,) * 4
    assert found.unfinished == 1, "cut by the environment, and not ended where a life was lost"


def test_every_episode_that_ends_in_a_stretch_counts():
    """Sixteen bandits of one round each, for twenty rounds: 320 figures, and not sixteen."""
    game = TeamBandit()
    policy = make_policy("independent", game.observation_space, game.action_space)
    generator = torch.Generator().manual_seed(1)
    rollout = play_episodes(
        game, lambda obs: policy.sample(obs, generator), 16, 20, 1.0, generator, continuing=True
    )
    worth = game.expected_reward(rollout.chain.actions)
    assert len(worth) == 320
    found = merit_figures(rollout, torch.mean, {})
    assert found["expected"].item() == pytest.approx(worth.mean().item())


def test_a_stretch_without_an_end_repeats_the_figure_before_or_has_none():
    game = Pendulum(max_episode_steps=8)
    policy = make_policy("gaussian", game.observation_space, game.action_space)
    generator = torch.Generator().manual_seed(1)
    rollout = play_episodes(
        game, lambda obs: policy.sample(obs, generator), 4, 5, 1.0, generator, continuing=True
    )
    assert merit_figures(rollout, torch.mean, {"score": [1.0, 2.0]})["score"] == 2
    assert merit_figures(rollout, torch.mean, {})["score"].isnan()
