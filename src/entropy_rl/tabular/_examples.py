"""Two small processes on which a bonus and a soft return want different things."""

from __future__ import annotations

import torch

from entropy_rl.tabular._mdp import FiniteMDP


def patience(discount: float = 0.99) -> FiniteMDP:
    """One decision, taken again and again: quit for 1 now, or wait for a prize that comes late.

    State 0 is where one decides, state 1 is over. Action 0, *quit*, pays 1 and ends. Action 1,
    *wait*, pays 3.98 with probability .01 and ends then; else one is where one was. At γ = .99
    always waiting is worth .0398 / (1 - .99²) = 2, and always quitting 1.

    With P(quit) = p the value of the reward is::

        v(p) = (p + .0398 (1-p)) / (1 - .99 γ (1-p))

    Near p = 1 waiting once is worth .0398 + .99 γ v, hardly more than quitting: patience pays only
    for those who will go on having it.

    Args:
        discount: γ in [0, 1].

    Returns:
        S = 2, A = 2; it starts in state 0, and state 1 is terminal.

    Raises:
        ValueError: a discount out of range.
    """
    transition = torch.zeros(2, 2, 2, dtype=torch.float64)
    transition[0, 0, 1] = 1.0
    transition[0, 1] = torch.tensor([0.99, 0.01], dtype=torch.float64)
    transition[1, :, 1] = 1.0
    reward = torch.tensor([[1.0, 0.01 * 3.98], [0.0, 0.0]], dtype=torch.float64)
    start = torch.tensor([1.0, 0.0], dtype=torch.float64)
    return FiniteMDP(transition, reward, discount, start, torch.tensor([False, True]))


def rooms(discount: float = 0.9) -> FiniteMDP:
    """A hall with two rooms: the quiet one pays a little more, the free one leaves a choice.

    From the hall (state 0) three doors lead to the quiet room (state 1) and pay .2, and the last
    leads to the free room (state 2) and pays nothing. Both rooms are for ever. In the quiet room
    action 0 pays 1 and any other costs 1; in the free room all four actions pay 1. Who counts the
    reward alone goes where it is quiet. With the entropy inside the return freedom is worth
    α log 4 at every step, α γ log 4 / (1-γ) in all as seen from the hall.

    Args:
        discount: γ in [0, 1).

    Returns:
        S = 3, A = 4; it starts in the hall, and no state is terminal.

    Raises:
        ValueError: a discount out of range.
    """
    transition = torch.zeros(3, 4, 3, dtype=torch.float64)
    transition[0, :3, 1] = transition[0, 3, 2] = 1.0
    transition[1, :, 1] = transition[2, :, 2] = 1.0
    reward = torch.tensor(
        [[0.2, 0.2, 0.2, 0.0], [1.0, -1.0, -1.0, -1.0], [1.0, 1.0, 1.0, 1.0]], dtype=torch.float64
    )
    start = torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64)
    return FiniteMDP(transition, reward, discount, start)
