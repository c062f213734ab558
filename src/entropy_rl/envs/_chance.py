"""Chance inside a step, without a generator: a key for each episode, and a hash of key and time.

``step`` is a function of the state and the actions. An environment whose dynamics are stochastic
draws a key for each episode in ``reset``, keeps it in its state as one more field, and takes the
noise of step t from :func:`uniforms`, a function of key and t. So an episode meets the same noise
alone or in a batch, whichever others have ended, and on every device.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from entropy_rl import _validate as check

# The increment and the multipliers of splitmix64, as int64; its products wrap around.
_GOLDEN = 0x9E3779B97F4A7C15 - 2**64
_FIRST = 0xBF58476D1CE4E5B9 - 2**64
_SECOND = 0x94D049BB133111EB - 2**64


def draw_keys(
    num: int, *, generator: Generator | None = None, device: torch.device | str = "cpu"
) -> Tensor:
    """A key for each of ``num`` episodes, int64 ``(N,)``: draw them in ``reset``.

    Args:
        num: N, ≥ 1.
        generator: the only source of chance, on ``device``; None takes torch's own.
        device: where the keys shall lie.

    Raises:
        ValueError: ``num`` below 1, or a generator on another device.
    """
    check.positive_integer("num", num)
    check.generator("generator", generator, torch.device(device))
    return torch.randint(-(2**63), 2**63 - 1, (num,), generator=generator, device=device)


def uniforms(keys: Tensor, time: Tensor, size: int = 1) -> Tensor:
    """The noise of one step: independent uniform numbers, a function of the key and the time.

    With h splitmix64's finalizer and γ its increment, number i of step t is

        uᵢ = (⌊h(key + (m t + i + 1) γ) / 2¹²⌋ + ½) / 2⁵²,    i = 0 … m-1

    A normal number is ``torch.special.ndtri(u)``; a choice is the first k with u < Σ_{j≤k} pⱼ.

    Args:
        keys: from :func:`draw_keys`, int64 ``(N,)``.
        time: t, steps taken before this one, int64 ``(N,)``, ≥ 0.
        size: m, how many numbers a step takes: the same at each step of an episode.

    Returns:
        float64 ``(N, m)``, inside (0, 1).

    Raises:
        ValueError: another dtype or shape, or ``size`` below 1.

    Source: Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators".
    """
    check.positive_integer("size", size)
    if check.integer("keys", keys).ndim != 1:
        raise check.fail("keys", "shape (N,)", check.describe(keys))
    check.shape("time", check.integer("time", time), tuple(keys.shape))
    number = torch.arange(1, size + 1, device=keys.device)
    bits = mix(keys[:, None] + (size * time[:, None] + number) * _GOLDEN)
    return (_shifted(bits, 12).double() + 0.5) * 2.0**-52


def mix(x: Tensor) -> Tensor:
    """splitmix64's finalizer, a bijection of int64 whose bits look independent of the input's."""
    x = (x ^ _shifted(x, 30)) * _FIRST
    x = (x ^ _shifted(x, 27)) * _SECOND
    return x ^ _shifted(x, 31)


def _shifted(x: Tensor, by: int) -> Tensor:
    """x to the right by so many bits, zeros coming in (torch's own shift copies the sign)."""
    return (x >> by) & ((1 << (64 - by)) - 1)
