"""The checks themselves, and the refusals of the chains."""

import numpy as np
import pytest
import torch

from entropy_rl import _validate
from entropy_rl.conditionals import Conditionals, GaussianConditionals, prefix_log_weights
from enumeration import F64, seeded
from refusals import assert_refused, refusals

NAN, INF = float("nan"), float("inf")
HALVES = torch.full((2, 2), 0.5, dtype=F64).log()
FIRST = torch.tensor([0, 0])
CHAIN = Conditionals(HALVES, FIRST)
CERTAIN = torch.tensor([[1.0, 0.0], [0.5, 0.5]], dtype=F64).log()
ZEROS = torch.zeros(2, dtype=F64)


def integers(*values):
    return torch.tensor(values)


CONDITIONALS = [
    ("no tensor", lambda: Conditionals([[0.0]], FIRST), "log_probs", "a torch.Tensor", "list"),
    ("integer dtype", lambda: Conditionals(FIRST, FIRST), "log_probs", "floating", "int64 (2,)"),
    ("rank 1", lambda: Conditionals(ZEROS, FIRST), "log_probs", "(*batch, d, K)", "float64 (2,)"),
    ("d = 0", lambda: Conditionals(torch.zeros(0, 2), FIRST), "log_probs", "d, K ≥ 1", "(0, 2)"),
    ("K = 0", lambda: Conditionals(torch.zeros(2, 0), FIRST), "log_probs", "d, K ≥ 1", "(2, 0)"),
    ("actions' dtype", lambda: Conditionals(HALVES, ZEROS), "actions", "dtype int64", "float64"),
    ("int32", lambda: Conditionals(HALVES, FIRST.int()), "actions", "dtype int64", "int32 (2,)"),
    ("shape", lambda: Conditionals(HALVES, integers(0)), "actions", "shape (2,)", "int64 (1,)"),
    ("rank", lambda: Conditionals(HALVES, FIRST[None]), "actions", "shape (2,)", "(1, 2)"),
    ("too large", lambda: Conditionals(HALVES, integers(0, 2)), "actions", "in [0, 2)", "0 to 2"),
    ("negative", lambda: Conditionals(HALVES, integers(-1, 0)), "actions", "in [0, 2)", "-1 to 0"),
    ("NaN", lambda: Conditionals(HALVES * NAN, FIRST), "log_probs", "no NaN", "4 of them"),
    ("sum", lambda: Conditionals(HALVES + 0.1, FIRST), "log_probs", "normalised", "error of 0.105"),
    ("+inf", lambda: Conditionals(HALVES + INF, FIRST), "log_probs", "normalised", "error of inf"),
    ("none legal", lambda: Conditionals(HALVES - INF, FIRST), "log_probs", "a legal", "-inf alone"),
    (
        "illegal action",
        lambda: Conditionals(CERTAIN, integers(1, 0)),
        "actions",
        "legal actions",
        "-inf",
    ),
    ("features", lambda: Conditionals(HALVES, FIRST, ZEROS), "features", "(2, F)", "float64 (2,)"),
    ("list", lambda: Conditionals(HALVES, FIRST, [1]), "features", "a torch.Tensor", "list [1]"),
    (
        "rank 0",
        lambda: GaussianConditionals(*[torch.tensor(0.0)] * 3),
        "means",
        "(*batch, d) with d ≥ 1",
        "float32 ()",
    ),
    ("d=0", lambda: GaussianConditionals(*[ZEROS[:0]] * 3), "means", "d ≥ 1", "float64 (0,)"),
    (
        "stds' shape",
        lambda: GaussianConditionals(ZEROS, ZEROS[:1], ZEROS),
        "log_stds",
        "shape (2,)",
        "float64 (1,)",
    ),
    (
        "integer actions",
        lambda: GaussianConditionals(ZEROS, ZEROS, FIRST),
        "actions",
        "floating-point",
        "int64 (2,)",
    ),
    ("NaN mean", lambda: GaussianConditionals(ZEROS * NAN, ZEROS, ZEROS), "means", "finite", "NaN"),
    (
        "infinite std",
        lambda: GaussianConditionals(ZEROS, ZEROS + INF, ZEROS),
        "log_stds",
        "finite values",
        "infinity",
    ),
    (
        "Gaussian features",
        lambda: GaussianConditionals(ZEROS, ZEROS, ZEROS, ZEROS),
        "features",
        "(2, F)",
        "float64 (2,)",
    ),
    (
        "behaviour's shape",
        lambda: prefix_log_weights(CHAIN, ZEROS[:1]),
        "behaviour_log_probs",
        "shape (2,)",
        "(1,)",
    ),
    (
        "behaviour's dtype",
        lambda: prefix_log_weights(CHAIN, FIRST),
        "behaviour_log_probs",
        "floating-point",
        "int64",
    ),
]


@refusals(CONDITIONALS)
def test_bad_chains_are_refused_by_name(call, argument, expected, got):
    assert_refused(call, argument, expected, got)


@pytest.mark.parametrize(
    ("function", "good", "bad"),
    [
        (_validate.tensor, [ZEROS], [0, None, [0.0]]),
        (_validate.floating, [ZEROS, ZEROS.half()], [FIRST, FIRST.bool(), 0.0]),
        (_validate.integer, [FIRST], [FIRST.int(), ZEROS, 1]),
        (_validate.detached, [ZEROS], [torch.zeros(1, requires_grad=True)]),
        (_validate.number, [0, 1.5, -2], [NAN, INF, -INF, True, "1", None]),
        (_validate.positive_integer, [1, 7], [0, -1, 1.0, True, None, "1"]),
        (_validate.natural, [0, 7], [-1, 0.0, False, None, "0"]),
        (_validate.boolean, [True, False], [0, 1, 2, None, "no"]),
        (_validate.seed, [0, 2**63 - 1], [-1, 2**63, 1.0, True, None, "1"]),
    ],
)
def test_checks_let_the_good_pass_and_stop_the_bad(function, good, bad):
    for x in good:
        function("x", x)
    for x in bad:
        with pytest.raises(ValueError, match=r"^x: expected .*, got "):
            function("x", x)


@pytest.mark.parametrize("x", [np.int64(8), np.float32(0.5)])
def test_a_number_of_another_library_gets_advice(x):
    for function in (_validate.positive_integer, _validate.natural, _validate.seed):
        with pytest.raises(ValueError, match=r"its \.item\(\) is one of Python's"):
            function("x", x)


def test_what_came_is_described_in_a_line():
    assert _validate.describe(ZEROS) == "float64 (2,)"
    assert _validate.describe(np.zeros((2, 3))) == "ndarray float64 (2, 3)"
    assert _validate.describe({"observation": ZEROS}) == "dict of 'observation'"
    assert _validate.describe(1.5) == "float 1.5"
    assert len(_validate.describe(list(range(10_000)))) < 100


def test_ranges_include_their_ends():
    for x in (0, 0.5, 1):
        _validate.between("x", x, 0, 1)
        _validate.at_least("x", x, 0)
    for x in (-0.1, 1.1, NAN):
        with pytest.raises(ValueError, match=r"^x: expected "):
            _validate.between("x", x, 0, 1)
    with pytest.raises(ValueError, match=r"^x: expected a number ≥ 0, got -1"):
        _validate.at_least("x", -1, 0)
    _validate.above("x", 0.1, 0)
    for x in (0, -1, NAN, None):
        with pytest.raises(ValueError, match=r"^x: expected "):
            _validate.above("x", x, 0)


def test_shape_and_choice():
    assert _validate.shape("x", ZEROS, (2,)) is ZEROS
    with pytest.raises(ValueError, match=r"x: expected shape \(3,\), got float64 \(2,\)"):
        _validate.shape("x", ZEROS, (3,))
    assert _validate.choice("x", "one", ["one", "two"]) == "one"
    with pytest.raises(ValueError, match=r"got 'tow' \(did you mean 'two'\?\)"):
        _validate.choice("x", "tow", ["one", "two"])
    with pytest.raises(ValueError, match=r"got 'zzz'$"):
        _validate.choice("x", "zzz", ["one", "two"])


def test_generators():
    _validate.generator("g", None, torch.device("meta"))
    _validate.generator("g", seeded(0), torch.device("cpu"))
    with pytest.raises(ValueError, match="g: expected a generator on meta, got one on cpu"):
        _validate.generator("g", seeded(0), torch.device("meta"))
