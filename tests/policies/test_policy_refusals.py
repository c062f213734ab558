"""What the families refuse when they are made."""

import torch
from gymnasium import spaces

from entropy_rl.networks import mlp
from entropy_rl.policies import CommNetPolicy, TablePolicy, make_policy
from enumeration import F64, box, with_mask
from refusals import assert_refused, refusals

NAN = float("nan")
HALVES = torch.full((2, 2), 0.5, dtype=F64).log()
PAIRS = spaces.MultiDiscrete([3, 3])

POLICIES = [
    *(
        (
            f"{name}: hidden_size {size!r}",
            lambda name=name, size=size: make_policy(
                name, box(2), box(2) if name == "gaussian" else PAIRS, hidden_size=size
            ),
            "hidden_size",
            "an integer ≥ 1",
            repr(size),
        )
        for name in ("independent", "lstm", "mmdp", "commnet", "gaussian")
        for size in (0, -1, 2.5, True)
    ),
    *(
        (
            f"{name}: no layers",
            lambda name=name: make_policy(
                name, box(2), box(2) if name == "gaussian" else PAIRS, layers=0
            ),
            "layers",
            "an integer ≥ 1",
            "0",
        )
        for name in ("independent", "mmdp", "gaussian")
    ),
    ("no rounds", lambda: CommNetPolicy(box(2), PAIRS, rounds=0), "rounds", "≥ 1", "0"),
    (
        "views of another number of agents",
        lambda: CommNetPolicy(box(2), PAIRS, view=[[0]]),
        "view",
        "2 lists of one length",
        "[1]",
    ),
    (
        "ragged views",
        lambda: CommNetPolicy(box(2), PAIRS, view=[[0], [0, 1]]),
        "view",
        "one length",
        "[1, 2]",
    ),
    (
        "empty views",
        lambda: CommNetPolicy(box(2), PAIRS, view=[[], []]),
        "view",
        "length ≥ 1",
        "[0, 0]",
    ),
    (
        "a view out of range",
        lambda: CommNetPolicy(box(2), PAIRS, view=[[0], [2]]),
        "view",
        "indices in [0, 2)",
        "[[0], [2]]",
    ),
    (
        "a view of fractions",
        lambda: CommNetPolicy(box(2), PAIRS, view=[[0.5], [1.0]]),
        "view",
        "dtype int64",
        "float32",
    ),
    (
        "negative scale",
        lambda: TablePolicy(spaces.Discrete(1), PAIRS, scale=-1),
        "scale",
        "≥ 0",
        "-1",
    ),
    ("NaN scale", lambda: TablePolicy(spaces.Discrete(1), PAIRS, NAN), "scale", "finite", "nan"),
    (
        "a table over a Box",
        lambda: TablePolicy(box(2), PAIRS),
        "observation_space",
        "Discrete",
        "Box",
    ),
    ("no tables", lambda: TablePolicy.from_conditionals([]), "tables", "every component", "none"),
    (
        "a table that is no distribution",
        lambda: TablePolicy.from_conditionals([torch.tensor([0.5, 0.6])]),
        "tables",
        "distributions",
        "0.6",
    ),
    (
        "a table of NaN",
        lambda: TablePolicy.from_conditionals([torch.tensor([0.5, NAN])]),
        "tables",
        "distributions",
        "nan",
    ),
    (
        "a table of another shape",
        lambda: TablePolicy.from_conditionals([HALVES[0].exp(), HALVES[0].exp()]),
        "tables",
        "shape (2, 2)",
        "float64 (2,)",
    ),
    (
        "unknown family",
        lambda: make_policy("lsmt", box(2), PAIRS),
        "name",
        "one of 'independent', 'lstm'",
        "'lsmt' (did you mean 'lstm'?)",
    ),
    (
        "unknown option",
        lambda: make_policy("lstm", box(2), PAIRS, hidden=3),
        "options",
        "'hidden_size'",
        "'hidden' (did you mean 'hidden_size'?)",
    ),
    (
        "no action space",
        lambda: make_policy("lstm", box(2), None),
        "action_space",
        "Discrete",
        "None",
    ),
    (
        "continuous actions",
        lambda: make_policy("lstm", box(2), box(2)),
        "action_space",
        "Discrete",
        "Box",
    ),
    (
        "no components",
        lambda: make_policy("lstm", box(2), spaces.MultiDiscrete([])),
        "action_space",
        "at least one component",
        "MultiDiscrete([])",
    ),
    (
        "components in a grid",
        lambda: make_policy("lstm", box(2), spaces.MultiDiscrete([[2], [2]])),
        "action_space",
        "one axis",
        "MultiDiscrete",
    ),
    (
        "actions from 1",
        lambda: make_policy("lstm", box(2), spaces.Discrete(3, start=1)),
        "action_space",
        "start at 0",
        "start=1",
    ),
    (
        "a picture as observation",
        lambda: make_policy("lstm", spaces.Box(0, 1, (2, 2)), PAIRS),
        "observation_space",
        "one axis",
        "Box",
    ),
    (
        "an empty observation",
        lambda: make_policy("lstm", box(0), PAIRS),
        "observation_space",
        "not empty",
        "Box",
    ),
    (
        "another Dict",
        lambda: make_policy("lstm", spaces.Dict(x=box(2)), PAIRS),
        "observation_space",
        "'action_mask'",
        "['x']",
    ),
    (
        "discrete actions for the Gaussian",
        lambda: make_policy("gaussian", box(2), PAIRS),
        "action_space",
        "a Box",
        "MultiDiscrete",
    ),
    ("one width", lambda: mlp([3]), "sizes", "at least two widths", "[3]"),
    ("a width of 0", lambda: mlp([3, 0]), "sizes", "an integer ≥ 1", "0"),
]


@refusals(POLICIES)
def test_bad_settings_are_refused_by_name(call, argument, expected, got):
    assert_refused(call, argument, expected, got)


def test_a_masked_space_with_an_uneven_mask_is_accepted():
    space = with_mask(box(2), 3, 3)
    assert make_policy("lstm", space, spaces.MultiDiscrete([3, 2, 1])).takes_mask
