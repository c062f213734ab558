"""Half-precision passes over float32 masters."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float64": torch.float64}


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
