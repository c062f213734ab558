"""What seeds cost that are stacked in one training, against as many trainings of one seed each."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from entropy_rl.algorithms import Preset, Trainer
from entropy_rl.bench.timing import interleave
from entropy_rl.policies import stack_policies

ALONE, STACKED = "alone", "stacked"


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
    apart = [one(seed) for seed in range(seeds)]

    def task(trainers: list[Trainer]) -> Callable[[], float]:
        def run() -> float:
            for trainer in trainers:
                for _ in range(updates):
                    trainer.step()
            return seeds * updates

        return run

    return interleave({ALONE: task(apart), STACKED: task([together])}, rounds)
