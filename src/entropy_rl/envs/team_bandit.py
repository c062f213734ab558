"""The many-armed team (zhang2018, §5.2): the batched game. Its faces are built on it.

Each of `d` agents pulls one of `K` arms; arm k pays k, once, however many pull it. One assignment
of the agents to the top d arms, the exceptional one, pays a bonus with a small probability. An
episode is one round and there is nothing to observe.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from entropy_rl import _validate as check
from entropy_rl.envs import _draw
from entropy_rl.envs._actions import check_actions
from entropy_rl.envs._core import Batch, Outcome
from entropy_rl.streams import Source, uniform

_MOST_ACTIONS = 10**6


@dataclass(frozen=True)
class BanditState(Batch):
    """``N`` rounds.

    Attributes:
        lucky: whether the exceptional assignment will pay the bonus, bool ``(N,)``.
        chosen: the arms pulled, int64 ``(N, d)``, -1 before.
        time: 0 before and 1 after, int64 ``(N,)``.
        score: the reward of the round, float64 ``(N,)``.
    """

    lucky: Tensor
    chosen: Tensor
    time: Tensor
    score: Tensor


@dataclass(frozen=True)
class TeamBandit:
    """The bandit, batched: ``reset(num)`` draws the luck, ``step`` is a function of state and arms.

    E[r | a] = Σ_{k ∈ {a₁, …, a_d}} (k + 1) + p · bonus · 1[a is exceptional], arms k = 0 … K-1;
    at most 35.66 with the defaults.

    Args:
        agents: d, in [1, K].
        arms: K, ≥ 1.
        bonus: paid on top, ≥ 0.
        bonus_probability: p, in [0, 1].
        assignment: which assignment is exceptional: "identity" (agent i pulls arm K-d+i), or a
            seed ≥ 0 that shuffles those arms among the agents.

    Raises:
        ValueError: an impossible setting, by name.
    """

    agents: int = 4
    arms: int = 10
    bonus: float = 166.0
    bonus_probability: float = 0.01
    assignment: str | int = "identity"
    starts: ClassVar[tuple[str, ...]] = ("lucky",)
    merits: ClassVar[tuple[str, ...]] = ("optimal", "expected")

    def __post_init__(self) -> None:
        check.positive_integer("arms", self.arms)
        if check.positive_integer("agents", self.agents) > self.arms:
            raise check.fail("agents", f"at most {self.arms}, the arms", self.agents)
        check.at_least("bonus", self.bonus, 0)
        check.between("bonus_probability", self.bonus_probability, 0, 1)
        if isinstance(self.assignment, bool) or not isinstance(self.assignment, (str, int)):
            raise check.fail("assignment", "'identity' or a seed ≥ 0", repr(self.assignment))
        if isinstance(self.assignment, str):
            check.choice("assignment", self.assignment, ("identity",))
        else:
            check.at_least("assignment", self.assignment, 0)

    @cached_property
    def exceptional(self) -> Tensor:
        """The arm of each agent in the exceptional assignment, int64 ``(d,)``."""
        if isinstance(self.assignment, str):
            order = torch.arange(self.agents)
        else:
            generator = torch.Generator().manual_seed(self.assignment)
            order = torch.randperm(self.agents, generator=generator)
        return self.arms - self.agents + order

    @cached_property
    def action_space(self) -> spaces.MultiDiscrete:
        """One of K arms an agent."""
        return spaces.MultiDiscrete([self.arms] * self.agents)

    @cached_property
    def observation_space(self) -> spaces.Box:
        """A constant 1, ``(1,)``."""
        return spaces.Box(0.0, 1.0, (1,), np.float32)

    def reset(
        self,
        num: int,
        *,
        generator: Source | None = None,
        device: torch.device | str = "cpu",
    ) -> BanditState:
        """Begin ``num`` rounds, each lucky with probability p.

        Args:
            num: N, ≥ 1.
            generator: the only source of chance, on ``device``; None takes torch's own.
            device: where the state shall lie.

        Raises:
            ValueError: ``num`` below 1, or a generator on another device.
        """
        check.positive_integer("num", num)
        drawn = uniform((num,), generator, device=device, dtype=torch.float64)
        return self.start(lucky=drawn < self.bonus_probability)

    def start(self, *, lucky: Tensor) -> BanditState:
        """Begin rounds whose luck is given, bool ``(N,)``.

        Raises:
            ValueError: another dtype or shape.
        """
        if check.tensor("lucky", lucky).dtype != torch.bool or lucky.ndim != 1:
            raise check.fail("lucky", "bool (N,)", check.describe(lucky))
        time = torch.zeros(len(lucky), dtype=torch.int64, device=lucky.device)
        chosen = time[:, None].repeat(1, self.agents) - 1
        return BanditState(lucky, chosen, time, time.double())

    def step(self, state: BanditState, actions: Tensor) -> tuple[BanditState, Outcome]:
        """Pull the arms; a round that is over stays as it is and pays nothing.

        Args:
            state: of N rounds.
            actions: int64 ``(N, d)`` in [0, K), on the state's device.

        Returns:
            the next state, and the reward, terminated (all True), truncated (all False).

        Raises:
            ValueError: actions of another dtype, shape, device or range.
        """
        check_actions(actions, self.action_space, (len(state),), state.device)
        fresh = state.time == 0
        won = self._arms_pay(actions)
        won = won + self.bonus * (self.is_optimal(actions) & state.lucky).to(won.dtype)
        after = BanditState(
            state.lucky,
            torch.where(fresh[:, None], actions, state.chosen),
            torch.ones_like(state.time),
            torch.where(fresh, won, state.score),
        )
        reward = (won * fresh).float()
        return after, Outcome(reward, torch.ones_like(fresh), torch.zeros_like(fresh))

    def expected_reward(self, actions: Tensor) -> Tensor:
        """E[r | a] in closed form.

        Args:
            actions: int64 ``(*batch, d)`` in [0, K).

        Returns:
            float64 ``(*batch,)``.

        Raises:
            ValueError: another dtype, size or range.
        """
        batch = tuple(check.tensor("actions", actions).shape[:-1])
        check_actions(actions, self.action_space, batch)
        pay = self._arms_pay(actions)
        return pay + self.bonus * self.bonus_probability * self.is_optimal(actions).to(pay.dtype)

    def closed_form(self, policy: Any) -> dict[str, float]:
        """What a policy gets, without playing: sums over all Kᵈ joint actions.

        Args:
            policy: for this game.

        Returns:
            "expected_reward", Σₐ p(a) E[r | a]; "optimal", p(the exceptional assignment).

        Raises:
            ValueError: more than a million joint actions.
        """
        if self.arms**self.agents > _MOST_ACTIONS:
            joint = f"at most {_MOST_ACTIONS} joint actions"
            raise check.fail("closed_form", joint, self.arms**self.agents)
        each = [torch.arange(self.arms)] * self.agents
        actions = torch.cartesian_prod(*each).view(-1, self.agents)
        device = next(policy.parameters()).device
        with torch.no_grad():
            obs = torch.ones(len(actions), 1, device=device)
            chain = policy.conditionals(obs, actions.to(device))
        p = chain.log_prob.double().exp().cpu()
        return {
            "expected_reward": float(p @ self.expected_reward(actions)),
            "optimal": float(p[self.is_optimal(actions)]),
        }

    def is_optimal(self, actions: Tensor) -> Tensor:
        """Whether ``actions`` ``(*batch, d)`` is the exceptional assignment, bool ``(*batch,)``."""
        return (actions == self.exceptional.to(actions.device)).all(-1)

    def observe(self, state: BanditState) -> Tensor:
        """Ones, float32 ``(N, 1)``."""
        return torch.ones(len(state), 1, device=state.device)

    def info(self, state: BanditState) -> dict[str, Tensor]:
        """Each ``(N,)``: "score" (the reward), "length", "optimal" (the exceptional was pulled),
        "expected" (E[r | a] of the arms that were pulled, which luck does not move).
        """
        optimal = self.is_optimal(state.chosen)
        luck = self.bonus * optimal * (state.lucky.double() - self.bonus_probability)
        return {
            "score": state.score,
            "length": state.time,
            "optimal": optimal,
            "expected": state.score - luck,
        }

    def draw(self, state: BanditState) -> np.ndarray:
        """A picture, uint8 ``(height, width, 3)``, of a state that holds one round."""
        return _draw.team_bandit(self.arms, state.chosen[0].tolist())

    def policy_defaults(self, family: str) -> dict[str, Any]:
        """None: there is nothing to see."""
        return {}

    def _arms_pay(self, actions: Tensor) -> Tensor:
        pulled = torch.zeros(
            (*actions.shape[:-1], self.arms), dtype=torch.float64, device=actions.device
        ).scatter_(-1, actions, 1.0)
        return pulled @ torch.arange(1.0, self.arms + 1, dtype=torch.float64, device=actions.device)
