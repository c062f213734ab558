"""Tables of bad input: every refusal names the argument, what was expected and what came."""

import re

import pytest


def refusals(cases):
    """Parametrise over (what is wrong, the call, the argument, what was expected, what came)."""
    return pytest.mark.parametrize(
        ("call", "argument", "expected", "got"), [pytest.param(*c[1:], id=c[0]) for c in cases]
    )


def assert_refused(call, argument, expected, got):
    with pytest.raises(ValueError) as caught:
        call()
    message = str(caught.value)
    match = re.fullmatch(r"(\w+): expected (.*), got (.*)", message, re.DOTALL)
    assert match, message
    assert match[1] == argument, message
    assert expected in message, message
    assert got in message.split(": expected ", 1)[1], message
