"""Returns: each against its definition written as a loop over numbers."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from entropy_rl.returns import (
    discounted_returns,
    gae,
    lambda_returns,
    n_step_returns,
    soft_rewards,
    start_discounted_return,
    vtrace,
)
from entropy_rl.tabular import enumerate_trajectories, evaluate_policy, garnet, state_entropy

F64 = torch.float64
BATCHES = [(), (3,), (2, 2)]


def draw(seed: int, steps: int, batch: tuple[int, ...]) -> dict[str, torch.Tensor]:
    """One set of inputs; a third of the transitions end an episode, a third have λ = 0."""
    g = torch.Generator().manual_seed(seed)
    shape = (steps, *batch)

    def normal() -> torch.Tensor:
        return torch.randn(shape, generator=g, dtype=F64)

    def uniform() -> torch.Tensor:
        return torch.rand(shape, generator=g, dtype=F64)

    return {
        "r_t": normal(),
        "discount_t": uniform() * (uniform() > 1 / 3),
        "v_tm1": normal(),
        "v_t": normal(),
        "lambda_t": uniform() * (uniform() > 1 / 3),
        "log_rho_tm1": normal(),
    }


cases = st.tuples(st.integers(0, 10_000), st.integers(1, 6), st.sampled_from(BATCHES)).map(
    lambda x: draw(*x)
)
exact = settings(max_examples=30, deadline=None)


def columns(function, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    """``function`` of each column's lists of numbers, put together again."""
    shape = inputs["r_t"].shape
    flat = {name: x.reshape(shape[0], -1).T.tolist() for name, x in inputs.items()}
    rows = [
        function(**{name: column[i] for name, column in flat.items()})
        for i in range(math.prod(shape[1:]))
    ]
    return torch.tensor(rows, dtype=F64).T.reshape(shape)


def pick(inputs, *names):
    return {name: inputs[name] for name in names}


@exact
@given(cases)
def test_discounted_returns(inputs):
    def loop(r_t, discount_t, v_t):
        steps, out = len(r_t), []
        for k in range(steps):
            total, factor = 0.0, 1.0
            for j in range(k, steps):
                total += factor * r_t[j]
                factor *= discount_t[j]
            out.append(total + factor * v_t[-1])
        return out

    inputs = pick(inputs, "r_t", "discount_t", "v_t")
    found = discounted_returns(inputs["r_t"], inputs["discount_t"], inputs["v_t"][-1])
    torch.testing.assert_close(found, columns(loop, inputs))
    nothing = inputs | {"v_t": torch.zeros_like(inputs["v_t"])}
    found = discounted_returns(inputs["r_t"], inputs["discount_t"])
    torch.testing.assert_close(found, columns(loop, nothing))


@exact
@given(cases, st.integers(1, 8))
def test_n_step_returns(inputs, n):
    def loop(r_t, discount_t, v_t):
        steps, out = len(r_t), []
        for k in range(steps):
            stop = min(k + n, steps)
            total, factor = 0.0, 1.0
            for j in range(k, stop):
                total += factor * r_t[j]
                factor *= discount_t[j]
            out.append(total + factor * v_t[stop - 1])
        return out

    inputs = pick(inputs, "r_t", "discount_t", "v_t")
    torch.testing.assert_close(n_step_returns(**inputs, n=n), columns(loop, inputs))


@exact
@given(cases)
def test_lambda_returns_mix_the_n_step_returns(inputs):
    """G^λ from its own definition: Σ_m (Π λ)(1-λ) G⁽ᵐ⁾, the rest on the longest."""

    def loop(r_t, discount_t, v_t, lambda_t):
        steps, out = len(r_t), []
        for k in range(steps):
            total, paid, factor, weight = 0.0, 0.0, 1.0, 1.0
            for j in range(k, steps):
                paid += factor * r_t[j]
                factor *= discount_t[j]
                stop = weight * (1.0 if j == steps - 1 else 1 - lambda_t[j])
                total += stop * (paid + factor * v_t[j])
                weight *= lambda_t[j]
            out.append(total)
        return out

    inputs = pick(inputs, "r_t", "discount_t", "v_t", "lambda_t")
    torch.testing.assert_close(lambda_returns(**inputs), columns(loop, inputs))


@exact
@given(cases)
def test_gae(inputs):
    def loop(r_t, discount_t, v_tm1, v_t, lambda_t):
        steps, out = len(r_t), []
        for k in range(steps):
            total, factor = 0.0, 1.0
            for j in range(k, steps):
                total += factor * (r_t[j] + discount_t[j] * v_t[j] - v_tm1[j])
                factor *= discount_t[j] * lambda_t[j]
            out.append(total)
        return out

    inputs = pick(inputs, "r_t", "discount_t", "v_tm1", "v_t", "lambda_t")
    torch.testing.assert_close(gae(**inputs), columns(loop, inputs))


@exact
@given(cases, st.sampled_from([0.5, 1.0, 3.0]), st.sampled_from([0.5, 1.0, 3.0]))
def test_vtrace(inputs, clip_rho, clip_c):
    """IMPALA's eq. 1 as a sum, not as a recursion."""

    def values(r_t, discount_t, v_tm1, v_t, lambda_t, log_rho_tm1):
        steps, out = len(r_t), []
        for k in range(steps):
            total, factor = v_tm1[k], 1.0
            for j in range(k, steps):
                ratio = math.exp(log_rho_tm1[j])
                delta = r_t[j] + discount_t[j] * v_t[j] - v_tm1[j]
                total += factor * min(clip_rho, ratio) * delta
                factor *= discount_t[j] * lambda_t[j] * min(clip_c, ratio)
            out.append(total)
        return out

    def advantages(**columns):
        vs, steps = values(**columns), len(columns["r_t"])
        out = []
        for k in range(steps):
            r, discount, v, after, mix, log_rho = (
                columns[name][k]
                for name in ("r_t", "discount_t", "v_tm1", "v_t", "lambda_t", "log_rho_tm1")
            )
            if k < steps - 1:
                after += mix * (vs[k + 1] - columns["v_tm1"][k + 1])
            out.append(min(clip_rho, math.exp(log_rho)) * (r + discount * after - v))
        return out

    found = vtrace(**inputs, clip_rho=clip_rho, clip_c=clip_c)
    torch.testing.assert_close(found.value, columns(values, inputs))
    torch.testing.assert_close(found.advantage, columns(advantages, inputs))


@exact
@given(cases)
def test_on_policy_they_agree(inputs):
    """λ-return = v + GAE = V-trace at π = μ; λ = 1 is Monte Carlo, or n steps with n ≥ T."""
    chain = torch.cat([inputs["v_tm1"], inputs["v_t"][-1:]])
    inputs = pick(inputs, "r_t", "discount_t", "lambda_t") | {"v_t": chain[1:]}
    r_t, discount_t, lambda_t, v_t = inputs.values()
    target = lambda_returns(**inputs)
    advantage = gae(r_t, discount_t, chain[:-1], v_t, lambda_t)
    torch.testing.assert_close(advantage + chain[:-1], target)
    trace = vtrace(r_t, discount_t, chain[:-1], v_t, torch.zeros_like(r_t), lambda_t=lambda_t)
    torch.testing.assert_close(trace.value, target)
    torch.testing.assert_close(trace.advantage, target - chain[:-1])
    whole = discounted_returns(r_t, discount_t, v_t[-1])
    torch.testing.assert_close(lambda_returns(r_t, discount_t, v_t, 1.0), whole)
    torch.testing.assert_close(n_step_returns(r_t, discount_t, v_t, 6), whole)
    torch.testing.assert_close(n_step_returns(r_t, discount_t, v_t, 6, lambda_t), target)


@pytest.mark.parametrize(
    "function",
    [
        lambda x, mix: lambda_returns(x["r_t"], x["discount_t"], x["v_t"], mix),
        lambda x, mix: n_step_returns(x["r_t"], x["discount_t"], x["v_t"], 3, mix),
        lambda x, mix: gae(x["r_t"], x["discount_t"], x["v_tm1"], x["v_t"], mix),
        lambda x, mix: vtrace(**x | {"lambda_t": mix}).value,
        lambda x, mix: vtrace(**x | {"lambda_t": mix}).advantage,
    ],
)
def test_an_episode_cut_off_does_not_see_the_next(function):
    """Two episodes in one column, λ = 0 where the first is cut off, equal the two apart."""
    inputs = draw(0, 7, (2,))
    mix = torch.ones(7, 2, dtype=F64)
    mix[3] = 0.0
    first = function({name: x[:4] for name, x in inputs.items()}, mix[:4] * 0 + 1.0)
    second = function({name: x[4:] for name, x in inputs.items()}, mix[4:])
    torch.testing.assert_close(function(inputs, mix), torch.cat([first, second]))


@pytest.mark.parametrize(("exponent", "expected"), [(0, 1 + 0.8**3), (1, 0.8 + 0.8**4)])
def test_two_captures_by_either_count(exponent, expected):
    """Captures at steps 1 and 4, γ = .8."""
    r_t = torch.tensor([[1.0], [0.0], [0.0], [1.0], [0.0]], dtype=F64)
    found = start_discounted_return(r_t, 0.8, exponent)
    assert found.shape == (1,)
    assert float(found) == pytest.approx(expected)


@exact
@given(cases, st.sampled_from([0.0, 0.8, 1.0]))
def test_the_return_from_the_start_is_the_first_of_the_returns(inputs, discount):
    r_t = inputs["r_t"]
    whole = discounted_returns(r_t, torch.full_like(r_t, discount))
    torch.testing.assert_close(start_discounted_return(r_t, discount), whole[0])


def test_soft_returns_have_the_soft_value_as_their_mean():
    """Over all trajectories of a process: E[Σγᵏ r^soft + γᵀ v(s_T)] = v_soft, and E[GAE] = 0."""
    mdp = garnet(3, 2, 2, torch.Generator().manual_seed(0))
    policy = torch.randn(3, 2, generator=torch.Generator().manual_seed(1), dtype=F64).softmax(-1)
    value = evaluate_policy(mdp, policy, 0.7).value
    p, states, actions = enumerate_trajectories(mdp, policy, 4)
    r_t = soft_rewards(mdp.reward[states[:-1], actions], state_entropy(policy)[states[:-1]], 0.7)
    discount_t, v = torch.full_like(r_t, mdp.discount), value[states]
    returns = discounted_returns(r_t, discount_t, v[-1])
    torch.testing.assert_close((returns * p).sum(-1), (v[:-1] * p).sum(-1))
    for mix in (0.0, 0.5, 1.0):
        advantage = gae(r_t, discount_t, v[:-1], v[1:], mix)
        torch.testing.assert_close((advantage * p).sum(-1), torch.zeros(4, dtype=F64))


def test_own_entropy_estimated_from_the_action_is_no_baseline():
    """Two components, all actions enumerated: which returns go with which bonus.

    With the smoothed estimate Ĥ(a) = H¹ + H²(a₁), its part in the return and its plain autograd
    make ∇H together; taken out of the advantage, the bonus must be unbiased by itself.
    """
    g = torch.Generator().manual_seed(2)
    first = torch.randn(3, generator=g, dtype=F64, requires_grad=True)
    second = torch.randn(3, 3, generator=g, dtype=F64, requires_grad=True)
    reward, alpha = torch.randn(3, 3, generator=g, dtype=F64), 0.4
    log_p = first.log_softmax(-1)[:, None] + second.log_softmax(-1)
    p, smoothed = log_p.exp(), state_entropy(first.softmax(-1)) + state_entropy(second.softmax(-1))
    smoothed = smoothed[:, None].expand(3, 3)

    def gradient(objective: torch.Tensor) -> torch.Tensor:
        parts = torch.autograd.grad(objective, (first, second), retain_graph=True)
        return torch.cat([part.flatten() for part in parts])

    def mean(term: torch.Tensor) -> torch.Tensor:
        return (p.detach() * term).sum()

    own = soft_rewards(reward[None], smoothed.detach()[None], alpha)[0]
    truth = gradient((p * (reward - alpha * log_p)).sum())
    plain, unbiased = alpha * mean(smoothed), -alpha * (p * log_p).sum()
    kept = gradient(mean(log_p * own))
    taken_out = gradient(mean(log_p * (own - alpha * smoothed.detach())))
    torch.testing.assert_close(kept + gradient(plain), truth)
    torch.testing.assert_close(taken_out + gradient(unbiased), truth)
    for wrong in (kept + gradient(unbiased), taken_out + gradient(plain)):
        assert float((wrong - truth).norm() / truth.norm()) > 0.01


def test_gradients_pass_through():
    inputs = draw(1, 4, (2,))
    v_t = inputs["v_t"].requires_grad_()
    lambda_returns(inputs["r_t"], inputs["discount_t"], v_t, 0.9).sum().backward()
    assert v_t.grad.abs().sum() > 0


X = torch.zeros(3, 2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: discounted_returns(X.long(), X), "r_t: expected a floating-point dtype"),
        (lambda: discounted_returns(torch.zeros(0, 2), X), r"r_t: expected shape \(T, \*batch\)"),
        (lambda: discounted_returns(torch.tensor(1.0), X), r"r_t: expected shape \(T, \*batch\)"),
        (lambda: discounted_returns(X, X[:2]), r"discount_t: expected shape \(3, 2\)"),
        (lambda: discounted_returns(X, X > 0), "discount_t: expected a floating-point dtype"),
        (lambda: discounted_returns(X, X, X), r"v_final: expected shape \(2,\)"),
        (lambda: n_step_returns(X, X, X, 0), "n: expected an integer ≥ 1"),
        (lambda: n_step_returns(X, X, X[0], 1), r"v_t: expected shape \(3, 2\)"),
        (lambda: lambda_returns(X, X, X, 1.5), r"lambda_t: expected a number in \[0.0, 1.0\]"),
        (lambda: lambda_returns(X, X, X, X[0]), r"lambda_t: expected shape \(3, 2\)"),
        (lambda: gae(X, X, X.T, X, 1.0), r"v_tm1: expected shape \(3, 2\)"),
        (lambda: vtrace(X, X, X, X, X, clip_rho=0.0), "clip_rho: expected a number > 0"),
        (lambda: vtrace(X, X, X, X, X[:1]), r"log_rho_tm1: expected shape \(3, 2\)"),
        (lambda: soft_rewards(X, X, -0.1), "temperature: expected a number ≥ 0"),
        (lambda: soft_rewards(X, X[:1], 0.1), r"entropy_tm1: expected shape \(3, 2\)"),
        (lambda: start_discounted_return(X, 1.1), "discount: expected a number in"),
        (lambda: start_discounted_return(X, 0.9, 2), "first_exponent: expected 0 or 1"),
    ],
)
def test_bad_input_is_refused_by_name(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("wrong", [-0.01, 1.01, float("nan")])
@pytest.mark.parametrize(
    "call",
    [
        lambda mix: n_step_returns(X, X, X, 2, mix),
        lambda mix: lambda_returns(X, X, X, mix),
        lambda mix: gae(X, X, X, X, mix),
        lambda mix: vtrace(X, X, X, X, X, lambda_t=mix),
    ],
    ids=["n_step_returns", "lambda_returns", "gae", "vtrace"],
)
def test_one_lambda_out_of_range_is_refused(call, wrong):
    mix = torch.tensor([[0.0, 1.0], [0.5, 0.25], [0.0, 1.0]])
    call(mix)
    mix[1, 0] = wrong
    with pytest.raises(ValueError, match=r"lambda_t: expected numbers in \[0, 1\], got from"):
        call(mix)
