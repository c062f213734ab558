"""Pictures show what is there, where it is, and only that."""

import numpy as np
import pytest

from entropy_rl.envs._draw import BLUE, CELL, GREEN, GREY, ORANGE, hunters_rabbits, team_bandit


def area(image, colour):
    return int((image == np.array(colour)).all(-1).sum())


def cell_of(image, row, column):
    return image[row * CELL : (row + 1) * CELL, column * CELL : (column + 1) * CELL]


def test_each_body_is_drawn_in_its_cell_and_captures_once():
    image = hunters_rabbits(3, hunters=[0, 9 + 4], rabbits=[5, 9 + 4])
    assert image.shape == (3 * CELL + 2, 3 * CELL + 2, 3)
    for colour, row, column in ((BLUE, 0, 0), (ORANGE, 1, 2), (GREEN, 1, 1)):
        assert area(image, colour) == area(cell_of(image, row, column), colour) > 300
    assert area(cell_of(image, 2, 2), (255, 255, 255)) > 0.9 * CELL**2


@pytest.mark.parametrize("crowd", [2, 4, 5, 10])
def test_bodies_that_share_a_cell_shrink_and_do_not_overlap(crowd):
    alone = area(hunters_rabbits(1, [0], [1]), BLUE)
    across = int(np.ceil(crowd**0.5))
    shared = area(hunters_rabbits(1, [0] * crowd, [1]), BLUE)
    # Pixels on an edge are mixed colours, the more so the smaller the shape.
    assert 0.75 * crowd / across**2 < shared / alone < 1.05 * crowd / across**2


def test_bandit_shows_the_arms_pulled():
    before, after = team_bandit(4, [-1, -1]), team_bandit(4, [3, 1])
    assert before.shape == after.shape
    assert area(before, ORANGE) == area(before, BLUE) == 0
    assert area(before, GREY) == area(after, GREY) + area(after, ORANGE)
    assert area(after, BLUE) > 0
    columns = (after == np.array(BLUE)).all(-1).any(0).nonzero()[0] // 48
    assert sorted(set(columns)) == [1, 3]
