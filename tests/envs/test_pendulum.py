"""The batched pendulum against Gymnasium's own."""

import math

import gymnasium
import numpy as np
import pytest
import torch

from entropy_rl.envs import Pendulum


def test_it_is_gymnasiums_step_for_step():
    """200 steps of eight episodes, torques beyond the bounds among them."""
    generator = torch.Generator().manual_seed(0)
    game = Pendulum()
    state = game.reset(8, generator=generator)
    theirs = [gymnasium.make("Pendulum-v1").unwrapped for _ in range(8)]
    for n, env in enumerate(theirs):
        env.reset(seed=0)
        env.state = np.array([state.angle[n].item(), state.speed[n].item()])
    for _ in range(200):
        actions = 2.5 * torch.randn(8, 1, generator=generator)
        state, outcome = game.step(state, actions)
        for n, env in enumerate(theirs):
            seen, reward, *_ = env.step(actions[n].numpy().astype(np.float64))
            assert outcome.reward[n].item() == pytest.approx(reward, abs=1e-5)
            assert game.observe(state)[n].numpy() == pytest.approx(seen, abs=1e-5)
    assert outcome.truncated.all()
    assert not outcome.terminated.any()


def test_a_start_is_drawn_as_gymnasium_draws_it():
    """False alarms: the bounds are met to a hundredth with a probability above 1 - 1e-20."""
    state = Pendulum().reset(10_000, generator=torch.Generator().manual_seed(1))
    for x, bound in ((state.angle, math.pi), (state.speed, 1.0)):
        assert bound * 0.98 < x.max() <= bound
        assert -bound <= x.min() < -bound * 0.98


def test_what_is_paid_is_shifted_and_scaled_and_the_score_is_not():
    plain, scaled = Pendulum(), Pendulum(reward_shift=8.0, reward_scale=1 / 3)
    state = plain.start(angle=torch.tensor([1.0]).double(), speed=torch.tensor([0.5]).double())
    torque = torch.tensor([[0.3]])
    (one, paid), (other, less) = (game.step(state, torque) for game in (plain, scaled))
    assert paid.reward.item() == pytest.approx(-(1 + 0.1 * 0.25 + 0.001 * 0.09))
    assert less.reward.item() == pytest.approx((paid.reward.item() + 8) / 3)
    assert one.score.item() == other.score.item() == pytest.approx(paid.reward.item())


@pytest.mark.parametrize(
    ("start", "words"),
    [
        ({"angle": [1.0], "speed": [9.0]}, r"speed: expected numbers in \[-8.0, 8.0\]"),
        ({"angle": [math.nan], "speed": [0.0]}, "angle: expected finite numbers"),
        ({"angle": [1.0, 2.0], "speed": [0.0]}, "speed: expected shape"),
        ({"angle": [1], "speed": [0.0]}, "angle: expected a floating-point"),
    ],
)
def test_a_start_that_is_none_is_refused(start, words):
    with pytest.raises(ValueError, match=words):
        Pendulum().start(**{name: torch.tensor(x) for name, x in start.items()})


@pytest.mark.parametrize("option", [{"gravity": -1.0}, {"reward_scale": 0.0}])
def test_options_out_of_range_are_refused(option):
    with pytest.raises(ValueError, match=next(iter(option))):
        Pendulum(**option)


def test_a_picture_shows_where_it_points():
    up, left = (
        Pendulum().draw(
            Pendulum().start(angle=torch.tensor([a]).double(), speed=torch.zeros(1).double())
        )
        for a in (0.0, math.pi / 2)
    )
    dark = [(image.sum(-1) < 700).nonzero() for image in (up, left)]
    assert dark[0][0].mean() < 70  # above the middle
    assert dark[1][1].mean() < 70  # left of it
