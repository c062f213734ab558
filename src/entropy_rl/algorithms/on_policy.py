"""The on-policy loop: one loop, three named choices."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from entropy_rl import _validate
from entropy_rl.algorithms.baseline import Baseline, flat_observation, make_baseline
from entropy_rl.algorithms.choices import ADVANTAGES, ALGORITHMS, ENTROPIES, SURROGATES
from entropy_rl.algorithms.config import OnPolicyConfig
from entropy_rl.algorithms.precision import WorkingCopy
from entropy_rl.algorithms.rollout import (
    Rollout,
    concatenate_chains,
    first_visits,
    play_episodes,
    rows_of,
)
from entropy_rl.envs._core import Core
from entropy_rl.estimators import estimate_entropy


class TrainingDiverged(RuntimeError):
    """A term of the loss or a gradient is not finite.

    Attributes:
        update: the number of updates made before.
        term: what was not finite.
        last_good: the policy's ``state_dict`` before the update that would have spoilt it.
    """

    def __init__(self, update: int, term: str, last_good: dict[str, Tensor]) -> None:
        super().__init__(f"update {update}: {term} is not finite; parameters kept as before it")
        self.update, self.term, self.last_good = update, term, last_good


@dataclass(frozen=True)
class TrainResult:
    """A trained policy and how it went.

    Attributes:
        policy: the module that was passed in, trained.
        curves: one entry a batch of episodes: "episodes" played so far, mean "length" (cut at
            ``cap``), mean undiscounted "reward", mean "return" from the start, "entropy" (mean of
            the estimator's value over states, nats) and the last "baseline_loss".
        steps: environment steps taken in training.
        cpu_seconds: processor time of the loop.
        updates: gradient steps taken.
    """

    policy: nn.Module
    curves: dict[str, list[float]] = field(repr=False)
    steps: int
    cpu_seconds: float
    updates: int


def train(
    env: Core[Any],
    policy: Any,
    config: OnPolicyConfig,
    seed: int,
    progress: bool = False,
    callback: Callable[[int, Any], None] | None = None,
) -> TrainResult:
    """Train ``policy`` in ``env``; the same seed gives the same numbers.

    For every batch of episodes: play them, compare their returns with the baseline (the
    *advantage*), and for every minibatch descend the *surrogate* plus the *entropy* term,

        Δθ ∝ Σₜ [∇log π(aₜ | sₜ) (Gₜ - b(sₜ)) + β ∇H(sₜ)]        (REINFORCE; zhang2018, equation 1)

    Args:
        env: the batched core of an environment, such as ``HuntersRabbits()``.
        policy: a categorical policy for its spaces; trained in place.
        config: all hyper-parameters.
        seed: of the environment's and the policy's draws, and of the baseline's initial weights.
        progress: whether to show a bar.
        callback: called after every batch with the episodes played so far and the policy.

    Raises:
        ValueError: an unknown algorithm, or a policy that does not fit the environment.
        TrainingDiverged: a loss or gradient that is not finite.
    """
    _validate.choice("algorithm", config.algorithm, ALGORITHMS)
    if policy.action_space != env.action_space:
        raise _validate.fail("policy", f"one for {env.action_space}", policy.action_space)
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        size = flat_observation(env.observe(env.reset(1, generator=torch.Generator()))).shape[-1]
        baseline = make_baseline(size, config)
    working = WorkingCopy(policy, config.precision)
    optimiser = _optimiser(policy, config)
    curves: dict[str, list[float]] = {}
    batches = -(-config.episodes // config.batch)
    updates, steps, played = 0, 0, 0
    started = time.process_time()
    for number in tqdm(range(batches), disable=not progress, unit_scale=config.batch, unit="ep"):
        episodes = min(config.batch, config.episodes - played)
        if config.decay:
            _set_learning_rate(optimiser, config.learning_rate * (1 - number / batches))
        keep_graph = config.minibatches == 1
        with torch.set_grad_enabled(keep_graph):
            rollout = play_episodes(
                env,
                lambda obs: working.module.sample(obs, generator),
                episodes,
                config.cap,
                config.discount,
                generator,
            )
        advantage = _advantage(rollout, baseline, config)
        entropies = []
        for rows in _minibatches(rollout, min(config.minibatches, episodes)):
            terms, value = _losses(working.module, rollout, rows, advantage, config)
            _descend(working, optimiser, terms, config, updates)
            entropies.append(value)
            updates += 1
        learned = _learn_baseline(baseline, rollout, config)
        played, steps = played + episodes, steps + len(rollout)
        _record(curves, rollout, played, torch.stack(entropies).mean(), learned)
        if callback is not None:
            callback(played, policy)
    return TrainResult(policy, curves, steps, time.process_time() - started, updates)


def _advantage(rollout: Rollout, baseline: Baseline, config: OnPolicyConfig) -> Tensor:
    row = ALGORITHMS[config.algorithm]
    return ADVANTAGES[row.advantage](rollout.returns, baseline.evaluate(rollout.obs))


def _minibatches(rollout: Rollout, groups: int) -> list[Tensor]:
    """Rows of each group of whole episodes; all rows, in order, if there is one group."""
    if groups == 1:
        return [torch.arange(len(rollout))]
    group = rollout.episode % groups
    return [(group == g).nonzero().squeeze(-1) for g in range(groups)]


def _losses(
    policy: Any, rollout: Rollout, rows: Tensor, advantage: Tensor, config: OnPolicyConfig
) -> tuple[dict[str, Tensor], Tensor]:
    """The terms of the loss on some rows, and the mean entropy there."""
    obs = rows_of(rollout.obs, rows)
    if config.minibatches == 1:
        chain = concatenate_chains(rollout.chains)
    else:
        chain = policy.conditionals(obs, rollout.actions[rows])
    estimate = estimate_entropy(config.entropy, policy, obs, chain)
    row = ALGORITHMS[config.algorithm]
    old = concatenate_chains(rollout.chains).log_prob.detach()[rows]
    scale = 1.0
    if config.reduction == "sum":
        scale = len(rows) / len(rollout.episode[rows].unique())
    terms = {
        "policy loss": scale * SURROGATES[row.surrogate](chain.log_prob, old, advantage[rows]),
        "entropy term": scale * ENTROPIES[row.entropy](estimate.surrogate, config.beta),
    }
    return terms, estimate.value.mean()


def _descend(
    working: WorkingCopy,
    optimiser: torch.optim.Optimizer,
    terms: dict[str, Tensor],
    config: OnPolicyConfig,
    update: int,
) -> None:
    for name, term in terms.items():
        if not term.isfinite():
            raise TrainingDiverged(update, name, copy.deepcopy(working.master.state_dict()))
    optimiser.zero_grad()
    torch.stack(list(terms.values())).sum().backward()
    working.gradients_to_master()
    gradients = [p.grad for p in working.master.parameters() if p.grad is not None]
    if not torch.nn.utils.get_total_norm(gradients).isfinite():
        raise TrainingDiverged(update, "gradient", copy.deepcopy(working.master.state_dict()))
    if config.clip is not None:
        torch.nn.utils.clip_grad_value_(working.master.parameters(), config.clip)
    optimiser.step()
    working.refresh()


def _learn_baseline(baseline: Baseline, rollout: Rollout, config: OnPolicyConfig) -> Tensor:
    if config.baseline == "running":
        rows = (rollout.time == 0).nonzero().squeeze(-1)
    elif config.first_visit:
        rows = first_visits(rollout).nonzero().squeeze(-1)
    else:
        rows = torch.arange(len(rollout))
    loss = torch.zeros(())
    # As many steps as the policy makes, on the same groups of episodes.
    group = rollout.episode[rows] % min(config.minibatches, len(rollout.lengths))
    for g in group.unique():
        chosen = rows[group == g]
        loss = baseline.learn(rows_of(rollout.obs, chosen), rollout.returns[chosen])
    return loss


def _record(
    curves: dict[str, list[float]], rollout: Rollout, played: int, entropy: Tensor, loss: Tensor
) -> None:
    for name, value in (
        ("episodes", played),
        ("length", rollout.lengths.double().mean()),
        ("reward", rollout.totals.double().mean()),
        ("return", rollout.returns[rollout.time == 0].double().mean()),
        ("entropy", entropy),
        ("baseline_loss", loss),
    ):
        curves.setdefault(name, []).append(float(value))


def _optimiser(policy: nn.Module, config: OnPolicyConfig) -> torch.optim.Optimizer:
    if config.optimiser == "rmsprop":
        return torch.optim.RMSprop(policy.parameters(), config.learning_rate, eps=1e-5)
    return torch.optim.Adam(policy.parameters(), config.learning_rate, fused=True)


def _set_learning_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    for group in optimiser.param_groups:
        group["lr"] = rate
