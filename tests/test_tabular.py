"""Finite processes: against closed forms, Monte-Carlo-free enumeration and the plain loop."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from entropy_rl.tabular import (
    FiniteMDP,
    enumerate_trajectories,
    evaluate_policy,
    expected_return,
    garnet,
    occupancy,
    patience,
    policy_gradient,
    soft_value_iteration,
    state_entropy,
    value_iteration,
)

F64 = torch.float64


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random_policy(mdp: FiniteMDP, seed: int) -> torch.Tensor:
    return torch.randn(mdp.states, mdp.actions, generator=seeded(seed), dtype=F64).softmax(-1)


def with_exit(mdp: FiniteMDP, discount: float) -> FiniteMDP:
    """``mdp`` with its last state made terminal, and a chance of .2 to go there from anywhere."""
    transition, reward = 0.8 * mdp.transition, mdp.reward.clone()
    transition[..., -1] += 0.2
    transition[-1] = 0.0
    transition[-1, :, -1] = 1.0
    reward[-1] = 0.0
    terminal = torch.zeros(mdp.states, dtype=torch.bool)
    terminal[-1] = True
    return FiniteMDP(transition, reward, discount, mdp.start, terminal)


processes = st.tuples(
    st.integers(2, 5), st.integers(1, 3), st.integers(0, 10_000), st.booleans()
).map(
    lambda x: (
        with_exit(garnet(x[0], x[1], 2, seeded(x[2])), 0.9)
        if x[3]
        else garnet(x[0], x[1], 2, seeded(x[2]))
    )
)


def close(x: torch.Tensor, y: torch.Tensor | float, tolerance: float = 1e-10) -> bool:
    return bool((x - y).abs().max() < tolerance)


@settings(max_examples=25, deadline=None)
@given(processes, st.sampled_from([0.0, 0.3]))
def test_evaluation_is_the_limit_of_the_plain_loop(mdp, temperature):
    policy = random_policy(mdp, 1)
    value = [0.0] * mdp.states
    for _ in range(260):
        value = [
            0.0
            if mdp.terminal[s]
            else sum(
                float(policy[s, a])
                * (
                    float(mdp.reward[s, a])
                    - temperature * math.log(policy[s, a])
                    + mdp.discount * float(mdp.transition[s, a] @ torch.tensor(value, dtype=F64))
                )
                for a in range(mdp.actions)
            )
            for s in range(mdp.states)
        ]
    found = evaluate_policy(mdp, policy, temperature)
    assert close(found.value, torch.tensor(value, dtype=F64), 1e-9)
    bellman = (policy * found.q).sum(-1) + temperature * state_entropy(policy)
    assert close(found.value, bellman * mdp.running)


@settings(max_examples=25, deadline=None)
@given(processes)
def test_value_iteration_finds_the_best_of_all_deterministic_policies(mdp):
    found = value_iteration(mdp)
    best = torch.full((mdp.states,), -math.inf, dtype=F64)
    for choice in itertools.product(range(mdp.actions), repeat=mdp.states):
        policy = torch.eye(mdp.actions, dtype=F64)[list(choice)]
        best = torch.maximum(best, evaluate_policy(mdp, policy).value)
    assert close(found.value, best)
    assert close(found.value, found.q.amax(-1) * mdp.running)
    assert close((found.policy * found.q).sum(-1), found.q.amax(-1))


@settings(max_examples=25, deadline=None)
@given(processes, st.sampled_from([0.05, 1.0]))
def test_soft_value_iteration_solves_its_equation_and_no_policy_beats_it(mdp, alpha):
    found = soft_value_iteration(mdp, alpha)
    backup = alpha * torch.logsumexp(found.q / alpha, -1) * mdp.running
    assert close(found.value, backup)
    assert close(evaluate_policy(mdp, found.policy, alpha).value, found.value)
    for seed in range(5):
        near = (found.policy.log() + 0.1 * random_policy(mdp, seed)).softmax(-1)
        assert (evaluate_policy(mdp, near, alpha).value <= found.value + 1e-10).all()


def test_soft_tends_to_hard_and_to_uniform():
    mdp = garnet(5, 3, 2, seeded(0))
    assert close(soft_value_iteration(mdp, 1e-4).value, value_iteration(mdp).value, 2e-3)
    assert close(soft_value_iteration(mdp, 1e5).policy, 1 / 3, 1e-3)


@pytest.mark.parametrize("solve", [value_iteration, lambda m: soft_value_iteration(m, 0.5)])
def test_gradient_of_the_optimum_in_the_reward(solve):
    mdp = garnet(4, 3, 2, seeded(3))
    leaf = mdp.reward.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(
        mdp.start @ solve(FiniteMDP(mdp.transition, leaf, 0.9, mdp.start)).value, leaf
    )
    for s, a in itertools.product(range(4), range(3)):
        values = []
        for step in (1e-5, -1e-5):
            reward = mdp.reward.clone()
            reward[s, a] += step
            moved = FiniteMDP(mdp.transition, reward, 0.9, mdp.start)
            values.append(float(mdp.start @ solve(moved).value))
        assert (values[0] - values[1]) / 2e-5 == pytest.approx(float(gradient[s, a]), abs=1e-5)


@settings(max_examples=25, deadline=None)
@given(processes, st.sampled_from([0.0, 0.3]))
def test_occupancy_counts_decisions_and_gives_the_return(mdp, temperature):
    policy = random_policy(mdp, 2)
    eta, state = torch.zeros(mdp.states, dtype=F64), mdp.start * mdp.running
    step = torch.einsum("sa,sat->st", policy, mdp.transition)
    for k in range(260):
        eta = eta + mdp.discount**k * state
        state = (state @ step) * mdp.running
    found = occupancy(mdp, policy)
    assert close(found, eta)
    income = (policy * mdp.reward).sum(-1) + temperature * state_entropy(policy)
    assert close(found @ income, expected_return(mdp, policy, temperature))
    if not mdp.terminal.any():
        assert float(found.sum()) == pytest.approx(1 / (1 - mdp.discount))


@settings(max_examples=25, deadline=None)
@given(processes, st.sampled_from([0.0, 0.3]))
def test_gradient_is_the_soft_policy_gradient_theorem(mdp, alpha):
    """liu2020, eq. 20, with the discounted occupancy for η and = for ∝."""
    logits = torch.randn(mdp.states, mdp.actions, generator=seeded(4), dtype=F64)
    policy = logits.softmax(-1)
    value, q = evaluate_policy(mdp, policy, alpha)
    theorem = occupancy(mdp, policy)[:, None] * policy * (q - alpha * policy.log() - value[:, None])
    assert close(policy_gradient(mdp, logits, alpha), theorem)


def test_gradient_agrees_with_differences():
    mdp = with_exit(garnet(4, 3, 2, seeded(5)), 0.9)
    logits = torch.randn(4, 3, generator=seeded(6), dtype=F64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda x: expected_return(mdp, torch.softmax(x, -1), 0.2), (logits,)
    )


def test_patience_by_hand():
    """Always quitting is worth 1, always waiting .0398 / (1 - .99²) = 2.0."""
    mdp = patience()
    assert close(evaluate_policy(mdp, torch.eye(2, dtype=F64)).value, torch.tensor([1.0, 0.0]))
    found = value_iteration(mdp)
    assert float(found.value[0]) == pytest.approx(0.0398 / (1 - 0.99**2))
    assert found.policy[0].tolist() == [0.0, 1.0]
    assert float(soft_value_iteration(mdp, 0.125).value[0]) == pytest.approx(2.002, abs=5e-4)


def test_entropy_in_a_terminal_state_counts_nothing_and_in_a_loop_it_counts():
    uniform = torch.full((2, 2), 0.5, dtype=F64)
    ended = patience()
    loop = FiniteMDP(ended.transition, ended.reward, 0.99, ended.start)
    assert float(evaluate_policy(ended, uniform, 1.0).value[1]) == 0.0
    assert float(evaluate_policy(loop, uniform, 1.0).value[1]) == pytest.approx(
        math.log(2) / (1 - 0.99)
    )


def test_discount_one_is_solved_where_episodes_end():
    mdp = with_exit(garnet(4, 2, 2, seeded(8)), 1.0)
    policy, state, decisions = random_policy(mdp, 0), mdp.start * mdp.running, 0.0
    for _ in range(200):
        decisions += float(state.sum())
        state = torch.einsum("s,sa,sat->t", state, policy, mdp.transition) * mdp.running
    assert float(occupancy(mdp, policy).sum()) == pytest.approx(decisions)
    assert close(value_iteration(mdp).value, value_iteration(mdp).q.amax(-1))


@pytest.mark.parametrize("step", [0.0, -0.1])
def test_undiscounted_the_optimal_policy_arrives(step):
    """Four states in a row, the last pays 1: left, the first of equals, would never get there."""
    transition, reward = torch.zeros(4, 2, 4, dtype=F64), torch.full((4, 2), step, dtype=F64)
    for s in range(3):
        transition[s, 0, max(s - 1, 0)] = transition[s, 1, s + 1] = 1.0
    transition[3, :, 3], reward[2, 1], reward[3] = 1.0, 1.0 + step, 0.0
    start, terminal = torch.eye(4, dtype=F64)[0], torch.tensor([False] * 3 + [True])
    found = value_iteration(FiniteMDP(transition, reward, 1.0, start, terminal))
    assert close(found.value[:3], torch.tensor([1 + 3 * step, 1 + 2 * step, 1 + step], dtype=F64))
    assert found.policy[:3].argmax(1).tolist() == [1, 1, 1]


def test_discount_one_refuses_a_policy_that_never_ends():
    transition = torch.tensor([[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [0.0, 1.0]]], dtype=F64)
    reward = torch.zeros(2, 2, dtype=F64)
    start, terminal = torch.tensor([1.0, 0.0], dtype=F64), torch.tensor([False, True])
    mdp = FiniteMDP(transition, reward, 1.0, start, terminal)
    stay = torch.tensor([[1.0, 0.0], [1.0, 0.0]], dtype=F64)
    with pytest.raises(ValueError, match=r"policy: expected a policy that can end.*\[0\]"):
        evaluate_policy(mdp, stay)


def walk(mdp, policy, horizon):
    """The obvious loop over all sequences: {(states, actions): probability}."""
    found = {}
    for states in itertools.product(range(mdp.states), repeat=horizon + 1):
        for actions in itertools.product(range(mdp.actions), repeat=horizon):
            p = float(mdp.start[states[0]])
            for s, a, after in zip(states, actions, states[1:], strict=False):
                decision = float(a == 0) if mdp.terminal[s] else float(policy[s, a])
                p *= decision * float(mdp.transition[s, a, after])
            if p > 0:
                found[states, actions] = p
    return found


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 3), st.integers(1, 2), st.integers(1, 3), st.integers(0, 999), st.booleans())
def test_trajectories_are_those_of_the_obvious_loop(states, actions, horizon, seed, ends):
    mdp = garnet(states, actions, 2, seeded(seed))
    mdp = with_exit(mdp, 0.9) if ends else mdp
    policy = random_policy(mdp, seed)
    policy[0] = torch.eye(actions, dtype=F64)[0]
    found = enumerate_trajectories(mdp, policy, horizon)
    rows = zip(found.states.T.tolist(), found.actions.T.tolist(), strict=True)
    ours = dict(
        zip(((tuple(s), tuple(a)) for s, a in rows), found.probability.tolist(), strict=True)
    )
    assert ours == pytest.approx(walk(mdp, policy, horizon))
    assert float(found.probability.sum()) == pytest.approx(1.0)


def test_entropy_gradients_per_state_leave_out_the_state_distribution():
    """Σ_t E ∇H(s_t) and ∇E Σ_t H(s_t) differ by what the policy does to the states it visits."""
    mdp = with_exit(garnet(3, 2, 2, seeded(9)), 0.9)
    logits = torch.randn(3, 2, generator=seeded(9), dtype=F64, requires_grad=True)
    policy = logits.softmax(-1)
    p, states, _ = enumerate_trajectories(mdp, policy, 4)
    total = (state_entropy(policy) * mdp.running)[states[:-1]].sum(0)
    (per_state,) = torch.autograd.grad((p.detach() * total).sum(), logits, retain_graph=True)
    (whole,) = torch.autograd.grad((p * total).sum(), logits, retain_graph=True)
    (missing,) = torch.autograd.grad((p * total.detach()).sum(), logits)
    assert close(whole, per_state + missing)
    assert float((whole - per_state).norm() / whole.norm()) > 0.01


def test_garnet_has_its_branches_and_its_seed():
    mdp = garnet(6, 3, 4, seeded(0))
    assert ((mdp.transition > 0).sum(-1) == 4).all()
    assert torch.equal(mdp.transition, garnet(6, 3, 4, seeded(0)).transition)
    assert not torch.equal(mdp.transition, garnet(6, 3, 4, seeded(1)).transition)


def test_state_entropy_of_a_certain_action_is_zero_with_a_finite_gradient():
    policy = torch.tensor([[1.0, 0.0], [0.5, 0.5]], dtype=F64, requires_grad=True)
    entropy = state_entropy(policy)
    assert close(entropy.detach(), torch.tensor([0.0, math.log(2)], dtype=F64))
    entropy.sum().backward()
    assert policy.grad.isfinite().all()


def fields(**changes):
    mdp = patience()
    return {
        "transition": mdp.transition,
        "reward": mdp.reward,
        "discount": 0.9,
        "start": mdp.start,
        "terminal": mdp.terminal,
    } | changes


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"reward": torch.zeros(2, 2)}, "reward: expected dtype float64, got float32"),
        ({"reward": torch.zeros(0, 2, dtype=F64)}, r"reward: expected shape \(S, A\)"),
        ({"reward": torch.zeros(2, 3, dtype=F64)}, r"transition: expected shape \(2, 3, 2\)"),
        ({"reward": torch.full((2, 2), math.nan, dtype=F64)}, "reward: expected finite"),
        ({"transition": torch.ones(2, 2, 2, dtype=F64)}, "transition: expected .* sum to 1"),
        ({"start": torch.tensor([2.0, -1.0], dtype=F64)}, "start: expected probabilities ≥ 0"),
        ({"discount": 1.5}, r"discount: expected a number in \[0.0, 1.0\]"),
        ({"discount": 1.0, "terminal": None}, "discount: expected less than 1"),
        (
            {"terminal": torch.tensor([True, False]), "reward": torch.zeros(2, 2, dtype=F64)},
            "terminal: expected .* absorbing and pay 0",
        ),
        ({"reward": torch.ones(2, 2, dtype=F64)}, "terminal: expected .* absorbing and pay 0"),
        ({"terminal": torch.zeros(2)}, "terminal: expected dtype bool"),
    ],
)
def test_a_process_refuses_bad_tables(changes, message):
    with pytest.raises(ValueError, match=message):
        FiniteMDP(**fields(**changes))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m, p: evaluate_policy(m, p[:1]), r"policy: expected shape \(2, 2\)"),
        (lambda m, p: evaluate_policy(m, 2 * p), "policy: expected probabilities that sum"),
        (lambda m, p: evaluate_policy(m, p, -1.0), "temperature: expected a number ≥ 0"),
        (lambda m, p: soft_value_iteration(m, 0.0), "temperature: expected more than 0"),
        (lambda m, p: value_iteration(m, tolerance=0.0), "tolerance: expected"),
        (lambda m, p: policy_gradient(m, p.float()), "logits: expected dtype float64"),
        (lambda m, p: enumerate_trajectories(m, p, 0), "horizon: expected an integer ≥ 1"),
        (lambda m, p: enumerate_trajectories(m, p, 9, limit=4), "horizon: expected at most 4"),
        (lambda m, p: garnet(2, 2, 3, seeded(0)), "branching: expected at most 2"),
        (lambda m, p: garnet(2, 0, 1, seeded(0)), "actions: expected an integer ≥ 1"),
        (lambda m, p: garnet(2, 2, 1, None), "generator: expected a torch.Generator"),
    ],
)
def test_bad_input_is_refused_by_name(call, message):
    with pytest.raises(ValueError, match=message):
        call(patience(), torch.full((2, 2), 0.5, dtype=F64))


def test_undiscounted_detours_worth_more_than_arriving_are_refused():
    """Two ways to stay and one to leave: at a temperature of 1, staying pays log 2 a step."""
    transition = torch.zeros(2, 3, 2, dtype=F64)
    transition[0, :2, 0] = transition[0, 2, 1] = 1.0
    transition[1, :, 1] = 1.0
    start, terminal = torch.tensor([1.0, 0.0], dtype=F64), torch.tensor([False, True])
    mdp = FiniteMDP(transition, torch.zeros(2, 3, dtype=F64), 1.0, start, terminal)
    with pytest.raises(ValueError, match="mdp: expected finite optimal values"):
        soft_value_iteration(mdp, 1.0, sweeps=500)
