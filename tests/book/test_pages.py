"""Every page as a reader's browser shows it, with the network denied.

With ``SCREENSHOTS=1`` in the environment each leaves its pictures in ``_build/screenshots``, which
takes a quarter more time.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from accessibility import faint, serious
from browsing import PAGES, ROOT, WIDTHS, Scheme, Visit
from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

VISITS = [(page, width) for page in PAGES for width in WIDTHS]
# The first is what the page is opened in, the second what it is turned to: each is opened once.
SCHEMES: dict[str, tuple[Scheme, Scheme]] = {
    "desktop": ("light", "dark"),
    "phone": ("dark", "light"),
}
SCREENSHOTS = ROOT / "_build" / "screenshots"

# What is wider than its box: nothing may be on a desktop, the verdict of a card nowhere.
CARDS = ".bk-card"
BOXES = (
    "pre, mjx-container[display='true'], .bk-figure, .bk-scroll, .output.text_html, "
    f".pst-scrollable-table-container, {CARDS}"
)
CUT_OFF = """(boxes) => {
  for (const folded of document.querySelectorAll("main details")) folded.open = true;
  const longest = (text) => text.split("\\n").sort((a, b) => b.length - a.length)[0];
  return [...document.querySelector("main").querySelectorAll(boxes)]
    .filter((box) => box.offsetParent && box.scrollWidth > box.clientWidth + 1)
    .map((box) => {
      const said = box.querySelector("mjx-assistive-mml, tbody");
      const name = box.className && typeof box.className === "string" ? `.${box.className}` : "";
      const text = longest((said || box).textContent.trim()).slice(0, 80);
      const near = box.closest("section[id]");
      return `${box.tagName.toLowerCase()}${name} in #${near && near.id}: ` +
        `${box.scrollWidth} > ${box.clientWidth} px: ${text}`;
    });
}"""
# What scrolls sideways and cannot be reached by the keyboard.
UNREACHABLE = """() => [...document.querySelectorAll("main *")]
  .filter((box) => ["auto", "scroll"].includes(getComputedStyle(box).overflowX)
    && box.clientWidth > 0 && box.scrollWidth > box.clientWidth + 1 && box.tabIndex < 0)
  .map((box) => box.outerHTML.slice(0, 120))"""
# What scrolls sideways, code aside, without fading out where there is more of it.
UNHINTED = """() => [...document.querySelectorAll("main :is(.bk-figure, .bk-card, .bk-scroll)")]
  .filter((box) => box.clientWidth > 0 && box.scrollWidth > box.clientWidth + 1
    && !getComputedStyle(box).maskImage.includes("gradient"))
  .map((box) => box.outerHTML.slice(0, 120))"""
RAW_MATH = r"""() => [...document.querySelectorAll("main .math")]
  .filter((box) => !box.querySelector("mjx-container, .MathJax, merror") && box.textContent.trim())
  .map((box) => box.textContent.slice(0, 80))"""


@pytest.fixture
def visit(base: str, browser: Browser, request: pytest.FixtureRequest) -> Iterator[Visit]:
    name, width = request.param
    visit = Visit.pay(browser, base, name, SCHEMES[width][0], WIDTHS[width])
    yield visit
    visit.close()


@pytest.mark.parametrize("visit", VISITS, indirect=True, ids="-".join)
def test_a_page(visit: Visit, request: pytest.FixtureRequest) -> None:
    name, width = request.node.callspec.params["visit"]
    page = visit.page
    for scheme in SCHEMES[width]:
        wear(page, scheme)
        if os.environ.get("SCREENSHOTS"):
            picture = SCREENSHOTS / f"{name.replace('/', '-')}-{scheme}-{width}.png"
            page.screenshot(path=picture, full_page=True)

    assert page.evaluate(RAW_MATH) == []
    assert page.locator("merror, [data-mjx-error]").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= WIDTHS[width]
    assert page.evaluate(UNREACHABLE) == []
    cut_off = page.evaluate(CUT_OFF, BOXES if width == "desktop" else CARDS)
    assert cut_off == [], "\n".join([f"{name} at {WIDTHS[width]} px cuts off:", *cut_off])
    assert page.evaluate(UNHINTED) == []

    # A phone shows the same colours.
    for scheme in SCHEMES[width] if width == "desktop" else ():
        wear(page, scheme)
        assert faint(page) == []
    assert serious(page) == []
    assert visit.complaints == []
    assert visit.off_host == []


def wear(page: Page, scheme: Scheme) -> None:
    """Have the reader's system turn to ``scheme``; the page follows."""
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    worn = "(scheme) => document.documentElement.dataset.theme === scheme"
    page.wait_for_function(worn, arg=scheme)
    # The browser asks for less motion: no fade may be under way while colours are looked at.
    assert page.evaluate("document.getAnimations().length") == 0
