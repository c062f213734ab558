"""Pictures of states, in plain NumPy: shapes tell what colours tell (Okabe and Ito's palette)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np

CELL = 96
PAPER, LINE = (255, 255, 255), (190, 190, 190)
BLUE, ORANGE, GREY, GREEN = (0, 114, 178), (213, 94, 0), (120, 120, 120), (0, 158, 115)

Shape = Callable[[np.ndarray, np.ndarray], np.ndarray]


def _disc(x: np.ndarray, y: np.ndarray, cx: float, cy: float, rx: float, ry: float) -> np.ndarray:
    return ((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 <= 1


def _hunter(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """A head over shoulders."""
    return _disc(x, y, 0, -0.38, 0.28, 0.28) | (_disc(x, y, 0, 0.75, 0.62, 0.75) & (y < 0.75))


def _rabbit(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """A head with two long ears."""
    ears = _disc(np.abs(x), y, 0.24, -0.4, 0.15, 0.45)
    return ears | _disc(x, y, 0, 0.35, 0.48, 0.42)


def _caught(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """A ring around a tick."""
    ring = _disc(x, y, 0, 0, 0.8, 0.8) & ~_disc(x, y, 0, 0, 0.66, 0.66)
    down = (np.abs(y - 0.3 - (x + 0.12) * 1.0) < 0.12) & (x > -0.42) & (x < -0.1)
    up = (np.abs(y - 0.3 + (x + 0.12) * 1.3) < 0.14) & (x > -0.14) & (x < 0.36)
    return ring | down | up


def _stamp(image: np.ndarray, box: tuple[int, int, int], shape: Shape, colour: tuple) -> None:
    """Draw ``shape`` into the square ``(top, left, side)``, smoothed by 4×4 samples a pixel."""
    top, left, side = box
    t = (np.arange(4 * side) + 0.5) / (2 * side) - 1
    inside = shape(t[None, :], t[:, None])
    cover = inside.reshape(side, 4, side, 4).mean((1, 3))[..., None]
    part = image[top : top + side, left : left + side]
    part[:] = np.round(part * (1 - cover) + np.array(colour) * cover).astype(np.uint8)


def hunters_rabbits(size: int, hunters: Sequence[int], rabbits: Sequence[int]) -> np.ndarray:
    """The grid: blue people hunt, orange rabbits are free, a green tick is a capture.

    Args:
        size: n.
        hunters: codes as in ``HuntersState``; a capture is drawn once, from its hunter.
        rabbits: codes.

    Returns:
        uint8 ``(96 n + 2, 96 n + 2, 3)``.
    """
    image = np.full((CELL * size + 2, CELL * size + 2, 3), PAPER, np.uint8)
    for k in range(size + 1):
        image[k * CELL : k * CELL + 2] = LINE
        image[:, k * CELL : k * CELL + 2] = LINE
    held: dict[int, list[tuple[Shape, tuple]]] = defaultdict(list)
    for code in hunters:
        active = code < size * size
        held[code % (size * size)].append((_hunter, BLUE) if active else (_caught, GREEN))
    for code in rabbits:
        if code < size * size:
            held[code].append((_rabbit, ORANGE))
    for cell, shapes in held.items():
        across = int(np.ceil(np.sqrt(len(shapes))))
        side = (CELL - 8) // across
        for k, (shape, colour) in enumerate(shapes):
            top = cell // size * CELL + 5 + k // across * side
            left = cell % size * CELL + 5 + k % across * side
            _stamp(image, (top, left, side), shape, colour)
    return image


def team_bandit(arms: int, chosen: Sequence[int]) -> np.ndarray:
    """Bars as high as the arms pay; a person under an arm is an agent that pulled it.

    Args:
        arms: K.
        chosen: the arm of each agent, in [0, K), or -1 before the first round.

    Returns:
        uint8 ``(240 + 32 d, 48 K, 3)``.
    """
    width, height, side = 48, 240, 32
    image = np.full((height + side * len(chosen), width * arms, 3), PAPER, np.uint8)
    for k in range(arms):
        bar = (height - 16) * (k + 1) // arms
        colour = ORANGE if k in chosen else GREY
        image[height - bar : height, k * width + 6 : (k + 1) * width - 6] = colour
    image[height : height + 2] = LINE
    for agent, arm in enumerate(chosen):
        if arm >= 0:
            box = (height + side * agent, arm * width + (width - side) // 2, side)
            _stamp(image, box, _hunter, BLUE)
    return image


def pendulum(angle: float) -> np.ndarray:
    """A rod about a pin, upright at the angle 0.

    Args:
        angle: θ, radians; it grows to the left.

    Returns:
        uint8 ``(192, 192, 3)``.
    """
    image = np.full((192, 192, 3), PAPER, np.uint8)
    along = np.array([-np.sin(angle), -np.cos(angle)])

    def rod(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        reach = x * along[0] + y * along[1]
        aside = np.abs(y * along[0] - x * along[1])
        return (reach > -0.08) & (reach < 0.85) & (aside < 0.08)

    _stamp(image, (0, 0, 192), rod, ORANGE)
    _stamp(image, (0, 0, 192), lambda x, y: _disc(x, y, 0, 0, 0.04, 0.04), LINE)
    return image


def places(states: int, here: int) -> np.ndarray:
    """A disc for each state, the present one filled with colour.

    Args:
        states: S.
        here: in [0, S).

    Returns:
        uint8 ``(64, 64 S, 3)``.
    """
    image = np.full((64, 64 * states, 3), PAPER, np.uint8)
    for k in range(states):
        colour = BLUE if k == here else LINE
        _stamp(image, (0, 64 * k, 64), lambda x, y: _disc(x, y, 0, 0, 0.7, 0.7), colour)
    return image
