"""The gradients of the entropy at four looks at a training; see :func:`measure`."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from entropy_rl import _validate
from entropy_rl.algorithms import Preset, Trainer, preset, train
from entropy_rl.algorithms.rollout import rows_of
from entropy_rl.bench.gradient_draws import Advance, Draws, Row, as_row, play
from entropy_rl.bench.timing import interleave, ratio
from entropy_rl.estimators import sampled_entropy_to_go, smoothed

SHARES = (0.0, 0.25, 0.5, 1.0)
BETA = 0.031  # zhang2018, Appendix A: of Theorem 4 with the LSTM


@dataclass(frozen=True)
class Settings:
    """What is measured.

    Args:
        hunters: d, the components of an action, ≥ 2.
        episodes: of the training.
        draws: K, of every gradient, ≥ 3.
        rounds: of the costs.
        states: in which actions are drawn again.
        batch: episodes played again, those of one update.
        exact: whether to compare with the exact gradient and baseline.
        seed: of everything.

    Raises:
        ValueError: a value out of range.
    """

    hunters: int = 5
    episodes: int = 20_480
    draws: int = 64
    rounds: int = 21
    states: int = 512
    batch: int = 64
    exact: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("hunters", "episodes", "draws", "rounds", "states", "batch"):
            _validate.positive_integer(name, getattr(self, name))
        for name, least in (("hunters", 2), ("draws", 3)):
            _validate.at_least(name, getattr(self, name), least)
        _validate.boolean("exact", self.exact)
        _validate.seed("seed", self.seed)

    @property
    def preset(self) -> Preset:
        """The training: the preset "hunters" with Theorem 4 and a critic."""
        chosen = preset("hunters").but(
            episodes=self.episodes,
            entropy="unbiased_gradient",
            entropy_baseline="critic",
            beta=BETA,
        )
        options = {**chosen.environment_options, "hunters": self.hunters}
        return replace(chosen, environment_options=options)


def measure(settings: Settings, progress: bool = True) -> list[Row]:
    """Train, look four times, at the start, at a quarter, at half and at the end, and measure

    - *states*: actions are drawn again and again in the same states, and the gradient of the mean
      entropy is compared between estimators; if ``exact`` also with the true gradient;
    - *batches*: whole batches are played again and again, as large as one update of the training
      sees. The reward's gradient is there too, and with it the variance of the whole update;
    - *cost*, at the start and at the end: what a training costs with each estimator.

    Args:
        settings: what is measured.
        progress: whether to show a bar.

    Returns:
        for each number ``share`` of the training, ``where``, ``estimator``, ``quantity``, and
        ``value`` with its 95 % interval from ``low`` to ``high`` (None where there is none).
    """
    env, policy = settings.preset.make(settings.seed)
    trainer = Trainer(env, policy, settings.preset.on_policy, settings.seed)
    looks = {round(share * trainer.batches) for share in SHARES}
    costs = 2 * 3 * (settings.rounds + 1)
    total = trainer.batches + len(looks) * 2 * settings.draws + costs
    rows: list[Row] = []
    with _bar(total, progress) as advance:
        for batch in range(trainer.batches + 1):
            if batch:
                trainer.step()
                advance()
            if batch in looks:
                found = look(trainer, settings, batch, advance)
                if batch in (0, trainer.batches):
                    found += costs_of(settings, trainer.policy, advance)
                rows += [{"share": batch / trainer.batches, **row} for row in found]
    return rows


def look(trainer: Trainer, settings: Settings, batch: int, advance: Advance) -> list[Row]:
    """One look at a training, which it leaves as it was."""
    generator = torch.Generator().manual_seed(settings.seed + 1_000_003 * (batch + 1))
    rollout = play(trainer, settings.batch, generator)
    chain = rollout.chain
    mean_to_go = sampled_entropy_to_go(chain).mean(0)
    chosen = torch.randperm(len(rollout), generator=generator)[: settings.states]
    draws = Draws(trainer, settings.draws, mean_to_go, generator, advance)
    return [
        as_row("batches", "", "states", len(rollout)),
        as_row("batches", "", "length", float(rollout.lengths.double().mean())),
        as_row("batches", "", "entropy", float(smoothed(chain).value.mean())),
        as_row("states", "", "states", len(chosen)),
        *draws.in_states(rows_of(rollout.obs, chosen), settings.exact),
        *draws.in_batches(settings.batch),
    ]


def costs_of(settings: Settings, policy: Any, advance: Advance) -> list[Row]:
    """CPU-seconds a step of training, from this policy on, over those with "smoothed".

    In a round every estimator starts from the same parameters and the same seed, so that all play
    the same batch before their updates.
    """
    batch = settings.preset.on_policy.batch

    def task(entropy: str, baseline: str | None) -> Callable[[], float]:
        chosen = settings.preset.but(entropy=entropy, entropy_baseline=baseline, episodes=batch)

        def run() -> float:
            env, _ = chosen.make(settings.seed)
            steps = train(env, copy.deepcopy(policy), chosen.config, settings.seed).steps
            advance()
            return steps

        return run

    found = interleave(
        {
            "smoothed": task("smoothed", None),
            "unbiased_gradient": task("unbiased_gradient", None),
            "critic": task("unbiased_gradient", "critic"),
        },
        settings.rounds,
    )
    rows = []
    for name, spent in found.items():
        over = ratio(spent, found["smoothed"])
        rows.append(as_row("cost", name, "microseconds_a_step", 1e6 * float(np.median(spent))))
        rows.append(as_row("cost", name, "cost_over_smoothed", over.median, over.low, over.high))
    return rows


@contextmanager
def _bar(total: int, show: bool) -> Iterator[Advance]:
    from tqdm.auto import tqdm

    with tqdm(total=total, disable=not show) as bar:
        yield bar.update
