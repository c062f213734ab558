"""What the checks stand on: enumerations, gradients and closed forms against their loops."""

import itertools
import math

import pytest
import torch
from gymnasium import spaces
from torch.distributions import MultivariateNormal

from entropy_rl.checks._cases import sums_after
from entropy_rl.checks._enumerate import (
    every_action,
    flat_gradient,
    jacobian,
    leaf_entropy,
    leaf_kl,
    mean_gradient,
    probabilities,
    support,
    total_variance,
    variance,
)
from entropy_rl.checks._instances import (
    AUTOREGRESSIVE,
    F64,
    INDEPENDENT,
    STATE,
    instance,
    random_tables,
    seeded,
    tables,
)
from entropy_rl.checks.beam import (
    binary_counterexample,
    shortfall,
    smallest_counterexample,
)
from entropy_rl.checks.extremes import K, fano, off_mode_example, scaled, towards
from entropy_rl.checks.gaussian import (
    conditional_variance,
    normal_entropy,
    quadrature_entropy,
)
from entropy_rl.checks.mdp import policy_table, state_distributions
from entropy_rl.estimators import smoothed
from entropy_rl.estimators._base import sum_after
from entropy_rl.policies import TablePolicy
from entropy_rl.tabular import enumerate_trajectories, garnet


@pytest.mark.parametrize("family", AUTOREGRESSIVE + INDEPENDENT)
@pytest.mark.parametrize("sizes", [(3, 3, 3), (2, 4, 3), (1, 2)])
def test_support_is_the_product_of_the_components(family, sizes):
    x = instance(family, 0, sizes)
    expected = list(itertools.product(*map(range, sizes)))
    assert support(x.policy, x.obs).tolist() == [list(a) for a in expected]
    assert probabilities(every_action(x.policy, x.obs)).sum().item() == pytest.approx(1, abs=1e-12)


def test_support_leaves_out_what_never_happens():
    policy = tables([0.5, 0.5], [[1.0, 0.0], [0.5, 0.5]])
    assert support(policy, STATE).tolist() == [[0, 0], [1, 0], [1, 1]]


def test_leaf_entropy_and_divergence_are_the_sums():
    x = instance("lstm", 1)
    p, q = every_action(x.policy, x.obs), every_action(x.other, x.obs)
    pairs = list(zip(p.log_prob.tolist(), q.log_prob.tolist(), strict=True))
    assert leaf_entropy(p).item() == pytest.approx(-sum(math.exp(a) * a for a, _ in pairs))
    assert leaf_kl(p, q).item() == pytest.approx(sum(math.exp(a) * (a - b) for a, b in pairs))


def test_mean_gradient_is_the_weighted_mean_of_the_single_ones():
    x = instance("mmdp", 2)
    chain = every_action(x.policy, x.obs)
    p, surrogate = probabilities(chain), smoothed(chain).surrogate
    rows = jacobian(surrogate, x.policy)
    torch.testing.assert_close(p @ rows, mean_gradient(p, surrogate, x.policy))
    torch.testing.assert_close(rows[5], flat_gradient(surrogate[5], x.policy))


def test_the_gradient_of_a_constant_is_zero():
    x = instance("table", 0)
    gradient = flat_gradient(torch.tensor(1.0), x.policy)
    assert gradient.shape == (sum(p.numel() for p in x.policy.parameters()),)
    assert not gradient.any()


def test_variances_by_hand():
    weights = torch.tensor([0.25, 0.75], dtype=F64)
    assert variance(weights, torch.tensor([0.0, 4.0], dtype=F64)) == pytest.approx(3.0)
    rows = torch.tensor([[0.0, 1.0], [4.0, 5.0]], dtype=F64)
    assert total_variance(weights, rows) == pytest.approx(6.0)


def test_two_ways_of_adding_up_what_comes_after():
    x = torch.randn(5, 4, generator=torch.Generator().manual_seed(0), dtype=F64)
    torch.testing.assert_close(sums_after(x), sum_after(x))
    assert sums_after(torch.tensor([[1.0, 2.0, 4.0]])).tolist() == [[6.0, 4.0, 0.0]]


def test_seeded_is_reproducible_and_leaves_no_trace():
    before = torch.get_rng_state()
    with seeded(1):
        first = torch.rand(3)
    with seeded(1):
        again = torch.rand(3)
    assert torch.equal(first, again)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("family", [*AUTOREGRESSIVE, *INDEPENDENT, "gaussian"])
def test_an_instance_has_two_different_policies_in_float64(family):
    x, again = instance(family, 4), instance(family, 4)
    pairs = zip(x.policy.parameters(), x.other.parameters(), strict=True)
    assert all(a.dtype == F64 and not torch.equal(a, b) for a, b in pairs)
    pairs = zip(x.policy.parameters(), again.policy.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("d", [1, 2, 4])
def test_normal_formulas_against_torch(d):
    generator = torch.Generator().manual_seed(d)
    root = torch.randn(d, d, generator=generator, dtype=F64)
    covariance = root @ root.mT + 0.1 * torch.eye(d, dtype=F64)
    mean, prefix = torch.randn(2, d, generator=generator, dtype=F64)
    joint = MultivariateNormal(mean, covariance).entropy()
    torch.testing.assert_close(normal_entropy(covariance), joint)
    parts = [quadrature_entropy(mean, covariance, prefix[:i]) for i in range(d)]
    torch.testing.assert_close(sum(parts), joint)
    product = math.prod(conditional_variance(covariance, i) for i in range(d))
    torch.testing.assert_close(product, torch.det(covariance))


def test_fano_is_reached_and_never_exceeded():
    for escape in (0.0, 1e-9, 0.2, 0.5, 2 / 3, 1.0):
        spread = torch.tensor([1 - escape] + [escape / (K - 1)] * (K - 1), dtype=F64)
        assert fano(escape) == pytest.approx(torch.special.entr(spread).sum().item(), abs=1e-12)
        uneven = torch.tensor([1 - escape, escape, 0.0], dtype=F64)
        assert fano(escape) >= torch.special.entr(uneven).sum().item() - 1e-12


def test_scaling_and_driving_a_table():
    policy = random_tables(1, 3, 2, seed=0)
    uniform = every_action(scaled(policy, 0.0), STATE)
    torch.testing.assert_close(probabilities(uniform), torch.full((9,), 1 / 9, dtype=F64))
    torch.testing.assert_close(
        every_action(scaled(policy, 1.0), STATE).log_prob, every_action(policy, STATE).log_prob
    )
    driven = every_action(towards(policy, torch.tensor([2, 1]), 50.0), STATE)
    assert probabilities(driven).argmax().item() == 7
    assert probabilities(driven)[7].item() == pytest.approx(1)
    before, after = policy.logits[1][0, :2], driven.log_probs[[0, 3], 1]
    torch.testing.assert_close(before.log_softmax(-1), after)


def test_the_smoothed_value_off_the_mode_in_closed_form():
    for epsilon in (0.3, 1e-3):
        h = -epsilon * math.log(epsilon) - (1 - epsilon) * math.log(1 - epsilon)
        values = smoothed(every_action(off_mode_example(epsilon), STATE)).value
        assert values.tolist() == pytest.approx([2 * h, 2 * h, h + math.log(2), h + math.log(2)])


def test_state_distributions_against_trajectories():
    mdp = garnet(3, 4, 2, torch.Generator().manual_seed(5))
    with seeded(5):
        policy = TablePolicy(spaces.Discrete(3), spaces.MultiDiscrete([2, 2])).double()
    table = policy_table(policy)
    assert table.sum(-1).tolist() == pytest.approx([1, 1, 1])
    probability, states, _ = enumerate_trajectories(mdp, table, 3)
    for t, row in enumerate(state_distributions(mdp, table)):
        found = torch.zeros(3, dtype=F64).index_add(0, states[t], probability)
        torch.testing.assert_close(found, row)


def sparse_tables(states, sizes, seed):
    """Random tables over components of the given sizes; the rest has probability 0."""
    with seeded(seed):
        return TablePolicy(
            spaces.Discrete(states), spaces.MultiDiscrete(list(sizes)), scale=0.5
        ).double()


@pytest.mark.parametrize(
    "sizes",
    [(2, 2), (3, 3), (4, 5), (2, 2, 2), (3, 2, 2), (2, 2, 5), (4, 2, 4), (2, 3, 1), (1, 3, 4)],
)
@pytest.mark.parametrize("beam", [2, 3, 5])
def test_below_twelve_actions_or_with_a_binary_second_component_the_plain_beam_never_loses(
    sizes, beam
):
    """20,000 random tables a size; ``plain_beam`` has the argument, the next test the power."""
    policy = sparse_tables(20_000, sizes, seed=sum(sizes))
    assert shortfall(policy, beam, keep_greedy=False) <= 1e-15


def test_with_twelve_actions_the_plain_beam_loses():
    """In 6 of the 20,000 tables of this seed: nothing is left to chance."""
    assert shortfall(sparse_tables(20_000, (2, 3, 2), seed=0), 2, keep_greedy=False) > 1e-3


def test_the_two_counterexamples_by_hand():
    smallest, binary = smallest_counterexample(), binary_counterexample()
    assert shortfall(smallest, 2, False) == pytest.approx(0.51 * 0.34 - 0.49 / 4)
    assert shortfall(binary, 2, False) == pytest.approx(0.51**3 - 0.49 / 4)
    assert support(smallest, STATE).shape[0] <= 12
