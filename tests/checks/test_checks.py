"""Every registered check holds, says what it used, and leaves no trace."""

import importlib
import math
from pathlib import Path

import pytest
import torch
import yaml

from entropy_rl import checks as package
from entropy_rl.checks import CHECKS, Check, Control, Refutation, report, run, table, verify_all

CLAIMS = Path(__file__).parents[2] / "data" / "claims.yml"
SECONDS = 60.0


def resolve(dotted):
    """The object of a dotted name: the longest importable prefix, then attributes."""
    parts = dotted.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        for name in parts[cut:]:
            found = getattr(found, name)
        return found
    raise ModuleNotFoundError(dotted)


@pytest.mark.parametrize("claim", sorted(CHECKS))
def test_holds(verdicts, claim):
    assert verdicts[claim].holds, verdicts[claim].result


@pytest.mark.parametrize("claim", sorted(CHECKS))
def test_is_filed_under_its_own_claim(verdicts, claim):
    assert verdicts[claim].result.claim == claim


@pytest.mark.parametrize("claim", sorted(CHECKS))
def test_every_control_is_far_from_the_tolerance(verdicts, claim):
    result = verdicts[claim].result
    if isinstance(result, Refutation):
        assert abs(result.printed - result.found) > result.least >= 1e-3
        assert result.witness
        assert result.quantity
    else:
        assert result.how
        assert 0 <= result.residual <= result.tolerance
        for control in result.controls:
            assert control.residual > control.least >= 5 * result.tolerance, control


@pytest.mark.parametrize("claim", sorted(CHECKS))
def test_the_functions_it_names_exist(verdicts, claim):
    for dotted in verdicts[claim].result.functions:
        assert callable(resolve(dotted)), dotted


@pytest.mark.parametrize("claim", sorted(CHECKS))
def test_exact_ones_are_exact(verdicts, claim):
    result = verdicts[claim].result
    if isinstance(result, Check) and result.standard_error is None:
        assert result.tolerance <= 1e-8


@pytest.mark.parametrize("claim", sorted(CHECKS))
def test_has_a_docstring(claim):
    assert CHECKS[claim].__doc__


@pytest.mark.skipif(not CLAIMS.exists(), reason="no ledger of claims yet")
def test_every_check_has_its_claim_in_the_ledger():
    ledger = {entry["id"] for entry in yaml.safe_load(CLAIMS.read_text(encoding="utf-8"))}
    assert set(CHECKS) <= ledger


def test_they_are_quick(verdicts):
    assert sum(v.seconds for v in verdicts.values()) < SECONDS


def test_they_leave_torch_as_it_was():
    torch.manual_seed(3)
    before, threads, dtype = (
        torch.get_rng_state(),
        torch.get_num_threads(),
        torch.get_default_dtype(),
    )
    torch.set_num_threads(2)
    try:
        verify_all()
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_default_dtype() == dtype
    assert torch.is_grad_enabled()


@pytest.mark.parametrize("claim", ["zhang2018.thm1", "zhang2018.thm2.montecarlo", "zhang2018.thm4"])
def test_they_give_the_same_twice_whatever_the_global_seed(verdicts, claim):
    torch.manual_seed(12345)
    assert run(claim) == verdicts[claim].result


def test_threads_are_given_back_after_an_error(monkeypatch):
    def fails():
        raise ArithmeticError

    monkeypatch.setitem(CHECKS, "zhang2018.thm1", fails)
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with pytest.raises(ArithmeticError):
            verify_all(["zhang2018.thm1"])
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)


def result_of(residual=0.0, control=1.0):
    return Check("a.claim", residual, 1e-10, (Control("wrong", control, 1e-3),), (), "by hand")


def test_a_check_needs_its_residual_and_its_controls():
    assert result_of().holds
    assert not result_of(residual=1e-9).holds
    assert not result_of(residual=math.nan).holds
    assert not result_of(control=1e-4).holds
    assert not result_of(control=math.nan).holds


def test_a_check_without_controls_is_refused():
    with pytest.raises(ValueError, match="controls"):
        Check("a.claim", 0.0, 1e-10, (), (), "by hand")


def test_a_refutation_needs_a_difference():
    assert Refutation("a.claim", "w", printed=0.0, found=0.7, least=1e-3).holds
    assert not Refutation("a.claim", "w", printed=0.0, found=1e-4, least=1e-3).holds
    for value in (math.nan, math.inf):
        assert not Refutation("a.claim", "w", printed=0.0, found=value, least=1e-3).holds


def test_one_function_a_claim(monkeypatch):
    monkeypatch.setattr(package._base, "CHECKS", dict(CHECKS))
    with pytest.raises(ValueError, match="has a check already"):
        package.checks("zhang2018.thm1")(result_of)


def test_an_unknown_claim_suggests_the_nearest():
    with pytest.raises(ValueError, match=r"did you mean 'zhang2018\.thm4'"):
        run("zhang2018.thm44")


def test_the_report_prints_a_row_a_claim_and_says_whether_all_hold(capsys):
    assert report(["zhang2018.thm1", "zhang2018.thm3ii"]) is True
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["claim", "kind", "residual", "tolerance", "controls", "holds", "ms"]
    assert lines[1].startswith("zhang2018.thm1 ")
    assert "refuted" in lines[2]
    assert lines[-1].startswith("2 of 2 hold")


def test_the_report_notices_a_check_that_fails(monkeypatch, capsys):
    monkeypatch.setitem(CHECKS, "zhang2018.thm1", lambda: result_of(residual=0.5))
    assert report(["zhang2018.thm1"]) is False
    assert "NO" in capsys.readouterr().out


def test_the_table_shows_every_kind(verdicts):
    lines = table(list(verdicts.values())).splitlines()
    kinds = {line.split()[1] for line in lines[1:-1]}
    assert kinds == {"exact", "sampled", "refuted"}
    assert len(lines) == len(CHECKS) + 2
