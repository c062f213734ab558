"""Chance for replicas that are trained as one: each draws from a stream of its own.

What draws by :func:`uniform`, :func:`normal` and :func:`exponential` takes :class:`Streams` where
it takes a ``torch.Generator``, and then replica r is given what it would be given alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import torch
from torch import Tensor

from entropy_rl import _validate


class Streams:
    """R generators: of N rows the first N/R are drawn from the first, the next from the second, ….

    Args:
        seeds: one for each replica, in [0, 2⁶³).
        device: where they live.
        times: how often the replicas of all seeds are there, one set after the other, with the same
            draws in each; ≥ 1.

    Raises:
        ValueError: no seed, one out of range, or one twice; ``times`` below 1.
    """

    def __init__(
        self, seeds: Sequence[int], device: torch.device | str = "cpu", times: int = 1
    ) -> None:
        for seed in seeds:
            _validate.seed("seeds", seed)
        if not seeds or len(set(seeds)) < len(seeds):
            raise _validate.fail("seeds", "one of its own for each replica", list(seeds))
        self.seeds, self.times = tuple(seeds), _validate.positive_integer("times", times)
        self.generators = [torch.Generator(device).manual_seed(seed) for seed in seeds]

    def __len__(self) -> int:
        return len(self.generators) * self.times

    @property
    def device(self) -> torch.device:
        """Where they live."""
        return self.generators[0].device

    def get_state(self) -> Tensor:
        """The states of all, uint8 ``(R, bytes)``."""
        return torch.stack([generator.get_state() for generator in self.generators])

    def set_state(self, state: Tensor) -> None:
        """What :meth:`get_state` returned."""
        for generator, own in zip(self.generators, state, strict=True):
            # A copy: torch does not look where in its storage a view begins.
            generator.set_state(own.clone())


Source: TypeAlias = torch.Generator | Streams


def uniform(
    shape: Sequence[int],
    source: Source | None,
    *,
    rows: int = 0,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
) -> Tensor:
    """Independent uniform numbers in [0, 1).

    Args:
        shape: of the result.
        source: of chance, on ``device``; None takes torch's own generator.
        rows: the axis of ``shape`` that is divided among the replicas of :class:`Streams`.
        dtype: of the result.
        device: of the result.

    Raises:
        ValueError: a source of another kind or on another device, or rows that R does not divide.
    """
    return _drawn(torch.Tensor.uniform_, shape, source, rows, dtype, device)


def exponential(
    shape: Sequence[int],
    source: Source | None,
    *,
    rows: int = 0,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
) -> Tensor:
    """Independent standard exponential numbers; arguments and errors as of :func:`uniform`."""
    return _drawn(torch.Tensor.exponential_, shape, source, rows, dtype, device)


def normal(
    shape: Sequence[int],
    source: Source | None,
    *,
    rows: int = 0,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
) -> Tensor:
    """Independent standard normal numbers; arguments and errors as of :func:`uniform`."""
    return _drawn(torch.Tensor.normal_, shape, source, rows, dtype, device)


def replicas_of(source: Source) -> int:
    """R, among how many replicas rows are divided; of a generator 1."""
    return len(source) if isinstance(source, Streams) else 1


def permutations(count: int, source: Source) -> Tensor:
    """A random order of ``count`` things for each of R replicas, int64 ``(R, count)``.

    Args:
        count: n ≥ 0.
        source: of chance; a ``torch.Generator`` is one.
    """
    each = source.generators if isinstance(source, Streams) else [source]
    drawn = torch.stack([torch.randperm(count, generator=g, device=g.device) for g in each])
    return drawn.repeat(replicas_of(source) // len(each), 1)


def require_alike(name: str, rows: Tensor, source: Streams) -> None:
    """Refuse rows that are not the same for every replica.

    Args:
        name: of what they say, for the message.
        rows: ``(N,)``, the first N/R of the first replica.
        source: of the replicas.

    Raises:
        ValueError: naming ``name`` and the seeds whose rows are not those of the first.
    """
    if len(rows) % len(source):
        raise _validate.fail(name, "as many rows for each replica that is stacked", len(rows))
    parts = rows.view(len(source), len(rows) // len(source))
    same = (parts == parts[0]).all(1).tolist()
    seeds = source.seeds * source.times
    other = [seed for seed, alike in zip(seeds, same, strict=True) if not alike]
    if other:
        found = f"others for the seeds {', '.join(map(str, other))}"
        raise _validate.fail(name, f"those of seed {source.seeds[0]} in every replica", found)


def _drawn(
    fill: Callable[..., Tensor],
    shape: Sequence[int],
    source: Source | None,
    rows: int,
    dtype: torch.dtype,
    device: torch.device | str,
) -> Tensor:
    if not isinstance(source, Streams):
        _validate.generator("generator", source, torch.device(device))
        return fill(torch.empty(*shape, dtype=dtype, device=device), generator=source)
    _validate.generator("generator", source.generators[0], torch.device(device))
    R, N = len(source), shape[rows]
    if N % R:
        raise _validate.fail("shape", f"rows for {R} replicas alike", N)
    part = (*shape[:rows], N // R, *shape[rows + 1 :])
    parts = torch.empty(len(source.generators), *part, dtype=dtype, device=device)
    for own, generator in zip(parts.unbind(), source.generators, strict=True):
        fill(own, generator=generator)
    if source.times > 1:
        parts = parts.repeat(source.times, *(1,) * len(part))
    return parts.movedim(0, rows).reshape(*shape)
