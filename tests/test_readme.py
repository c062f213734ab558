"""README.md says what is so: its example prints what stands below it, its files and verbs exist."""

import contextlib
import io
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def block(language):
    (found,) = re.findall(rf"```{language}\n(.*?)```", TEXT, re.S)
    return found


def test_the_example_prints_what_stands_below_it():
    said = io.StringIO()
    namespace = {}
    with contextlib.redirect_stdout(said):
        exec(compile(block("python"), "README.md", "exec"), namespace)
    assert said.getvalue() == block("text")
    assert all(p.grad.isfinite().all() for p in namespace["team"].parameters())


def test_it_is_short():
    assert len(TEXT.splitlines()) < 120


def test_linked_files_exist():
    links = re.findall(r"\]\(([^)#:]+)\)", TEXT)
    assert len(links) >= 5
    assert [link for link in links if not (ROOT / link).is_file()] == []


def test_the_picture_is_light():
    (picture,) = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", TEXT)
    assert (ROOT / picture).stat().st_size < 300_000


def test_every_verb_of_make_is_in_the_makefile():
    verbs = set(re.findall(r"\bmake (book|test|lab|serve|bench|clean)\b", TEXT))
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    assert {"book", "test"} <= verbs <= targets


def test_every_extra_is_declared():
    extras = set(re.findall(r"'\.\[(\w+)\]'", TEXT))
    declared = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert extras
    assert all(re.search(rf"^{extra} = \[", declared, re.M) for extra in extras)
