"""Variance and bias from draws, against the obvious loops and against what is known."""

import numpy as np
import pytest
import torch
from scipy.stats import t

from entropy_rl.bench.moments import interval, squared_bias, variance

MEAN = torch.tensor([0.3, -0.2, 0.0, 0.1], dtype=torch.float64)
SCALE = torch.tensor([1.0, 2.0, 0.5, 0.1], dtype=torch.float64)


def normal(count, seed):
    generator = torch.Generator().manual_seed(seed)
    return MEAN + SCALE * torch.randn(count, 4, generator=generator, dtype=torch.float64)


def without(draws, k):
    return torch.cat([draws[:k], draws[k + 1 :]])


def variance_by_hand(draws):
    return float(draws.var(0).sum())


def squared_bias_by_hand(draws, true):
    pairs = [
        float((draws[k] - true) @ (draws[m] - true))
        for k in range(len(draws))
        for m in range(len(draws))
        if k != m
    ]
    return sum(pairs) / len(pairs)


def test_they_are_the_obvious_loops():
    draws, true = normal(7, 0), torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64)
    for found, by_hand in (
        (variance(draws), variance_by_hand),
        (squared_bias(draws, true), lambda x: squared_bias_by_hand(x, true)),
    ):
        expected = [by_hand(draws), *(by_hand(without(draws, k)) for k in range(7))]
        assert np.abs(found - expected).max() < 1e-12


def test_a_large_mean_costs_no_digits():
    draws = (normal(50, 1) + 1e3).float()
    assert abs(variance(draws)[0] / variance_by_hand(draws.double()) - 1) < 1e-4


def test_the_interval_of_a_mean_is_students():
    x = normal(9, 2)[:, 0].numpy()
    left = [(x.sum() - x[k]) / 8 for k in range(9)]
    low, high = t.interval(0.95, 8, x.mean(), x.std(ddof=1) / 3)
    assert (
        np.abs(np.subtract(interval(np.array([x.mean(), *left])), (x.mean(), low, high))).max()
        < 1e-12
    )


def paired(draws):
    """The variance of x over that of x with other noise added to it."""
    other = draws + 0.5 * (draws - MEAN).flip(1)
    return variance(draws) / variance(other)


@pytest.mark.parametrize(
    ("statistic", "truth"),
    [
        (variance, float(SCALE.square().sum())),
        (paired, 1 / 1.25),
        (lambda draws: squared_bias(draws, torch.zeros(4)), float(MEAN.square().sum())),
        (lambda draws: squared_bias(draws, MEAN), 0.0),
    ],
    ids=["variance", "ratio", "bias", "no bias"],
)
def test_intervals_cover_what_is_true(statistic, truth):
    """Of 400 intervals from 40 draws of four coordinates 87 to 97 % cover. The seeds are fixed.

    The lower end are skewed statistics of few coordinates; a gradient has many.
    """
    covered = 0
    for seed in range(400):
        _, low, high = interval(statistic(normal(40, seed)))
        covered += low <= truth <= high
    assert 340 <= covered < 400


def test_two_draws_are_refused():
    with pytest.raises(ValueError, match="draws: expected at least three, got 2"):
        variance(normal(2, 0))
    with pytest.raises(ValueError, match="draws: expected at least three, got 2"):
        squared_bias(normal(2, 0), MEAN)
