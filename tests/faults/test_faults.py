"""Each fault turns the tests red that are named for it; without a fault they are green."""

import pytest
from inject import FAULTS, copy_packages, of, red, run


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_turns_its_tests_red(fault):
    missed = [test for test, cases in red(fault).items() if not cases]
    assert not missed, f"{fault.name!r} passes unnoticed by {missed}"


def test_without_a_fault_they_are_green(tmp_path):
    tests = tuple(dict.fromkeys(test for fault in FAULTS for test in fault.caught_by))
    outcomes = run(copy_packages(tmp_path), tests)
    assert not [case for case, outcome in outcomes.items() if outcome != "passed"]
    for test in tests:
        assert any(of(case, test) for case in outcomes), f"{test} is gone"


def test_a_line_that_moved_is_noticed(tmp_path):
    fault = FAULTS[0]
    drifted = type(fault)(fault.name, fault.file, "no such line", "", fault.caught_by)
    with pytest.raises(LookupError, match="no such line"):
        copy_packages(tmp_path, drifted)
