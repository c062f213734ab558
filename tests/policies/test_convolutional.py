"""The policy that looks at pictures, against the textbook network it stands for."""

import numpy as np
import pytest
import torch
from gymnasium import spaces
from torch import nn

from entropy_rl.algorithms.precision import WorkingCopy
from entropy_rl.networks import ConvolutionalTorso
from entropy_rl.policies import make_policy
from enumeration import randomise, seeded, with_mask

SPACE = spaces.Box(0, 255, (2, 40, 44), np.uint8)
ACTIONS = spaces.MultiDiscrete([3, 2])


def made(space=SPACE, actions=ACTIONS, **options):
    torch.manual_seed(0)
    return make_policy("convolutional", space, actions, hidden_size=8, **options)


def pictures(*batch, seed=1):
    return torch.randint(0, 256, (*batch, *SPACE.shape), dtype=torch.uint8, generator=seeded(seed))


def textbook(policy):
    """The features, by torch's own modules, of pictures divided by 255."""
    torso = policy.torso
    return nn.Sequential(
        torso.first, nn.ReLU(), torso.second, nn.ReLU(), torso.third, nn.ReLU(), nn.Flatten(),
        torso.connected, nn.ReLU(),
    )  # fmt: skip


def test_it_is_the_textbook_network_and_so_is_its_gradient():
    policy = randomise(made().double(), 2, 0.1)
    obs, actions = pictures(5), torch.tensor([[0, 1], [2, 0], [1, 1], [0, 0], [2, 1]])
    chain = policy.conditionals(obs, actions)
    features = textbook(policy)(obs.double() / 255)
    logits = policy.heads(features).unflatten(-1, (2, 3))
    logits = logits.masked_fill(~torch.tensor([[True] * 3, [True, True, False]]), -torch.inf)
    expected = logits.log_softmax(-1)
    assert torch.allclose(chain.log_probs, expected, atol=1e-10)
    assert torch.allclose(chain.features[:, 0], features)
    plain = expected.gather(-1, actions.unsqueeze(-1)).sum()
    parameters = list(policy.parameters())
    ours = torch.autograd.grad(chain.log_prob.sum(), parameters, retain_graph=True)
    theirs = torch.autograd.grad(plain, parameters)
    assert all(torch.allclose(a, b, atol=1e-9) for a, b in zip(ours, theirs, strict=True))
    assert all(g.any() for g in ours)


def test_batch_shapes_and_masks():
    policy = made(with_mask(SPACE, 2, 3)).double()
    seen, mask = pictures(2, 3), torch.ones(2, 3, 2, 3, dtype=torch.bool)
    mask[..., 0, 1] = False
    chain = policy.sample({"observation": seen, "action_mask": mask}, seeded(0))
    assert chain.actions.shape == (2, 3, 2)
    assert (chain.log_probs[..., 0, 1] == -torch.inf).all()
    one = policy.sample({"observation": seen[0, 0], "action_mask": mask[0, 0]}, seeded(0))
    assert one.actions.shape == (2,)
    assert torch.allclose(one.log_probs, chain.log_probs[0, 0])


def test_it_is_nearly_uniform_at_first_with_orthogonal_weights():
    policy = made(actions=spaces.Discrete(4))
    probs = policy.sample(pictures(50), seeded(0)).log_probs.exp()
    assert (probs - 0.25).abs().max() < 0.02
    weight = policy.torso.connected.weight.detach()
    assert torch.allclose(weight @ weight.T, 2 * torch.eye(8), atol=1e-5)


def test_a_working_copy_in_bfloat16_says_nearly_the_same():
    policy = made()
    policy.heads.weight.data *= 100
    obs = pictures(20)
    exact = policy.sample(obs, seeded(0)).log_probs
    rounded = WorkingCopy(policy, "bfloat16").module.sample(obs, seeded(0)).log_probs
    assert rounded.dtype == torch.float32
    legal = exact > -torch.inf
    assert 0 < (exact - rounded)[legal].abs().max() < 0.05


@pytest.mark.parametrize(
    ("space", "said"),
    [
        (spaces.Box(0, 1, (2, 40, 44)), r"^observation_space: expected a Box of three axes, uint8"),
        (spaces.Box(0, 255, (40, 44), np.uint8), r"^observation_space: expected a Box of three"),
        (spaces.Box(0, 255, (2, 35, 44), np.uint8), r"^height: expected at least 36 pixels"),
        (spaces.Box(0, 255, (2, 40, 7), np.uint8), r"^width: expected at least 36 pixels"),
    ],
)
def test_what_is_no_picture_is_refused(space, said):
    with pytest.raises(ValueError, match=said):
        made(space)


def test_pictures_of_another_size_are_refused():
    with pytest.raises(ValueError, match=r"^obs: expected shape \(\*batch, 2, 40, 44\)"):
        made().sample(pictures(3)[..., 1:])


def test_the_least_picture_is_taken():
    assert ConvolutionalTorso(1, 36, 36, 3)(torch.zeros(2, 1, 36, 36, dtype=torch.uint8)).shape == (
        2, 3,
    )  # fmt: skip
