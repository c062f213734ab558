"""Products of matrices in bfloat16, on processors that have instructions for it and on others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_anew: ContextVar[torch.Generator | None] = ContextVar("_anew", default=None)

# Of float32: by how much a sum in another order may be off, relatively.
_SUMS = 2.0**-24


@contextmanager
def products_rounded_anew(seed: int) -> Iterator[None]:
    """Within it a processor's products of bfloat16 are made in float64, and rounded once.

    Before that they are off by chance as much as sums in float32 are, so that they are rounded
    as on any other processor: what comes of that can be measured so.

    Args:
        seed: of the chance.
    """
    token = _anew.set(torch.Generator().manual_seed(seed))
    try:
        yield
    finally:
        _anew.reset(token)


def has_bfloat16() -> bool:
    """Whether torch multiplies matrices of bfloat16 with this processor's own instructions.

    Without them its own loop takes fifty times as long as a product in float32.
    """
    return bool(
        torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    )


def product(
    make: Callable[..., Tensor], *factors: Tensor | None, out: Tensor | None = None, **options: Any
) -> Tensor:
    """``make(*factors, **options)``, in float32 and rounded once where bfloat16 is slow.

    That is what a processor's bfloat16 units do too: products and sums in float32, one rounding at
    the end. The two differ by the order of the sums.

    Args:
        make: such as ``torch.addmm`` or ``torch.nn.functional.linear``.
        factors: its tensors, of one dtype; None is handed on.
        out: where the result is written, without a gradient; it may be one of the factors.
        options: handed on.
    """
    if not _slow(factors):
        return make(*factors, **options) if out is None else make(*factors, out=out, **options)
    chance = _anew.get()
    dtype = torch.float32 if chance is None else torch.float64
    made = make(*(None if x is None else x.to(dtype) for x in factors), **options)
    if chance is not None:
        made = made * (1 + _SUMS * torch.randn(made.shape, generator=chance, dtype=dtype))
    return made.to(torch.bfloat16) if out is None else out.copy_(made)


class Linear(nn.Linear):
    """``torch.nn.Linear``, whose product is :func:`product`'s."""

    def forward(self, input: Tensor) -> Tensor:
        """y = x Wᵀ + b."""
        if input.dtype is not torch.bfloat16:  # at once: small networks are mostly calls
            return F.linear(input, self.weight, self.bias)
        return product(F.linear, input, self.weight, self.bias)


def _slow(factors: tuple[Tensor | None, ...]) -> bool:
    first = factors[0]
    return (
        first is not None
        and first.dtype is torch.bfloat16
        and first.device.type == "cpu"
        and (_anew.get() is not None or not has_bfloat16())
    )
