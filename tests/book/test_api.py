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
# Command lines, and a check a claim: the ledger lists those.
NOT_ON_THE_PAGE = ("entropy_rl.cli", "entropy_rl.__main__", "entropy_rl.checks.")


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


def all_modules():
    """Every module of the package that has a public name."""
    for info in pkgutil.walk_packages(entropy_rl.__path__, "entropy_rl."):
        private = any(part.startswith("_") for part in info.name.split("."))
        if not private and not info.name.startswith(NOT_ON_THE_PAGE):
            yield info.name


@pytest.mark.parametrize("name", MODULES)
def test_every_public_symbol_has_a_docstring(name):
    assert not list(undocumented(importlib.import_module(name)))


@pytest.mark.parametrize("name", MODULES)
def test_every_public_constant_has_an_entry(name):
    assert not list(unlisted_data(importlib.import_module(name)))


@pytest.mark.parametrize("name", list(all_modules()))
def test_every_public_symbol_is_on_the_page(name):
    shown = {id(v) for m in MODULES for v in public(importlib.import_module(m)).values()}
    module = importlib.import_module(name)
    missing = [
        n
        for n, value in vars(module).items()
        if not n.startswith("_")
        and (inspect.isclass(value) or inspect.isfunction(value))
        and value.__module__ == name
        and id(value) not in shown
    ]
    assert not missing


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

    module.__dict__.update({"__all__": ["bare", "Half", "LIMIT"], "bare": bare, "Half": Half})
    module.LIMIT = 3
    assert list(undocumented(module)) == ["bare", "Half.method"]
    assert list(unlisted_data(module)) == ["LIMIT"]
