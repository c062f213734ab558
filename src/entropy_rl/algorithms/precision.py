"""Half-precision passes over float32 masters."""

from __future__ import annotations

import copy
import time
from typing import Any

import torch
from torch import nn

_SIDE, _ROUNDS = 256, 5

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float64": torch.float64}


def bfloat16_cost() -> float:
    """How many times as long a matrix product takes in bfloat16 as in float32, measured here.

    Below 1 where the processor has instructions for it; fifty was measured on one that has not.
    """
    least = {}
    for dtype in (torch.float32, torch.bfloat16):
        x = torch.ones(_SIDE, _SIDE, dtype=dtype)
        spent = []
        for _ in range(_ROUNDS):
            started = time.process_time()
            x @ x
            spent.append(time.process_time() - started)
        least[dtype] = min(spent)
    return least[torch.bfloat16] / least[torch.float32]


class WorkingCopy:
    """A module and the copy of it that computes in another precision.

    The optimiser owns the master's parameters; the working copy samples and is differentiated. In
    float32 the two are one module and nothing is copied.

    Args:
        master: the module whose parameters are trained; float32 (or float64).
        precision: a key of ``DTYPES``.
    """

    def __init__(self, master: nn.Module, precision: str) -> None:
        dtype = DTYPES[precision]
        self.master = master
        self.shared = all(p.dtype == dtype for p in master.parameters())
        self.module: Any = master if self.shared else copy.deepcopy(master).to(dtype)
        self._masters = list[torch.Tensor](master.parameters())
        self._working = list[torch.Tensor](self.module.parameters())
        self._buffers = list(zip(self.module.buffers(), master.buffers(), strict=True))

    def gradients_to_master(self) -> None:
        """Move the gradients of the working copy onto the master, in the master's precision."""
        if self.shared:
            return
        for master, working in zip(self._masters, self._working, strict=True):
            master.grad = None if working.grad is None else working.grad.to(master.dtype)
            working.grad = None

    def refresh(self) -> None:
        """Copy the master's parameters and buffers into the working copy."""
        if self.shared:
            return
        with torch.no_grad():
            torch._foreach_copy_(self._working, self._masters)
            for working, master in self._buffers:
                working.copy_(master)
