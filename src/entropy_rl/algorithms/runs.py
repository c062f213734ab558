"""One training run from a preset: train, evaluate, save, and write what was found."""

from __future__ import annotations

import json
import platform
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from entropy_rl import _validate
from entropy_rl.algorithms.divergence import TrainingDiverged
from entropy_rl.algorithms.evaluation import Evaluation, evaluate
from entropy_rl.algorithms.presets import Preset, make_environment
from entropy_rl.algorithms.training import TrainResult, train
from entropy_rl.envs import Core
from entropy_rl.policies import load_policy, save_policy

EVALUATION_SEED = 1_000_003


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        preset: what was run.
        seed: of everything drawn.
        result: the policy and its curves.
        evaluation: how it did with sampled actions.
        wall_seconds: of training and evaluation.
    """

    preset: Preset
    seed: int
    result: TrainResult
    evaluation: Evaluation
    wall_seconds: float

    def summary(self) -> str:
        """Two lines for a person."""
        r, config = self.result, self.preset.config
        stretches = getattr(config, "continuing", True)  # off-policy episodes always go on
        played = f"stretches of {config.cap} steps" if stretches else "episodes"
        return (
            f"trained {r.curves['episodes'][-1]:,.0f} {played}, {r.steps:,} steps, in "
            f"{r.cpu_seconds:.1f} CPU-seconds ({r.steps / r.cpu_seconds:,.0f} steps/s)\n"
            + describe(self.evaluation)
        )


def describe(e: Evaluation) -> str:
    """An evaluation in one line."""
    return (
        f"length {e.length:.2f} [{e.length_interval[0]:.2f}, {e.length_interval[1]:.2f}], "
        f"median {e.median_length:.0f}; reward {e.reward:.3f} "
        f"[{e.reward_interval[0]:.3f}, {e.reward_interval[1]:.3f}]; "
        f"unfinished {100 * e.unfinished:.1f} % of {e.episodes:,} episodes"
    )


def run_preset(
    chosen: Preset,
    seed: int,
    *,
    evaluation_episodes: int = 2_000,
    evaluation_cap: int = 10_000,
    progress: bool = False,
    save: Path | None = None,
    result: Path | None = None,
    training: Callable[..., TrainResult] = train,
) -> Run:
    """Train and evaluate a preset with one seed.

    Args:
        chosen: the preset.
        seed: of the initial parameters and of all draws in training; the evaluation's draws have a
            seed of their own, the same for every run, so that all are judged on the same starts.
        evaluation_episodes: how many; at least 2 for a ``result``, which has intervals.
        evaluation_cap: steps after which one of them counts as unfinished.
        progress: whether to show a bar.
        save: where to write the policy: as soon as it is trained, or the last good one if the
            training diverges.
        result: where to write curves, evaluation and provenance.
        training: what trains: :func:`entropy_rl.algorithms.train`, or what takes the same.

    Raises:
        ValueError: an argument out of range or a file that cannot be written, before anything is
            trained.
        TrainingDiverged: a loss, gradient or parameter that is not finite.
    """
    _validate.seed("seed", seed)
    _validate.positive_integer("evaluation_episodes", evaluation_episodes)
    if result is not None and evaluation_episodes < 2:
        raise _validate.fail("evaluation_episodes", "at least 2 for a result", evaluation_episodes)
    _validate.positive_integer("evaluation_cap", evaluation_cap)
    for name, path in (("save", save), ("result", result)):
        if path is not None:
            check_writable(name, path)
    if save is not None and save == result:
        raise _validate.fail("result", "another file than save", result)
    started = time.perf_counter()
    env, policy = chosen.make(seed)
    try:
        trained = training(env, policy, chosen.config, seed, progress)
    except TrainingDiverged:
        if save is not None:
            _save(chosen, policy, save)
        raise
    if save is not None:
        _save(chosen, policy, save)
    evaluation = evaluate(env, policy, evaluation_episodes, EVALUATION_SEED, cap=evaluation_cap)
    run = Run(chosen, seed, trained, evaluation, time.perf_counter() - started)
    if result is not None:
        part = result.with_name(result.name + ".part")
        part.write_text(json.dumps(record(run), indent=1, allow_nan=False) + "\n")
        part.replace(result)
    return run


def _save(chosen: Preset, policy: Any, path: Path) -> None:
    save_policy(
        policy,
        path,
        environment=chosen.environment,
        environment_options=chosen.environment_options,
    )


def check_writable(name: str, path: Path) -> None:
    """``ValueError`` unless a file can be written at ``path``: before hours are spent, not after.

    Args:
        name: of the argument that is complained of.
        path: where the file will be; its folder must exist.
    """
    if not path.parent.is_dir():
        raise _validate.fail(name, "a file in an existing folder", path)
    if path.is_dir():
        raise _validate.fail(name, "the name of a file", f"the folder {path}")
    try:
        if path.exists():
            path.open("r+b").close()
        tempfile.TemporaryFile(dir=path.parent).close()
    except OSError as error:
        expected = "a file that can be written"
        raise _validate.fail(name, expected, f"{path} ({error.strerror})") from error


def load_run(path: Path) -> tuple[Core[Any], Any]:
    """The environment and the policy of a file written with ``save``."""
    policy, extra = load_policy(path)
    if "environment" not in extra:
        raise ValueError(f"path: expected a policy saved by `entropy-rl train`, got {path}")
    return make_environment(extra["environment"], extra["environment_options"]), policy


def record(run: Run, points: int = 100) -> dict[str, Any]:
    """What is kept of a run, as plain data: ``points`` of each curve, and its provenance."""
    curves = run.result.curves
    length = len(curves["episodes"])
    kept = sorted({round(i * (length - 1) / (points - 1)) for i in range(points)})
    return {
        "preset": asdict(run.preset),
        "seed": run.seed,
        "evaluation_seed": EVALUATION_SEED,
        "evaluation": run.evaluation.summary(),
        "curves": {k: known([round(v[i], 5) for i in kept]) for k, v in curves.items()},
        "steps": run.result.steps,
        "updates": run.result.updates,
        "cpu_seconds": round(run.result.cpu_seconds, 2),
        "wall_seconds": round(run.wall_seconds, 2),
        "threads": torch.get_num_threads(),
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "hardware": {"machine": platform.machine(), "processor": processor()},
        "commit": commit(),
    }


def known(values: list[Any]) -> list[Any]:
    """The same, with None for NaN, which JSON has not and which is not equal to itself: what is
    not known yet, such as a figure of merit before the first episode has ended. Lists, one entry a
    replica, are gone through.
    """
    return [known(x) if isinstance(x, list) else None if x != x else x for x in values]


def processor() -> str:
    """The processor's name, where the system tells."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor()


def commit() -> str | None:
    """The commit of the source tree, with ``+`` if it was changed since; None outside one."""
    folder = Path(__file__).parents[3]
    if not (folder / "src" / "entropy_rl").is_dir():
        return None  # installed: the folder's commit, if it has one, is somebody else's
    try:
        name = subprocess.run(
            ["git", "rev-parse", "--short=12", "HEAD"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        changed = subprocess.run(
            ["git", "status", "--porcelain", "--", "src"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
    except (FileNotFoundError, subprocess.CalledProcessError):
        return None
    return name + ("+" if changed else "")
