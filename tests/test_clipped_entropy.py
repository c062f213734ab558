"""The entropy of a clipped Gaussian action, against integrals, limits and draws."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import norm

from entropy_rl.conditionals import clipped_entropy
from refusals import assert_refused, refusals

F64 = torch.float64


def entropy(mean, std, low=-1.0, high=1.0):
    mean, std = (torch.tensor(x, dtype=F64) for x in (mean, std))
    return clipped_entropy(mean, std.log(), low, high).item()


@given(st.floats(-3, 3), st.floats(0.2, 20), st.floats(-2, 0), st.floats(0.1, 3))
def test_it_is_the_integral_and_the_two_masses(mean, std, low, width):
    high, law = low + width, norm(mean, std)
    inside, _ = quad(lambda x: -law.pdf(x) * law.logpdf(x), low, high, epsabs=1e-12)
    masses = sum(-m * math.log(m) for m in (law.cdf(low), law.sf(high)) if m > 0)
    found = entropy(mean, std, low, high)
    assert found == pytest.approx(inside + masses, abs=1e-9)
    assert found <= math.log(width + 2) + 1e-12


def test_a_narrow_one_is_not_clipped_and_a_wide_one_is_a_coin():
    assert entropy(0.2, 1e-3) == pytest.approx(0.5 * math.log(2 * math.pi * math.e * 1e-6))
    assert entropy(0.0, 1e9) == pytest.approx(math.log(2), abs=1e-7)
    assert entropy(1e3, 1.0) == 0.0  # always at the upper bound, however wide
    assert entropy(1e200, 1e-100) == 0.0


def test_it_scales_as_lengths_do():
    """Twice the lengths: log 2 more for the part inside, nothing for the masses."""
    inside = norm.cdf(2) - norm.cdf(-1)
    gain = entropy(-0.5, 1.0, -1.5, 1.5) - entropy(-0.25, 0.5, -0.75, 0.75)
    assert gain == pytest.approx(math.log(2) * inside)


def test_its_gradient_is_that_of_differences():
    mean = torch.tensor([0.0, 0.7, -5.0], dtype=F64, requires_grad=True)
    log_std = torch.tensor([0.0, 1.5, -0.5], dtype=F64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda m, s: clipped_entropy(m, s, -1.0, 2.0), (mean, log_std))


ZERO = torch.zeros(2)


INFINITE = torch.full((2,), math.inf)


@refusals(
    [
        ("shapes", lambda: clipped_entropy(ZERO, torch.zeros(3), -1, 1), "log_std", "(2,)", "(3,)"),
        ("integers", lambda: clipped_entropy(ZERO.long(), ZERO, -1, 1), "mean", "float", "int64"),
        ("infinite", lambda: clipped_entropy(ZERO, INFINITE, -1, 1), "log_std", "finite", "NaN"),
        ("no room", lambda: clipped_entropy(ZERO, ZERO, 1.0, 1.0), "high", "> 1.0", "1.0"),
        ("no bound", lambda: clipped_entropy(ZERO, ZERO, -math.inf, 1.0), "low", "finite", "-inf"),
    ]
)
def test_what_it_refuses(call, argument, expected, got):
    assert_refused(call, argument, expected, got)


@pytest.mark.parametrize("mean", [2.0, 0.0])
def test_in_single_precision_no_width_is_no_nan(mean):
    mean = torch.tensor(mean, requires_grad=True)
    log_std = torch.tensor(-90.0, requires_grad=True)
    value = clipped_entropy(mean, log_std, -2.0, 2.0)
    value.backward()
    assert value.isfinite()
    assert mean.grad.isfinite()
    assert log_std.grad.isfinite()
