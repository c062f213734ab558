"""Observations, masks, actions and generators that policies refuse."""

import torch
from gymnasium import spaces

from entropy_rl.policies import GaussianPolicy, make_policy
from enumeration import F64, box, build, seeded, stack
from refusals import assert_refused, refusals

FIRST = torch.tensor([0, 0])
ZEROS = torch.zeros(2, dtype=F64)
LSTM, OBS = build("lstm")
MASKED, MASKED_OBS = build("lstm", "masked")
TABLE, _ = build("table")
MASKED_TABLE, MASKED_TABLE_OBS = build("table", "masked")
MMDP, _ = build("mmdp")
NORMAL = GaussianPolicy(box(2), box(2), hidden_size=4)
ACTIONS = torch.tensor([0, 1, 2])
PAIRS = spaces.MultiDiscrete([3, 3])


def nothing_legal(obs):
    mask = obs["action_mask"].clone()
    mask[1] = False
    return {**obs, "action_mask": mask}


def integers(*values):
    return torch.tensor(values)


OBSERVATIONS = [
    ("a list", lambda: LSTM.sample([0.0, 1.0]), "obs", "a torch.Tensor", "list"),
    ("another size", lambda: LSTM.sample(ZEROS[:1]), "obs", "shape (*batch, 2)", "float64 (1,)"),
    ("rank 0", lambda: LSTM.sample(torch.tensor(0.0)), "obs", "(*batch, 2)", "float32 ()"),
    ("no mask", lambda: MASKED.sample(OBS), "obs", "a dict of 'observation'", "float64 (2,)"),
    (
        "half a dict",
        lambda: MASKED.sample({"observation": OBS}),
        "obs",
        "'action_mask'",
        "dict of 'observation'",
    ),
    ("a mask too many", lambda: LSTM.sample(MASKED_OBS), "obs", "a torch.Tensor", "dict"),
    (
        "mask's shape",
        lambda: MASKED.sample({**MASKED_OBS, "action_mask": torch.ones(2, 3)}),
        "action_mask",
        "shape (3, 3)",
        "float32 (2, 3)",
    ),
    (
        "mask's batch",
        lambda: MASKED.sample({**stack(MASKED_OBS, 2), "action_mask": torch.ones(3, 3)}),
        "action_mask",
        "shape (2, 3, 3)",
        "float32 (3, 3)",
    ),
    (
        "mask a list",
        lambda: MASKED.sample({**MASKED_OBS, "action_mask": [1]}),
        "action_mask",
        "a torch.Tensor",
        "list",
    ),
    *(
        (
            f"no legal action, {policy.__class__.__name__}",
            lambda policy=policy, obs=obs: policy.sample(nothing_legal(obs)),
            "action_mask",
            "a legal action in every component",
            "without one",
        )
        for policy, obs in ((MASKED, MASKED_OBS), (MASKED_TABLE, MASKED_TABLE_OBS))
    ),
    (
        "legal only where there is padding",
        lambda: MASKED.sample(
            {**MASKED_OBS, "action_mask": torch.tensor([[1, 1, 1], [0, 0, 1], [1, 1, 1]])}
        ),
        "action_mask",
        "a legal action in every component",
        "without one",
    ),
    ("a float state", lambda: TABLE.sample(ZEROS), "obs", "dtype int64", "float64 (2,)"),
    ("a state out of range", lambda: TABLE.sample(integers(0, 2)), "obs", "in [0, 2)", "[0, 2]"),
    ("a negative state", lambda: TABLE.sample(integers(-1)), "obs", "in [0, 2)", "[-1]"),
    ("Gaussian, size", lambda: NORMAL.sample(torch.zeros(3)), "obs", "(*batch, 2)", "(3,)"),
    ("Gaussian, list", lambda: NORMAL.sample([0.0]), "obs", "a torch.Tensor", "list"),
    (
        "Gaussian, actions",
        lambda: NORMAL.conditionals(ZEROS, torch.zeros(3)),
        "actions",
        "shape (2,)",
        "float32 (3,)",
    ),
    (
        "Gaussian, integer actions",
        lambda: NORMAL.conditionals(ZEROS, FIRST),
        "actions",
        "floating-point",
        "int64",
    ),
    *(
        case
        for policy in (LSTM, MMDP)
        for case in (
            (
                f"actions' shape, {policy.__class__.__name__}",
                lambda policy=policy: policy.conditionals(OBS, FIRST),
                "actions",
                "shape (3,)",
                "int64 (2,)",
            ),
            (
                f"actions' batch, {policy.__class__.__name__}",
                lambda policy=policy: policy.conditionals(stack(OBS, 2), ACTIONS),
                "actions",
                "shape (2, 3)",
                "int64 (3,)",
            ),
            (
                f"actions' dtype, {policy.__class__.__name__}",
                lambda policy=policy: policy.conditionals(OBS, ACTIONS.double()),
                "actions",
                "dtype int64",
                "float64",
            ),
            (
                f"actions' range, {policy.__class__.__name__}",
                lambda policy=policy: policy.conditionals(OBS, ACTIONS + 1),
                "actions",
                "in [0, 3)",
                "1 to 3",
            ),
        )
    ),
    *(
        (
            f"a masked action, {name}",
            lambda name=name: build(name, "masked")[0].conditionals(
                build(name, "masked")[1], integers(2, 0, 0)
            ),
            "actions",
            "legal actions",
            "a masked action",
        )
        for name in ("table", "lstm", "mmdp", "independent", "commnet")
    ),
    ("no generator", lambda: LSTM.sample(OBS, 3), "generator", "a torch.Generator", "int 3"),
    (
        "a generator on another device",
        lambda: (
            make_policy("lstm", box(2), PAIRS)
            .to("meta")
            .sample(torch.zeros(1, 2, device="meta"), seeded(0))
        ),
        "generator",
        "a generator on meta",
        "one on cpu",
    ),
    (
        "a generator on another device, Gaussian",
        lambda: (
            make_policy("gaussian", box(2), box(2))
            .to("meta")
            .sample(torch.zeros(1, 2, device="meta"), seeded(0))
        ),
        "generator",
        "a generator on meta",
        "one on cpu",
    ),
]


@refusals(OBSERVATIONS)
def test_bad_observations_are_refused_by_name(call, argument, expected, got):
    assert_refused(call, argument, expected, got)
