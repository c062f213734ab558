"""That what keeps a reader out is found wherever on a page it is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from accessibility import faint, serious
from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

FINE = "<p class='fine'>Read</p><pre><span class='k'>def</span> <span class='n'>f</span></pre>"
PAGE = """<!doctype html><html lang="en"><head><title>A page</title><style>
  body {{ background: #fff; color: #222; }}
  .k {{ color: #00f; }} .n {{ color: #222; }}
  .faint {{ opacity: .3; }} .night {{ background: #113; }} .pale {{ color: #bbb; }}
  .big {{ font-size: 40px; font-weight: 700; color: #888; }} .small {{ font-size: 12px; }}
  .striped p:nth-child(3) {{ background: #333; }}
  .lid {{ position: relative; top: -60px; margin-bottom: -60px; height: 60px; background: #fff; }}
</style></head><body><main><h1>A page</h1>{}</main></body></html>"""

FAULTS = {
    "a colour": (f"{FINE}<p class='pale'>Read</p>", "color-contrast"),
    "the night behind one of two": (f"{FINE}<div class='night'>{FINE}</div>", "color-contrast"),
    "the night far behind": (
        f"{FINE}<div class='night'><div><section>{FINE}</section></div></div>",
        "color-contrast",
    ),
    "what is faint": (f"{FINE}<div class='faint'>{FINE}</div>", "color-contrast"),
    "the third of its kind": (
        f"<div class='striped'>{'<p>Read</p>' * 4}</div>",
        "color-contrast",
    ),
    "small, where the same in large may be": (
        "<p class='big'>Read</p><p class='big small'>Read</p>",
        "color-contrast",
    ),
    "a token of code, the first of which is a single letter": (
        f"{FINE}<pre><span class='n pale'>g</span> <span class='n pale'>good</span></pre>",
        "color-contrast",
    ),
    "a text, the first of whose look is hidden": (
        "<p class='pale'>Read</p><div class='lid'></div><p class='pale'>Read</p>",
        "color-contrast",
    ),
    "a picture without words": (f"{FINE}<img src='data:,'>", "image-alt"),
    "a link without words, in code": (
        f"{FINE}<pre><span class='k'><a href='#'></a></span></pre>",
        "link-name",
    ),
    "a role that is none, in code": (
        "<code><span class='k' role='nothing'>def</span></code>",
        "aria-roles",
    ),
}


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page()
    yield page
    page.close()


@pytest.mark.parametrize(("body", "rule"), FAULTS.values(), ids=FAULTS)
def test_what_keeps_a_reader_out_is_found(page: Page, body: str, rule: str) -> None:
    page.set_content(PAGE.format(body))
    found = [*faint(page), *serious(page)]
    assert found
    assert all(one.startswith(f"{rule}: ") for one in found), found


def test_what_keeps_nobody_out_is_not(page: Page) -> None:
    page.set_content(PAGE.format(f"{FINE}<p class='big'>Read</p>"))
    assert faint(page) == []
    assert serious(page) == []


def test_colours_are_looked_at_anew(page: Page) -> None:
    """What stands out on white does not at night, nor the other way round."""
    page.set_content(PAGE.format(f"{FINE}{FINE}"))
    assert faint(page) == []
    page.evaluate("document.body.style.background = '#113'")
    assert faint(page) != []
    page.evaluate("document.body.style.background = '#fff'")
    assert faint(page) == []
