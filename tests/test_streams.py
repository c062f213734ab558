"""Streams of replicas: each is given what a generator of its own seed would give."""

import pytest
import torch

from entropy_rl.streams import (
    Streams,
    exponential,
    normal,
    permutations,
    replicas_of,
    require_alike,
    uniform,
)
from enumeration import F64, seeded

draws = pytest.mark.parametrize("draw", [uniform, normal, exponential])


@draws
@pytest.mark.parametrize(
    ("shape", "rows"), [((6,), 0), ((6, 5), 0), ((4, 6, 5), 1), ((2, 3, 6), 2)]
)
@pytest.mark.parametrize("dtype", [torch.float32, F64])
def test_replicas_are_given_what_they_would_draw_alone(draw, shape, rows, dtype):
    """Twice over, so that each stream goes on where it was."""
    streams, alone = Streams([7, 1, 2**63 - 1]), [seeded(s) for s in (7, 1, 2**63 - 1)]
    part = [n // 3 if axis == rows else n for axis, n in enumerate(shape)]
    for _ in range(2):
        expected = torch.cat([draw(part, g, rows=rows, dtype=dtype) for g in alone], rows)
        found = draw(shape, streams, rows=rows, dtype=dtype)
        assert torch.equal(found, expected)
        assert found.dtype == dtype


def test_a_generator_gives_what_torch_gives():
    assert torch.equal(uniform((4, 3), seeded(0)), torch.rand(4, 3, generator=seeded(0)))
    one = torch.empty(4, 3).exponential_(generator=seeded(0))
    assert torch.equal(exponential((4, 3), seeded(0)), one)
    one = torch.empty(4, 3).normal_(generator=seeded(0))
    assert torch.equal(normal((4, 3), seeded(0)), one)
    assert torch.equal(permutations(5, seeded(0))[0], torch.randperm(5, generator=seeded(0)))
    torch.manual_seed(0)
    assert torch.equal(uniform((2,), None), torch.rand(2, generator=seeded(0)))


def test_orders_are_those_that_replicas_would_draw_alone():
    streams, alone = Streams([7, 1]), [seeded(7), seeded(1)]
    for count in (6, 0, 40):
        expected = torch.cat([permutations(count, g) for g in alone])
        assert torch.equal(permutations(count, streams), expected)
        assert expected.shape == (2, count)


def test_what_is_not_alike_is_refused():
    require_alike("ends", torch.tensor([True, False, True, False]), Streams([7, 4]))
    require_alike("ends", torch.tensor([]), Streams([7, 4]))
    for rows in ([True, False, False, True], [True, True, False, False]):
        message = "ends: expected those of seed 7 in every replica, got others for the seeds 4"
        with pytest.raises(ValueError, match=message):
            require_alike("ends", torch.tensor(rows), Streams([7, 4]))
    with pytest.raises(ValueError, match="ends: expected as many rows for each replica"):
        require_alike("ends", torch.tensor([True, True, True]), Streams([7, 4]))


def test_a_state_is_gone_back_to():
    streams = Streams([0, 1])
    uniform((4,), streams)
    state = streams.get_state()
    once = uniform((4,), streams)
    streams.set_state(state)
    assert torch.equal(uniform((4,), streams), once)
    other = Streams([5, 6])
    other.set_state(state)
    assert torch.equal(uniform((4,), other), once)


def test_other_seeds_give_other_numbers():
    x = uniform((3000,), Streams([0, 1, 2])).view(3, 1000)
    assert (torch.corrcoef(x) - torch.eye(3)).abs().max() < 0.15  # 4.7 standard errors


@draws
def test_bad_calls_are_refused_by_name(draw):
    with pytest.raises(ValueError, match="shape: expected rows for 2 replicas alike, got 3"):
        draw((3,), Streams([0, 1]))
    with pytest.raises(ValueError, match=r"generator: expected a torch\.Generator"):
        draw((3,), 5)
    for source in (seeded(0), Streams([0])):
        with pytest.raises(ValueError, match="generator: expected a generator on meta"):
            draw((3,), source, device="meta")


@pytest.mark.parametrize("seeds", [[], [1, 1], [-1], [2**63], [0.5]])
def test_bad_seeds_are_refused_by_name(seeds):
    with pytest.raises(ValueError, match=r"^seeds: expected"):
        Streams(seeds)


@draws
def test_several_times_the_same_seeds_draw_the_same(draw):
    once, twice = Streams([3, 8]), Streams([3, 8], times=2)
    for shape, rows in (((6,), 0), ((3, 4, 2), 1)):
        first = draw(shape, once, rows=rows)
        wide = list(shape)
        wide[rows] *= 2
        both = draw(tuple(wide), twice, rows=rows)
        for half in both.chunk(2, rows):
            assert torch.equal(half, first)
    assert (len(once), len(twice)) == (2, 4)
    order = permutations(5, once)
    assert torch.equal(permutations(5, twice), torch.cat([order, order]))
    assert (replicas_of(twice), replicas_of(once), replicas_of(seeded(0))) == (4, 2, 1)


@pytest.mark.parametrize("times", [0, -1, 1.5])
def test_no_times_the_seeds_are_refused(times):
    with pytest.raises(ValueError, match="times: expected"):
        Streams([3, 8], times=times)


def test_of_several_times_the_seeds_the_one_that_is_unlike_is_named():
    rows = torch.tensor([True, True, True, False])
    with pytest.raises(ValueError, match="got others for the seeds 8"):
        require_alike("ends", rows, Streams([3, 8], times=2))
