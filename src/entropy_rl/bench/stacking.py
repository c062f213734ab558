"""What seeds and columns cost that are one training, against as many trainings of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from entropy_rl.algorithms import Preset, Trainer
from entropy_rl.bench.timing import interleave
from entropy_rl.policies import stack_policies

ALONE, STACKED = "alone", "stacked"
APART, AS_ONE = "apart", "as one"


def stacking_costs(
    chosen: Preset, rounds: int, seeds: int = 10, updates: int = 10
) -> dict[str, np.ndarray]:
    """CPU-seconds of one update of one seed, alone and in a stack of ``seeds``.

    Args:
        chosen: what is trained; it must be one that can be stacked.
        rounds: see :func:`~entropy_rl.bench.timing.interleave`.
        seeds: R.
        updates: that each training makes in a round.
    """
    config = chosen.but(episodes=10**9).on_policy

    def one(seed: int) -> Trainer:
        return Trainer(*chosen.make(seed), config, seed)

    made = [chosen.make(seed) for seed in range(seeds)]
    together = Trainer(made[0][0], stack_policies([p for _, p in made]), config, range(seeds))
    apart, units = [one(seed) for seed in range(seeds)], seeds * updates
    return interleave(
        {ALONE: _task(apart, updates, units), STACKED: _task([together], updates, units)}, rounds
    )


def columns_costs(
    columns: Sequence[Preset], rounds: int, seeds: int = 10, updates: int = 10
) -> dict[str, np.ndarray]:
    """CPU-seconds of one update of a column's stack of seeds, apart and all columns as one.

    Args:
        columns: what is trained; they may differ in the learning rate and the entropy.
        rounds: see :func:`~entropy_rl.bench.timing.interleave`.
        seeds: R.
        updates: that each training makes in a round.
    """
    configs = [chosen.but(episodes=10**9).on_policy for chosen in columns]
    env = columns[0].make(0)[0]

    def stacked(*chosen: int) -> Trainer:
        made = [columns[i].make(seed)[1] for i in chosen for seed in range(seeds)]
        return Trainer(env, stack_policies(made), [configs[i] for i in chosen], range(seeds))

    every = range(len(columns))
    apart, units = [stacked(i) for i in every], len(columns) * updates
    return interleave(
        {APART: _task(apart, updates, units), AS_ONE: _task([stacked(*every)], updates, units)},
        rounds,
    )


def _task(trainers: list[Trainer], updates: int, units: int) -> Callable[[], float]:
    """So many updates of each; how many ``units`` that is."""

    def run() -> float:
        for trainer in trainers:
            for _ in range(updates):
                trainer.step()
        return units

    return run
