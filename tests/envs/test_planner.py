"""The physical limit, the planner and random play, against brute force and registered figures."""

import itertools

import numpy as np
import pytest
import torch

from entropy_rl.envs import HuntersRabbits
from entropy_rl.envs.exact import hunters_mdp, optimal_value
from entropy_rl.envs.planner import (
    _match,
    mean_interval,
    physical_limit,
    plan,
    play,
    random_play,
)

# Measured once with an independent prototype on 100,000 placements of the 5×5 grid.
LIMITS = [
    ({}, 2.444, 4.405),
    ({"exponent": 1}, 2.444, 3.524),
    ({"placement": "distinct"}, 2.294, 4.491),
    ({"placement": "distinct", "exponent": 1}, 2.294, 3.593),
    ({"placement": "iid"}, 2.355, 4.486),
    ({"hunters": 4}, 2.500, 3.458),
]
RANDOM = [
    ({}, 75.5, 1.84),
    ({"placement": "distinct"}, 74.6, 1.954),
    ({"placement": "distinct", "masking": "clip"}, 75.0, 1.876),
    ({"placement": "iid"}, 73.8, 1.98),
    ({"hunters": 4}, 72.1, 1.32),
]


def standard_error(interval):
    return (interval[1] - interval[0]) / (2 * 1.96)


@pytest.mark.parametrize(("options", "length", "reward"), LIMITS)
def test_physical_limit_agrees_with_the_registered_figures(options, length, reward):
    """Within 3 standard errors and the figures' rounding; false alarm at most 0.3 % a figure."""
    limit = physical_limit(HuntersRabbits(**options), episodes=6_000, seed=1)
    assert abs(limit.length - length) < 3 * standard_error(limit.length_interval) + 5e-4
    assert abs(limit.reward - reward) < 3 * standard_error(limit.reward_interval) + 5e-4


@pytest.mark.parametrize(("options", "length", "reward"), RANDOM)
def test_random_play_agrees_with_the_registered_figures(options, length, reward):
    """Within 3 standard errors of ours and the figures' rounding; false alarm ≤ 0.3 % a figure.

    The figures' own error (about 0.3 steps) is not counted, so it is a little more.
    """
    found = random_play(HuntersRabbits(**options), episodes=2_000, seed=2)
    assert abs(found.length - length) < 3 * standard_error(found.length_interval) + 0.05
    assert abs(found.reward - reward) < 3 * standard_error(found.reward_interval) + 5e-3


@pytest.mark.parametrize("objective", ["length", "reward"])
def test_matching_is_the_best_of_all_assignments(objective):
    rng = np.random.default_rng(0)
    for _ in range(300):
        times = rng.integers(1, 6, (4, 4))
        every = [times[range(4), p] for p in itertools.permutations(range(4))]
        found = times[_match(times, objective, 0.8)]
        if objective == "length":
            assert found.max() == min(t.max() for t in every)
        else:
            assert (0.8**found).sum() == pytest.approx(max((0.8**t).sum() for t in every))


def test_captures_at_reset_count_and_take_no_time():
    """On one cell everything is captured at reset; otherwise it takes one step."""
    once = HuntersRabbits(size=1, hunters=2, placement="iid", capture_at_reset=True)
    limit = physical_limit(once, episodes=2)
    assert (limit.length, limit.reward) == (0, 2)
    assert random_play(once, episodes=2) == limit
    some = HuntersRabbits(size=2, hunters=2, placement="iid", capture_at_reset=True)
    limit = physical_limit(some, episodes=50)
    assert 0 < limit.length < 1
    assert limit.reward == 2
    later = HuntersRabbits(size=1, hunters=2, placement="iid")
    limit = physical_limit(later, episodes=2)
    assert (limit.length, limit.reward) == (1, 2)


def test_no_policy_beats_the_limit():
    """The exact optimum of 3×3 lies at most 4 standard errors above it; false alarm 4e-5."""
    game = HuntersRabbits(size=3, hunters=2)
    mdp = hunters_mdp(game)
    limit = physical_limit(game, episodes=4_000)
    best = mdp.from_start(optimal_value(mdp))
    assert best < limit.reward + 4 * standard_error(limit.reward_interval)


@pytest.mark.parametrize(
    ("objective", "length", "reward"), [("reward", 2.86, 4.400), ("length", 2.59, 4.37)]
)
def test_the_planner_is_near_the_limit(objective, length, reward):
    """Within 4 standard errors and 0.01 of rounding; false alarm at most 1.3e-4 in all."""
    game, generator = HuntersRabbits(), torch.Generator().manual_seed(3)
    played = play(
        game, lambda s: plan(game, s, objective=objective), episodes=1_500, generator=generator
    )
    assert played.finished.all()
    found = played.performance
    assert abs(found.length - length) < 4 * standard_error(found.length_interval) + 0.01
    assert abs(found.reward - reward) < 4 * standard_error(found.reward_interval) + 0.01


def test_the_planner_goes_the_short_way():
    game = HuntersRabbits(size=5, hunters=2)
    state = game.start(hunters=torch.tensor([[0, 24]]), rabbits=torch.tensor([[12, 22]]))
    assert plan(game, state).tolist() == [[8, 3]]


def test_unfinished_episodes_are_told_and_cost_their_cap():
    game = HuntersRabbits(max_episode_steps=2)
    stay = lambda state: torch.full_like(state.hunters, 4)  # noqa: E731
    played = play(game, stay, episodes=3, generator=torch.Generator().manual_seed(0))
    assert not played.finished.any()
    assert played.length.tolist() == [2, 2, 2]
    assert played.score.tolist() == [0, 0, 0]


def test_the_same_seed_gives_the_same_numbers():
    game = HuntersRabbits(size=3, hunters=2)
    for measure in (physical_limit, random_play):
        assert measure(game, episodes=50, seed=4) == measure(game, episodes=50, seed=4)
        assert measure(game, episodes=50, seed=4) != measure(game, episodes=50, seed=5)


def test_mean_interval():
    x = torch.tensor([1.0, 2.0, 3.0, 6.0])
    mean, (low, high) = mean_interval(x)
    half = 1.96 * x.std().item() / 2
    assert (mean, low, high) == pytest.approx((3, 3 - half, 3 + half))


def test_bad_calls_are_refused_by_name():
    game = HuntersRabbits()
    generator = torch.Generator()
    for call, said in (
        (lambda: physical_limit(game, episodes=1), "episodes"),
        (lambda: random_play(game, episodes=1), "episodes"),
        (lambda: play(game, lambda s: s.hunters, episodes=0, generator=generator), "episodes"),
        (lambda: plan(game, game.reset(1), objective="rewards"), "objective"),
        (lambda: mean_interval(torch.ones(1)), "x"),
        (lambda: mean_interval(torch.ones(2, 2)), "x"),
    ):
        with pytest.raises(ValueError, match=f"^{said}: expected"):
            call()


@pytest.mark.parametrize("hunters", [2, 3, 5])
@pytest.mark.parametrize("options", [{}, {"placement": "iid"}, {"exponent": 1, "size": 4}])
def test_the_planner_earns_the_limit_exactly(hunters, options):
    """A crossed rabbit may be exchanged at no loss: the bound of the score is reached."""
    game = HuntersRabbits(hunters=hunters, **options)
    found = play(
        game,
        lambda state: plan(game, state),
        episodes=400,
        generator=torch.Generator().manual_seed(5),
    ).performance
    assert abs(found.reward - physical_limit(game, episodes=400, seed=5).reward) < 1e-12


def test_the_length_is_a_bound_only():
    """Hunters (0,0), (1,1), rabbits (2,2), (3,3): two steps by assignment, three in truth."""
    game = HuntersRabbits(hunters=2, masking="clip")
    moves = torch.cartesian_prod(*[torch.arange(9)] * 4)
    state = game.start(
        hunters=torch.tensor([[0, 6]]).repeat(len(moves), 1),
        rabbits=torch.tensor([[12, 18]]).repeat(len(moves), 1),
    )
    for step in (moves[:, :2], moves[:, 2:]):
        state, _ = game.step(state, step)
    assert not game.finished(state).any()


def test_the_limit_of_the_reward_where_nothing_later_counts():
    """γ = 0: what can be caught with the first step, each rabbit by one hunter."""
    game = HuntersRabbits(size=3, hunters=2, gamma=0.0)
    state = game.reset(50, generator=torch.Generator().manual_seed(0))
    best = []
    for hunters, rabbits in zip(state.hunters.tolist(), state.rabbits.tolist(), strict=True):
        near = [
            [max(abs(h // 3 - r // 3), abs(h % 3 - r % 3)) <= 1 for r in rabbits] for h in hunters
        ]
        best.append(max(near[0][0] + near[1][1], near[0][1] + near[1][0]))
    assert 0 < sum(best) < 100
    assert physical_limit(game, episodes=50, seed=0).reward == pytest.approx(sum(best) / 50)
