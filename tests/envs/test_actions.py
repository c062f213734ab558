"""What a core and a face take as actions: the cases that no registered environment meets."""

import numpy as np
import pytest
import torch
from gymnasium import spaces

from entropy_rl.envs import check_actions
from entropy_rl.envs._actions import check_action
from refusals import assert_refused, refusals

UNEQUAL = spaces.MultiDiscrete([2, 3])
LATE = spaces.Discrete(3, start=1)
BITS = spaces.MultiBinary(2)
CPU = torch.device("cpu")


def rows(*values, dtype=torch.int64):
    return torch.tensor([values], dtype=dtype)


@pytest.mark.parametrize("action", [(0, 0), (1, 2)])
def test_each_component_has_its_own_size(action):
    assert check_actions(rows(*action), UNEQUAL, (1,)).tolist() == [list(action)]
    assert check_action(list(action), UNEQUAL).tolist() == list(action)


def test_a_batch_of_any_shape_is_taken():
    actions = torch.ones(2, 3, 2, dtype=torch.int64)
    assert check_actions(actions, UNEQUAL, (2, 3), CPU) is actions


def test_a_number_is_one_discrete_action_and_boxes_take_their_own_dtype():
    assert check_action(2, spaces.Discrete(3)).shape == ()
    assert check_action([0.5], spaces.Box(-1, 1, (1,), np.float32)).dtype == np.float32


@refusals(
    [
        (
            "over its own size",
            lambda: check_actions(rows(2, 2), UNEQUAL, (1,)),
            "actions",
            "integers in [0, n), n = [2, 3]",
            "[2]",
        ),
        (
            "over its own size, one",
            lambda: check_action([2, 2], UNEQUAL),
            "action",
            "integers in [0, n), n = [2, 3]",
            "[2, 2]",
        ),
        (
            "another device",
            lambda: check_actions(rows(0, 0), UNEQUAL, (1,), torch.device("meta")),
            "actions",
            "a tensor on meta",
            "cpu",
        ),
        (
            "a space that starts late",
            lambda: check_actions(rows(1), LATE, (1,)),
            "action_space",
            "components that start at 0",
            "start=1",
        ),
        (
            "a space of another kind",
            lambda: check_action([0, 1], BITS),
            "action_space",
            "Discrete, MultiDiscrete or Box",
            "MultiBinary",
        ),
    ]
)
def test_bad_input_is_refused_by_name(call, argument, expected, got):
    assert_refused(call, argument, expected, got)
