"""Figures as HTML: named, in the page's ink, small, with ids of their own."""

from __future__ import annotations

import base64
import io
import itertools
import re

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

from bookkit import figures

LIGHT, DARK = "#ffffff", "#121212"
# Machado, Oliveira and Fernandes (2009), severity 1.
BLINDNESS = {
    "none": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


@pytest.fixture(autouse=True)
def _style() -> object:
    with plt.rc_context():
        figures.use_style()
        yield
    plt.close("all")


def linear(colour: str) -> np.ndarray:
    c = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def contrast(a: str, b: str) -> float:
    low, high = sorted(float(linear(c) @ [0.2126, 0.7152, 0.0722]) for c in (a, b))
    return (high + 0.05) / (low + 0.05)


def lab(rgb: np.ndarray) -> np.ndarray:
    to_xyz = np.array(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    )
    xyz = to_xyz @ np.clip(rgb, 0, 1) / np.array([0.9505, 1, 1.089])
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("background", [LIGHT, DARK])
def test_every_colour_stands_out_from_the_page(background: str) -> None:
    assert min(contrast(c, background) for c in figures.PALETTE) >= 3


@pytest.mark.parametrize("blindness", BLINDNESS)
def test_colours_differ_for_every_eye(blindness: str) -> None:
    seen = [lab(np.array(BLINDNESS[blindness]) @ linear(c)) for c in figures.PALETTE]
    assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)) > 15


def line() -> plt.Figure:
    figure, axes = plt.subplots()
    axes.plot([0, 1, 2], [0, 1, 4], label="curve")
    axes.set(xlabel="$x$", ylabel="y")
    axes.legend()
    return figure


def test_a_figure_is_inline_svg_in_the_pages_ink() -> None:
    shown = figures.wrap(figures.picture(line(), "A curve <that> rises."), "Caption.")
    assert 'role="img" aria-label="A curve &lt;that&gt; rises."' in shown
    assert "Caption." in shown
    assert "currentColor" in shown
    assert "var(--bk-grid" in shown
    assert not re.search('#010203|#040506|#070809|#000000|<metadata|width="\\d+pt', shown)
    assert len(shown) < 25_000
    assert plt.get_fignums() == []


def test_a_figure_brings_no_style_to_the_page() -> None:
    """Each would hold for all of the page; and it made a step of a slider take a second."""
    shown = figures.picture(line(), "A rising line.")
    assert "<style" not in shown
    assert "<defs></defs>" not in shown
    (opening,) = re.findall("<svg[^>]*>", shown)
    assert 'stroke-linejoin="round" stroke-linecap="butt"' in opening


def test_ids_are_unique_over_the_figures_of_a_page() -> None:
    page = "".join(figures.picture(line(), alt) for alt in ("one", "two"))
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]+)"', page)) <= set(ids)
    assert set(re.findall(r"url\(#([^)]+)\)", page)) <= set(ids)


def test_the_same_figure_gives_the_same_bytes() -> None:
    assert figures.picture(line(), "curve") == figures.picture(line(), "curve")


def test_shortened_numbers_move_nothing() -> None:
    """A glyph's scale of 1/64 must survive: it once became .02."""
    assert figures._rounded(re.match(".*", "0.015625")) == "0.01562"
    assert figures._rounded(re.match(".*", "123.456789")) == "123.46"
    assert figures._rounded(re.match(".*", "-7.000000")) == "-7"


def test_an_intricate_figure_becomes_a_picture() -> None:
    figure, axes = plt.subplots()
    rng = np.random.default_rng(0)
    axes.scatter(*rng.normal(size=(2, 5000)), s=2)
    shown = figures.picture(figure, "A cloud.")
    assert 'href="data:image/webp;base64,' in shown
    assert 'aria-label="A cloud."' in shown
    assert len(shown) < 120_000


@pytest.mark.parametrize("format", ["auto", "webp"])
def test_a_picture_holds_marks_alone_and_no_signal_colour(format: str) -> None:
    """Text, axes, legend and marks in ink stay in the page's colours, dark or light."""
    figure, axes = plt.subplots()
    rng = np.random.default_rng(0)
    cloud = axes.scatter(*rng.normal(size=(2, 5000)), s=4, label="cloud")
    line = axes.plot(np.linspace(-3, 3, 5000), rng.normal(size=5000), label="path")
    axes.plot(np.linspace(-3, 3, 300), np.zeros(300), color=plt.rcParams["text.color"], label="ink")
    axes.legend()
    shown = figures.picture(figure, "A cloud.", format)
    (data,) = re.findall('data:image/webp;base64,([^"]*)', shown)
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGBA"))
    opaque = pixels[pixels[..., 3] > 250][:, :3].astype(int)
    # The cloud's and the path's colours, and nothing as dark as a signal colour.
    assert opaque.max(axis=1).min() > 100
    assert not re.search("#010203|#040506|#070809", shown)
    for kept in ("currentColor", "var(--bk-grid", "var(--bk-paper"):
        assert kept in shown
    assert not any(a.get_rasterized() for a in (cloud, *line))


def test_refusals() -> None:
    with pytest.raises(
        ValueError, match="alt: expected a sentence on what the figure shows, got ' '"
    ):
        figures.picture(line(), " ")
    with pytest.raises(
        ValueError, match="format: expected one of 'auto', 'svg', 'webp', got 'gif'"
    ):
        figures.picture(line(), "curve", format="gif")
