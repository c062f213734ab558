"""A tiny book, and what a cell displays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tiny_book import Book


@pytest.fixture
def book(tmp_path: Path) -> Book:
    return Book(tmp_path)


@pytest.fixture
def displayed(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What a cell displays, in order."""
    shown: list[Any] = []

    def display(*objects: Any, **_: Any) -> None:
        shown.extend(objects)

    monkeypatch.setattr("IPython.display.display", display)
    return shown
