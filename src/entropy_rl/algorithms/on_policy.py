"""The on-policy loop: one loop, three named choices."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from entropy_rl import _validate
from entropy_rl.algorithms.baseline import make_baseline
from entropy_rl.algorithms.choices import (
    ADVANTAGES,
    ENTROPIES,
    SURROGATES,
    Minibatch,
    Targets,
    Values,
)
from entropy_rl.algorithms.config import OnPolicyConfig
from entropy_rl.algorithms.precision import WorkingCopy
from entropy_rl.algorithms.rollout import (
    Rollout,
    first_visits,
    flat_observation,
    play_episodes,
    rows_of,
)
from entropy_rl.conditionals import Chain, prefix_log_weights, select_rows
from entropy_rl.envs import Core
from entropy_rl.estimators import Estimate, estimate_entropy

# The baseline's initial weights come from another stream than the policy's, which callers seed.
_BASELINE_STREAM = 0x5EED


class TrainingDiverged(RuntimeError):
    """A term of the loss, a gradient or a parameter is not finite.

    Attributes:
        update: the number of updates made before.
        term: what was not finite.
        last_good: :meth:`Trainer.state_dict` before the update that would have spoilt it.
    """

    def __init__(self, update: int, term: str, last_good: dict[str, Any]) -> None:
        super().__init__(f"update {update}: {term} is not finite; the last good state is kept")
        self.update, self.term, self.last_good = update, term, last_good


@dataclass(frozen=True)
class TrainResult:
    """A trained policy and how it went.

    Attributes:
        policy: the module that was passed in, trained.
        curves: one entry a batch of episodes: "episodes" played so far, mean "length" (cut at
            ``cap``), mean undiscounted "reward", mean discounted "return" from the start, "entropy"
            (mean of the estimator's value over states, nats) and the last "baseline_loss".
        steps: environment steps taken in training.
        cpu_seconds: processor time of the loop.
        updates: gradient steps taken.
    """

    policy: nn.Module
    curves: dict[str, list[float]] = field(repr=False)
    steps: int
    cpu_seconds: float
    updates: int


class Trainer:
    """The state of a training, and :meth:`step`, one batch of episodes.

    For every batch: play it, compare its returns with the baseline (the *advantage*), and for every
    minibatch descend the *surrogate* plus the *entropy* term. With the row "reinforce" that is

        Δθ ∝ Σₜ [∇log π(aₜ | sₜ) (Gₜ - b(sₜ)) + β ∇H(sₜ)]        (zhang2018, equation 1)

    Args:
        env: the batched core of an environment, such as ``HuntersRabbits()``.
        policy: a policy for its spaces; trained in place, on the device of its parameters.
        config: all hyper-parameters.
        seed: of all draws, and of the baseline's initial weights. The same seed gives the same
            numbers on the same device.

    Raises:
        ValueError: a policy that does not fit the environment.
    """

    def __init__(self, env: Core[Any], policy: Any, config: OnPolicyConfig, seed: int) -> None:
        if policy.action_space != env.action_space:
            raise _validate.fail("policy", f"one for {env.action_space}", policy.action_space)
        self.env, self.policy, self.config = env, policy, config
        device = next(policy.parameters()).device
        self.generator = torch.Generator(device).manual_seed(seed)
        start = env.observe(env.reset(1, generator=torch.Generator(device), device=device))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed ^ _BASELINE_STREAM)
            self.baseline = make_baseline(flat_observation(start).shape[-1], config, device)
        self.working = WorkingCopy(policy, config.precision)
        self.optimiser = _optimiser(policy, config)
        self.batches = -(-config.episodes // config.batch)
        self.played = self.steps = self.updates = 0
        self.curves: dict[str, list[float]] = {}

    @property
    def finished(self) -> bool:
        """Whether all episodes have been played."""
        return self.played >= self.config.episodes

    def step(self) -> None:
        """Play one batch of episodes and learn from it.

        Raises:
            TrainingDiverged: a loss, gradient or parameter that is not finite.
        """
        c = self.config
        self._require_finite("parameters", *self.policy.parameters())
        if c.decay:
            rate = c.learning_rate * (1 - self.played / (self.batches * c.batch))
            for group in self.optimiser.param_groups:
                group["lr"] = rate
        episodes = min(c.batch, c.episodes - self.played)
        with torch.set_grad_enabled(c.keeps_graph):
            rollout = play_episodes(
                self.env, self._sample, episodes, c.cap, c.discount, self.generator
            )
        targets = self._targets(rollout)
        advantage, old = rollout.rows(targets.advantage), select_rows(rollout.chain)
        entropies = []
        for epoch in range(c.epochs):
            for number, rows in enumerate(_minibatches(rollout, min(c.minibatches, episodes))):
                stale = epoch + number > 0
                entropies.append(self._update(rollout, rows, advantage, old, stale))
        loss = self._learn_baseline(rollout, targets)
        self.played, self.steps = self.played + episodes, self.steps + len(rollout)
        self._record(rollout, torch.stack(entropies).mean(), loss)

    def _sample(self, obs: Any) -> Chain:
        return self.working.module.sample(obs, self.generator)

    def _targets(self, rollout: Rollout) -> Targets:
        """Advantages and what the baseline learns, entropy in the rewards if the row says so."""
        c, use = self.config, ENTROPIES[self.config.row.entropy]
        with torch.no_grad():
            v_tm1 = rollout.grid(self.baseline.evaluate(rollout.obs))
            final = None
            if rollout.final_obs is not None:
                final = self.baseline.evaluate(rollout.final_obs)
            entropy = torch.zeros_like(rollout.r_t)
            if use.in_rewards:
                estimate = estimate_entropy(
                    c.entropy, self.working.module, rollout.obs, rollout.chain
                )
                entropy = rollout.grid(estimate.value.to(rollout.r_t.dtype))
            rewards = use.rewards(rollout, entropy, c.beta)
            values = Values(v_tm1, rollout.next_values(v_tm1, final))
            return ADVANTAGES[c.row.advantage](rollout, rewards, values, self._options)

    @property
    def _options(self) -> dict[str, float]:
        return {**self.config.row.options, **self.config.options}

    def losses(
        self, rollout: Rollout, rows: Tensor, advantage: Tensor, old: Any, stale: bool
    ) -> tuple[dict[str, Tensor], Estimate]:
        """The terms of the loss on some rows of a rollout, and the entropy's estimate there.

        Args:
            rollout: where the actions were drawn.
            rows: which of its rows.
            advantage: ``(N,)``.
            old: the chain that drew the actions, detached.
            stale: whether the policy has moved since.
        """
        c = self.config
        obs = rows_of(rollout.obs, rows)
        if c.keeps_graph:
            chain = rollout.chain
        else:
            chain = self.working.module.conditionals(obs, old.actions[rows])
        drawn = select_rows(old, rows)
        weights = prefix_log_weights(chain, drawn.component_log_probs) if stale else None
        estimate = estimate_entropy(c.entropy, self.working.module, obs, chain, log_weights=weights)
        scale = 1.0
        if c.reduction == "sum":
            scale = len(rows) / len(rollout.episode[rows].unique())
        batch = Minibatch(chain, drawn, weights, advantage[rows], self._options)
        terms = {
            "policy loss": scale * SURROGATES[c.row.surrogate](batch),
            "entropy term": scale * ENTROPIES[c.row.entropy].term(estimate, c.beta),
        }
        return terms, estimate

    def _update(
        self, rollout: Rollout, rows: Tensor, advantage: Tensor, old: Any, stale: bool
    ) -> Tensor:
        """One gradient step; the mean entropy of the states."""
        terms, estimate = self.losses(rollout, rows, advantage, old, stale)
        for name, term in terms.items():
            self._require_finite(name, term)
        self.optimiser.zero_grad()
        torch.stack(list(terms.values())).sum().backward()
        self.working.gradients_to_master()
        parameters = list(self.policy.parameters())
        self._require_finite("gradient", *(p.grad for p in parameters if p.grad is not None))
        if self.config.clip_gradient is not None:
            nn.utils.clip_grad_value_(parameters, self.config.clip_gradient)
        before = [p.detach().clone() for p in parameters]
        self.optimiser.step()
        if not _finite(parameters):
            with torch.no_grad():
                for p, good in zip(parameters, before, strict=True):
                    p.copy_(good)
            raise TrainingDiverged(self.updates, "updated parameters", self.state_dict())
        self.working.refresh()
        self.updates += 1
        return estimate.value.mean()

    def _learn_baseline(self, rollout: Rollout, targets: Targets) -> Tensor:
        c, value = self.config, rollout.rows(targets.value)
        if c.baseline == "running":
            rows = (rollout.time == 0).nonzero().squeeze(-1)
        elif c.first_visit:
            rows = first_visits(rollout).nonzero().squeeze(-1)
        else:
            rows = torch.arange(len(rollout), device=value.device)
        loss = torch.zeros((), device=value.device)
        # As many steps as the policy makes, on the same groups of episodes.
        group = rollout.episode[rows] % c.minibatches
        for _ in range(c.epochs):
            for g in group.unique():
                chosen = rows[group == g]
                loss = self.baseline.learn(rows_of(rollout.obs, chosen), value[chosen])
                self._require_finite("baseline loss", loss)
        return loss

    def _require_finite(self, term: str, *tensors: Tensor) -> None:
        if not _finite(tensors):
            raise TrainingDiverged(self.updates, term, self.state_dict())

    def _record(self, rollout: Rollout, entropy: Tensor, loss: Tensor) -> None:
        discounts = self.config.discount ** torch.arange(
            len(rollout.r_t), dtype=torch.float64, device=rollout.r_t.device
        )
        rewards = rollout.r_t.double()
        for name, value in (
            ("episodes", self.played),
            ("length", rollout.lengths.double().mean()),
            ("reward", rewards.sum(0).mean()),
            ("return", (discounts @ rewards).mean()),
            ("entropy", entropy),
            ("baseline_loss", loss),
        ):
            self.curves.setdefault(name, []).append(float(value))

    def state_dict(self) -> dict[str, Any]:
        """All that a resumed training needs to go on with the same numbers, copied."""
        return {
            "policy": {k: v.detach().clone() for k, v in self.policy.state_dict().items()},
            "optimiser": self.optimiser.state_dict(),
            "baseline": self.baseline.state_dict(),
            "generator": self.generator.get_state(),
            "counts": (self.played, self.steps, self.updates),
            "curves": {name: list(values) for name, values in self.curves.items()},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what :meth:`state_dict` returned, under the same configuration."""
        self.policy.load_state_dict(state["policy"])
        self.working.refresh()
        self.optimiser.load_state_dict(state["optimiser"])
        self.baseline.load_state_dict(state["baseline"])
        self.generator.set_state(state["generator"])
        self.played, self.steps, self.updates = state["counts"]
        self.curves = {name: list(values) for name, values in state["curves"].items()}


def train(
    env: Core[Any],
    policy: Any,
    config: OnPolicyConfig,
    seed: int,
    progress: bool = False,
    callback: Callable[[int, Any], None] | None = None,
) -> TrainResult:
    """Train ``policy`` in ``env`` from beginning to end; see :class:`Trainer`.

    Args:
        env: the batched core of an environment.
        policy: a policy for its spaces; trained in place.
        config: all hyper-parameters.
        seed: of everything that is drawn.
        progress: whether to show a bar (needs tqdm).
        callback: called after every batch with the episodes played so far and the policy.

    Raises:
        ValueError: a policy that does not fit the environment.
        TrainingDiverged: a loss, gradient or parameter that is not finite.
    """
    trainer = Trainer(env, policy, config, seed)
    started = time.process_time()
    for _ in _progress(trainer.batches, config.batch, progress):
        trainer.step()
        if callback is not None:
            callback(trainer.played, policy)
    seconds = time.process_time() - started
    return TrainResult(policy, trainer.curves, trainer.steps, seconds, trainer.updates)


def _progress(batches: int, batch: int, show: bool) -> Iterator[int]:
    if not show:
        return iter(range(batches))
    from tqdm.auto import tqdm

    return iter(tqdm(range(batches), unit_scale=batch, unit="ep"))


def _minibatches(rollout: Rollout, groups: int) -> list[Tensor]:
    """Rows of each group of whole episodes; all rows, in order, if there is one group."""
    if groups == 1:
        return [torch.arange(len(rollout), device=rollout.episode.device)]
    group = rollout.episode % groups
    return [(group == g).nonzero().squeeze(-1) for g in range(groups)]


def _finite(tensors: Any) -> bool:
    # The norms of all at once take a tenth of the time of looking at every entry.
    return bool(torch.stack(torch._foreach_norm([x.detach() for x in tensors])).isfinite().all())


def _optimiser(policy: nn.Module, config: OnPolicyConfig) -> torch.optim.Optimizer:
    if config.optimiser == "rmsprop":
        return torch.optim.RMSprop(policy.parameters(), config.learning_rate, eps=1e-5)
    return torch.optim.Adam(policy.parameters(), config.learning_rate, fused=True)
