"""Sliders: one definition, drawn ahead for the page and on demand with a kernel."""

from __future__ import annotations

import hashlib
import html
import json
import re
from typing import Any

import matplotlib.pyplot as plt
import pytest

from bookkit import animate, explore, mime_types, widgets

drawn: list[tuple[Any, ...]] = []


def draw(x: float, y: float = 0.0) -> tuple[plt.Figure, dict[str, float]]:
    drawn.append((x, y))
    if x > 8:
        raise ZeroDivisionError("too far")
    figure, axes = plt.subplots()
    axes.plot([0, x], [0, y])
    return figure, {"sum": x + y}


@pytest.fixture(autouse=True)
def shown(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    drawn.clear()
    seen: list[Any] = []
    monkeypatch.setattr(widgets, "display", lambda what, raw=False: seen.append(what))
    monkeypatch.setenv("BOOKKIT_STATIC", "1")
    return seen


def frames(widget: Any) -> list[str]:
    """The HTML of every frame below ``widget``, in the order of the stacks."""
    if isinstance(widget, widgets.ipywidgets.HTML):
        return [widget.value]
    return [f for child in getattr(widget, "children", ()) for f in frames(child)]


def attributes(frame: str) -> dict[str, Any]:
    return {
        k: json.loads(html.unescape(v))
        for k, v in re.findall(r'data-(values|numbers)="([^"]*)"', frame)
    }


def static(monkeypatch: pytest.MonkeyPatch, **arguments: Any) -> widgets.Explorer:
    """What `explore` draws ahead."""
    made: list[widgets.Explorer] = []
    original = widgets.Explorer.__init__

    def keep(self: widgets.Explorer, *a: Any, **k: Any) -> None:
        original(self, *a, **k)
        made.append(self)

    monkeypatch.setattr(widgets.Explorer, "__init__", keep)
    explore(draw, **arguments)
    return made[0]


def test_the_build_draws_the_whole_grid(monkeypatch: pytest.MonkeyPatch, shown: list[Any]) -> None:
    explorer = static(monkeypatch, x=[1.0, 2.0], y=[0.5, 0.25, 0.125], alt="at {x} and {y}")
    assert drawn == [(x, y) for x in (1.0, 2.0) for y in (0.5, 0.25, 0.125)]
    found = [attributes(f) for f in frames(explorer.widget)]
    assert [f["values"] for f in found] == [
        {"x": str(int(x)), "y": str(y)} for x in (1.0, 2.0) for y in (0.5, 0.25, 0.125)
    ]
    assert [f["numbers"]["sum"] for f in found] == [x + y for x, y in drawn]
    assert 'aria-label="at 2.0 and 0.125"' in frames(explorer.widget)[-1]
    record = shown[0][mime_types.EXPLORE]
    assert record["axes"] == [["x", ["1", "2"]], ["y", ["0.5", "0.25", "0.125"]]]
    assert [f["values"] for f in record["frames"]] == [f["values"] for f in found]
    assert record["bytes"] == sum(len(f.encode()) for f in frames(explorer.widget))


def test_a_digest_is_of_the_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    explorer = static(monkeypatch, x=[1.0, 2.0], alt="at {x}")
    for frame in frames(explorer.widget):
        picture = re.search(r"(<svg.*</svg>)", frame)
        digest = re.search(r'data-digest="(\w+)"', frame)
        assert picture is not None
        assert digest is not None
        assert hashlib.sha256(picture[1].encode()).hexdigest().startswith(digest[1])


def test_two_sliders_are_nested_stacks_linked_to_them(monkeypatch: pytest.MonkeyPatch) -> None:
    explorer = static(monkeypatch, x=[1.0, 2.0], y=[3.0, 4.0, 5.0], alt="at {x}")
    outer = explorer.widget.children[2]
    assert [len(inner.children) for inner in outer.children] == [3, 3]
    links = [
        w
        for w in widgets.ipywidgets.widgets.widget._instances.values()
        if isinstance(w, widgets.ipywidgets.widgets.widget_link.Link)
    ]
    pairs = {(id(w.source[0]), id(w.target[0])) for w in links}
    assert (id(explorer.sliders[0]), id(outer)) in pairs
    assert all((id(explorer.sliders[1]), id(inner)) in pairs for inner in outer.children)


@pytest.mark.parametrize("live", [False, True])
def test_where_the_sliders_begin(
    monkeypatch: pytest.MonkeyPatch, shown: list[Any], live: bool
) -> None:
    if live:
        monkeypatch.delenv("BOOKKIT_STATIC")
    grid = {"x": [1.0, 2.0], "y": [0.5, 0.25, 0.125]}
    explorer = static(monkeypatch, **grid, alt="at {x}", start={"x": 2, "y": 0.25}, play=True)
    assert [s.index for s in explorer.sliders] == [1, 1]
    assert explorer.widget.children[0].children[0].value == 1
    outer = explorer.widget.children[2]
    assert outer.selected_index == 1
    assert [inner.selected_index for inner in outer.children] == [1, 1]
    if live:
        assert drawn == [(2.0, 0.25)]
    else:
        assert shown[0][mime_types.EXPLORE]["start"] == {"x": "2", "y": "0.25"}
    one = static(monkeypatch, **grid, alt="at {x}", start={"y": 0.125})
    assert [s.index for s in one.sliders] == [0, 2]


def test_the_budget(shown: list[Any]) -> None:
    with pytest.raises(ValueError, match=r"at most 1,000 bytes together, got 2 frames of"):
        explore(draw, x=[1.0, 2.0], alt="at {x}", budget=1000)
    assert shown == []


def test_an_exception_fails_the_build() -> None:
    with pytest.raises(ZeroDivisionError):
        explore(draw, x=[1.0, 9.0], alt="at {x}")


def test_a_kernel_draws_what_is_visited_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BOOKKIT_STATIC")
    explorer = static(monkeypatch, x=[1.0, 2.0, 3.0], alt="at {x}")
    assert drawn == [(1.0, 0.0)]
    for index in (2, 0, 2):
        explorer.sliders[0].index = index
    assert drawn == [(1.0, 0.0), (3.0, 0.0)]
    assert [bool(f) for f in frames(explorer.widget)] == [True, False, True]


def test_an_animation_is_a_slider_with_play(monkeypatch: pytest.MonkeyPatch) -> None:
    static_frames = static(monkeypatch, x=[1.0], alt="at {x}", play=True, labels={"x": "ξ"})
    play, slider = static_frames.widget.children[0].children
    assert isinstance(play, widgets.ipywidgets.Play)
    assert slider.description == "ξ"
    pictures = [plt.figure() for _ in range(3)]
    animate(pictures, alt=["a", "b", "c"])
    drawn.clear()
    animate(lambda step: draw(step)[0], alt=lambda step: f"step {step}", steps=2)
    assert drawn == [(0, 0.0), (1, 0.0)]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({}, "expected one or two arguments to vary"),
        ({"x": [1.0], "y": [1.0], "z": [1.0]}, "expected one or two arguments to vary"),
        ({"x": []}, "x: expected distinct values, at least one"),
        ({"x": [1.0, 1.00001]}, "x: expected distinct values"),
        ({"x": [1.0], "labels": {"q": "q"}}, "labels: expected names among"),
        ({"x": [1.0], "start": {"q": 1.0}}, "start: expected names among"),
        ({"x": [1.0, 2.0], "start": {"x": 1.5}}, r"start: expected x to be one of .*, got 1\.5"),
    ],
)
def test_refusals(arguments: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        explore(draw, alt="a", **arguments)


def test_an_animation_by_function_needs_its_length() -> None:
    with pytest.raises(ValueError, match="steps: expected the number of frames"):
        animate(lambda step: plt.figure(), alt=lambda step: "a")
