"""A memory of transitions, on tensors."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

from entropy_rl import _validate
from entropy_rl.algorithms.rollout import Rollout


@dataclass(frozen=True)
class Transitions:
    """M steps, in any order; everything is detached.

    Attributes:
        obs: s ``(M, …)``.
        actions: a ``(M, d)``.
        r_t: rewards ``(M,)``, float32.
        discount_t: γ ``(M,)``, and 0 where the episode terminated.
        next_obs: s' ``(M, …)``; where the episode terminated, what it does not matter.
    """

    obs: Tensor
    actions: Tensor
    r_t: Tensor
    discount_t: Tensor
    next_obs: Tensor

    def __len__(self) -> int:
        return len(self.r_t)


_NAMES = [x.name for x in fields(Transitions)]


def transitions(rollout: Rollout) -> Transitions:
    """The steps of a rollout, one row each, in its order.

    s' is the column's next observation, or where the episode was cut the one after the cut.

    Raises:
        ValueError: observations with a mask.
    """
    obs = rollout.obs
    if not isinstance(obs, Tensor):
        raise _validate.fail("rollout", "observations without a mask", "a dict")
    index = torch.arange(len(rollout), device=rollout.time.device)
    following = torch.full_like(rollout.cut, -1, dtype=torch.int64)
    following[:-1] = rollout.grid(index)[1:]
    next_obs = obs[rollout.rows(following)]
    cut = rollout.rows(rollout.cut)
    if cut.any():
        assert isinstance(rollout.final_obs, Tensor)
        assert rollout.final_order is None
        # ``final_obs`` is in the order of the grid's (time, column), as the rows are.
        next_obs[cut] = rollout.final_obs
    return Transitions(
        obs.detach(),
        rollout.chain.actions.detach(),
        rollout.rows(rollout.r_t),
        rollout.rows(rollout.discount_t),
        next_obs,
    )


class Replay:
    """The last ``capacity`` transitions.

    The ring has room for one addition more than it shows, so that the last one can be taken back
    without a copy: a training that diverges goes back to before it.

    Args:
        capacity: how many can be drawn from, ≥ 1.
        largest: the most that are added at once, ≥ 1.
    """

    def __init__(self, capacity: int, largest: int) -> None:
        self.capacity = _validate.positive_integer("capacity", capacity)
        self.largest = _validate.positive_integer("largest", largest)
        self.added = 0
        self.rows: dict[str, Tensor] = {}

    def __len__(self) -> int:
        return min(self.added, self.capacity)

    def add(self, batch: Transitions) -> None:
        """Remember them, in their order, and forget the oldest.

        Raises:
            ValueError: more than ``largest``.
        """
        if len(batch) > self.largest:
            raise _validate.fail("batch", f"at most {self.largest} transitions", len(batch))
        size = self.capacity + self.largest
        if not self.rows:
            for name in _NAMES:
                x = getattr(batch, name)
                self.rows[name] = x.new_zeros((size, *x.shape[1:]))
        place = torch.arange(self.added, self.added + len(batch), device=batch.r_t.device) % size
        for name, x in self.rows.items():
            x.index_copy_(0, place, getattr(batch, name))
        self.added += len(batch)

    def at(self, index: Tensor) -> Transitions:
        """Those of the given ages, int64 ``(M,)`` in [0, len), which are not looked at: 0 is the
        newest.
        """
        rows = (self.added - 1 - index) % (self.capacity + self.largest)
        return Transitions(**{name: x.index_select(0, rows) for name, x in self.rows.items()})

    def state_dict(self) -> dict[str, Any]:
        """What has been remembered, copied."""
        used = min(self.added, self.capacity + self.largest)
        return {
            "sizes": (self.capacity, self.largest),
            "added": self.added,
            "rows": {k: x[:used].clone() for k, x in self.rows.items()},
        }

    def load_state_dict(self, state: dict[str, Any], device: torch.device) -> None:
        """What :meth:`state_dict` returned.

        Raises:
            ValueError: a memory of another capacity.
        """
        mine = (self.capacity, self.largest)
        if tuple(state["sizes"]) != mine:
            raise _validate.fail(
                "state", f"a memory of (capacity, largest) = {mine}", state["sizes"]
            )
        self.added, size = state["added"], self.capacity + self.largest
        for name, x in state["rows"].items():
            self.rows[name] = x.new_zeros((size, *x.shape[1:]), device=device)
            self.rows[name][: len(x)] = x.to(device)
