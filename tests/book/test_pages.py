"""Every page as a reader's browser shows it, with the network denied."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from accessibility import serious
from browsing import PAGES, SCHEMES, SCREENSHOTS, WIDTHS, Visit
from playwright.sync_api import Browser

pytestmark = pytest.mark.browser

VISITS = [(page, scheme, width) for page in PAGES for scheme in SCHEMES for width in WIDTHS]

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
    cut_off = page.evaluate(CUT_OFF, BOXES if width == "desktop" else CARDS)
    assert cut_off == [], "\n".join([f"{name} at {WIDTHS[width]} px cuts off:", *cut_off])
    assert page.evaluate(UNHINTED) == []
    # The browser asks for less motion: no fade may be under way while colours are looked at.
    assert page.evaluate("document.getAnimations().length") == 0
    # A phone shows the same colours.
    assert serious(page, colours=width == "desktop") == []
    assert visit.off_host == []
