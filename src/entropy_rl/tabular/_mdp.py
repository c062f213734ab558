"""The tables of a finite Markov decision process, checked."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from entropy_rl import _validate

_SUM_TOLERANCE = 1e-9


@dataclass(frozen=True, eq=False)
class FiniteMDP:
    """A Markov decision process of S states and A actions, as tables of float64.

    Attributes:
        transition: ``(S, A, S)``, P(s' | s, a).
        reward: ``(S, A)``, the expected reward r(s, a).
        discount: γ in [0, 1]; 1 needs terminal states, and policies that reach one.
        start: ``(S,)``, the distribution of the first state.
        terminal: ``(S,)``, bool; left out, no state is terminal.

    Raises:
        ValueError: a wrong shape or dtype, rows that are no distributions, a reward that is not
            finite, a discount out of range, a terminal state that can be left or that pays.
    """

    transition: Tensor
    reward: Tensor
    discount: float
    start: Tensor
    terminal: Tensor = None  # type: ignore[assignment]  # the constructor puts a tensor here

    def __post_init__(self) -> None:
        reward = table("reward", self.reward)
        if reward.dim() != 2 or 0 in reward.shape:
            expected = "shape (S, A) with S, A ≥ 1"
            raise _validate.fail("reward", expected, _validate.describe(reward))
        states, actions = reward.shape
        distribution("transition", self.transition, (states, actions, states))
        distribution("start", self.start, (states,))
        _validate.between("discount", self.discount, 0.0, 1.0)
        if self.terminal is None:
            nowhere = torch.zeros(states, dtype=torch.bool, device=reward.device)
            object.__setattr__(self, "terminal", nowhere)
        self._validate_terminal()

    def _validate_terminal(self) -> None:
        terminal = _validate.shape(
            "terminal", _validate.tensor("terminal", self.terminal), (self.states,)
        )
        if terminal.dtype != torch.bool:
            raise _validate.fail("terminal", "dtype bool", _validate.describe(terminal))
        if self.discount == 1.0 and not terminal.any():
            raise _validate.fail("discount", "less than 1 where no state is terminal", 1.0)
        stay = self.transition.diagonal(dim1=0, dim2=2).T  # (S, A)
        if not (stay[terminal] == 1.0).all() or not (self.reward[terminal] == 0.0).all():
            expected = "terminal states that are absorbing and pay 0"
            raise _validate.fail("terminal", expected, "one that is not")

    @property
    def states(self) -> int:
        """S, how many states there are."""
        return self.reward.shape[0]

    @property
    def actions(self) -> int:
        """A, how many actions there are."""
        return self.reward.shape[1]

    @property
    def running(self) -> Tensor:
        """``(S,)``, float64: 1 where there is something to decide, 0 in terminal states."""
        return (~self.terminal).to(self.reward.dtype)


def table(name: str, x: Tensor) -> Tensor:
    """``x`` itself, if it is finite float64."""
    if _validate.tensor(name, x).dtype != torch.float64:
        raise _validate.fail(name, "dtype float64", _validate.describe(x))
    if not x.isfinite().all():
        raise _validate.fail(name, "finite values", "NaN or infinity among them")
    return x


def distribution(name: str, x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """``x`` itself, if it has that shape and its last axis holds distributions."""
    _validate.shape(name, table(name, x), shape)
    if (x < 0).any():
        raise _validate.fail(name, "probabilities ≥ 0", float(x.detach().min()))
    worst = float((x.detach().sum(-1) - 1.0).abs().max())
    if worst > _SUM_TOLERANCE:
        raise _validate.fail(name, "probabilities that sum to 1", f"an error of {worst:.3g}")
    return x
