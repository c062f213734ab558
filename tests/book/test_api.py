"""The API page shows every public name, and every public name says what it is."""

import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import pytest

import bookkit
import entropy_rl

PAGE = (Path(__file__).parents[2] / "book" / "api.md").read_text(encoding="utf-8")
MODULES = re.findall(r"automodule:: (\S+)", PAGE)
DATA = re.findall(r"py:data:: (\w+)\n\n   \S", PAGE)
# Command lines have their own --help.
COMMANDS = {"cli", "bench"}


def public(module):
    """The public names of a module: its ``__all__``, else what it defines."""
    names = getattr(module, "__all__", None)
    if names is None:
        names = [
            n
            for n, value in vars(module).items()
            if not n.startswith("_") and getattr(value, "__module__", None) == module.__name__
        ]
    return {n: getattr(module, n) for n in names}


def undocumented(module):
    """Public classes, functions, methods and properties of a module without a docstring."""
    for name, value in public(module).items():
        if not (inspect.isclass(value) or inspect.isfunction(value)):
            continue
        if not (value.__doc__ or "").strip():
            yield name
        if inspect.isclass(value):
            for part, member in vars(value).items():
                is_code = inspect.isfunction(member) or isinstance(
                    member, property | classmethod | staticmethod
                )
                if is_code and not part.startswith("_") and not inspect.getdoc(member):
                    yield f"{name}.{part}"


def unlisted_data(module):
    """Public names that are neither classes nor functions and have no entry on the page."""
    for name, value in public(module).items():
        if not (inspect.isclass(value) or inspect.isfunction(value)) and name not in DATA:
            yield name


def rooms():
    """The rooms of the package, by name."""
    names = {info.name for info in pkgutil.iter_modules(entropy_rl.__path__)}
    return {name for name in names if not name.startswith("_")} - COMMANDS


@pytest.mark.parametrize("name", MODULES)
def test_every_public_symbol_has_a_docstring(name):
    assert not list(undocumented(importlib.import_module(name)))


@pytest.mark.parametrize("name", MODULES)
def test_every_public_constant_has_an_entry(name):
    assert not list(unlisted_data(importlib.import_module(name)))


def test_every_room_is_on_the_page():
    assert {f"entropy_rl.{name}" for name in rooms()} <= set(MODULES)


def test_the_tools_of_the_book_are_on_the_page():
    names = re.findall(r"auto(?:function|exception):: bookkit\.(\w+)", PAGE)
    assert {"verify", "refute", "explore", "animate", "show"} <= set(names)
    assert all(getattr(bookkit, name).__doc__ for name in names)


def test_a_symbol_without_a_docstring_is_found():
    module = type(inspect)("broken")

    def bare():
        return None

    class Half:
        """Documented, but for a method."""

        def method(self):
            return None

    module.__dict__.update({"__all__": ["bare", "Half", "UNHEARD_OF"], "bare": bare, "Half": Half})
    module.UNHEARD_OF = 3
    assert list(undocumented(module)) == ["bare", "Half.method"]
    assert list(unlisted_data(module)) == ["UNHEARD_OF"]
