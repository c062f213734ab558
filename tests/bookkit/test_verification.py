"""Cards of checks: shown, recorded, and fatal where a check fails."""

from __future__ import annotations

from typing import Any

import pytest

from bookkit import CheckFailed, mime_types, refute, verify
from entropy_rl import checks
from entropy_rl.checks import CHECKS, Check, Control, Refutation


def check(residual: float = 1e-16, control: float = 0.5) -> Check:
    controls = (Control("a <wrong> sign", control, 0.1),)
    return Check("x.thm1", residual, 1e-10, controls, ("entropy_rl.f",), "27 actions")


def refutation(found: float = 0.69) -> Refutation:
    return Refutation("x.thm2", "d = K = 2", 0.0, found, 0.1, ("entropy_rl.g",), "height < 1")


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Any:
    def put(result: Any) -> None:
        monkeypatch.setitem(CHECKS, result.claim, lambda: result)

    return put


def test_a_check_that_holds(use: Any, displayed: list[Any]) -> None:
    use(check())
    verify("x.thm1")
    bundle = displayed[0]
    card = bundle["text/html"]
    for expected in ("Verified", "27 actions", "1 × 10<sup>−16</sup>", "entropy_rl.f", "caught"):
        assert expected in card
    assert "a &lt;wrong&gt; sign" in card
    record = bundle[mime_types.CHECK]
    assert record["claim"] == "x.thm1"
    assert record["holds"] is True
    assert record["controls"] == ({"name": "a <wrong> sign", "residual": 0.5, "least": 0.1},)


@pytest.mark.parametrize(
    "result",
    [check(residual=1e-3), check(residual=float("nan")), check(control=0.05)],
    ids=["residual", "nan", "control"],
)
def test_a_check_that_fails_is_shown_and_raises(
    use: Any, displayed: list[Any], result: Check
) -> None:
    use(result)
    with pytest.raises(CheckFailed, match=r"x\.thm1 does not hold"):
        verify("x.thm1")
    assert displayed[0][mime_types.CHECK]["holds"] is False
    assert "Failed" in displayed[0]["text/html"]


def test_a_refutation(use: Any, displayed: list[Any]) -> None:
    use(refutation())
    refute("x.thm2")
    assert "Refuted" in displayed[0]["text/html"]
    assert "<p>Height &lt; 1:</p>" in displayed[0]["text/html"]
    assert "is refuted: height < 1: printed 0" in displayed[0]["text/plain"]
    assert displayed[0][mime_types.CHECK]["kind"] == "refutation"
    use(refutation(found=0.0))
    with pytest.raises(CheckFailed, match="is not refuted"):
        refute("x.thm2")


def test_each_result_by_its_own_name(use: Any, displayed: list[Any]) -> None:
    use(check())
    use(refutation())
    with pytest.raises(ValueError, match=r"use verify\(\)"):
        refute("x.thm1")
    with pytest.raises(ValueError, match=r"use refute\(\)"):
        verify("x.thm2")
    assert displayed == []


def test_an_unknown_claim_suggests_the_nearest() -> None:
    assert "zhang2018.thm1" in checks.CHECKS
    with pytest.raises(ValueError, match=r"did you mean 'zhang2018.thm\d'"):
        verify("zhang2018.thm9")
