"""Each family against the textbook network it stands for."""

import pytest
import torch
from gymnasium import spaces
from torch import nn
from torch.nn.functional import one_hot

from entropy_rl.conditionals import Conditionals
from entropy_rl.estimators import exact, smoothed, unbiased_gradient
from entropy_rl.policies import (
    CommNetPolicy,
    LSTMPolicy,
    MMDPPolicy,
    TablePolicy,
    make_policy,
)
from enumeration import (
    CATEGORICAL,
    F64,
    box,
    build,
    joint_actions,
    randomise,
    seeded,
    stack,
    with_mask,
)

families = pytest.mark.parametrize("name", CATEGORICAL)


def textbook_lstm(policy):
    """``LSTMCell`` and ``Linear`` with the policy's numbers: the cell reads [one-hot aᵢ₋₁, s]."""
    H = policy.hidden_size
    cell = nn.LSTMCell(policy.K + policy.from_observation.in_features, H).double()
    # Ours: input, forget, output, candidate. torch's: input, forget, candidate, output.
    order = torch.cat([torch.arange(2 * H), torch.arange(3 * H, 4 * H), torch.arange(2 * H, 3 * H)])
    observed, previous = policy.from_observation.weight, policy.from_previous.weight.t()
    with torch.no_grad():
        cell.weight_ih.copy_(torch.cat([previous, observed], 1)[order])
        cell.weight_hh.copy_(policy.from_hidden.weight[order])
        cell.bias_ih.copy_(policy.from_observation.bias[order])
        cell.bias_hh.zero_()
    return cell


def textbook_lstm_log_probs(policy, cell, obs, actions, legal=None):
    """log p(· | a_<i) and h, component by component; before the first one the one-hot is zero."""
    previous = obs.new_zeros(len(obs), policy.K)
    state, log_probs, hidden = None, [], []
    for i in range(policy.d):
        state = cell(torch.cat([previous, obs], 1), state)
        logits = policy.head(state[0])
        if legal is not None:
            logits = logits.masked_fill(~legal[:, i], -torch.inf)
        log_probs.append(logits.log_softmax(-1))
        hidden.append(state[0])
        previous = one_hot(actions[:, i], policy.K).to(obs.dtype)
    return torch.stack(log_probs, 1), torch.stack(hidden, 1)


def test_lstm_is_the_textbook_cell():
    policy, obs = build("lstm")
    actions = joint_actions(policy, obs)
    many = torch.randn(len(actions), 2, generator=seeded(1), dtype=F64)
    cell = textbook_lstm(policy)
    expected, hidden = textbook_lstm_log_probs(policy, cell, many, actions)
    chain = policy.conditionals(many, actions)
    assert (chain.log_probs - expected).abs().max() < 1e-12
    assert (chain.features - hidden).abs().max() < 1e-12
    drawn = policy.sample(many, seeded(0))
    expected, _ = textbook_lstm_log_probs(policy, cell, many, drawn.actions)
    assert (drawn.log_probs - expected).abs().max() < 1e-12


def test_lstm_gradients_are_the_textbook_cells():
    policy, obs = build("lstm", "masked")
    actions = joint_actions(policy, obs)
    many = stack(obs, len(actions))
    cell = textbook_lstm(policy)
    legal = many["action_mask"] & policy.legal
    log_probs, _ = textbook_lstm_log_probs(policy, cell, many["observation"], actions, legal)
    for chain in (policy.conditionals(many, actions), Conditionals(log_probs, actions)):
        (unbiased_gradient(chain).surrogate * torch.arange(len(actions))).sum().backward()
    H, K = policy.hidden_size, policy.K
    order = torch.cat([torch.arange(2 * H), torch.arange(3 * H, 4 * H), torch.arange(2 * H, 3 * H)])
    for ours, theirs in [
        (policy.from_previous.weight.grad.t(), cell.weight_ih.grad[:, :K]),
        (policy.from_observation.weight.grad, cell.weight_ih.grad[:, K:]),
        (policy.from_observation.bias.grad, cell.bias_ih.grad),
        (policy.from_hidden.weight.grad, cell.weight_hh.grad),
    ]:
        assert (ours[order] - theirs).abs().max() < 1e-10
        assert ours.abs().max() > 1e-3


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("sizes", [[3], [3, 3, 3], [3, 2, 3]])
def test_mmdp_is_the_perceptron_on_the_concatenation(layers, sizes):
    """Input [s, one-hot a₁, …, aᵢ₋₁, 0, …, 0]."""
    space = spaces.MultiDiscrete(sizes)
    policy = randomise(MMDPPolicy(box(2), space, hidden_size=8, layers=layers), 0)
    d, K = policy.d, policy.K
    assert len([m for m in policy.rest if isinstance(m, nn.ReLU)]) == layers
    actions = joint_actions(policy, None)
    obs = torch.randn(len(actions), 2, generator=seeded(1), dtype=F64)
    chain = policy.conditionals(obs, actions)
    weight = torch.cat([policy.from_observation.weight, policy.from_previous.weight.t()], 1)
    for i in range(d):
        drawn = one_hot(actions, K).to(F64)
        drawn[:, i:] = 0
        slots = policy.from_previous.num_embeddings
        x = torch.cat([obs, drawn.reshape(len(obs), d * K)[:, :slots]], 1)
        x = policy.rest(x @ weight.t() + policy.from_observation.bias)
        logits = policy.head(x)[:, : sizes[i]]
        expected = logits.log_softmax(-1)
        assert (chain.log_probs[:, i, : sizes[i]] - expected).abs().max() < 1e-12
        assert (chain.log_probs[:, i, sizes[i] :] == -torch.inf).all()


def test_commnet_is_the_formula_agent_by_agent():
    view = [[0, 1], [1, 2], [2, 0]]
    policy = randomise(
        CommNetPolicy(box(3), spaces.MultiDiscrete([3, 3, 3]), hidden_size=8, rounds=2, view=view),
        0,
    )
    obs = torch.randn(3, generator=seeded(1), dtype=F64)
    h = [torch.tanh(policy.encode(obs[view[i]]) + policy.identity.weight[i]) for i in range(3)]
    for own, others in zip(policy.own, policy.others, strict=True):
        h = [
            torch.tanh(own(h[i]) + others(sum(h[j] for j in range(3) if j != i) / 2))
            for i in range(3)
        ]
    chain = policy.sample(obs, seeded(0))
    for i in range(3):
        assert (chain.log_probs[i] - policy.head(h[i]).log_softmax(-1)).abs().max() < 1e-12
        assert (chain.features[i] - h[i]).abs().max() < 1e-12


def test_commnet_with_one_agent_hears_nobody():
    policy = randomise(CommNetPolicy(box(2), spaces.Discrete(3), hidden_size=4), 0)
    obs = torch.ones(2, dtype=F64)
    before = policy.sample(obs, seeded(0)).log_probs
    for others in policy.others:
        others.weight.data.zero_()
    assert torch.equal(policy.sample(obs, seeded(0)).log_probs, before)


@pytest.mark.parametrize("name", ["independent", "commnet"])
def test_independent_components_ignore_what_was_drawn(name):
    policy, obs = build(name)
    actions = joint_actions(policy, obs)
    log_probs = policy.conditionals(stack(obs, len(actions)), actions).log_probs
    assert (log_probs - log_probs[:1]).abs().max() < 1e-12


def test_table_holds_any_joint_distribution():
    joint = torch.rand(3, 3, 3, generator=seeded(0), dtype=F64)
    joint /= joint.sum()
    tables = [joint.sum((1, 2)), joint.sum(2) / joint.sum((1, 2))[:, None]]
    tables.append(joint / joint.sum(2, keepdim=True))
    policy = TablePolicy.from_conditionals(tables)
    actions = joint_actions(policy, None)
    chain = policy.conditionals(torch.zeros(27, dtype=torch.int64), actions)
    assert (chain.log_prob.exp() - joint.flatten()).abs().max() < 1e-14


def test_table_keeps_its_states_apart():
    policy, _ = build("table")
    first, second = (exact(policy, torch.tensor(s)).value for s in (0, 1))
    both = exact(policy, torch.tensor([1, 0])).value
    assert torch.equal(both, torch.stack([second, first]))
    assert abs(first - second) > 1e-3


@families
def test_padding_of_short_components_has_probability_zero(name):
    policy, obs = build(name, sizes=[3, 1, 2])
    chain = policy.sample(stack(obs, 200), seeded(0))
    assert (chain.actions < torch.tensor([3, 1, 2])).all()
    assert (chain.log_probs[:, 1, 1:] == -torch.inf).all()
    assert (chain.log_probs[:, 2, 2:] == -torch.inf).all()
    assert not chain.entropies[:, 1].any()
    assert not chain.component_log_probs[:, 1].any()


@families
@pytest.mark.parametrize("dtype", [torch.bool, torch.int8, torch.float32])
def test_masks_of_every_dtype_mean_the_same(name, dtype):
    policy, obs = build(name, "masked")
    expected = exact(policy, obs).value
    mask = obs["action_mask"].to(dtype)
    assert torch.equal(exact(policy, {**obs, "action_mask": mask}).value, expected)


# masked_log_softmax normalises in float32 at least; bfloat16's weights and products keep 8 bits.
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float16, 2e-2), (torch.bfloat16, 0.15)]
)
@pytest.mark.parametrize("kind", ["plain", "masked"])
@families
def test_modules_in_every_dtype(name, kind, dtype, tolerance):
    policy, obs = build(name, kind)
    actions = joint_actions(policy, obs)
    many = stack(obs, len(actions))
    reference = policy.conditionals(many, actions)
    policy.to(dtype)
    chain = policy.conditionals(many, actions)
    assert chain.log_probs.dtype == torch.float32
    checked = Conditionals(chain.log_probs, actions)
    assert (checked.log_probs.exp().sum(-1) - 1).abs().max() < 1e-5
    assert (chain.log_probs.exp() - reference.log_probs.exp()).abs().max() < tolerance
    assert (smoothed(chain).value - smoothed(reference).value).abs().max() < tolerance * 3
    unbiased_gradient(policy.sample(many, seeded(0))).surrogate.sum().backward()
    for parameter in policy.parameters():
        if parameter.grad is not None:
            assert parameter.grad.dtype == dtype
            assert parameter.grad.isfinite().all()


def test_a_discrete_space_is_one_component():
    policy = make_policy("lstm", box(2), spaces.Discrete(4), hidden_size=4)
    chain = policy.sample(torch.zeros(5, 2), seeded(0))
    assert (policy.d, policy.K) == (1, 4)
    assert chain.actions.shape == (5, 1)
    assert torch.allclose(exact(policy, torch.zeros(5, 2)).value, chain.entropies[:, 0])


def test_lstm_widths_are_the_papers_by_default():
    policy = LSTMPolicy(box(5), spaces.MultiDiscrete([9] * 5))
    assert policy.hidden_size == 128
    masked = LSTMPolicy(with_mask(box(5), 5, 9), spaces.MultiDiscrete([9] * 5))
    assert masked.takes_mask
