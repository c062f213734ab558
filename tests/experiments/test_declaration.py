"""What is compared: its interval, and what that says of the sign that was registered."""

import dataclasses
import math

import pytest
from scipy.stats import f
from small import small, small_experiment

from entropy_rl.experiments import Contrast, interval, label

SMOOTHED, NONE = label(entropy="smoothed"), label(entropy="none")


def contrast(sign=-1, **options):
    return Contrast("length", SMOOTHED, NONE, sign, **options)


def test_a_contrast_is_paired_by_seed():
    """Differences 1, 2, 3: mean 2, half-width t(0.975, 2) / √3."""
    mean, low, high = contrast().estimate([11, 102, 1003], [10, 100, 1000])
    assert mean == pytest.approx(2)
    assert (high - low) / 2 == pytest.approx(4.302653 / 3**0.5, rel=1e-6)
    assert interval([1, 2, 3]) == pytest.approx((mean, low, high))


def test_a_factor_multiplies_the_second():
    """1.1 times the second less the first: 0, 1, 2."""
    found = contrast(factor=1.1).estimate([11, 21, 31], [10, 20, 30])
    assert found == pytest.approx(interval([0, -1, -2]))


def test_a_spread_is_the_logarithm_of_the_ratio_of_deviations():
    """The F interval of a ratio of variances, by both quantiles; the pairing plays no part."""
    first, second = [0, 3, 6, 9], [7, 6, 5, 4]
    centre, low, high = contrast(statistic="spread").estimate(first, second)
    assert math.exp(centre) == pytest.approx(3)
    assert math.exp(2 * low) == pytest.approx(9 / f.ppf(0.975, 3, 3))
    assert math.exp(2 * high) == pytest.approx(9 / f.ppf(0.025, 3, 3))
    assert contrast(statistic="spread").estimate(first, second[::-1]) == (centre, low, high)


def test_the_sides_of_a_spread_may_have_different_numbers_of_seeds():
    """Variances 15 and 1 of four and three seeds, by F with 3 and 2 degrees of freedom."""
    centre, low, high = contrast(statistic="spread").estimate([0, 3, 6, 9], [1, 2, 3])
    assert math.exp(2 * centre) == pytest.approx(15)
    assert math.exp(2 * low) == pytest.approx(15 / f.ppf(0.975, 3, 2))
    assert math.exp(2 * high) == pytest.approx(15 / f.ppf(0.025, 3, 2))


@pytest.mark.parametrize(
    ("sign", "low", "high", "verdict"),
    [
        (1, 0.1, 2, "expected"),
        (-1, -2, -0.1, "expected"),
        (1, -2, -0.1, "against"),
        (-1, 0.1, 2, "against"),
        (1, -0.1, 2, "undecided"),
        (-1, -0.1, 2, "undecided"),
        (1, 0, 2, "undecided"),
        (0, -0.1, 2, "expected"),
        (0, 0.1, 2, "against"),
        (0, -2, -0.1, "against"),
        (0, 0, 0, "undecided"),
        (1, 0, 0, "undecided"),
        (1, 1, 1, "expected"),
    ],
)
def test_a_verdict_needs_the_whole_interval_on_one_side(sign, low, high, verdict):
    assert contrast(sign).verdict(low, high) == verdict


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"factor": 0.0}, "factor: expected"),
        ({"factor": 1.1, "statistic": "spread"}, "factor: expected 1 for a spread"),
        ({"statistic": "median"}, "statistic: expected one of"),
        ({"sign": 2}, "sign: expected -1, 0 or 1"),
        ({"level": 95}, "level: expected a number in"),
        ({"level": 1.0}, "level: expected a number between 0 and 1"),
    ],
)
def test_a_contrast_that_cannot_be_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        contrast(**options)


@pytest.mark.parametrize(
    ("statistic", "first", "second", "message"),
    [
        ("mean", [1], [2], "second: expected as many values as first, ≥ 2"),
        ("mean", [1, 2], [2, 3, 4], "second: expected as many values as first"),
        ("spread", [1], [2, 3], "first: expected values that differ"),
        ("spread", [1, 1], [2, 3], "first: expected values that differ"),
        ("spread", [1, 2], [3, 3], "second: expected values that differ"),
    ],
)
def test_an_estimate_that_cannot_be_is_refused(statistic, first, second, message):
    with pytest.raises(ValueError, match=message):
        contrast(statistic=statistic).estimate(first, second)


def test_an_interval_that_is_none_is_refused():
    with pytest.raises(ValueError, match="values: expected two or more"):
        interval([1.0])
    for low, high in ((2, 1), (math.nan, 1)):
        with pytest.raises(ValueError, match="high: expected at least low"):
            contrast().verdict(low, high)


def test_a_claim_rests_on_contrasts_of_the_experiment():
    chosen = small_experiment()
    claims = {"a.b": chosen.contrasts}
    assert dataclasses.replace(chosen, claims=claims).claims == claims
    for wrong in ((), (contrast(sign=1),)):
        with pytest.raises(ValueError, match=r"claims: expected contrasts .*, got 'a\.b'"):
            dataclasses.replace(chosen, claims={"a.b": wrong})


@pytest.mark.parametrize(
    ("metric", "field"), [("greedy_reward", "greedy"), ("expected_reward", "exact")]
)
def test_what_is_compared_is_what_the_runs_are_evaluated_for(metric, field):
    """Else it is noticed after the last run, whose policies are gone."""
    chosen = small_experiment()
    compared = (dataclasses.replace(chosen.contrasts[0], metric=metric),)
    with pytest.raises(ValueError, match=f"contrasts: expected runs whose evaluation is '{field}'"):
        dataclasses.replace(chosen, contrasts=compared)


def test_runs_that_are_evaluated_for_it_may_be_compared_by_it():
    chosen = small_experiment()
    compared = (dataclasses.replace(chosen.contrasts[0], metric="greedy_reward"),)
    seen = dataclasses.replace(small().evaluation, greedy=True)
    paper = {
        name: dataclasses.replace(spec, evaluation=seen)
        for name, spec in chosen.tiers["paper"].items()
    }
    tiers = {**chosen.tiers, "paper": paper}
    assert dataclasses.replace(chosen, tiers=tiers, contrasts=compared).contrasts == compared


def test_a_curve_that_is_compared_is_one_that_the_training_records():
    chosen = small_experiment()
    kept = dataclasses.replace(chosen.contrasts[0], metric="last_entropy")
    assert dataclasses.replace(chosen, contrasts=(kept,)).contrasts == (kept,)
    for wrong in ("last_entropi", "last_score", "last_critic_loss"):
        compared = (dataclasses.replace(kept, metric=wrong),)
        with pytest.raises(ValueError, match=f"contrasts: expected one of .*'{wrong}'"):
            dataclasses.replace(chosen, contrasts=compared)


@pytest.mark.parametrize("seed", [{}, {"seed": "0"}])
def test_a_label_has_its_seed(seed):
    chosen = small_experiment()
    tier = {label(entropy="none", **seed): small()}
    with pytest.raises(ValueError, match=r"tiers: expected labels with a seed, .* entropy=none"):
        dataclasses.replace(chosen, tiers={**chosen.tiers, "quick": tier})


def test_a_mean_needs_two_seeds_that_both_sides_have():
    """Else the table would say "not run yet" when all has run."""
    chosen = small_experiment()
    kept = chosen.contrasts[0]
    for side, wanted in ((kept.first, {0}), (kept.second, {1})):
        tier = {
            name: spec
            for name, spec in chosen.tiers["paper"].items()
            if tuple(part for part in name if part[0] != "seed") != side
            or dict(name)["seed"] in wanted
        }
        assert len(tier) < len(chosen.tiers["paper"])
        with pytest.raises(ValueError, match="contrasts: expected two seeds or more"):
            dataclasses.replace(chosen, tiers={**chosen.tiers, "paper": tier})


def test_a_cost_is_looked_up_or_computed():
    chosen, spec = small_experiment(), small(episodes=1000)
    assert chosen.cost(spec) == 1000
    by_name = dataclasses.replace(chosen, seconds={("lstm", "smoothed"): 500.0})
    assert by_name.cost(spec) == 0.5
    computed = dataclasses.replace(chosen, seconds=lambda spec: spec.config.episodes / 10)
    assert computed.cost(spec) == 100
