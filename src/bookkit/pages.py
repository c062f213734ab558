"""A Sphinx extension that dresses every page: our style sheet and scripts, the theme's faults."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.config import Config

from bookkit import assets

STATIC = Path(__file__).parent / "static"


def configure(app: Sphinx, config: Config) -> None:
    """Point Sphinx at the fetched scripts and at our own; settle what the theme leaves open."""
    config.html_static_path += [str(assets.folder(Path(app.srcdir).resolve())), str(STATIC)]
    config.html_favicon = config.html_favicon or str(STATIC / "favicon.svg")
    # An empty mode is reported as an error in the console of every reader.
    config.html_context.setdefault("default_mode", "auto")
    # The search field of the side bar is enough; a second one costs a whole bar across the page.
    config.html_theme_options["navbar_persistent"] = []


def tidy_scripts(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any
) -> None:
    """Drop scripts emitted twice (a second ``const`` is an error) and Thebe (it asks a network)."""
    seen: set[tuple[Any, ...]] = set()
    kept = []
    for script in context.get("script_files", []):
        attributes = getattr(script, "attributes", {})
        mark = (str(script), attributes.get("body"))
        if mark in seen or "thebe" in f"{script}{attributes.get('body', '')}".lower():
            continue
        seen.add(mark)
        kept.append(script)
    context["script_files"] = kept


def tidy_body(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any
) -> None:
    """Mend what extensions write: roles that children contradict, ids given twice, titles."""
    if "body" not in context:
        return
    body = context["body"].replace('role="list" class="citation', 'class="citation')
    body = re.sub(r' id="proof(-content)?"', "", body)
    context["body"] = THEOREM_TITLE.sub(_title, body)


# "Theorem (Theorem 1 of the paper)", under an id that the box has already.
THEOREM_TITLE = re.compile(
    r'(<p class="admonition-title") id="[^"]*">'
    r'<span class="caption-number">(\w+) </span> \((.*?)\)</p>'
)


def _title(found: re.Match[str]) -> str:
    opening, kind, title = found.groups()
    named = title if title.startswith(kind) else f"{kind}. {title}"
    return f"{opening}>{named}</p>"


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.connect("config-inited", configure)
    # After every extension that adds scripts, before they are written.
    app.connect("html-page-context", tidy_scripts, priority=900)
    app.connect("html-page-context", tidy_body)
    app.add_css_file("bookkit.css", priority=900)
    app.add_js_file("bookkit-first.js", priority=1)
    app.add_js_file("bookkit.js", loading_method="defer")
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
