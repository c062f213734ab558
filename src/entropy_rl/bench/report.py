"""The tables that ``make bench`` prints."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch

from entropy_rl.algorithms import Preset, make_trainer, preset, train
from entropy_rl.bench.entropies import estimator_costs, exact_costs
from entropy_rl.bench.pictures import UPDATES, picture_costs
from entropy_rl.bench.stacking import (
    ALONE,
    APART,
    AS_ONE,
    STACKED,
    columns_costs,
    stacking_costs,
)
from entropy_rl.bench.textbook import TextbookTrainer
from entropy_rl.bench.timing import Ratio, interleave, ratio
from entropy_rl.experiments.table3 import COLUMNS, POLICIES, table3_preset

TEXTBOOK = "textbook LSTMCell loop"


def main(quick: bool = False) -> None:
    """Measure and print: training, estimators, exact entropy, stacking, peers, Breakout; minutes.

    Args:
        quick: fewer rounds: a look, not a measurement.
    """
    started = time.process_time()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        training(3 if quick else 9)
        estimators(5 if quick else 61)
        exact(3 if quick else 9)
        stacking(3 if quick else 21)
        peers(3 if quick else 21)
        pictures(3 if quick else 15)
    finally:
        torch.set_num_threads(threads)
    print(f"\none thread, {time.process_time() - started:.0f} CPU-seconds in all")


def training(rounds: int) -> None:
    """Steps of training a CPU-second, rollout and updates, on 5×5 with five hunters."""
    for batch in (128, 512):
        found = interleave(_trainings(batch), rounds)
        _head(f"training, {batch} episodes a batch", "steps a CPU-second", "over the textbook")
        for name, spent in found.items():
            speed = f"{1 / np.median(spent):>18,.0f}"
            _line(name, speed, ratio(found[TEXTBOOK], spent))


def _trainings(batch: int) -> dict[str, Callable[[], float]]:
    chosen = preset("hunters").but(batch=batch, minibatches=4, episodes=512)

    def textbook() -> float:
        trainer = TextbookTrainer(chosen.make(0)[0], chosen.on_policy, 128, 0)
        return sum(trainer.batch() for _ in range(chosen.config.episodes // batch))

    def ours(precision: str) -> Callable[[], float]:
        def run() -> float:
            env, policy = chosen.make(0)
            return train(env, policy, chosen.but(precision=precision).config, 0).steps

        return run

    tasks = {
        TEXTBOOK: textbook,
        "ours, float32": ours("float32"),
        "ours, bfloat16": ours("bfloat16"),
    }
    try:
        from entropy_rl.bench.peers import ppo
    except ModuleNotFoundError:
        print("stable-baselines3 is not installed: its rows are left out")
        return tasks
    games = batch // 8
    tasks[f"SB3 PPO, MLP, {games} games, 1 epoch"] = ppo(games, 1)
    tasks[f"SB3 PPO, MLP, {games} games, 10 epochs"] = ppo(games, 10)
    return tasks


def estimators(rounds: int) -> None:
    """The whole of training with an estimator, relative to none."""
    found = estimator_costs(rounds)
    _head("entropy estimator, equal episodes", "µs a step", "cost over none")
    for name, spent in found.items():
        _line(name, f"{1e6 * np.median(spent):>18.1f}", ratio(spent, found["none"]))


def exact(rounds: int) -> None:
    """The exact entropy with its gradient, by leaves and by prefixes."""
    _head("exact entropy and gradient, K = 9", "prefixes, µs/state", "leaves over prefixes")
    for d in (1, 2, 3, 4):
        found = exact_costs(d, rounds)
        spent = found["prefixes"]
        _line(
            f"d = {d}: {9**d:,} leaves, {(9**d - 1) // 8:,} prefixes",
            f"{1e6 * np.median(spent):>18,.0f}",
            ratio(found["leaves"], spent),
        )


def stacking(rounds: int) -> None:
    """Ten seeds of a cell of Table 3, and four cells, in one training, against one each."""
    _head("ten seeds of zhang2018.table3", "stacked, µs an update", "alone over stacked")
    for policy in POLICIES:
        found = stacking_costs(table3_preset("printed", policy, "smoothed"), rounds)
        spent = found[STACKED]
        _line(policy, f"{1e6 * np.median(spent):>18,.0f}", ratio(found[ALONE], spent))
    _head("four columns of it", "as one, µs an update", "apart over as one")
    for policy in POLICIES:
        found = columns_costs([table3_preset("printed", policy, x) for x in COLUMNS], rounds)
        spent = found[AS_ONE]
        _line(policy, f"{1e6 * np.median(spent):>18,.0f}", ratio(found[APART], spent))


def peers(rounds: int) -> None:
    """Pendulum: PPO and SAC against Stable-Baselines3's, with equal networks and minibatches."""
    try:
        from entropy_rl.bench.peers import ppo_like, sac_like
    except ModuleNotFoundError:
        return
    ppo, sac = preset("pendulum").but(algorithm="ppo"), preset("pendulum-sac")
    wide = replace(sac, policy_options={"hidden_size": 256}).but(critic_hidden=256)
    for title, unit, chosen, like in (
        ("PPO on Pendulum, two layers of 64", "steps", ppo, ppo_like),
        ("SAC on Pendulum, two layers of 64", "updates", sac, sac_like),
        ("SAC on Pendulum, two layers of 256", "updates", wide, sac_like),
    ):
        found = interleave({"ours": _batches(chosen, unit), "SB3": like(chosen)}, rounds)
        _head(title, f"{unit} a CPU-second", "over SB3")
        for name, spent in found.items():
            _line(name, f"{1 / np.median(spent):>18,.0f}", ratio(found["SB3"], spent))


def pictures(rounds: int) -> None:
    """Breakout: steps of the updates alone, and of the whole loop."""
    try:
        found = picture_costs(rounds)
    except ModuleNotFoundError as error:
        print(f"\nBreakout is left out: {error}")
        return
    _head("PPO on Breakout, four epochs", "steps a CPU-second", "over updates in bfloat16")
    for name, spent in found.items():
        _line(name, f"{1 / np.median(spent):>18,.0f}", ratio(found[UPDATES], spent))


def _batches(chosen: Preset, unit: str) -> Callable[[], float]:
    """A task that makes one batch of a training that goes on, and returns its steps or updates."""
    config = chosen.but(episodes=chosen.config.batch * 10**6).config
    trainer = make_trainer(*chosen.make(0), config, 0)
    while trainer.updates == 0:
        trainer.step()

    def run() -> float:
        before = getattr(trainer, unit)
        trainer.step()
        return getattr(trainer, unit) - before

    return run


def _head(title: str, figure: str, compared: str) -> None:
    print(f"\n{title:42} {figure:>18}  {compared}, median [95 %]")


def _line(name: str, figure: str, compared: Ratio) -> None:
    print(f"{name:42} {figure}  {compared}", flush=True)
