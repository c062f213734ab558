"""What the tests of the built book share: the pages, and a visit to a page."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from playwright.sync_api import Browser, Page, Route

from bookkit import paths

ROOT = paths.root(Path(__file__).parent)
PAGES = [p.relative_to(ROOT).with_suffix("").as_posix() for p in paths.documents(ROOT)]
Scheme = Literal["light", "dark"]
WIDTHS = {"desktop": 1280, "phone": 390}


@dataclass
class Visit:
    """A page opened with the network denied, and what it tried."""

    page: Page
    off_host: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    @classmethod
    def pay(cls, browser: Browser, base: str, name: str, scheme: Scheme, width: int) -> Visit:
        """Open page ``name`` below ``base`` and wait until it has settled."""
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme=scheme,
            reduced_motion="reduce",
        )
        visit = cls(context.new_page())

        def guard(route: Route) -> None:
            if route.request.url.startswith((base, "data:", "blob:")):
                route.continue_()
            else:
                visit.off_host.append(route.request.url)
                route.abort()

        context.route("**/*", guard)
        visit.page.on("pageerror", lambda error: visit.complaints.append(str(error)))
        visit.page.on("console", visit._note)
        visit.page.goto(f"{base}{name}.html", wait_until="load")
        visit.page.wait_for_function(SETTLED, timeout=60_000)
        return visit

    def close(self) -> None:
        """Close the page and its context."""
        self.page.context.close()

    def _note(self, message: Any) -> None:
        if message.type == "error":
            self.complaints.append(f"{message.text} ({message.location.get('url')})")


# Formulas are typeset, widgets stand, fonts are there.
SETTLED = """() => {
  const mathjax = window.MathJax && window.MathJax.startup && window.MathJax.startup.promise;
  if (mathjax && !window.bookSettled) {
    window.bookSettled = "waiting";
    Promise.all([mathjax, document.fonts.ready]).then(() => { window.bookSettled = "yes"; });
  } else if (!mathjax) {
    window.bookSettled = "yes";
  }
  const type = "application/vnd.jupyter.widget-view+json";
  const views = document.querySelectorAll(`script[type="${type}"]`);
  const made = document.querySelectorAll(".bk-explore");
  return window.bookSettled === "yes" && made.length >= views.length;
}"""
