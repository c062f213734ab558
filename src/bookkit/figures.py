"""One style for every figure, and figures as accessible HTML, legible on light and dark pages.

A figure becomes inline SVG whose ink is the page's own text colour: matplotlib draws text, axes and
grid in three signal colours, and these are replaced by CSS. Where a drawing is too intricate for
SVG, its clouds of marks become a WebP picture inside it; text, axes and legend stay as they are.
"""

from __future__ import annotations

import base64
import hashlib
import html
import io
import re
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from cycler import cycler
from matplotlib.collections import Collection
from matplotlib.colors import to_hex
from matplotlib.lines import Line2D
from PIL import Image

from entropy_rl import _validate

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.figure import Figure

# Distinct for the common colour blindnesses, and at least 3 : 1 against the page, light or dark.
PALETTE = ("#0077bb", "#d55e00", "#009e73", "#8a4df0", "#8a94a0")
_INK, _GRID, _PAPER = "#010203", "#040506", "#070809"
_CSS = {_INK: "currentColor", _GRID: "var(--bk-grid,#cfd4da)", _PAPER: "var(--bk-paper,#fff)"}
# What matplotlib says of every stroke in a <style> inside the drawing. A page has one list of them,
# and with each that comes or goes it looks at every element anew: a slider took a second a step.
_STROKES = 'stroke-linejoin="round" stroke-linecap="butt"'
# Beyond this size, whatever has more marks than these becomes a picture.
_SVG_BYTES = 60_000
_MARKS = 200

STYLE: dict[str, Any] = {
    "figure.figsize": (5.6, 3.4),
    "figure.dpi": 96,
    "figure.constrained_layout.use": True,
    "figure.facecolor": "none",
    "figure.edgecolor": "none",
    "savefig.facecolor": "none",
    "axes.facecolor": "none",
    "axes.edgecolor": _INK,
    "axes.labelcolor": _INK,
    "axes.titlecolor": _INK,
    "axes.titlesize": "medium",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.prop_cycle": cycler(linestyle=["-", "--"]) * cycler(color=PALETTE),
    "grid.color": _GRID,
    "grid.linewidth": 0.8,
    "text.color": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "legend.frameon": True,
    "legend.facecolor": _PAPER,
    "legend.edgecolor": "none",
    "legend.framealpha": 0.85,
    "lines.linewidth": 2.0,
    "patch.edgecolor": _INK,
    "boxplot.boxprops.color": _INK,
    "boxplot.capprops.color": _INK,
    "boxplot.whiskerprops.color": _INK,
    "boxplot.flierprops.color": _INK,
    "boxplot.flierprops.markeredgecolor": _INK,
    "font.size": 11,
    "svg.fonttype": "path",
    "svg.hashsalt": "bookkit",
    "image.cmap": "viridis",
}


def use_style() -> None:
    """Set matplotlib's defaults to the book's style; once, in a notebook's set-up cell."""
    mpl.rcParams.update(STYLE)  # type: ignore[arg-type]


def show(figure: Figure, alt: str, caption: str | None = None, format: str = "auto") -> None:
    """Show ``figure`` with a text for those who cannot see it, and close it.

    Args:
        figure: a matplotlib figure.
        alt: what it shows, in a sentence or two, with the numbers that matter.
        caption: stands below the figure; HTML, with formulas between ``\\\\(`` and ``\\\\)``.
        format: ``"svg"``: every mark as a path; ``"webp"``: marks, where there are many, as a
            picture; ``"auto"``: whichever is smaller, if the paths weigh more than 60 kB.

    Raises:
        ValueError: ``alt`` is empty, or the format is unknown.
    """
    from IPython.display import HTML, display

    display(HTML(wrap(picture(figure, alt, format), caption)))


def picture(figure: Figure, alt: str, format: str = "auto") -> str:
    """``figure`` as an ``<svg>`` or an ``<img>``; closes it. Arguments as in `show`."""
    if not alt.strip():
        raise _validate.fail("alt", "a sentence on what the figure shows", repr(alt))
    _validate.choice("format", format, ("auto", "svg", "webp"))
    drawn = "" if format == "webp" else _svg(figure, alt)
    if format == "webp" or (format == "auto" and len(drawn) > _SVG_BYTES):
        mixed = _svg_with_picture(figure, alt)
        drawn = min(drawn or mixed, mixed, key=len)
    _close(figure)
    return drawn


def wrap(picture: str, caption: str | None = None, data: dict[str, str] | None = None) -> str:
    """A picture as an HTML ``<figure>`` with its digest, and ``data``, in data attributes."""
    attributes = {"digest": digest(picture), **(data or {})}
    written = "".join(f' data-{k}="{html.escape(v)}"' for k, v in attributes.items())
    below = f"<figcaption class='mathjax_process'>{caption}</figcaption>" if caption else ""
    return f'<figure class="bk-figure"{written}>{picture}{below}</figure>'


def digest(picture: str) -> str:
    """The first sixteen digits of the SHA-256 of a picture's text."""
    return hashlib.sha256(picture.encode()).hexdigest()[:16]


def _svg(figure: Figure, alt: str) -> str:
    """Inline SVG in the page's colours, with ids of its own and shortened coordinates."""
    stream = io.StringIO()
    figure.savefig(stream, format="svg", dpi=192, metadata={"Date": None, "Creator": None})
    svg = stream.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(
        r"<metadata>.*?</metadata>|<!--.*?-->|<defs>\s*<style.*?</defs>", "", svg, flags=re.S
    )
    svg = re.sub(r"-?\d+\.\d{3,}", _rounded, svg)
    svg = re.sub(r"data:image/png;base64,([^\"]*)", _as_webp, svg)
    for signal, colour in _CSS.items():
        svg = svg.replace(signal, colour)
    tag = hashlib.sha256((alt + svg).encode()).hexdigest()[:8]
    svg = _own_ids(svg, tag)
    svg = re.sub(r"\s*\n\s*", " ", svg).replace("> <", "><").strip()
    opening = (
        f'<svg xmlns:xlink="http://www.w3.org/1999/xlink" role="img" '
        f'aria-label="{html.escape(alt)}" {_size(figure)} {_STROKES} viewBox='
    )
    return re.sub(r"<svg[^>]*viewBox=", lambda _: opening, svg, count=1).replace(
        ' xmlns="http://www.w3.org/2000/svg" version="1.1"', "", 1
    )


def _rounded(match: re.Match[str]) -> str:
    """A number to two decimals, or to four digits where it is small (a scale, not a place)."""
    x = float(match[0])
    return f"{x:.4g}" if abs(x) < 0.1 else f"{x:.2f}".rstrip("0").rstrip(".")


def _own_ids(svg: str, tag: str) -> str:
    """Ids that no other figure of the page has, and none that nobody refers to."""
    used = set(re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', svg))
    short = {name: f"{tag}-{i:x}" for i, name in enumerate(sorted({a or b for a, b in used}))}
    svg = re.sub(r' id="([^"]+)"', lambda m: f' id="{short[m[1]]}"' if m[1] in short else "", svg)
    svg = re.sub(r'href="#([^"]+)"', lambda m: f'href="#{short[m[1]]}"', svg)
    return re.sub(r"url\(#([^)]+)\)", lambda m: f"url(#{short[m[1]]})", svg)


def _svg_with_picture(figure: Figure, alt: str) -> str:
    """As `_svg`, with every artist of many marks as a picture, at twice the page's resolution.

    Marks in the ink of the page stay paths: a picture cannot follow the page's colours.
    """
    with ExitStack() as stack:
        for artist in figure.findobj(lambda a: isinstance(a, Collection | Line2D)):
            if _marks(artist) > _MARKS and not _in_ink(artist):
                stack.callback(artist.set_rasterized, artist.get_rasterized())
                artist.set_rasterized(True)
        return _svg(figure, alt)


def _marks(artist: Artist) -> int:
    """How many paths, points or vertices an artist draws."""
    if isinstance(artist, Line2D):
        return int(np.size(artist.get_xdata()))
    assert isinstance(artist, Collection)
    vertices = sum(np.shape(path.vertices)[0] for path in artist.get_paths())
    array = artist.get_array()
    offsets = np.shape(artist.get_offsets())[0]
    return int(max(offsets, vertices, 0 if array is None else np.size(array)))


def _in_ink(artist: Artist) -> bool:
    """Whether one of an artist's colours is a signal colour."""
    if isinstance(artist, Line2D):
        colours = [artist.get_color(), artist.get_markerfacecolor(), artist.get_markeredgecolor()]
        colours = [c for c in colours if c != "none"]
    else:
        assert isinstance(artist, Collection)
        colours = [*artist.get_facecolor(), *artist.get_edgecolor()]
    return any(to_hex(c) in _CSS for c in colours)


def _as_webp(match: re.Match[str]) -> str:
    """An embedded PNG as WebP, where that is smaller."""
    stream = io.BytesIO()
    Image.open(io.BytesIO(base64.b64decode(match[1]))).save(stream, "webp", quality=85, method=6)
    data = base64.b64encode(stream.getvalue()).decode()
    return min(match[0], f"data:image/webp;base64,{data}", key=len)


def _size(figure: Figure) -> str:
    """Natural width in CSS pixels; on a phone it shrinks, as far as its text stays legible."""
    width = figure.get_size_inches()[0] * 96
    return f'style="width:{width:.0f}px;min-width:{width * 0.6:.0f}px"'


def _close(figure: Figure) -> None:
    """Let pyplot forget the figure: otherwise the inline backend shows it again."""
    import matplotlib.pyplot as plt

    plt.close(figure)
