"""The house keeps its floors: a room imports only from floors below, and there are no circles."""

import ast
from pathlib import Path

import pytest

SRC = Path(__file__).parents[1] / "src"
FLOORS = {
    "_validate": 0,
    "_memory": 0,
    "_threads": 0,
    "conditionals": 1,
    "streams": 1,
    "stepwise": 1,
    "returns": 1,
    "tabular": 1,
    "networks": 1,
    "estimators": 2,
    "losses": 2,
    "envs": 2,
    "policies": 3,
    "algorithms": 4,
    "checks": 4,
    "bench": 5,
    "distributed": 5,
    "experiments": 5,
    "cli": 6,
    "__main__": 7,
}
FILES = sorted((SRC / "entropy_rl").rglob("*.py"))


def room(path):
    return path.relative_to(SRC / "entropy_rl").with_suffix("").parts[0]


def imported_modules(path):
    """The dotted names of ``entropy_rl`` and ``bookkit`` that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imported_rooms(path):
    for name in imported_modules(path):
        parts = name.split(".")
        if parts[0] == "entropy_rl" and len(parts) > 1 and parts[1] in FLOORS:
            yield parts[1]


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SRC)))
def test_imports_go_downwards(path):
    here = room(path)
    if here == "__init__":
        return
    assert here in FLOORS, f"a room without a floor: {here}"
    upwards = {r for r in imported_rooms(path) if r != here and FLOORS[r] > FLOORS[here]}
    assert not upwards, f"{here} (floor {FLOORS[here]}) imports {upwards}"


def test_no_circles_between_rooms():
    below = {r: set() for r in FLOORS}
    for path in FILES:
        if room(path) != "__init__":
            below[room(path)] |= set(imported_rooms(path)) - {room(path)}
    while below:
        free = {r for r, needs in below.items() if not needs & below.keys()}
        assert free, f"a circle among {sorted(below)}"
        below = {r: needs for r, needs in below.items() if r not in free}


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SRC)))
def test_the_science_knows_nothing_of_the_book(path):
    assert not any(name.split(".")[0] == "bookkit" for name in imported_modules(path))
