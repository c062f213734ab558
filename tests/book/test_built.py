"""The built pages as files: nothing from elsewhere, no dead link, no traceback."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from browsing import PAGES, ROOT
from bs4 import BeautifulSoup

from bookkit import paths

pages = pytest.mark.parametrize("name", PAGES)
# A page may link to other places; it may not need them.
LOADS = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href"}


def soup(html: Path, name: str) -> BeautifulSoup:
    return BeautifulSoup((html / f"{name}.html").read_text(encoding="utf-8"), "html.parser")


@pages
def test_nothing_is_loaded_from_elsewhere(html: Path, name: str) -> None:
    """A build that needed a content network is refused here."""
    page = soup(html, name)
    loaded = [
        element[key]
        for tag, key in LOADS.items()
        for element in page.find_all(tag)
        if element.get(key) and element.get("rel") not in (["canonical"],)
    ]
    assert [u for u in loaded if urlsplit(u).scheme not in ("", "data")] == []
    inline = "".join(s.string or "" for s in page.find_all("script") if not s.get("type"))
    assert re.findall(r"https?://[^\"' ]+\.(?:m?js|css)", inline) == []


def test_style_sheets_load_nothing_from_elsewhere(html: Path) -> None:
    for sheet in html.glob("_static/**/*.css"):
        text = sheet.read_text(encoding="utf-8")
        assert re.findall(r"url\(\s*[\"']?(?:https?:)?//[^)]*\)", text) == [], sheet


def test_the_scripts_are_here(html: Path) -> None:
    for script in (
        "lib/require.js",
        "lib/@jupyter-widgets/html-manager/dist/embed-amd.js",
        "lib/mathjax/tex-svg.js",
    ):
        assert (html / "_static" / script).is_file()


@pages
def test_no_inner_link_is_dead(html: Path, name: str) -> None:
    here = html / f"{name}.html"
    dead = []
    for link in soup(html, name).find_all("a", href=True):
        url = urlsplit(link["href"])
        if url.scheme or url.netloc or link["href"] == "#":
            continue
        target = (here.parent / unquote(url.path)).resolve() if url.path else here
        if not target.exists():
            dead.append(link["href"])
        elif url.fragment and target.suffix == ".html":
            text = target.read_text(encoding="utf-8")
            if not re.search(rf'(?:id|name)=["\']{re.escape(unquote(url.fragment))}["\']', text):
                dead.append(link["href"])
    assert dead == []


@pages
def test_no_id_is_given_twice(html: Path, name: str) -> None:
    ids = Counter(element["id"] for element in soup(html, name).find_all(id=True))
    assert [name for name, times in ids.items() if times > 1] == []


@pages
def test_a_theorem_is_named_once(html: Path, name: str) -> None:
    for title in soup(html, name).select(".proof > .admonition-title"):
        kinds = re.findall("Theorem|Proposition|Lemma|Corollary", title.get_text())
        assert kinds, title
        assert "(Theorem" not in title.get_text()
        assert title.select(".caption-number") == []


@pages
def test_every_picture_has_a_text(html: Path, name: str) -> None:
    page = soup(html, name)
    assert [i for i in page.select("main img") if not (i.get("alt") or "").strip()] == []
    drawings = page.select("main .bk-figure svg")
    assert [s for s in drawings if not (s.get("aria-label") or "").strip()] == []


@pytest.mark.parametrize("name", [n for n in PAGES if (ROOT / f"{n}.ipynb").is_file()])
def test_launch_buttons_lead_to_the_notebook(html: Path, name: str) -> None:
    url = paths.config(ROOT)["repository"]["url"]
    links = [a["href"] for a in soup(html, name).find_all("a", href=True)]
    owner = url.removeprefix("https://github.com/")
    colab = f"https://colab.research.google.com/github/{owner}/blob/main/{name}.ipynb"
    binder = f"https://mybinder.org/v2/gh/{owner}/main?urlpath=lab/tree/{name}.ipynb"
    assert colab in links
    assert binder in [unquote(link) for link in links]
    # The download is the clean source, not the executed twin.
    (download,) = {link for link in links if "_sources" in link and link.endswith(".ipynb")}
    source = (html / Path(name).parent / download).resolve()
    assert source.read_bytes() == (ROOT / f"{name}.ipynb").read_bytes()


@pages
def test_the_page_holds_no_traceback(html: Path, name: str) -> None:
    page = soup(html, name)
    assert page.select(".output.traceback, .bk-failed") == []
    assert "Traceback (most recent call last)" not in page.select_one("main").get_text()


# A row of dashes, an inline formula, a role: what a reader sees of markup that nobody rendered.
MARKUP = re.compile(r"\|\s?[-—]+\s?\||\$\\?\w|\{(?:doc|func|class|ref|eq|cite\S*)\}")


@pages
def test_no_markup_is_left_as_text(html: Path, name: str) -> None:
    texts = soup(html, name).select("main p, main li, main td, main dd")
    assert [t.get_text() for t in texts if MARKUP.search(t.get_text())] == []
