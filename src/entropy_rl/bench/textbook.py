"""REINFORCE with an ``LSTMCell``, written the way textbooks do: what our loop is measured against.

The same network, environment, batch and loss as :func:`entropy_rl.algorithms.train`; nothing is
projected ahead, looked up, fused or done in half precision.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Categorical
from torch.nn.functional import one_hot

from entropy_rl.algorithms import OnPolicyConfig
from entropy_rl.envs import Core


class TextbookLSTM(nn.Module):
    """p(aᵢ | s, a_<i) from ``nn.LSTMCell`` fed the concatenation [one-hot aᵢ₋₁, s].

    Args:
        size: length of an observation.
        d: components.
        K: actions of each.
        hidden_size: width of the cell.
    """

    def __init__(self, size: int, d: int, K: int, hidden_size: int) -> None:
        super().__init__()
        self.d, self.K = d, K
        self.cell = nn.LSTMCell(K + size, hidden_size)
        self.head = nn.Linear(hidden_size, K)

    def forward(
        self, obs: Tensor, mask: Tensor, actions: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Actions ``(N, d)``, drawn unless given; log π(a | s) and the smoothed entropy, ``(N,)``.

        Args:
            obs: ``(N, size)``.
            mask: ``(N, d, K)``, True where legal.
            actions: int64 ``(N, d)``, or None.
        """
        previous = obs.new_zeros(len(obs), self.K)
        state = None
        drawn, log_prob, entropy = [], obs.new_zeros(len(obs)), obs.new_zeros(len(obs))
        for i in range(self.d):
            state = self.cell(torch.cat([previous, obs], 1), state)
            logits = self.head(state[0]).masked_fill(~mask[:, i], -1e9)
            choice = Categorical(logits=logits)
            action = choice.sample() if actions is None else actions[:, i]
            log_prob = log_prob + choice.log_prob(action)
            entropy = entropy + choice.entropy()
            previous = one_hot(action, self.K).to(obs.dtype)
            drawn.append(action)
        return torch.stack(drawn, 1), log_prob, entropy


class TextbookTrainer:
    """The loop around it; :meth:`batch` plays one batch of episodes and makes its updates.

    Args:
        game: the environment, with masks.
        config: sizes, rates and weights; the entropy bonus is the smoothed one.
        hidden_size: width of the cell.
        seed: of everything.
    """

    def __init__(
        self, game: Core[Any], config: OnPolicyConfig, hidden_size: int, seed: int
    ) -> None:
        torch.manual_seed(seed)
        self.game, self.config = game, config
        obs, mask = self.seen(game.reset(1))
        size, (d, K) = obs.shape[1], mask.shape[1:]
        self.policy = TextbookLSTM(size, d, K, hidden_size)
        self.value = nn.Sequential(nn.Linear(size, 64), nn.ReLU(), nn.Linear(64, 1))
        parameters = [*self.policy.parameters(), *self.value.parameters()]
        self.optimiser = torch.optim.Adam(parameters, lr=config.learning_rate)

    def seen(self, state: Any) -> tuple[Tensor, Tensor]:
        """The observation ``(N, size)`` and the mask ``(N, d, K)``."""
        obs = self.game.observe(state)
        assert isinstance(obs, dict)  # the game has masks
        return obs["observation"], obs["action_mask"]

    def batch(self) -> int:
        """One batch of episodes; the environment steps it took."""
        config, state = self.config, self.game.reset(self.config.batch)
        alive = torch.arange(config.batch)
        rewards = torch.zeros(config.cap, config.batch)
        rows: list[tuple[Tensor, Tensor, Tensor, Tensor, Tensor]] = []
        for t in range(config.cap):
            obs, mask = self.seen(state)
            with torch.no_grad():
                actions, _, _ = self.policy(obs, mask)
            rows.append((obs, mask, actions, alive, torch.full_like(alive, t)))
            state, outcome = self.game.step(state, actions)
            rewards[t, alive] = outcome.reward
            running = ~outcome.terminated
            state, alive = state[running], alive[running]
            if len(alive) == 0:
                break
        returns = torch.zeros(config.cap + 1, config.batch)
        for t in reversed(range(config.cap)):
            returns[t] = rewards[t] + config.discount * returns[t + 1]
        obs, mask, actions, episode, time = (
            torch.cat(column) for column in zip(*rows, strict=True)
        )
        for group in range(config.minibatches):
            self.update(
                episode % config.minibatches == group, obs, mask, actions, returns[time, episode]
            )
        return len(obs)

    def update(
        self, chosen: Tensor, obs: Tensor, mask: Tensor, actions: Tensor, target: Tensor
    ) -> None:
        """One gradient step on the rows where ``chosen``."""
        obs, target = obs[chosen], target[chosen]
        _, log_prob, entropy = self.policy(obs, mask[chosen], actions[chosen])
        value = self.value(obs).squeeze(-1)
        advantage = target - value.detach()
        loss = -(log_prob * advantage).mean() - self.config.beta * entropy.mean()
        loss = loss + (value - target).square().mean()
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
