"""Products in bfloat16 where the processor has no instructions for them."""

import time

import pytest
import torch
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from entropy_rl.experiments.runner import hardware
from entropy_rl.networks import (
    ConvolutionalTorso,
    Linear,
    has_bfloat16,
    product,
    products,
    products_rounded_anew,
)
from entropy_rl.policies import make_policy

HALF = torch.bfloat16
ROUNDING = 2.0**-8  # bfloat16 has 8 significant bits, so one rounding is off by at most this
FAMILIES = ("independent", "lstm", "mmdp", "commnet")


@pytest.fixture
def without(monkeypatch):
    monkeypatch.setattr(products, "has_bfloat16", lambda: False)


def drawn(seed, *shape, dtype=HALF):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 9), st.integers(1, 40), st.integers(1, 9), st.booleans(), st.integers(0, 99))
def test_one_rounding_of_the_exact_product(n, m, k, biased, seed):
    x, W, b = drawn(seed, n, m), drawn(seed + 1, k, m), drawn(seed + 2, k)
    factors = x, W, b if biased else None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(products, "has_bfloat16", lambda: False)
        made = product(F.linear, *factors)
    exact = F.linear(*(None if v is None else v.double() for v in factors))
    assert made.dtype == HALF
    # float32's own sums: 40 terms, each rounded to 24 bits of at most the sum of the sizes.
    sizes = F.linear(x.double().abs(), W.double().abs()) + 5
    assert (made.double() - exact).abs().le(ROUNDING * exact.abs() + 1e-5 * sizes).all()


def test_gradients_are_those_of_the_exact_product(without):
    layer = Linear(30, 7).to(HALF)
    x = drawn(0, 50, 30).requires_grad_()
    slope = drawn(1, 50, 7)
    layer(x).backward(slope)
    same = Linear(30, 7).double()
    same.load_state_dict(layer.state_dict())
    y = x.detach().double().requires_grad_()
    same(y).backward(slope.double())
    for rounded, exact in (
        (x.grad, y.grad),
        (layer.weight.grad, same.weight.grad),
        (layer.bias.grad, same.bias.grad),
    ):
        assert rounded.dtype == HALF
        error = (rounded.double() - exact).norm() / exact.norm()
        assert 0 < error < ROUNDING


def test_slow_products_are_made_in_float32(without):
    """And what is handed to the maker is what it is told to make."""
    seen = []

    def make(*factors, bias=0):
        seen.append([x if x is None else x.dtype for x in factors])
        return torch.mm(factors[0], factors[1]) + bias

    made = product(make, drawn(0, 3, 4), drawn(1, 4, 2), None, bias=1)
    assert seen == [[torch.float32, torch.float32, None]]
    assert made.dtype == HALF


def test_what_is_not_slow_is_handed_on(without):
    x, W = drawn(0, 5, 8, dtype=torch.float32), drawn(1, 3, 8, dtype=torch.float32)
    assert product(F.linear, x, W, None).equal(F.linear(x, W))


@pytest.mark.parametrize("slow", [False, True])
def test_a_result_may_be_written_over_a_factor(monkeypatch, slow):
    monkeypatch.setattr(products, "has_bfloat16", lambda: not slow)
    into, left, right = drawn(0, 4, 5), drawn(1, 4, 6), drawn(2, 6, 5)
    expected = torch.addmm(into.double(), left.double(), right.double())
    assert product(torch.addmm, into, left, right, out=into) is into
    assert (into.double() - expected).norm() < ROUNDING * expected.norm()


def conditionals_and_gradient(policy, obs, actions):
    policy.zero_grad()
    log_probs = policy.conditionals(obs, actions).log_prob
    log_probs.sum().backward()
    gradients = [p.grad.float().flatten() for p in policy.parameters() if p.grad is not None]
    return log_probs.detach().float(), torch.cat(gradients)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_policy_says_the_same_either_way(monkeypatch, family):
    box = spaces.Box(-1.0, 1.0, (6,))
    torch.manual_seed(0)
    policy = make_policy(family, box, spaces.MultiDiscrete([4, 4, 4]), hidden_size=32).to(HALF)
    obs = drawn(0, 64, 6)
    actions = policy.sample(obs, torch.Generator().manual_seed(0)).actions
    found = []
    for native in (True, False):
        monkeypatch.setattr(products, "has_bfloat16", lambda native=native: native)
        found.append(conditionals_and_gradient(policy, obs, actions))
    (value, slope), (other_value, other_slope) = found
    assert torch.allclose(value, other_value, atol=0.05)
    assert (slope - other_slope).norm() < 0.02 * slope.norm()


def test_pictures_are_looked_at_the_same_way(monkeypatch):
    torch.manual_seed(0)
    torso = ConvolutionalTorso(4, 36, 36, 16).to(HALF)
    pictures = torch.randint(0, 256, (3, 4, 36, 36), dtype=torch.uint8)
    found = []
    for native in (True, False):
        monkeypatch.setattr(products, "has_bfloat16", lambda native=native: native)
        found.append(torso(pictures).detach().float())
    assert (found[0] - found[1]).norm() < 0.02 * found[0].norm()


def test_no_processor_takes_fifty_times_as_long():
    """A loop without instructions takes fifty times; asked for is a fifth of that, best of five."""
    seconds = {}
    for dtype in (torch.float32, HALF):
        x, spent = torch.ones(256, 256, dtype=dtype), []
        for _ in range(5):
            started = time.process_time()
            product(torch.mm, x, x)
            spent.append(time.process_time() - started)
        seconds[dtype] = min(spent)
    assert seconds[HALF] < 10 * seconds[torch.float32]


def test_a_sidecar_says_how_bfloat16_was_computed(monkeypatch):
    assert "bfloat16" not in hardware("cpu", "float32")
    assert ("bfloat16" in hardware("cpu", "bfloat16")) is not has_bfloat16()
    monkeypatch.setattr("entropy_rl.experiments.runner.has_bfloat16", lambda: False)
    assert hardware("cpu", "bfloat16")["bfloat16"] == "float32 products, rounded"


@pytest.mark.parametrize("native", [True, False])
def test_products_rounded_anew_are_rounded_once(monkeypatch, native):
    """In float32 one is lost beside a hundred million; on a processor with units and without."""
    monkeypatch.setattr(products, "has_bfloat16", lambda: native)
    left, right = torch.tensor([[2.0**27, 1.0, -(2.0**27)]]).to(HALF), torch.ones(3, 1).to(HALF)
    with products_rounded_anew(0):
        assert product(torch.mm, left, right).item() == 1.0
        assert product(torch.mm, left, right).dtype == HALF
        assert product(torch.mm, left.float(), right.float()).dtype == torch.float32
    monkeypatch.setattr(products, "has_bfloat16", lambda: False)
    assert product(torch.mm, left, right).item() == 0.0


def test_some_are_rounded_to_the_other_side_and_by_the_seed():
    """A sum that is half-way between two numbers goes to either; others stay what they are."""
    half_way = torch.tensor([[1.0, ROUNDING]]).to(HALF).repeat(64, 1)
    clear = torch.tensor([[1.0, 0.25]]).to(HALF).repeat(64, 1)
    found = []
    for seed in (0, 0, 1):
        with products_rounded_anew(seed):
            found.append(product(torch.mm, half_way, torch.ones(2, 1).to(HALF)).squeeze())
            assert (product(torch.mm, clear, torch.ones(2, 1).to(HALF)) == 1.25).all()
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])  # the chance that they agree is 2⁻⁶⁴
    assert set(found[0].tolist()) == {1.0, 1.0 + 2 * ROUNDING}
