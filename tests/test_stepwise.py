"""Sampling, teacher forcing and the prefix tree, each against the obvious loop."""

import itertools
import math

import pytest
import torch
from gymnasium import spaces
from hypothesis import given
from scipy.stats import chisquare

from entropy_rl.policies import TablePolicy, make_policy
from entropy_rl.stepwise import beam_search, prefix_tree, sample, teacher_force, tree_entropy
from enumeration import (
    CATEGORICAL,
    F64,
    MASK,
    SEQUENTIAL,
    SIZES,
    build,
    enumerate_paths,
    gradient,
    joint_actions,
    leaf_entropy,
    seeded,
    stack,
    tables,
)

families = pytest.mark.parametrize("name", CATEGORICAL)
sequential = pytest.mark.parametrize("name", SEQUENTIAL)
kinds = pytest.mark.parametrize("kind", list(SIZES))
batches = pytest.mark.parametrize("batch", [(), (4,), (2, 3), (0,), (2, 0)])
FALSE_ALARM = 1e-6
NO_STATE = torch.tensor(0)


class Counting:
    """A policy that counts the prefixes it is asked about."""

    def __init__(self, policy):
        self.policy, self.rows = policy, []
        self.d, self.K, self.batch_shape, self.start = (
            policy.d,
            policy.K,
            policy.batch_shape,
            policy.start,
        )

    def step(self, state, previous):
        out = self.policy.step(state, previous)
        self.rows.append(len(out[0]))
        return out


# --- the chain along given actions ---------------------------------------------------------------


@kinds
@families
def test_conditionals_equal_the_loop_of_steps(name, kind):
    policy, obs = build(name, kind)
    actions = joint_actions(policy, obs)
    many = stack(obs, len(actions))
    fast, loop = policy.conditionals(many, actions), teacher_force(policy, many, actions)
    assert torch.equal(fast.actions, actions)
    legal = loop.log_probs > -torch.inf
    assert torch.equal(legal, fast.log_probs > -torch.inf)
    assert (fast.log_probs[legal] - loop.log_probs[legal]).abs().max() < 1e-12
    weights = torch.randn(len(actions), generator=seeded(0), dtype=F64)
    assert gradient((fast.log_prob - loop.log_prob) @ weights, policy).norm() < 1e-10
    if loop.features is not None:
        assert (fast.features - loop.features).abs().max() < 1e-12


@kinds
@families
def test_no_component_sees_itself_or_later_ones(name, kind):
    """p(· | a_<i) and the features of i stay the same whatever aᵢ, …, a_d are."""
    policy, obs = build(name, kind)
    actions = joint_actions(policy, obs)
    chain = policy.conditionals(stack(obs, len(actions)), actions)
    for i in range(policy.d):
        for action in actions:
            same = (actions[:, :i] == action[:i]).all(-1)
            p = chain.log_probs[same, i].exp()
            assert (p - p[:1]).abs().max() < 1e-12
            if chain.features is not None:
                f = chain.features[same, i]
                assert (f - f[:1]).abs().max() < 1e-12


@kinds
@sequential
def test_every_component_sees_each_earlier_one(name, kind):
    policy, obs = build(name, kind)
    actions = joint_actions(policy, obs)
    chain = policy.conditionals(stack(obs, len(actions)), actions)
    for i in range(1, policy.d):
        for j in range(i):
            rest = [k for k in range(i) if k != j]
            same = (actions[:, rest] == actions[0, rest]).all(-1)
            p = chain.log_probs[same, i].exp()
            assert (p - p[:1]).abs().max() > 1e-4, f"component {i} ignores component {j}"


@kinds
@families
def test_conditionals_of_masked_actions_are_normalised_over_the_legal_ones(name, kind):
    chain, _ = enumerate_paths(*build(name, kind))
    assert (chain.log_probs.exp().sum(-1) - 1).abs().max() < 1e-12
    if kind == "masked":
        legal = MASK & (torch.arange(3) < torch.tensor(SIZES[kind]).unsqueeze(1))
        assert torch.equal(chain.log_probs > -torch.inf, legal.expand_as(chain.log_probs))


# --- sampling ------------------------------------------------------------------------------------


@kinds
@families
def test_frequencies_are_the_probabilities(name, kind):
    """χ² of 20,000 draws over all joint actions; false alarm 1e-6 (and the seed is fixed)."""
    policy, obs = build(name, kind)
    chain, p = enumerate_paths(policy, obs)
    drawn = policy.sample(stack(obs, 20_000), seeded(0)).actions
    place = torch.tensor([policy.K**i for i in range(policy.d)])
    counts = torch.bincount(drawn @ place, minlength=policy.K**policy.d)
    found, expected = counts[chain.actions @ place], 20_000 * p
    assert found.sum() == 20_000, "an illegal action was drawn"
    rare = expected < 10
    if rare.any():
        found = torch.cat([found[~rare], found[rare].sum(0, keepdim=True)])
        expected = torch.cat([expected[~rare], expected[rare].sum(0, keepdim=True)])
    assert chisquare(found.numpy(), expected.numpy()).pvalue > FALSE_ALARM
    assert chisquare(found.numpy(), expected.roll(1).numpy()).pvalue < FALSE_ALARM


@kinds
@families
@batches
def test_a_sample_is_the_chain_along_its_actions(name, kind, batch):
    policy, obs = build(name, kind)
    many = stack(obs, *batch)
    chain = policy.sample(many, seeded(0))
    again = policy.conditionals(many, chain.actions)
    assert chain.actions.shape == (*batch, 3)
    assert chain.log_probs.shape == (*batch, 3, 3)
    assert torch.allclose(chain.log_probs.exp(), again.log_probs.exp(), atol=1e-12, rtol=0)
    assert chain.log_prob.isfinite().all()
    if chain.features is not None:
        assert torch.allclose(chain.features, again.features, atol=1e-12, rtol=0)
    difference = gradient(chain.log_prob.sum(), policy) - gradient(again.log_prob.sum(), policy)
    assert difference.norm() < 1e-10, "sampling keeps its graph"


@families
def test_the_same_generator_draws_the_same_actions(name):
    policy, obs = build(name)
    many = stack(obs, 50)
    before = torch.get_rng_state()
    first, second, other = (policy.sample(many, seeded(s)).actions for s in (3, 3, 4))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)
    assert torch.equal(before, torch.get_rng_state()), "the global generator was used"
    torch.manual_seed(5)
    once = policy.sample(many).actions
    torch.manual_seed(5)
    assert torch.equal(once, policy.sample(many).actions)


def test_an_action_of_probability_zero_is_never_drawn():
    tables = [torch.tensor([0.0, 1.0, 0.0], dtype=F64), torch.zeros(3, 3, dtype=F64)]
    tables[1][:, 2] = 1.0
    policy = TablePolicy.from_conditionals(tables)
    drawn = policy.sample(NO_STATE.expand(5000), seeded(0))
    assert (drawn.actions == torch.tensor([1, 2])).all()
    assert not drawn.log_prob.any()


# --- the tree of prefixes ------------------------------------------------------------------------


@given(tables())
def test_tree_entropy_is_the_sum_over_leaves(policy):
    chain, _ = enumerate_paths(policy, NO_STATE)
    true = leaf_entropy(chain)
    found = tree_entropy(policy, NO_STATE)
    assert found.shape == ()
    assert abs(found - true) < 1e-11
    assert (gradient(found, policy) - gradient(true, policy)).norm() < 1e-10


@kinds
@families
@batches
def test_tree_entropy_of_a_batch_is_that_of_its_places(name, kind, batch):
    policy, obs = build(name, kind)
    many = stack(obs, *batch)
    generator = seeded(0)
    if name == "table":
        x = torch.randint(2, batch, generator=generator)
    else:
        x = torch.randn(*batch, 2, generator=generator, dtype=F64)
    many = {**many, "observation": x} if kind == "masked" else x
    found = tree_entropy(policy, many)
    assert found.shape == batch
    for place in itertools.product(*map(range, batch)):
        one = {k: v[place] for k, v in many.items()} if kind == "masked" else many[place]
        assert abs(found[place] - leaf_entropy(enumerate_paths(policy, one)[0])) < 1e-12


@pytest.mark.parametrize(("d", "K"), [(1, 3), (2, 2), (3, 3), (4, 2), (4, 3)])
def test_the_tree_visits_each_prefix_once(d, K):
    policy = make_policy("table", spaces.Discrete(1), spaces.MultiDiscrete([K] * d))
    counting = Counting(policy)
    tree_entropy(counting, NO_STATE.expand(2))
    assert counting.rows == [2 * K**i for i in range(d)]
    assert sum(counting.rows) == 2 * (K**d - 1) // (K - 1)


def test_the_tree_is_pruned_where_actions_are_illegal():
    policy, obs = build("lstm", "masked", sizes=[3, 3, 3])
    for legal in ([1, 3, 3], [3, 1, 3], [2, 1, 1], [1, 1, 1]):
        mask = torch.arange(3) < torch.tensor(legal).unsqueeze(1)
        counting = Counting(policy)
        entropy = tree_entropy(counting, {**obs, "action_mask": mask})
        assert counting.rows == [math.prod(legal[:i]) for i in range(3)]
        true = leaf_entropy(enumerate_paths(policy, {**obs, "action_mask": mask})[0])
        assert abs(entropy - true) < 1e-12


def test_different_masks_in_one_batch_are_pruned_each_for_itself():
    policy, obs = build("mmdp", "masked", sizes=[3, 3, 3])
    masks = torch.ones(2, 3, 3, dtype=torch.bool)
    masks[0, 0, 1:] = False
    masks[1, 2, :2] = False
    found = tree_entropy(policy, {**stack(obs, 2), "action_mask": masks})
    for row in range(2):
        one = {**obs, "action_mask": masks[row]}
        assert abs(found[row] - leaf_entropy(enumerate_paths(policy, one)[0])) < 1e-12


def test_levels_say_where_each_prefix_comes_from():
    policy, _ = build("table")
    paths = torch.empty(1, 0, dtype=torch.int64)
    for i, (log_probs, parent, choice) in enumerate(prefix_tree(policy, NO_STATE)):
        if i:
            paths = torch.cat([paths[parent], choice.unsqueeze(1)], 1)
        expected = torch.cartesian_prod(*[torch.arange(3)] * i).reshape(3**i, i) if i else paths
        assert torch.equal(paths, expected)
        assert torch.allclose(log_probs, policy.logits[i][0].log_softmax(-1), atol=1e-14)


# --- a policy of somebody else's -----------------------------------------------------------------


class Own:
    """Logits out of a table by the component before; ``spoil`` is what is wrong with them."""

    d, K = 3, 4

    def __init__(self, spoil):
        self.table = torch.randn(5, 4, generator=seeded(0), dtype=F64)
        self.spoil = spoil

    def batch_shape(self, obs):
        return obs.shape

    def start(self, obs):
        # Nested, with an entry that is no tensor.
        return ((obs.flatten(), (obs.flatten(),)), 0)

    def step(self, state, previous):
        (rows, (same,)), i = state
        assert torch.equal(rows, same)
        before = torch.full_like(rows, 4) if previous is None else previous
        return self.spoil(self.table[before]), None, ((rows, (same,)), i + 1)


def log_softmax(x):
    return x.log_softmax(-1)


def test_a_policy_of_ones_own_with_a_nested_state():
    own, obs = Own(log_softmax), torch.tensor([0, 1])
    every = torch.cartesian_prod(*[torch.arange(4)] * 3)
    p = teacher_force(own, torch.zeros(64, dtype=torch.int64), every).log_prob.exp()
    assert float(p.sum()) == pytest.approx(1)
    assert torch.allclose(tree_entropy(own, obs), -(p * p.log()).sum())
    assert torch.equal(beam_search(own, obs, 64), every[p.argmax()].expand(2, 3))
    assert sample(own, obs, seeded(1)).actions.shape == (2, 3)


USES = [
    lambda p: sample(p, torch.tensor([0, 1])),
    lambda p: teacher_force(p, torch.tensor([0]), torch.tensor([[0, 1, 2]])),
    lambda p: tree_entropy(p, torch.tensor([0])),
    lambda p: beam_search(p, torch.tensor([0]), 1),
    lambda p: beam_search(p, torch.tensor([0]), 2),
]
SPOILT = {
    "no log_softmax": (lambda x: x, "log_probs: expected normalised rows"),
    "nothing legal": (lambda x: torch.full_like(x, -torch.inf), "a legal action in every"),
    "NaN": (lambda x: x * torch.nan, "log_probs: expected no NaN"),
    "another K": (lambda x: log_softmax(x[:, :3]), r"shape \(N, 4\) of a step"),
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize(("spoil", "message"), SPOILT.values(), ids=SPOILT)
def test_what_its_steps_give_is_checked(spoil, message, use):
    with pytest.raises(ValueError, match=message):
        use(Own(spoil))


def test_it_may_vouch_for_its_numbers():
    own = Own(lambda x: x)
    own.validate_steps = False
    assert (teacher_force(own, torch.tensor([0]), torch.tensor([[0, 1, 2]])).log_prob != 0).all()


@families
@pytest.mark.parametrize("what", [torch.nan, torch.inf])
def test_an_observation_that_is_not_finite_draws_nothing(name, what):
    """NaN would draw the first action every time."""
    if name == "table":  # observes the number of a state
        return
    policy, obs = build(name)
    with pytest.raises(ValueError, match="policy: expected numbers for log-probabilities"):
        policy.sample(torch.full_like(obs, what))
