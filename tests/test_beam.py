"""The beam against plain Python, exhaustive search and the greedy path."""

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from entropy_rl.estimators import smoothed_mode
from entropy_rl.policies import TablePolicy
from entropy_rl.stepwise import beam_search
from enumeration import F64, build, enumerate_paths, seeded, stack, tables

NO_STATE = torch.tensor(0)
batches = pytest.mark.parametrize("batch", [(), (4,), (2, 3), (0,), (2, 0)])


def log_probability(policy, action):
    return policy.conditionals(NO_STATE, action).log_prob.item()


def obvious_beam(policy, beam):
    """The best score of a beam in plain Python that always keeps the greedy prefix."""
    candidates, greedy = [(0.0, ())], ()
    for i, size in enumerate(policy.action_space.nvec.tolist()):
        children = []
        for score, path in candidates:
            prefix = sum(k * policy.K ** (i - 1 - j) for j, k in enumerate(path))
            row = policy.logits[i][0, prefix][:size].log_softmax(-1).tolist()
            children += [(score + row[k], (*path, k)) for k in range(size)]
        greedy = max(c for c in children if c[1][:-1] == greedy)[1]
        children.sort(key=lambda c: (c[1] == greedy, c[0]), reverse=True)
        candidates = children[:beam]
    return max(candidates)[0]


@given(tables(), st.integers(1, 6))
def test_beam_is_the_obvious_beam(policy, beam):
    found = beam_search(policy, NO_STATE, beam)
    assert abs(log_probability(policy, found) - obvious_beam(policy, beam)) < 1e-12


@given(tables())
def test_beam_of_one_is_greedy(policy):
    previous, state, path = None, policy.start(NO_STATE), []
    for _ in range(policy.d):
        log_probs, _, state = policy.step(state, previous)
        previous = log_probs.argmax(-1)
        path.append(previous.item())
    assert beam_search(policy, NO_STATE).tolist() == path
    assert beam_search(policy, NO_STATE, keep_greedy=False).tolist() == path


@given(tables())
def test_a_beam_as_wide_as_the_tree_finds_the_mode(policy):
    chain, p = enumerate_paths(policy, NO_STATE)
    found = beam_search(policy, NO_STATE, policy.K**policy.d)
    assert torch.equal(found, chain.actions[p.argmax()])


@given(tables(), st.integers(2, 4))
def test_a_beam_is_never_below_the_greedy_path(policy, beam):
    found = log_probability(policy, beam_search(policy, NO_STATE, beam))
    assert found >= log_probability(policy, beam_search(policy, NO_STATE)) - 1e-12


def conditionals(d, K, rows):
    """Tables that are uniform but for the given prefixes."""
    result = [torch.full((K,) * (i + 1), 1 / K, dtype=F64) for i in range(d)]
    for prefix, row in rows.items():
        result[len(prefix)][prefix] = torch.tensor(row, dtype=F64)
    return TablePolicy.from_conditionals(result)


COUNTEREXAMPLES = {
    "K=3, d=3": conditionals(
        3,
        3,
        {(): [0.4, 0.35, 0.25], (0,): [0.34, 0.33, 0.33], (1,): [0.5, 0.5, 0], (0, 0): [1, 0, 0]},
    ),
    "K=2, d=4": conditionals(
        4,
        2,
        {(): [0.55, 0.45], (1,): [0, 1], (0, 0): [0.51, 0.49], (0, 0, 0): [1, 0]},
    ),
}


@pytest.mark.parametrize("example", list(COUNTEREXAMPLES))
def test_a_plain_beam_can_end_below_the_greedy_path_and_ours_does_not(example):
    policy = COUNTEREXAMPLES[example]
    greedy = log_probability(policy, beam_search(policy, NO_STATE))
    plain = log_probability(policy, beam_search(policy, NO_STATE, 2, keep_greedy=False))
    kept = log_probability(policy, beam_search(policy, NO_STATE, 2))
    assert plain < greedy - 0.1
    assert kept >= greedy


@batches
@pytest.mark.parametrize("beam", [1, 3, 100])
def test_beams_of_a_batch_are_legal_and_those_of_its_places(batch, beam):
    policy, obs = build("lstm", "masked")
    many = stack(obs, *batch)
    many["observation"] = torch.randn(*batch, 2, generator=seeded(0), dtype=F64)
    found = beam_search(policy, many, beam)
    assert found.shape == (*batch, 3)
    assert policy.conditionals(many, found).log_prob.isfinite().all()
    for place in itertools.product(*map(range, batch)):
        one = {key: value[place] for key, value in many.items()}
        assert torch.equal(found[place], beam_search(policy, one, beam))


def test_smoothed_mode_sums_the_entropies_along_the_beams_path():
    policy = conditionals(2, 3, {(): [0.4, 0.35, 0.25], (1,): [0.9, 0.1, 0]})
    for beam, path in [(1, [0, 0]), (2, [1, 0])]:
        assert beam_search(policy, NO_STATE, beam).tolist() == path
        expected = policy.conditionals(NO_STATE, torch.tensor(path)).entropies.sum()
        assert smoothed_mode(policy, NO_STATE, beam).value == expected
