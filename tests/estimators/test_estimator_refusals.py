"""What the estimators refuse."""

import torch
from gymnasium import spaces

from entropy_rl.conditionals import Conditionals, GaussianConditionals
from entropy_rl.estimators import (
    crude,
    crude_gradient,
    entropy_to_go,
    estimate_entropy,
    exact,
    kl_divergence,
    none,
    smoothed,
    smoothed_mode,
    unbiased_gradient,
)
from entropy_rl.policies import make_policy
from entropy_rl.stepwise import beam_search, tree_entropy
from enumeration import F64, build
from refusals import assert_refused, refusals

HALVES = torch.full((2, 2), 0.5, dtype=F64).log()
FIRST = torch.tensor([0, 0])
CHAIN = Conditionals(HALVES, FIRST)
OTHER = Conditionals(HALVES, torch.tensor([0, 1]))
ONE_SIDED = Conditionals(torch.tensor([[1.0, 0.0], [0.5, 0.5]], dtype=F64).log(), FIRST)
WIDER = Conditionals(torch.full((2, 3), 1 / 3, dtype=F64).log(), FIRST)
ZEROS = torch.zeros(2, dtype=F64)
GAUSSIAN = GaussianConditionals(ZEROS, ZEROS, ZEROS)
BOX = spaces.Box(-1, 1, (2,))
STEPLESS = make_policy("gaussian", BOX, BOX)
LSTM, OBS = build("lstm")
MASKED, MASKED_OBS = build("lstm", "masked")


def tracked(*shape):
    return torch.zeros(shape, dtype=F64, requires_grad=True)


def integers(*values):
    return torch.tensor(values)


REPARAMETRISED = STEPLESS.rsample(torch.zeros(4, 2))

ESTIMATORS = [
    *(
        (f"{f.__name__} of rsample", lambda f=f: f(REPARAMETRISED), "chain", "as sample", "rsample")
        for f in (crude_gradient, unbiased_gradient)
    ),
    (
        "KL of rsample",
        lambda: kl_divergence(REPARAMETRISED, REPARAMETRISED),
        "p",
        "without a gradient",
        "rsample",
    ),
    *(
        (f"{f.__name__} of a tensor", lambda f=f: f(HALVES), "chain", "a chain", "float64 (2, 2)")
        for f in (none, crude, crude_gradient, smoothed, unbiased_gradient)
    ),
    *(
        (
            f"{f.__name__} weights",
            lambda f=f: f(CHAIN, log_weights=ZEROS[:1]),
            "log_weights",
            "shape (2,)",
            "float64 (1,)",
        )
        for f in (crude, crude_gradient, smoothed, unbiased_gradient)
    ),
    (
        "integer weights",
        lambda: smoothed(CHAIN, log_weights=FIRST),
        "log_weights",
        "floating-point",
        "int64",
    ),
    (
        "baseline's shape",
        lambda: unbiased_gradient(CHAIN, baseline=ZEROS[:1]),
        "baseline",
        "shape (2,)",
        "float64 (1,)",
    ),
    (
        "a baseline with a gradient",
        lambda: unbiased_gradient(CHAIN, baseline=tracked(2)),
        "baseline",
        "a detached tensor",
        "carries a gradient",
    ),
    (
        "a crude baseline a component",
        lambda: crude_gradient(CHAIN, baseline=ZEROS),
        "baseline",
        "shape ()",
        "float64 (2,)",
    ),
    (
        "a crude baseline with a gradient",
        lambda: crude_gradient(CHAIN, baseline=tracked()),
        "baseline",
        "a detached tensor",
        "carries a gradient",
    ),
    (
        "a number as baseline",
        lambda: unbiased_gradient(CHAIN, baseline=0.5),
        "baseline",
        "a torch.Tensor",
        "float 0.5",
    ),
    ("KL of numbers", lambda: kl_divergence(1, 2), "p", "a chain", "int 1"),
    (
        "KL of two kinds",
        lambda: kl_divergence(CHAIN, GAUSSIAN),
        "q",
        "a Conditionals as p",
        "GaussianConditionals",
    ),
    (
        "KL between different actions",
        lambda: kl_divergence(CHAIN, OTHER),
        "q",
        "the actions that p was forced on",
        "other actions",
    ),
    (
        "KL of different sizes",
        lambda: kl_divergence(CHAIN, WIDER),
        "q",
        "shape (2, 2)",
        "float64 (2, 3)",
    ),
    (
        "KL that is infinite",
        lambda: kl_divergence(CHAIN, ONE_SIDED),
        "q",
        "positive probability wherever p has it",
        "-inf",
    ),
    (
        "unknown estimator",
        lambda: estimate_entropy("smooth", LSTM, OBS, CHAIN),
        "name",
        "'smoothed'",
        "'smooth' (did you mean 'smoothed'?)",
    ),
    ("beam of 0", lambda: smoothed_mode(LSTM, OBS, 0), "beam", "an integer ≥ 1", "0"),
    ("half a beam", lambda: beam_search(LSTM, OBS, 1.5), "beam", "an integer ≥ 1", "1.5"),
    *(
        (
            f"{f.__name__} without steps",
            lambda f=f: f(STEPLESS, torch.zeros(2)),
            "policy",
            "a step policy",
            "GaussianPolicy",
        )
        for f in (exact, smoothed_mode, beam_search, tree_entropy)
    ),
    (
        "entropy to go, masked action",
        lambda: entropy_to_go(MASKED, MASKED_OBS, integers(0, 0, 1)),
        "actions",
        "legal actions",
        "a masked action",
    ),
    (
        "entropy to go, masked action in the middle",
        lambda: entropy_to_go(MASKED, MASKED_OBS, integers(0, 2, 0)),
        "actions",
        "legal actions",
        "a masked action",
    ),
    (
        "entropy to go, out of range",
        lambda: entropy_to_go(LSTM, OBS, integers(0, 3, 0)),
        "actions",
        "in [0, 3)",
        "0 to 3",
    ),
]


@refusals(ESTIMATORS)
def test_bad_estimates_are_refused_by_name(call, argument, expected, got):
    assert_refused(call, argument, expected, got)
