"""Every slider of every page, by mouse and by keyboard, shows what Python drew for its value."""

from __future__ import annotations

import html
import itertools
import json
import re
from collections.abc import Iterator
from typing import Any

import nbformat
import pytest
from browsing import PAGES, ROOT, WIDTHS, Visit
from playwright.sync_api import Browser, Locator, TimeoutError

from bookkit import figures, handover, mime_types, paths, widgets

pytestmark = pytest.mark.browser

# The one figure that is shown once the box stands at some values; its data, and its marks.
SHOWN = """([box, values]) => {
  const seen = [...box.querySelectorAll("figure")].filter((f) => f.getClientRects().length);
  if (seen.length !== 1) return null;
  const [f] = seen, at = JSON.parse(f.dataset.values), names = Object.keys(values);
  if (Object.keys(at).length !== names.length) return null;
  if (names.some((name) => at[name] !== values[name])) return null;
  return {
    numbers: JSON.parse(f.dataset.numbers),
    digest: f.dataset.digest,
    name: f.querySelector("svg").getAttribute("aria-label"),
    marks: [...f.querySelectorAll("[d], image")].map(
      (p) => p.getAttribute("d") || p.getAttribute("xlink:href")),
  };
}"""


def records(page: str) -> list[dict[str, Any]]:
    """What Python recorded of each slider's frames, in the page's order."""
    twin = paths.twin(ROOT, ROOT / f"{page}.ipynb")
    if not twin.is_file():
        return []
    return list(handover.outputs(twin, mime_types.EXPLORE))


def pictures(page: str) -> dict[str, str]:
    """The pictures that Python drew for the sliders of ``page``, by digest."""
    twin = nbformat.read(paths.twin(ROOT, ROOT / f"{page}.ipynb"), as_version=4)
    states = twin.metadata["widgets"]["application/vnd.jupyter.widget-state+json"]["state"]
    values = [s["state"].get("value", "") for s in states.values()]
    drawn = [m[1] for v in values if (m := re.search(r"<figure[^>]*>(.*)</figure>", str(v), re.S))]
    return {figures.digest(p): p for p in drawn}


def marks(picture: str) -> list[str]:
    """The strokes of an SVG, and the pictures in it."""
    found = re.findall(r'\bd="([^"]*)"|xlink:href="(data:[^"]*)"', picture)
    return [html.unescape(stroke or image) for stroke, image in found]


WITH_SLIDERS = [page for page in PAGES if (ROOT / f"{page}.ipynb").is_file()]


@pytest.fixture
def visit(base: str, browser: Browser, request: pytest.FixtureRequest) -> Iterator[Visit]:
    visit = Visit.pay(browser, base, request.param, "light", WIDTHS["desktop"])
    yield visit
    visit.close()


def shown(box: Locator, values: dict[str, str]) -> dict[str, Any]:
    """The one figure that ``box`` shows, once it stands at ``values``."""
    try:
        found = box.page.wait_for_function(SHOWN, arg=[box.element_handle(), values])
    except TimeoutError as error:
        raise AssertionError(
            f"expected one figure, at {values}, and saw none or another"
        ) from error
    return dict(found.json_value())


def agree(box: Locator, record: dict[str, Any], drawn: dict[str, str], at: dict[str, str]) -> None:
    """The figure shown at ``at`` is the one that Python drew for it, with its numbers."""
    expected = next(f for f in record["frames"] if f["values"] == at)
    found = shown(box, at)
    assert found["digest"] == expected["digest"]
    assert found["numbers"] == expected["numbers"]
    assert found["marks"] == marks(drawn[expected["digest"]])
    assert found["name"]


@pytest.mark.parametrize("visit", WITH_SLIDERS, indirect=True)
def test_sliders(visit: Visit, request: pytest.FixtureRequest) -> None:
    name = request.node.callspec.params["visit"]
    boxes = visit.page.locator(".bk-explore")
    expected = records(name)
    assert boxes.count() == len(expected)
    drawn = pictures(name) if expected else {}
    for box, record in zip(boxes.all(), expected, strict=True):
        box.scroll_into_view_if_needed()
        agree(box, record, drawn, record["start"])
        by_keyboard(box, record, drawn)
        by_mouse(box, record, drawn)
        if box.locator(".widget-play").count():
            by_play(box, record, drawn)
    assert visit.complaints == []
    assert visit.off_host == []


def by_keyboard(box: Locator, record: dict[str, Any], drawn: dict[str, str]) -> None:
    """Walk through the whole grid by arrow keys, to and fro, so that each step is one key."""
    handles = box.locator(".noUi-handle").all()
    names, axes = zip(*record["axes"], strict=True)
    for handle in handles:
        handle.press("Home")
    at = (0,) * len(axes)
    for step in to_and_fro([len(a) for a in axes]):
        for handle, old, new in zip(handles, at, step, strict=True):
            if new != old:
                handle.press("ArrowRight" if new > old else "ArrowLeft")
        at = step
        values = {n: a[i] for n, a, i in zip(names, axes, at, strict=True)}
        agree(box, record, drawn, values)
        assert [h.get_attribute("aria-valuetext") for h in handles] == list(values.values())
    assert all(h.get_attribute("aria-label") for h in handles)


def to_and_fro(sizes: list[int]) -> Iterator[tuple[int, ...]]:
    """Every point of a grid; the last index runs up and down by turns."""
    for prefix in itertools.product(*map(range, sizes[:-1])):
        last = range(sizes[-1])
        for i in last if sum(prefix) % 2 == 0 else reversed(last):
            yield (*prefix, i)


def by_mouse(box: Locator, record: dict[str, Any], drawn: dict[str, str]) -> None:
    """Drag each handle to the far end and to the middle."""
    names, axes = zip(*record["axes"], strict=True)
    for handle in box.locator(".noUi-handle").all():
        handle.press("Home")
    values = {n: a[0] for n, a in zip(names, axes, strict=True)}
    shown(box, values)
    for slider, (name, axis) in zip(box.locator(".noUi-target").all(), record["axes"], strict=True):
        for index in (len(axis) - 1, len(axis) // 2):
            drag(slider, index / max(len(axis) - 1, 1))
            values[name] = axis[index]
            agree(box, record, drawn, values)


# The figure that is shown and every one since, in order: a busy machine must not miss one.
WATCH = """(box) => {
  const shown = () => [...box.querySelectorAll("figure")].filter((f) => f.getClientRects().length);
  box.passed = [];
  const note = () => {
    const now = shown();
    if (now.length !== 1 || box.passed.at(-1)?.digest === now[0].dataset.digest) return;
    box.passed.push({values: JSON.parse(now[0].dataset.values), digest: now[0].dataset.digest});
  };
  note();
  new MutationObserver(note).observe(box, {subtree: true, childList: true, attributes: true});
}"""


def by_play(box: Locator, record: dict[str, Any], drawn: dict[str, str]) -> None:
    """Press Play at the start: every frame passes, in order, and the slider with them."""
    for handle in box.locator(".noUi-handle").all():
        handle.press("Home")
    values = {name: axis[0] for name, axis in record["axes"]}
    agree(box, record, drawn, values)
    buttons = box.locator(".widget-play button").all()
    assert all(b.get_attribute("aria-label") for b in buttons)
    box.evaluate(WATCH)
    buttons[0].click()
    name, axis = record["axes"][0]
    last = {**values, name: axis[-1]}
    box.page.wait_for_function(
        "([box, last]) => JSON.stringify(box.passed.at(-1)?.values) === last",
        arg=[box.element_handle(), json.dumps(last, separators=(",", ":"), ensure_ascii=False)],
        timeout=60_000,
    )
    agree(box, record, drawn, last)
    frames = {f["values"][name]: f["digest"] for f in record["frames"]}
    passed = box.evaluate("(box) => box.passed")
    assert [f["values"][name] for f in passed] == axis
    assert [f["digest"] for f in passed] == [frames[value] for value in axis]


def drag(slider: Locator, fraction: float) -> None:
    """Take the handle and let it go at ``fraction`` of the track."""
    handle, track = slider.locator(".noUi-handle").bounding_box(), slider.bounding_box()
    assert handle is not None
    assert track is not None
    mouse = slider.page.mouse
    mouse.move(handle["x"] + handle["width"] / 2, handle["y"] + handle["height"] / 2)
    mouse.down()
    mouse.move(track["x"] + fraction * track["width"], track["y"] + track["height"] / 2, steps=4)
    mouse.up()


@pytest.mark.parametrize("page", WITH_SLIDERS)
def test_the_weight_of_each_slider_is_within_its_budget(html: Any, page: str) -> None:
    """The default of `explore`, 1.5 MB a slider: who needs more has to change it here."""
    assert all(record["bytes"] <= widgets.BUDGET for record in records(page))
