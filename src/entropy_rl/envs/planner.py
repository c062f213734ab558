"""What no policy can beat in hunters and rabbits, a planner near it, and play without a plan.

A hunter at king's distance k from a rabbit needs k steps (one, if it stands on it and has still to
"move" there). Whoever matches hunters to rabbits best, each by a shortest path, is the limit:

    least length = min over assignments of the longest time   (bottleneck assignment)
    most score   = max over assignments of Σ γ^(time - 1 + e)  (sum assignment)

The score is reached, by :func:`plan`: a hunter that crosses another's rabbit captures it, and then
the two may as well exchange what is left. The length is a bound only, and one play need not reach
both. The assignments are SciPy's (``linear_sum_assignment``).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from entropy_rl import _validate as check
from entropy_rl.envs.hunters_rabbits import HuntersRabbits, HuntersState

Interval = tuple[float, float]
OBJECTIVES = ("reward", "length")


@dataclass(frozen=True)
class Performance:
    """Means over episodes, each with its 95 % interval (normal: mean ± 1.96 standard errors).

    Attributes:
        length: steps.
        length_interval: of ``length``.
        reward: the score, Σ γ^(t - 1 + e).
        reward_interval: of ``reward``.
        episodes: the sample's size.
    """

    length: float
    length_interval: Interval
    reward: float
    reward_interval: Interval
    episodes: int


@dataclass(frozen=True)
class Played:
    """What whole episodes gave, in the order they were drawn.

    Attributes:
        length: steps, int64 ``(N,)``.
        score: the paper's discounted reward, float64 ``(N,)``.
        finished: False where the cap on steps came first, bool ``(N,)``.
    """

    length: Tensor
    score: Tensor
    finished: Tensor

    @property
    def performance(self) -> Performance:
        """The means and their intervals; the length of an unfinished episode is its cap."""
        return _performance(self.length, self.score)


def mean_interval(x: Tensor) -> tuple[float, Interval]:
    """The mean of ``x`` ``(N,)`` and its 95 % interval, mean ± 1.96 s/√N.

    Raises:
        ValueError: fewer than two values.
    """
    if check.tensor("x", x).ndim != 1 or len(x) < 2:
        raise check.fail("x", "shape (N,) with N ≥ 2", check.describe(x))
    mean = x.double().mean().item()
    half = 1.96 * x.double().std().item() / math.sqrt(len(x))
    return mean, (mean - half, mean + half)


def physical_limit(game: HuntersRabbits, *, episodes: int = 10_000, seed: int = 0) -> Performance:
    """The least mean length and the most mean score that any play can have.

    Args:
        game: whose placement, γ, exponent and capture at reset are meant.
        episodes: placements drawn, ≥ 2. 10,000 take half a second with five hunters.
        seed: of the draws.

    Raises:
        ValueError: fewer than two episodes.
    """
    check.at_least("episodes", check.positive_integer("episodes", episodes), 2)
    state = game.reset(episodes, generator=torch.Generator().manual_seed(seed))
    length, score = torch.zeros(episodes), state.score.clone()
    for n, times, _, _ in _meetings(game, state):
        length[n] = times[_match(times, "length", game.gamma)].max()
        best = times[_match(times, "reward", game.gamma)]
        score[n] += (game.gamma ** (best - 1.0 + game.exponent)).sum()
    return _performance(length, score)


def plan(game: HuntersRabbits, state: HuntersState, *, objective: str = "reward") -> Tensor:
    """Where each hunter goes if the best assignment of now is followed for one step.

    Args:
        game: the rules.
        state: of N games.
        objective: "reward" (most score) or "length" (least length).

    Returns:
        actions, int64 ``(N, d)``: a shortest way, diagonal first; inactive hunters stay.

    Raises:
        ValueError: an objective that does not exist.
    """
    check.choice("objective", objective, OBJECTIVES)
    target = state.hunters % game.cells
    here = target.clone()
    for n, times, hunters, rabbits in _meetings(game, state):
        i, j = _match(times, objective, game.gamma)
        target[n, hunters[i]] = state.rabbits[n, rabbits[j]]
    size = game.size
    rows = (target // size - here // size).sign()
    return 3 * (rows + 1) + (target % size - here % size).sign() + 1


def random_play(game: HuntersRabbits, *, episodes: int = 2_000, seed: int = 0) -> Performance:
    """The uniformly random policy over the legal actions, measured as :func:`physical_limit`.

    Args:
        game: the rules; under ``masking="clip"`` all nine actions are legal.
        episodes: ≥ 2.
        seed: of placements and actions.

    Raises:
        ValueError: fewer than two episodes.
    """
    check.at_least("episodes", check.positive_integer("episodes", episodes), 2)
    generator = torch.Generator().manual_seed(seed)

    def choose(state: HuntersState) -> Tensor:
        legal = game.legal(state)
        flat = legal.view(-1, legal.shape[-1]).float()
        return torch.multinomial(flat, 1, generator=generator).view(legal.shape[:-1])

    return play(game, choose, episodes=episodes, generator=generator).performance


def play(
    game: HuntersRabbits,
    choose: Callable[[HuntersState], Tensor],
    *,
    episodes: int,
    generator: torch.Generator,
) -> Played:
    """Play whole episodes in one batch, dropping each as it ends.

    Args:
        game: the rules.
        choose: a state of n ≤ ``episodes`` games → actions, int64 ``(n, d)``.
        episodes: N, ≥ 1.
        generator: draws the placements; the games lie on its device.

    Raises:
        ValueError: no episodes, or actions that the game refuses.
    """
    check.positive_integer("episodes", episodes)
    state = game.reset(episodes, generator=generator, device=generator.device)
    length, score, finished = state.time.clone(), state.score.clone(), game.finished(state)
    alive = (~finished).nonzero().flatten()
    state = state[alive]
    while len(alive):
        state, (_, terminated, truncated) = game.step(state, choose(state))
        length[alive], score[alive], finished[alive] = state.time, state.score, terminated
        going = ~(terminated | truncated)
        alive, state = alive[going], state[going]
    return Played(length, score, finished)


def _performance(length: Tensor, score: Tensor) -> Performance:
    return Performance(*mean_interval(length), *mean_interval(score), len(length))


def _meetings(
    game: HuntersRabbits, state: HuntersState
) -> Iterator[tuple[int, np.ndarray, np.ndarray, np.ndarray]]:
    """For every unfinished game: its number, times ``(k, k)``, active hunters, free rabbits."""
    hunters, rabbits, n2 = state.hunters.cpu().numpy(), state.rabbits.cpu().numpy(), game.cells
    rows = np.abs(hunters[:, :, None] // game.size - rabbits[:, None, :] // game.size)
    columns = np.abs(hunters[:, :, None] % game.size - rabbits[:, None, :] % game.size)
    times = np.maximum(np.maximum(rows, columns), 1)
    for n in range(len(state)):
        (active,), (free,) = (hunters[n] < n2).nonzero(), (rabbits[n] < n2).nonzero()
        if len(active):
            yield n, times[n][np.ix_(active, free)], active, free


def _match(times: np.ndarray, objective: str, gamma: float) -> tuple[np.ndarray, np.ndarray]:
    if objective == "reward":
        return linear_sum_assignment(gamma ** (times - 1.0), maximize=True)
    # The bottleneck as a sum: one pair that takes longer outweighs all the others together.
    _, rank = np.unique(times, return_inverse=True)
    return linear_sum_assignment((len(times) + 1.0) ** rank.reshape(times.shape))
