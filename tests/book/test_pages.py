"""Every page as a reader's browser shows it, with the network denied."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from browsing import PAGES, SCHEMES, SCREENSHOTS, WIDTHS, Visit
from playwright.sync_api import Browser

pytestmark = pytest.mark.browser

VISITS = [(page, scheme, width) for page in PAGES for scheme in SCHEMES for width in WIDTHS]

# What is wider than its box and is not meant to scroll there.
CUT_OFF = """() => {
  for (const folded of document.querySelectorAll("main details")) folded.open = true;
  return [...document.querySelectorAll("main pre, main mjx-container[display='true']")]
    .filter((box) => box.offsetParent && box.scrollWidth > box.clientWidth + 1)
    .map((box) => box.textContent.split("\\n").sort((a, b) => b.length - a.length)[0]);
}"""
# What scrolls sideways and cannot be reached by the keyboard.
UNREACHABLE = """() => [...document.querySelectorAll("main *")]
  .filter((box) => ["auto", "scroll"].includes(getComputedStyle(box).overflowX)
    && box.clientWidth > 0 && box.scrollWidth > box.clientWidth + 1 && box.tabIndex < 0)
  .map((box) => box.outerHTML.slice(0, 120))"""
RAW_MATH = r"""() => [...document.querySelectorAll("main .math")]
  .filter((box) => !box.querySelector("mjx-container, .MathJax, merror") && box.textContent.trim())
  .map((box) => box.textContent.slice(0, 80))"""


@pytest.fixture
def visit(base: str, browser: Browser, request: pytest.FixtureRequest) -> Iterator[Visit]:
    page, scheme, width = request.param
    visit = Visit.pay(browser, base, page, scheme, WIDTHS[width])
    yield visit
    visit.close()


@pytest.mark.parametrize("visit", VISITS, indirect=True, ids="-".join)
def test_a_page(visit: Visit, request: pytest.FixtureRequest) -> None:
    name, scheme, width = request.node.callspec.params["visit"]
    page = visit.page
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    picture = SCREENSHOTS / f"{name.replace('/', '-')}-{scheme}-{width}.png"
    page.screenshot(path=picture, full_page=True)

    assert visit.off_host == []
    assert visit.complaints == []
    assert page.evaluate("document.documentElement.dataset.theme") == scheme
    assert page.evaluate(RAW_MATH) == []
    assert page.locator("merror, [data-mjx-error]").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= WIDTHS[width]
    assert page.evaluate(UNREACHABLE) == []
    if width == "desktop":
        assert page.evaluate(CUT_OFF) == []
    # A phone shows the same colours, and looking at them takes most of the time.
    assert serious(page, colours=width == "desktop") == []
    assert visit.off_host == []


def serious(page: Any, colours: bool) -> list[str]:
    """What axe-core finds that keeps a reader out."""
    # The strokes of drawings and formulas say nothing, their <svg> does; there are 10,000 of them.
    page.evaluate(
        "document.querySelectorAll('.bk-figure svg, mjx-container svg')"
        ".forEach((s) => s.replaceChildren())"
    )
    # Style sheets are the browser's affair: axe would fetch them anew, and miss.
    options = {
        "resultTypes": ["violations"],
        "preload": False,
        "rules": {"color-contrast": {"enabled": colours}},
    }
    found = Axe().run(page, options=options).response["violations"]
    return [
        f"{v['id']}: {v['help']}: {node['html'][:200]} {node.get('failureSummary', '')[:200]}"
        for v in found
        if v["impact"] in ("serious", "critical")
        for node in v["nodes"][:3]
    ]
