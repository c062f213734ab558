"""Sliders that live with and without a kernel, from one definition."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ipywidgets
from IPython.display import display

from bookkit import figures, mime_types, paths

BUDGET = 1_500_000
Draw = Callable[..., Any]


def explore(
    draw: Draw,
    /,
    *,
    alt: Callable[..., str] | str,
    labels: Mapping[str, str] | None = None,
    start: Mapping[str, Any] | None = None,
    play: bool = False,
    format: str = "auto",
    budget: int = BUDGET,
    **grid: Sequence[Any],
) -> None:
    """Show ``draw(**values)`` under one or two sliders over ``grid``.

    With a kernel a point is drawn when it is first visited. On the built page the whole grid was
    drawn ahead, so the sliders need no kernel.

    Args:
        draw: returns a matplotlib figure, or a figure and a dictionary of the numbers it shows.
        alt: what the figure shows, as a function of the values or as a format string of them.
        labels: the names of the sliders as the reader sees them, such as ``{"beta": "β"}``.
        start: where sliders begin, such as ``{"beta": 0.5}``; at their first value unless given.
        play: whether a Play button moves the first slider.
        format: as in `bookkit.figures.show`.
        budget: the most bytes that the frames may weigh together on the page.
        grid: for each argument of ``draw`` its values, in the slider's order.

    Raises:
        ValueError: not one or two sliders, empty or repeated values, frames over the budget,
            or a start that is not on the grid.
    """
    explorer = Explorer(draw, grid, alt, dict(labels or {}), dict(start or {}), play, format)
    if not paths.is_static():
        explorer.start_live()
        display(explorer.widget)
        return
    frames = explorer.draw_all()
    weight = sum(len(f.encode()) for f in frames.values())
    if weight > budget:
        raise ValueError(
            f"grid: expected frames of at most {budget:,} bytes together, got {len(frames)} frames "
            f"of {weight:,} bytes; draw fewer points, simpler figures, or format='webp'"
        )
    record = {
        "axes": [[name, [_label(v) for v in values]] for name, values in grid.items()],
        "start": explorer.records[explorer.start]["values"],
        "bytes": weight,
        "frames": list(explorer.records.values()),
    }
    bundle = {**explorer.widget._repr_mimebundle_(), mime_types.EXPLORE: record}
    display(bundle, raw=True)


def animate(
    frames: Sequence[Any] | Callable[[int], Any],
    alt: Callable[[int], str] | Sequence[str],
    *,
    steps: int | None = None,
    label: str = "step",
    format: str = "auto",
    budget: int = BUDGET,
) -> None:
    """Show a sequence of figures under a slider with a Play button, such as an episode.

    Args:
        frames: matplotlib figures, or a function of the step's number that draws one.
        alt: the text of each frame, as a sequence or as a function of the step's number.
        steps: how many frames; needed where ``frames`` is a function.
        label: the name of the slider.
        format: as in `bookkit.figures.show`.
        budget: as in `explore`.

    Raises:
        ValueError: ``steps`` is missing, or the frames weigh more than the budget.
    """
    if callable(frames):
        if steps is None:
            raise ValueError("steps: expected the number of frames, got None")
        draw = frames
    else:
        steps, draw = len(frames), frames.__getitem__
    text = alt if callable(alt) else alt.__getitem__
    explore(
        lambda step: draw(step),
        alt=lambda step: text(step),
        labels={"step": label},
        play=True,
        format=format,
        budget=budget,
        step=range(steps),
    )


class Explorer:
    """The widgets of one `explore`: sliders, and a stack of frames (of stacks, for two sliders)."""

    def __init__(
        self,
        draw: Draw,
        grid: Mapping[str, Sequence[Any]],
        alt: Callable[..., str] | str,
        labels: Mapping[str, str],
        start: Mapping[str, Any],
        play: bool,
        format: str,
    ) -> None:
        _check_grid(grid, labels)
        self.start = _indices(grid, start)
        self.draw, self.alt, self.format = draw, alt, format
        self.grid = {name: list(values) for name, values in grid.items()}
        self.records: dict[tuple[int, ...], dict[str, Any]] = {}
        shape = [range(len(values)) for values in self.grid.values()]
        self.frames = {index: ipywidgets.HTML() for index in itertools.product(*shape)}
        # Two sliders are as long as each other if their labels are.
        names = [labels.get(name, name) for name in grid]
        width = "initial" if len(names) == 1 else f"{max(map(len, names)) + 1}ch"
        self.sliders = [
            ipywidgets.SelectionSlider(
                options=[(_label(v), i) for i, v in enumerate(values)],
                index=first,
                description=labels.get(name, name),
                continuous_update=True,
                style={"description_width": width},
                layout=ipywidgets.Layout(width="min(30rem, 100%)"),
            )
            for (name, values), first in zip(self.grid.items(), self.start, strict=True)
        ]
        rows: list[ipywidgets.Widget] = list(self.sliders)
        if play:
            rows[0] = self._with_play(self.sliders[0])
        # A callback has no cell to raise in: what it prints or raises is shown here.
        self.trouble = ipywidgets.Output()
        self.widget = ipywidgets.VBox([*rows, self._stack(()), self.trouble])
        self.widget.add_class("bk-explore")

    def draw_all(self) -> dict[tuple[int, ...], str]:
        """Draw every frame now; what ``draw`` raises goes through."""
        for index, frame in self.frames.items():
            frame.value = self._render(index)
        return {index: frame.value for index, frame in self.frames.items()}

    def start_live(self) -> None:
        """Draw the frame the sliders stand at, now and whenever they move."""
        for slider in self.sliders:
            slider.observe(self._visit, "index")
        self._visit()

    def _visit(self, _: object = None) -> None:
        """Draw the current frame if it is new; a traceback goes to the page, below the sliders."""
        index = tuple(slider.index for slider in self.sliders)
        self.trouble.clear_output()
        if not self.frames[index].value:
            with self.trouble:
                self.frames[index].value = self._render(index)

    def _render(self, index: tuple[int, ...]) -> str:
        """The frame at ``index`` as HTML, its values and numbers in data attributes."""
        pairs = zip(self.grid.items(), index, strict=True)
        values = {name: options[i] for (name, options), i in pairs}
        drawn = self.draw(**values)
        figure, numbers = drawn if isinstance(drawn, tuple) else (drawn, {})
        text = self.alt.format(**values) if isinstance(self.alt, str) else self.alt(**values)
        picture = figures.picture(figure, text, self.format)
        self.records[index] = {
            "values": {name: _label(value) for name, value in values.items()},
            "numbers": json.loads(json.dumps(numbers, default=float)),
            "digest": figures.digest(picture),
        }
        shown = {k: json.dumps(self.records[index][k]) for k in ("values", "numbers")}
        return figures.wrap(picture, data=shown)

    def _stack(self, prefix: tuple[int, ...]) -> ipywidgets.Widget:
        """The frame at ``prefix``, or a stack of what lies below it, linked to its slider."""
        if prefix in self.frames:
            return self.frames[prefix]
        slider = self.sliders[len(prefix)]
        children = [self._stack((*prefix, i)) for i in range(len(slider.options))]
        stack = ipywidgets.Stack(children, selected_index=slider.index)
        ipywidgets.jslink((slider, "index"), (stack, "selected_index"))
        return stack

    def _with_play(self, slider: ipywidgets.SelectionSlider) -> ipywidgets.Widget:
        """``slider`` with a Play button beside it."""
        last = len(slider.options) - 1
        play = ipywidgets.Play(value=slider.index, min=0, max=last, interval=500, show_repeat=False)
        ipywidgets.jslink((play, "value"), (slider, "index"))
        row = ipywidgets.HBox([play, slider])
        row.add_class("bk-play")
        return row


def _check_grid(grid: Mapping[str, Sequence[Any]], labels: Mapping[str, str]) -> None:
    """Raise where ``grid`` cannot be put under sliders."""
    if not 1 <= len(grid) <= 2:
        raise ValueError(f"grid: expected one or two arguments to vary, got {list(grid)}")
    for name, values in grid.items():
        shown = [_label(v) for v in values]
        if not shown or len(set(shown)) < len(shown):
            raise ValueError(f"{name}: expected distinct values, at least one, got {shown}")
    if unknown := set(labels) - set(grid):
        raise ValueError(f"labels: expected names among {list(grid)}, got {sorted(unknown)}")


def _indices(grid: Mapping[str, Sequence[Any]], start: Mapping[str, Any]) -> tuple[int, ...]:
    """The index of each slider's first value; values are told apart as the reader sees them."""
    if unknown := set(start) - set(grid):
        raise ValueError(f"start: expected names among {list(grid)}, got {sorted(unknown)}")
    found = []
    for name, values in grid.items():
        shown = [_label(v) for v in values]
        first = _label(start[name]) if name in start else shown[0]
        if first not in shown:
            raise ValueError(f"start: expected {name} to be one of {shown}, got {first}")
        found.append(shown.index(first))
    return tuple(found)


def _label(value: Any) -> str:
    """A value as the slider shows it: floats to four significant digits."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
