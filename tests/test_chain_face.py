"""The face is all that estimators need: chains from outside the package, and what any can do."""

import pytest
import torch
from torch.distributions import AffineTransform, Normal, TanhTransform, TransformedDistribution

from chains import Hybrid
from entropy_rl.conditionals import (
    ChainBase,
    Conditionals,
    GaussianConditionals,
    SquashedGaussianConditionals,
    check_chain,
    concatenate,
    prefix_log_weights,
    select_rows,
)
from entropy_rl.estimators import (
    crude,
    crude_gradient,
    kl_divergence,
    none,
    smoothed,
    unbiased_gradient,
)
from enumeration import F64, seeded
from refusals import assert_refused, refusals

EXACT = 1e-10


def same(x, y):
    """Equal but for what a vectorised exp or tanh does in the last place."""
    return torch.allclose(x, y, atol=1e-14, rtol=0)


def gaussian(seed, rows=5, d=3, actions=None):
    means, log_stds, drawn = 0.5 * torch.randn(3, rows, d, generator=seeded(seed), dtype=F64)
    means.requires_grad_()
    log_stds.requires_grad_()
    return GaussianConditionals(means, log_stds, drawn if actions is None else actions)


def categorical(seed, rows=5, d=2, features=False):
    logits = torch.randn(rows, d, 4, generator=seeded(seed), dtype=F64, requires_grad=True)
    actions = torch.randint(4, (rows, d), generator=seeded(0))
    known = torch.randn(rows, d, 2, generator=seeded(seed), dtype=F64) if features else None
    return Conditionals(logits.log_softmax(-1), actions, known)


def hybrid(seed):
    actions = torch.randn(5, 3, generator=seeded(9), dtype=F64)
    return Hybrid(categorical(seed), gaussian(seed, actions=actions))


def behind_tanh(inner, scale=1.0):
    return SquashedGaussianConditionals(inner, (0.0,) * inner.d, (scale,) * inner.d)


def squashed(seed, scale=2.0):
    return behind_tanh(gaussian(seed), scale)


KINDS = {
    "categorical": categorical,
    "features": lambda seed: categorical(seed, features=True),
    "gaussian": gaussian,
    "squashed": squashed,
    "hybrid": hybrid,
}
every_kind = pytest.mark.parametrize("make", KINDS.values(), ids=KINDS)


@every_kind
def test_all_have_the_face(make):
    check_chain("chain", make(0))


@every_kind
def test_rows_are_rows_and_keep_their_graph(make):
    chain, index = make(0), torch.tensor([3, 0, 0])
    for rows in (index, torch.arange(5) % 2 == 0):
        part = chain.rows(rows)
        assert type(part) is type(chain)
        for name in ("actions", "component_log_probs", "log_prob"):
            assert same(getattr(part, name), getattr(chain, name)[rows])
        assert part.log_prob.requires_grad
        if chain.features is not None:
            assert torch.equal(part.features, chain.features[rows])
        drawn = select_rows(chain, rows)
        assert torch.equal(drawn.log_prob, part.log_prob)
        assert not drawn.log_prob.requires_grad


@every_kind
def test_to_detach_leaves_the_numbers(make):
    chain = make(0)
    for plain in (chain.detach(), select_rows(chain)):
        assert torch.equal(plain.component_log_probs, chain.component_log_probs)
        assert torch.equal(plain.actions, chain.actions)
        assert not plain.log_prob.requires_grad
    assert chain.log_prob.requires_grad


@every_kind
def test_concatenated_chains_stand_one_after_the_other(make):
    chains = [make(0), make(1).rows(torch.tensor([1])), make(2)]
    joined = concatenate(chains)
    assert type(joined) is type(chains[0])
    for name in ("actions", "component_log_probs", "log_prob"):
        expected = torch.cat([getattr(chain, name) for chain in chains])
        assert same(getattr(joined, name), expected)
    assert joined.log_prob.requires_grad
    if chains[0].features is not None:
        assert torch.equal(joined.features, torch.cat([chain.features for chain in chains]))
    assert concatenate(chains[:1]) is chains[0]


def test_features_that_one_lacks_are_lost_in_all():
    assert concatenate([categorical(0), categorical(1, features=True)]).features is None


@every_kind
def test_kl_with_itself_is_zero(make):
    assert not kl_divergence(make(0), make(0)).value.any()


def test_squashed_log_probs_are_torchs():
    chain = squashed(0)
    transforms = [TanhTransform(), AffineTransform(0.0, 2.0)]
    inner = Normal(chain.inner.means, chain.inner.log_stds.exp())
    torchs = TransformedDistribution(inner, transforms).log_prob(chain.actions)
    assert torch.allclose(chain.component_log_probs, torchs, atol=EXACT, rtol=0)


def integrated():
    """One squashed component on a grid of u: the chain, its weights p(u) du, and its entropy.

    The trapezium's error falls with exp(-(π σ/h)²) and the tails end at 10 σ: below 1e-15.
    """
    mean = torch.tensor(0.4, dtype=F64, requires_grad=True)
    log_std = torch.tensor(-0.3, dtype=F64, requires_grad=True)
    step = 0.02
    u = (0.4 + step * torch.arange(-400, 401, dtype=F64)).unsqueeze(-1)
    chain = behind_tanh(
        GaussianConditionals(mean.expand_as(u), log_std.expand_as(u), u, validate_args=False), 2.0
    )
    weights = step * chain.inner.log_prob.exp()
    entropy = -(weights * chain.log_prob).sum()
    return chain, weights.detach(), entropy, (mean, log_std)


def test_crude_estimates_of_a_squashed_chain_are_what_they_say():
    """Value unbiased; the gradient of ``crude_gradient`` too; that of ``crude`` has mean zero."""
    chain, weights, entropy, parameters = integrated()
    true = torch.autograd.grad(entropy, parameters, retain_graph=True)
    assert abs(weights.sum() - 1) < EXACT
    for estimator in (crude, crude_gradient):
        assert abs(weights @ estimator(chain).value - entropy) < EXACT

    def mean_gradient(estimator):
        surrogate = weights @ estimator(chain).surrogate
        return torch.autograd.grad(surrogate, parameters, retain_graph=True)

    for found, expected in zip(mean_gradient(crude_gradient), true, strict=True):
        assert abs(found - expected) < EXACT
        assert abs(expected) > 1e-2
    for found in mean_gradient(crude):
        assert abs(found) < EXACT
    assert not none(chain).value.any()


@pytest.mark.parametrize("estimator", [smoothed, unbiased_gradient])
def test_what_needs_a_closed_form_refuses_a_squashed_chain(estimator):
    assert_refused(
        lambda: estimator(squashed(0)),
        "chain",
        "entropies have a closed form",
        "SquashedGaussianConditionals",
    )


def test_kl_of_squashed_chains_is_that_of_the_unsquashed():
    actions = gaussian(0).actions
    p, q = gaussian(1, actions=actions), gaussian(2, actions=actions)
    plain = kl_divergence(p, q)
    found = kl_divergence(behind_tanh(p), behind_tanh(q))
    assert plain.value.min() > 1e-3
    assert torch.equal(found.value, plain.value)
    for parameters in (p.means, p.log_stds, q.means, q.log_stds):
        one, other = (
            torch.autograd.grad(estimate.surrogate.sum(), parameters, retain_graph=True)[0]
            for estimate in (plain, found)
        )
        assert torch.allclose(one, other, atol=1e-12, rtol=0)


def test_prefix_weights_of_squashed_chains_are_those_of_the_unsquashed():
    """The slope of the squashing is the same under both policies."""
    actions = gaussian(0).actions
    p, q = gaussian(1, actions=actions), gaussian(2, actions=actions)
    plain = prefix_log_weights(p, q.component_log_probs)
    found = prefix_log_weights(behind_tanh(p), behind_tanh(q).component_log_probs)
    assert torch.allclose(found, plain, atol=1e-12, rtol=0)


def test_a_mixed_chain_is_the_sum_of_its_parts():
    p, q = hybrid(0), hybrid(1)
    for estimator in (crude, smoothed):
        parts = [estimator(part).value for part in (p.discrete, p.continuous)]
        assert torch.allclose(estimator(p).value, sum(parts), atol=1e-12, rtol=0)
    parts = [
        kl_divergence(a, b).value
        for a, b in ((p.discrete, q.discrete), (p.continuous, q.continuous))
    ]
    assert torch.allclose(kl_divergence(p, q).value, sum(parts), atol=1e-12, rtol=0)


class WithoutActions(ChainBase):
    """All but the actions, which estimators read for their shape."""

    features = None
    component_log_probs = torch.zeros(2)

    def component_kl(self, q):
        return self.component_log_probs


CHAIN = categorical(0)


@refusals(
    [
        (
            "no actions",
            lambda: crude(WithoutActions()),
            "chain",
            "a chain such as",
            "a WithoutActions without actions",
        ),
        ("none at all", lambda: concatenate([]), "chains", "chains of one class", "[]"),
        (
            "two kinds",
            lambda: concatenate([CHAIN, gaussian(0)]),
            "chains",
            "chains of one class",
            "['Conditionals', 'GaussianConditionals']",
        ),
        (
            "two scales",
            lambda: concatenate([squashed(0, 1.0), squashed(0, 2.0)]),
            "others",
            "(1.0, 1.0, 1.0) in every chain",
            "((1.0, 1.0, 1.0), (2.0, 2.0, 2.0))",
        ),
        (
            "a categorical KL of other sizes",
            lambda: CHAIN.component_kl(CHAIN.rows(torch.tensor([0]))),
            "q",
            "shape (5, 2, 4)",
            "float64 (1, 2, 4)",
        ),
        (
            "a Gaussian KL of other sizes",
            lambda: gaussian(0).component_kl(gaussian(0, rows=1)),
            "q",
            "shape (5, 3)",
            "float64 (1, 3)",
        ),
    ]
)
def test_bad_chains_are_refused_by_name(call, argument, expected, got):
    assert_refused(call, argument, expected, got)


@refusals(
    [
        ("few", lambda: SquashedGaussianConditionals(gaussian(0), (0.0,), (1.0,) * 3),
         "centres", "3 numbers", "(0.0,)"),
        ("flat", lambda: SquashedGaussianConditionals(gaussian(0), (0.0,) * 3, (1.0, 0.0, 1.0)),
         "half_ranges", "a number > 0", "0.0"),
        ("other bounds", lambda: squashed(0, 1.0).component_kl(squashed(0, 2.0)),
         "q", "the bounds ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))", "(2.0, 2.0, 2.0)"),
    ]
)  # fmt: skip
def test_bounds_that_do_not_fit_are_refused(call, argument, expected, got):
    assert_refused(call, argument, expected, got)
