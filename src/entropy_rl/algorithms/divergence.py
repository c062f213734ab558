"""A training that has left the numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor


class TrainingDiverged(RuntimeError):
    """A term of the loss, a gradient or a parameter is not finite.

    The trainer and its policy have been set back to the last good state.

    Attributes:
        update: the number of updates made before.
        term: what was not finite.
        last_good: the trainer's ``state_dict`` at the start of the batch that spoilt it: a training
            that loads it plays that batch again.
        seeds: of the replicas that spoilt it, where several are stacked and it can be told.
    """

    def __init__(
        self, update: int, term: str, last_good: dict[str, Any], seeds: tuple[int, ...] = ()
    ) -> None:
        whose = f" of seed {', '.join(map(str, seeds))}" if seeds else ""
        super().__init__(
            f"update {update}: {term}{whose} is not finite; set back to the last good state"
        )
        self.update, self.term, self.last_good, self.seeds = update, term, last_good, seeds

    def __reduce__(self) -> tuple[Any, ...]:
        """To be pickled: an exception's own way gives its message for all arguments."""
        return type(self), (self.update, self.term, self.last_good, self.seeds)


def finite(tensors: Iterable[Tensor]) -> bool:
    """Whether all entries of all tensors are finite."""
    # The norms of all at once take a tenth of the time of looking at every entry.
    norms = torch._foreach_norm([x.detach() for x in tensors])
    return math.isfinite(torch.stack(norms).sum().item())
