"""What axe-core finds on a page that keeps a reader out."""

from __future__ import annotations

from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

COLOURS = "color-contrast"

# The strokes of drawings and formulas say nothing, their <svg> does; there are 10,000 of them.
WITHOUT_STROKES = """() => document.querySelectorAll(".bk-figure svg, mjx-container svg")
  .forEach((drawing) => drawing.replaceChildren())"""

# Whether a text stands out is a matter of its colour, size and weight, and of what is painted
# behind it: of elements that share all of these, a few are marked, and stand for the others. A page
# has 15,000 texts in some 100 such looks; axe-core takes a minute for the texts. It does not judge
# a single letter, nor what another box hides: hence a few, of two letters or more.
A_FEW_OF_EACH_LOOK = """(few) => {
  const behind = new Map(), looks = new Map();
  const painted = (box) => {
    if (!box) return "";
    if (!behind.has(box)) {
      const s = getComputedStyle(box);
      const own = [s.backgroundColor, s.backgroundImage, s.opacity, s.filter, s.position];
      behind.set(box, `${painted(box.parentElement)}/${own}`);
    }
    return behind.get(box);
  };
  document.querySelectorAll("[data-look]").forEach((box) => delete box.dataset.look);
  const isText = (node) => node.nodeType === Node.TEXT_NODE && node.textContent.trim();
  for (const box of document.querySelectorAll("body *")) {
    if (![...box.childNodes].some(isText) || !box.getClientRects().length) continue;
    if (box.textContent.trim().length < 2) continue;
    const s = getComputedStyle(box);
    const look = [painted(box), s.color, s.fontSize, s.fontWeight, s.textShadow].join(";");
    looks.set(look, (looks.get(look) || 0) + 1);
    if (looks.get(look) <= few) box.dataset.look = looks.size;
  }
}"""
FEW = 5

# A token of code is a <span> with a class; apart from its colour, its text says all of it.
WITHOUT_TOKENS = """() => {
  for (const token of [...document.querySelectorAll(":is(pre, code, .sig) span")].reverse()) {
    const bare = token.getAttributeNames().every((name) => name === "class");
    if (bare && !token.children.length) token.replaceWith(token.textContent);
  }
}"""


def faint(page: Page) -> list[str]:
    """The texts that do not stand out from what is behind them, as the page is coloured now."""
    page.evaluate(WITHOUT_STROKES)
    page.evaluate(A_FEW_OF_EACH_LOOK, FEW)
    return _violations(page, "[data-look]", {"runOnly": [COLOURS]})


def serious(page: Page) -> list[str]:
    """The violations that are serious or critical, other than of colours, in words.

    The page's code has no tokens any more afterwards, which is to be looked at before.
    """
    page.evaluate(WITHOUT_STROKES)
    page.evaluate(WITHOUT_TOKENS)
    return _violations(page, None, {"rules": {COLOURS: {"enabled": False}}})


def _violations(page: Page, context: str | None, options: dict[str, Any]) -> list[str]:
    # Style sheets are the browser's affair: axe would fetch them anew, and miss.
    options = {"resultTypes": ["violations"], "preload": False, **options}
    return [
        f"{v['id']}: {v['help']}: {node['html'][:200]} {node.get('failureSummary', '')[:200]}"
        for v in Axe().run(page, context=context, options=options).response["violations"]
        if v["impact"] in ("serious", "critical")
        for node in v["nodes"][:3]
    ]
