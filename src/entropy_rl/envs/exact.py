"""Small games of hunters and rabbits as finite decision processes, solved exactly.

The game is deterministic, so the transition is a table of next states and no matrix. 3×3 with two
hunters has 4,393 states and 81 joint actions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from entropy_rl import _validate as check
from entropy_rl.envs._grid import MOVES, STAY
from entropy_rl.envs.hunters_rabbits import HuntersRabbits, HuntersState

MOST_ENTRIES = 20_000_000


@dataclass(frozen=True)
class DeterministicMDP:
    """``S`` states and ``A`` joint actions of ``d`` agents with ``K`` actions each, ``A = Kᵈ``.

    Attributes:
        next_state: int64 ``(S, A)``.
        reward: float64 ``(S, A)``.
        legal: bool ``(S, A)``.
        actions: each joint action as d numbers, int64 ``(A, d)``, the last varying fastest.
        start: probabilities, float64 ``(S,)``.
        terminal: bool ``(S,)``; a terminal state leads to itself and pays nothing.
        observation: in the environment's encoding, float32 ``(S, D)``.
        mask: each agent's legal actions, bool ``(S, d, K)``.
        gamma: the discount, in [0, 1).
    """

    next_state: Tensor
    reward: Tensor
    legal: Tensor
    actions: Tensor
    start: Tensor
    terminal: Tensor
    observation: Tensor
    mask: Tensor
    gamma: float

    def from_start(self, value: Tensor) -> float:
        """Σₛ start(s) · value(s), for value ``(S,)``."""
        return float(self.start @ check.shape("value", value, self.start.shape).double())


def hunters_mdp(game: HuntersRabbits) -> DeterministicMDP:
    """The game as a table, made by the game's own ``step`` from every state there is.

    Where a body became inactive does not matter later, so those states are one. With
    ``exponent=0`` the value from the start is the expected score (less what was captured at
    reset, where that is allowed); with 1 it is that over γ.

    Args:
        game: γ below 1 and (n² + 1)²ᵈ · 9ᵈ at most 20 million. Its cap on steps is ignored.

    Raises:
        ValueError: a game too large, or γ = 1.
    """
    d, n2 = game.hunters, game.cells
    if (n2 + 1) ** (2 * d) * MOVES**d > MOST_ENTRIES:
        raise check.fail("game", "(size² + 1)^(2·hunters) · 9^hunters ≤ 20 million", game)
    if game.gamma >= 1:
        raise check.fail("gamma", "a discount below 1", game.gamma)
    every = _product(n2 + 1, 2 * d)
    index = torch.full((len(every),), -1)
    kept = _possible(every, game)
    index[kept] = torch.arange(len(kept))
    state, moves = _state(every[kept], d), _product(MOVES, d)
    size, joint = len(state), len(moves)

    legal = game.legal(state)
    allowed = legal[:, torch.arange(d), moves].all(-1)
    # An illegal move is made as "stay": it is never chosen, but the table wants an entry.
    tried = torch.where(allowed[..., None], moves, STAY).flatten(0, 1)
    rows = torch.arange(size).repeat_interleave(joint)
    after, outcome = game.step(state[rows], tried)
    seen = game.observe(state)

    placed = _product(n2, 2 * d)
    start = torch.zeros(size, dtype=torch.float64)
    begun = game.start(hunters=placed[:, :d], rabbits=placed[:, d:])
    chance = _chance(placed, game)
    where = index[_number(begun, n2)]
    start.index_add_(0, where[chance > 0], chance[chance > 0])
    return DeterministicMDP(
        next_state=index[_number(after, n2)].view(size, joint),
        reward=outcome.reward.double().view(size, joint),
        legal=allowed,
        actions=moves,
        start=start,
        terminal=game.finished(state),
        observation=seen["observation"] if isinstance(seen, dict) else seen,
        mask=legal,
        gamma=game.gamma,
    )


def optimal_value(mdp: DeterministicMDP, *, tolerance: float = 1e-12) -> Tensor:
    """V*(s) = maxₐ r(s, a) + γ V*(s'), by value iteration.

    Args:
        mdp: of S states.
        tolerance: the bound on the error of every entry, above 0.

    Returns:
        float64 ``(S,)``.

    Raises:
        ValueError: a tolerance that is not positive.
    """

    def best(value: Tensor) -> Tensor:
        return backup(mdp, value).masked_fill(~mdp.legal, -torch.inf).amax(1)

    return _fixed_point(best, mdp, tolerance)


def policy_value(mdp: DeterministicMDP, probs: Tensor, *, tolerance: float = 1e-12) -> Tensor:
    """Vπ(s) = Σₐ π(a | s) (r(s, a) + γ Vπ(s')), by iteration.

    Args:
        mdp: of S states and A joint actions.
        probs: π, ``(S, A)``, non-negative, zero where illegal; rows sum to 1 within 1e-4.
        tolerance: the bound on the error of every entry, above 0.

    Returns:
        float64 ``(S,)``.

    Raises:
        ValueError: ``probs`` that are none, or a tolerance that is not positive.
    """
    check.shape("probs", check.floating("probs", probs), tuple(mdp.reward.shape))
    probs = probs.double()
    off = (probs.sum(1) - 1).abs().max().item()
    if not (off <= 1e-4 and bool((probs >= 0).all())):
        raise check.fail("probs", "rows that are non-negative and sum to 1", f"a row off by {off}")
    if bool((probs[~mdp.legal] > 0).any()):
        raise check.fail("probs", "zero on every illegal joint action", "a positive one")
    paid, weights = (probs * mdp.reward).sum(1), mdp.gamma * probs
    return _fixed_point(lambda v: paid + (weights * _after(mdp, v)).sum(1), mdp, tolerance)


def backup(mdp: DeterministicMDP, value: Tensor) -> Tensor:
    """Q(s, a) = r(s, a) + γ value(s'), ``(S, A)``."""
    return mdp.reward + mdp.gamma * _after(mdp, value)


def _after(mdp: DeterministicMDP, value: Tensor) -> Tensor:
    """value(s'), ``(S, A)``: by index_select, which takes half the time of indexing."""
    return value.index_select(0, mdp.next_state.flatten()).view_as(mdp.next_state)


def _fixed_point(
    improve: Callable[[Tensor], Tensor], mdp: DeterministicMDP, tolerance: float
) -> Tensor:
    check.number("tolerance", tolerance)
    if tolerance <= 0:
        raise check.fail("tolerance", "a number above 0", tolerance)
    value = torch.zeros(len(mdp.start), dtype=torch.float64)
    while True:
        old, value = value, improve(value)
        # ‖V - V*‖ ≤ γ / (1 - γ) · ‖V - V_old‖
        if mdp.gamma * (value - old).abs().max().item() <= tolerance * (1 - mdp.gamma):
            return value


def _product(base: int, digits: int) -> Tensor:
    """All numbers of so many digits, ``(baseᵈⁱᵍⁱᵗˢ, digits)``, the last varying fastest."""
    return torch.cartesian_prod(*[torch.arange(base)] * digits).view(-1, digits)


def _number(state: HuntersState, n2: int) -> Tensor:
    """The row of a state in ``_product(n² + 1, 2d)``: every inactive body has the digit n²."""
    digits = torch.cat([state.hunters, state.rabbits], 1).clamp(max=n2)
    powers = (n2 + 1) ** torch.arange(digits.shape[1] - 1, -1, -1)
    return (digits * powers).sum(1)


def _state(digits: Tensor, d: int) -> HuntersState:
    time = torch.zeros(len(digits), dtype=torch.int64)
    return HuntersState(digits[:, :d], digits[:, d:], time, time.double())


def _possible(digits: Tensor, game: HuntersRabbits) -> Tensor:
    """Rows with as many hunters as rabbits left, none of them together unless a start may be."""
    hunters, rabbits = digits.split(game.hunters, 1)
    n2 = game.cells
    fair = (hunters == n2).sum(1) == (rabbits == n2).sum(1)
    meet = (hunters[:, :, None] == rabbits[:, None, :]) & (hunters < n2)[:, :, None]
    if game.placement != "iid" or game.capture_at_reset:
        fair &= ~meet.flatten(1).any(1)
    return fair.nonzero().flatten()


def _chance(cells: Tensor, game: HuntersRabbits) -> Tensor:
    """The probability of each placement, hunters' cells then rabbits', float64 ``(rows,)``."""
    d, n2 = game.hunters, game.cells
    if game.placement == "iid":
        weight = torch.ones(len(cells), dtype=torch.float64)
    elif game.placement == "distinct":
        ordered = cells.sort(1).values
        weight = (ordered.diff(dim=1) > 0).all(1).double()
    else:
        ordered = cells[:, d:].sort(1).values
        free = n2 - 1 - (ordered.diff(dim=1) > 0).sum(1)
        apart = (cells[:, :d, None] != cells[:, None, d:]).flatten(1).all(1)
        weight = apart * free.double() ** -d
    return weight / weight.sum()
