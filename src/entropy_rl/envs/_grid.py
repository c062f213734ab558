"""The grid of hunters and rabbits as look-up tables over codes (see ``HuntersState``)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from entropy_rl import _validate as check

MOVES = 9
STAY = 4
"""Action ``a`` moves ``a // 3 - 1`` rows and ``a % 3 - 1`` columns: this one moves nowhere."""
OBSERVATIONS = ("coordinates", "one_hot")


class Tables(NamedTuple):
    """Rows are codes: n² cells of active bodies, then the same cells of inactive ones."""

    move: Tensor  # int64 (2n², 9): the code after an action
    legal: Tensor  # bool (2n², 9)
    body: Tensor  # float32 (2n², w): a body's part of the observation
    earlier: Tensor  # bool (d, d): entry i, j says j < i

    def to(self, device: torch.device) -> Tables:
        """The same tables on another device."""
        return Tables(*(x.to(device) for x in self))


def build_tables(size: int, hunters: int, observation: str, masking: str) -> Tables:
    """The tables of one setting of ``HuntersRabbits``."""
    n, n2 = size, size * size
    cell, action = torch.arange(n2), torch.arange(MOVES)
    row = (cell // n)[:, None] + (action // 3 - 1)
    column = (cell % n)[:, None] + (action % 3 - 1)
    inside = (row >= 0) & (row < n) & (column >= 0) & (column < n)
    move = row.clamp(0, n - 1) * n + column.clamp(0, n - 1)
    inactive = torch.arange(n2, 2 * n2)[:, None].expand(n2, MOVES)
    legal = torch.cat([inside, (action == STAY).expand(n2, MOVES)])
    if observation == "one_hot":
        body = torch.eye(n2)
    else:
        x, y = (2 * v / max(n - 1, 1) - float(n > 1) for v in (cell % n, cell // n))
        body = torch.stack([x, y, torch.ones(n2)], 1)
    return Tables(
        torch.cat([move, inactive]),
        legal if masking == "observation" else torch.ones_like(legal),
        torch.cat([body, torch.zeros_like(body)]),
        torch.ones(hunters, hunters, dtype=torch.bool).tril(-1),
    )


def agent_view(hunters: int, *, size: int = 5, observation: str = "coordinates") -> Tensor:
    """Where in the flat observation each hunter of CommNet looks: itself, and every rabbit.

    zhang2018, App. D: each hunter sees its own id, its own position and the positions of all
    rabbits. The id is the row; whoever builds the network adds it.

    Args:
        hunters: d.
        size: n, of the grid; only "one_hot" depends on it.
        observation: "coordinates" (width w = 3 a body) or "one_hot" (w = n²).

    Returns:
        indices into ``(*batch, D)``, int64 ``(d, (1 + d)·w)``: ``obs[..., agent_view(d)]`` is
        ``(*batch, d, (1 + d)·w)``.

    Raises:
        ValueError: sizes below 1, or an encoding that does not exist.
    """
    check.positive_integer("hunters", hunters)
    check.positive_integer("size", size)
    check.choice("observation", observation, OBSERVATIONS)
    width = 3 if observation == "coordinates" else size * size
    index = torch.arange(2 * hunters * width).view(2, hunters, width)
    rabbits = index[1].flatten().expand(hunters, hunters * width)
    return torch.cat([index[0], rabbits], 1)
