"""Checks of arguments: each raises ``ValueError`` naming the argument, the expected and the got."""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 100


def fail(name: str, expected: str, got: object) -> ValueError:
    """The one shape of our complaints: ``name: expected …, got …``."""
    return ValueError(f"{name}: expected {expected}, got {got}")


def describe(x: object) -> str:
    """A tensor as ``float32 (2, 3)``, an array likewise, a dict by its keys, else a short repr."""
    if isinstance(x, Tensor):
        return f"{str(x.dtype).removeprefix('torch.')} {tuple(x.shape)}"
    dtype, shape = getattr(x, "dtype", None), getattr(x, "shape", ())
    if dtype is not None and shape:
        return f"{type(x).__name__} {dtype} {shape}"
    if isinstance(x, dict):
        return f"{type(x).__name__} of {', '.join(map(repr, x)) or 'nothing'}"
    return f"{type(x).__name__} {_SHORT.repr(x)}"


def scalar(x: object) -> str:
    """The ``repr`` of what is no Python number, with advice where ``item()`` gives one."""
    return f"{x!r} (its .item() is one of Python's)" if hasattr(x, "item") else repr(x)


def tensor(name: str, x: object) -> Tensor:
    """``x`` itself, if it is a tensor."""
    if not isinstance(x, Tensor):
        raise fail(name, "a torch.Tensor", describe(x))
    return x


def floating(name: str, x: object) -> Tensor:
    """``x`` itself, if it is a tensor of floating point."""
    checked = tensor(name, x)
    if not checked.is_floating_point():
        raise fail(name, "a floating-point dtype", describe(x))
    return checked


def integer(name: str, x: object) -> Tensor:
    """``x`` itself, if it is a tensor of int64 (torch's index dtype)."""
    checked = tensor(name, x)
    if checked.dtype != torch.int64:
        raise fail(name, "dtype int64", describe(x))
    return checked


def shape(name: str, x: Tensor, expected: tuple[int, ...]) -> Tensor:
    """``x`` itself, if its shape is ``expected``."""
    if tuple(x.shape) != tuple(expected):
        raise fail(name, f"shape {tuple(expected)}", describe(x))
    return x


def detached(name: str, x: Tensor) -> Tensor:
    """``x`` itself, if no gradient flows back through it."""
    if x.requires_grad:
        raise fail(name, "a detached tensor", "one that carries a gradient")
    return x


def at_least(name: str, x: float, least: float) -> None:
    """Raise unless ``x`` is a finite number ``≥ least``."""
    number(name, x)
    if not x >= least:
        raise fail(name, f"a number ≥ {least}", x)


def above(name: str, x: float, bound: float) -> None:
    """Raise unless ``x`` is a finite number ``> bound``."""
    number(name, x)
    if not x > bound:
        raise fail(name, f"a number > {bound}", x)


def between(name: str, x: float, low: float, high: float) -> None:
    """Raise unless ``low ≤ x ≤ high``."""
    number(name, x)
    if not low <= x <= high:
        raise fail(name, f"a number in [{low}, {high}]", x)


def number(name: str, x: object) -> None:
    """Raise unless ``x`` is a finite real number (a bool is none)."""
    if isinstance(x, bool) or not isinstance(x, (int, float)) or x != x or abs(x) == float("inf"):
        raise fail(name, "a finite number", scalar(x))


def positive_integer(name: str, x: object) -> int:
    """``x`` itself, if it is an integer of at least 1."""
    if isinstance(x, bool) or not isinstance(x, int) or x < 1:
        raise fail(name, "an integer ≥ 1", scalar(x))
    return x


def natural(name: str, x: object) -> int:
    """``x`` itself, if it is an integer of at least 0."""
    if isinstance(x, bool) or not isinstance(x, int) or x < 0:
        raise fail(name, "an integer ≥ 0", scalar(x))
    return x


def boolean(name: str, x: object) -> bool:
    """``x`` itself, if it is True or False."""
    if not isinstance(x, bool):
        raise fail(name, "True or False", repr(x))
    return x


def seed(name: str, x: object) -> int:
    """``x`` itself, if it is an integer that torch's generators take, in [0, 2⁶³)."""
    if isinstance(x, bool) or not isinstance(x, int) or not 0 <= x < 2**63:
        raise fail(name, "an integer in [0, 2⁶³)", scalar(x))
    return x


def choice(name: str, x: Any, options: Iterable[str]) -> str:
    """``x`` itself, if it is one of ``options``; otherwise suggest the nearest."""
    known = list(options)
    if x not in known:
        close = difflib.get_close_matches(str(x), known, n=1)
        hint = f" (did you mean {close[0]!r}?)" if close else ""
        raise fail(name, "one of " + ", ".join(map(repr, known)), repr(x) + hint)
    return x


def generator(name: str, g: torch.Generator | None, device: torch.device) -> None:
    """Raise unless ``g`` is None or lives on ``device``."""
    if g is None:
        return
    if not isinstance(g, torch.Generator):
        raise fail(name, "a torch.Generator or None", describe(g))
    if g.device.type != device.type:
        raise fail(name, f"a generator on {device}", f"one on {g.device}")
