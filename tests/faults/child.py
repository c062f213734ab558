"""What a child process does: run the given tests on one copy of the packages."""

import importlib
import os
import sys
from multiprocessing.connection import Connection
from pathlib import Path

import pytest


class Verdict:
    """The outcome of each test: passed, failed (an assertion, or no exception raised), broken."""

    def __init__(self):
        self.outcomes = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item, call):
        report = yield
        if report.when == "call" or not report.passed:
            judged = report.when == "call" and (
                call.excinfo is None
                or call.excinfo.errisinstance((AssertionError, pytest.fail.Exception))
            )
            self.outcomes[item.nodeid] = report.outcome if judged else "broken"
        return report


def judge(
    root: Path,
    source: Path,
    packages: tuple[str, ...],
    tests: tuple[str, ...],
    log: Path,
    sender: Connection,
) -> None:
    """Send the outcome of every test; what pytest prints goes to ``log``."""
    for descriptor in (1, 2):
        os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND), descriptor)
    os.chdir(root)
    # The settings of a pytest that runs around this one are not meant for it.
    for name in [name for name in os.environ if name.startswith("PYTEST_")]:
        del os.environ[name]
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(source))
    for name in packages:  # only now: the copy must be the one that is found
        found = Path(importlib.import_module(name).__file__).resolve().parents[1]
        if found != source.resolve():
            raise ImportError(f"imported {found / name}, not that of {source}")
    verdict = Verdict()
    pytest.main(["-q", "-p", "no:cacheprovider", "--tb=short", *tests], plugins=[verdict])
    sender.send(verdict.outcomes)
