"""Rollouts: what a batch that shrinks records is what one episode after the other records."""

import hypothesis.strategies as st
import torch
from hypothesis import given, settings

from entropy_rl.algorithms.rollout import Rollout, first_visits, play_episodes
from entropy_rl.envs import HuntersRabbits
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


def test_every_episode_has_its_rows_in_order_and_no_more():
    rollout = played(cap=40)
    for episode, length in enumerate(rollout.lengths.tolist()):
        mine = rollout.episode == episode
        assert rollout.time[mine].tolist() == list(range(length))


def test_returns_equal_the_loop_over_the_episode():
    rollout = played(cap=60)
    for episode in range(16):
        mine = rollout.episode == episode
        returns = rollout.returns[mine].tolist()
        # Gₜ - γ Gₜ₊₁ is the reward of step t: a whole number of captures.
        captures = [a - 0.8 * b for a, b in zip(returns, [*returns[1:], 0.0], strict=True)]
        assert all(abs(c - round(c)) < 1e-5 for c in captures)
        assert abs(sum(captures) - rollout.totals[episode].item()) < 1e-4
        if rollout.lengths[episode] < 60:
            assert rollout.totals[episode] == 2


def test_the_cap_cuts():
    rollout = played(cap=3)
    assert rollout.lengths.max() == 3
    assert len(rollout) == rollout.lengths.sum()


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
        actions=empty,
        chains=(),
        time=torch.arange(len(rows)),
        episode=torch.tensor([e for e, _ in rows]),
        returns=empty,
        lengths=empty,
        totals=empty,
    )
    assert first_visits(rollout).tolist() == expected
