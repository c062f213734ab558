"""A browser is found, or installed, and started; what does not start is passed over."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import chromium
import pytest
from playwright.sync_api import Error


class Machine:
    """A machine with some executables, of which some start; an installation may add one."""

    def __init__(self, tmp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.named: list[str] = []
        self.starts: set[str] = set()
        self.installs: dict[str, str] = {}
        self.ran: list[str] = []
        self.own = tmp / "playwrights"
        self.uid = 0
        monkeypatch.setattr(chromium.shutil, "which", lambda name: self.which(name))
        monkeypatch.setattr(chromium.os, "geteuid", lambda: self.uid)
        monkeypatch.setattr(chromium.subprocess, "run", self.run)
        driver = SimpleNamespace(executable_path=str(self.own), launch=self.start)
        self.playwright: Any = SimpleNamespace(chromium=driver)

    def which(self, name: str) -> str | None:
        return f"/bin/{name}" if name in (*self.named, "apt-get") else None

    def start(self, executable_path: Path, **_: Any) -> str:
        if executable_path.name not in self.starts:
            raise Error("it is a stub\nand more")
        return executable_path.name

    def run(self, command: list[str], **_: Any) -> None:
        tool = "playwright" if "playwright" in command else " ".join(command[:2])
        self.ran.append(tool)
        if "update" in command:
            return
        brought = self.installs.get(tool)
        if brought is None:
            raise subprocess.CalledProcessError(1, command, stderr=b"first\nno network")
        self.own.touch() if brought == self.own.name else self.named.append(brought)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


def test_the_first_that_starts_is_taken(machine: Machine) -> None:
    machine.named, machine.starts = ["chromium-browser", "google-chrome"], {"google-chrome"}
    assert chromium.launch(machine.playwright) == "google-chrome"
    assert machine.ran == []


def test_playwrights_is_downloaded_where_there_is_none(machine: Machine) -> None:
    machine.installs, machine.starts = {"playwright": "playwrights"}, {"playwrights"}
    assert chromium.launch(machine.playwright) == "playwrights"
    assert machine.ran == ["playwright"]


@pytest.mark.parametrize("download", [{}, {"playwright": "playwrights"}], ids=["fails", "stub"])
def test_debians_follows_a_download_that_fails_or_does_not_start(
    machine: Machine, download: dict[str, str]
) -> None:
    machine.installs, machine.starts = {**download, "apt-get install": "chromium"}, {"chromium"}
    assert chromium.launch(machine.playwright) == "chromium"
    assert machine.ran == ["playwright", "apt-get update", "apt-get install"]


def test_where_nothing_works_one_line_says_what_was_tried(machine: Machine) -> None:
    machine.named, machine.uid = ["chromium"], 1000
    with pytest.raises(RuntimeError, match=r"chromium: it is a stub; .*chromium: no network") as e:
        chromium.launch(machine.playwright)
    assert "\n" not in str(e.value)
    assert machine.ran == ["playwright"]
