"""Policies by name, on disk and back."""

import json

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces

from entropy_rl.policies import (
    POLICIES,
    TablePolicy,
    family_options,
    load_policy,
    make_policy,
    save_policy,
)
from enumeration import CATEGORICAL, box, build, seeded, stack, with_mask

OPTIONS = {
    "independent": {"hidden_size": 8, "layers": 2},
    "lstm": {"hidden_size": 8},
    "mmdp": {"hidden_size": 8, "layers": 2},
    "commnet": {"hidden_size": 8, "rounds": 1, "view": [[0], [1], [0]]},
    "convolutional": {"hidden_size": 8},
    "gaussian": {
        "hidden_size": 8,
        "layers": 2,
        "variance": "softplus",
        "activation": "relu",
        "bounded_mean": True,
        "clipped_actions": True,
    },
    "squashed": {"hidden_size": 8, "layers": 1},
    "table": {"scale": 2.0},
}


PICTURE = spaces.Box(0, 255, (1, 36, 36), np.uint8)


def make(name, masked=False):
    others = {"table": spaces.Discrete(2), "convolutional": PICTURE}
    observation = others.get(name, box(2))
    if name in ("gaussian", "squashed"):
        return make_policy(name, observation, box(3), **OPTIONS[name])
    if masked:
        observation = with_mask(observation, 3, 3)
    return make_policy(name, observation, spaces.MultiDiscrete([3, 2, 3]), **OPTIONS[name])


def test_every_family_is_covered():
    assert set(OPTIONS) == set(POLICIES)


def test_options_of_a_family():
    class Toy:
        def __init__(self, observations, actions, size, width=3, *, depth, rate=0.5):
            pass

    found = family_options(Toy)
    assert found == {"size": None, "width": 3, "depth": None, "rate": 0.5}
    assert list(found) == ["size", "width", "depth", "rate"]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("name", list(POLICIES))
def test_a_policy_comes_back_from_disk_as_it_was(name, dtype, tmp_path):
    policy = make(name).to(dtype)
    save_policy(policy, tmp_path / "p.pt", environment="X-v0", episodes=7)
    loaded, extra = load_policy(tmp_path / "p.pt")
    assert extra == {"environment": "X-v0", "episodes": 7}
    assert type(loaded) is type(policy)
    assert loaded.config == policy.config
    assert loaded.observation_space == policy.observation_space
    assert loaded.action_space == policy.action_space
    for (key, ours), (_, theirs) in zip(
        policy.state_dict().items(), loaded.state_dict().items(), strict=True
    ):
        assert torch.equal(ours, theirs), key
        assert ours.dtype == theirs.dtype == dtype
    others = {
        "table": torch.tensor([0, 1]),
        "convolutional": torch.ones(2, *PICTURE.shape, dtype=torch.uint8),
    }
    obs = others.get(name, torch.ones(2, 2))
    first, second = (p.sample(obs, seeded(0)) for p in (policy, loaded))
    assert torch.equal(first.actions, second.actions)
    assert torch.equal(first.log_prob, second.log_prob)


def test_loading_draws_no_random_numbers(tmp_path):
    save_policy(make("lstm"), tmp_path / "p.pt")
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    load_policy(tmp_path / "p.pt")
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("name", CATEGORICAL)
def test_a_masked_policy_comes_back_too(name, tmp_path):
    policy = make(name, masked=True)
    save_policy(policy, tmp_path / "p.pt")
    loaded, extra = load_policy(tmp_path / "p.pt")
    assert extra == {}
    assert loaded.takes_mask
    _, obs = build(name, "masked")
    many = stack(obs, 5)
    found, expected = (p.sample(many, seeded(0)).log_prob for p in (loaded, policy))
    assert torch.equal(found, expected)


def test_unbounded_and_integer_spaces_come_back(tmp_path):
    for low, high, dtype in [(-float("inf"), float("inf"), "float32"), (0, 255, "uint8")]:
        space = spaces.Box(low, high, (3,), dtype)
        save_policy(
            make_policy("lstm", space, spaces.Discrete(2), hidden_size=2), tmp_path / "p.pt"
        )
        assert load_policy(tmp_path / "p.pt")[0].observation_space == space


def test_the_same_seed_makes_the_same_policy():
    for name in POLICIES:
        states = []
        for _ in range(2):
            torch.manual_seed(3)
            states.append(make(name).state_dict())
        assert all(torch.equal(a, b) for a, b in zip(*(s.values() for s in states), strict=True))


def test_spaces_of_a_gymnasium_environment_fit():
    env = gymnasium.make("CartPole-v1")
    policy = make_policy("lstm", env.observation_space, env.action_space, hidden_size=4)
    observation, _ = env.reset(seed=0)
    chain = policy.sample(torch.as_tensor(observation), seeded(0))
    assert env.action_space.contains(chain.actions.numpy()[0])


def spoil(path, what):
    """A saved policy with one thing wrong."""
    saved = torch.load(path, weights_only=True)
    header = json.loads(saved["header"])
    match what:
        case "format":
            header["format"] = "entropy_rl.policy/99"
        case "no format":
            del header["format"]
        case "family":
            header["name"] = "lsmt"
        case "option":
            header["options"] = {"hidden_sise": 3}
        case "space":
            header["action_space"] = {"kind": "Sequence"}
        case "no name":
            del header["name"]
        case "weight missing":
            saved["state"].pop("head.bias")
        case "other sizes":
            header["options"] = {"hidden_size": 9}
        case "no state":
            del saved["state"]
        case "empty state":
            saved["state"] = {}
        case "not JSON":
            header = None
    saved["header"] = "{" if header is None else json.dumps(header)
    torch.save(saved, path)


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("format", "format 'entropy_rl.policy/1', got 'entropy_rl.policy/99'"),
        ("no format", "a policy written by save_policy"),
        ("not JSON", "a policy written by save_policy"),
        ("no state", "a policy written by save_policy"),
        ("empty state", "a complete policy"),
        ("family", "did you mean 'lstm'"),
        ("option", "did you mean 'hidden_size'"),
        ("space", "a complete policy"),
        ("no name", "a complete policy"),
        ("weight missing", "head.bias"),
        ("other sizes", "size mismatch"),
    ],
)
def test_a_spoilt_file_is_refused(what, message, tmp_path):
    path = tmp_path / "p.pt"
    save_policy(make("lstm"), path)
    spoil(path, what)
    with pytest.raises(ValueError, match="path: expected") as caught:
        load_policy(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value) or what == "format"


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"junk", b"PK\x03\x04 not a zip", bytes(range(256))]
)
def test_what_is_no_policy_at_all_is_refused(content, tmp_path):
    path = tmp_path / "p.pt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="path: expected a policy written by save_policy"):
        load_policy(path)


def test_a_truncated_file_is_refused(tmp_path):
    path = tmp_path / "p.pt"
    save_policy(make("lstm"), path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ValueError, match="path: expected"):
        load_policy(path)


def test_a_missing_file_says_so(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_policy(tmp_path / "nothing.pt")


def test_a_family_that_cannot_draw_is_refused(monkeypatch):
    class Toy(torch.nn.Module):
        def __init__(self, observation_space, action_space):
            super().__init__()

    monkeypatch.setitem(POLICIES, "toy", Toy)
    with pytest.raises(ValueError, match="toy: expected a policy with a method 'sample'"):
        make_policy("toy", spaces.Discrete(1), spaces.Discrete(2))


@pytest.mark.parametrize(
    "policy",
    [torch.nn.Linear(1, 1), TablePolicy(spaces.Discrete(1), spaces.Discrete(2)), None],
)
def test_only_what_make_policy_made_is_saved(policy, tmp_path):
    with pytest.raises(ValueError, match="policy: expected one made by make_policy"):
        save_policy(policy, tmp_path / "p.pt")


@pytest.mark.parametrize("name", ["gaussian", "squashed"])
def test_real_actions_have_no_mask(name):
    with pytest.raises(ValueError, match="observation_space: expected a Box, without an action"):
        make_policy(name, with_mask(box(2), 3, 3), box(3), **OPTIONS[name])


def test_states_may_be_counted_from_another_number_than_0(tmp_path):
    torch.manual_seed(0)
    policy = make_policy("table", spaces.Discrete(3, start=5), spaces.MultiDiscrete([2, 2]))
    save_policy(policy, tmp_path / "p.pt")
    loaded, _ = load_policy(tmp_path / "p.pt")
    assert loaded.observation_space == policy.observation_space
    state = torch.tensor([5, 7])
    actions = torch.tensor([[1, 0], [0, 1]])
    by_hand = policy.logits[0][[0, 2], 0].log_softmax(-1)
    found = loaded.conditionals(state, actions).log_probs[:, 0]
    assert torch.allclose(found, by_hand)
    with pytest.raises(ValueError, match=r"obs: expected states in \[5, 8\), got \[0\]"):
        policy.conditionals(torch.tensor([0]), actions[:1])
