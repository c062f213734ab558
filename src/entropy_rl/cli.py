"""The command line: ``entropy-rl train``, ``evaluate``, ``sweep``, ``results``, ``verify``, …"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

try:
    import tyro
except ModuleNotFoundError:
    sys.exit("entropy-rl: the command line needs the extra 'cli': pip install 'entropy-rl[cli]'")


@dataclass
class Train:
    """Train a policy in an environment and say how well it does.

    What is left out is taken from the preset; `entropy-rl list` prints the names.
    """

    preset: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="PRESET")]
    """An environment, a policy and a configuration that go together."""
    algorithm: str | None = None
    """Row of the preset's loop."""
    settings: Annotated[tuple[str, ...], tyro.conf.arg(name="set", metavar="KEY=VALUE ...")] = ()
    """The algorithm's own options."""
    policy: str | None = None
    """Family."""
    entropy: str | None = None
    """Estimator of the entropy."""
    entropy_baseline: str | None = None
    """Baseline of the entropy's gradient: critic or to_go (of unbiased_gradient), or state."""
    beta: float | None = None
    """Weight of the entropy, reward per nat."""
    beam: int | None = None
    """Candidates of the estimator smoothed_mode."""
    temperature: float | None = None
    """α of the off-policy loop, the first one if it moves, reward per nat."""
    target_entropy: float | None = None
    """H̄ of an algorithm that moves its temperature, nats."""
    episodes: int | None = None
    """Training episodes; stretches of a fixed number of steps where episodes go on from batch to
    batch."""
    learning_rate: float | None = None
    """Of the policy's optimiser."""
    precision: str | None = None
    """Of the policy's forward and backward pass."""
    seed: int = 0
    """Of everything that is drawn."""
    workers: int = 0
    """Real actors on the Ray cluster that RAY_ADDRESS names, or else one that is begun here. They
    are asynchronous: the same seed does not give the same numbers. 0: this process plays."""
    evaluation_episodes: int = 2_000
    """Episodes to evaluate on, with sampled actions."""
    save: Path | None = None
    """Write the policy here."""
    result: Path | None = None
    """Write curves, evaluation and provenance here, as JSON."""
    quiet: bool = False
    """No progress bar (as when CI is set)."""

    def run(self) -> int:
        """Train, save, evaluate; exit status 1 if the training diverges."""
        from entropy_rl.algorithms import TrainingDiverged, preset, train
        from entropy_rl.algorithms.runs import run_preset
        from entropy_rl.distributed import AsyncResult, train_async

        names = (
            "algorithm", "entropy", "entropy_baseline", "beta", "beam", "temperature",
            "target_entropy", "episodes", "learning_rate", "precision",
        )  # fmt: skip
        changes = {n: getattr(self, n) for n in names if getattr(self, n) is not None}
        if changes.get("entropy") == "none" and self.beta is None:
            changes["beta"] = 0.0
        if self.settings:
            changes["options"] = numbers_by_key(self.settings)
        chosen = preset(self.preset)
        for name, value in changes.items():
            if not hasattr(chosen.config, name):
                flag = "--" + name.replace("_", "-")
                raise ValueError(f"{flag}: expected none with {self.preset!r}, got {value}")
        chosen = chosen.but(**changes)
        if self.policy is not None:
            chosen = chosen.with_policy(self.policy)
        try:
            report = run_preset(
                chosen,
                self.seed,
                evaluation_episodes=self.evaluation_episodes,
                progress=not (self.quiet or os.environ.get("CI")),
                save=self.save,
                result=self.result,
                training=partial(train_async, workers=self.workers) if self.workers else train,
            )
        except TrainingDiverged as error:
            kept = "" if self.save is None else f", whose policy is in {self.save}"
            print(f"entropy-rl: {error}{kept}", file=sys.stderr)
            return 1
        print(report.summary())
        if isinstance(report.result, AsyncResult):
            print(report.result.lagged())
        return 0


def numbers_by_key(settings: Sequence[str]) -> dict[str, float]:
    """``["clip=0.1"]`` as ``{"clip": 0.1}``.

    Raises:
        ValueError: anything else, or the same key twice.
    """
    found: dict[str, float] = {}
    for key, value in map(key_and_number, settings):
        if key in found:
            raise ValueError(f"--set: expected {key!r} once, got {' '.join(settings)}")
        found[key] = value
    return found


def key_and_number(setting: str) -> tuple[str, float]:
    """``"clip=0.1"`` as ``("clip", 0.1)``.

    Raises:
        ValueError: anything else.
    """
    key, _, value = setting.partition("=")
    try:
        return key, float(value)
    except ValueError:
        raise ValueError(f"set: expected KEY=NUMBER, got {setting!r}") from None


@dataclass
class Evaluate:
    """Play a saved policy and print how it does."""

    path: Annotated[Path, tyro.conf.Positional]
    """A file written by ``train --save``."""
    episodes: int = 2_000
    """How many."""
    seed: int = 0
    """Of the starts and the draws."""
    greedy: bool = False
    """The most likely components instead of sampled ones."""
    cap: int = 10_000
    """Steps after which an episode counts as unfinished."""

    def run(self) -> int:
        """Load and play."""
        from entropy_rl.algorithms import evaluate
        from entropy_rl.algorithms.runs import describe, load_run

        env, policy = load_run(self.path)
        print(describe(evaluate(env, policy, self.episodes, self.seed, self.greedy, self.cap)))
        return 0


@dataclass
class Sweep:
    """Make the runs of a table that are missing; killed at any moment, it goes on.

    Exit status 1 if a run diverged: the others are made all the same.
    """

    name: Annotated[str, tyro.conf.Positional]
    """The experiment, such as zhang2018.table1."""
    tier: Literal["quick", "paper"] = "quick"
    """Seconds, or the paper's own scale."""
    jobs: int = 1
    """Runs at a time, of one thread each."""
    backend: str = "loky"
    """Where they are made: loky (processes of this machine) or ray (the cluster that RAY_ADDRESS
    names, or else one that is begun here)."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where what is missing is trained; what was made on the other is there."""
    only: Annotated[tuple[str, ...], tyro.conf.arg(metavar="KEY=VALUE ...")] = ()
    """Runs whose label has these values, such as policy=lstm seed=0."""
    store: Path | None = None
    """Folder of the results; data/runs for the paper's tier and _build/runs for the quick one."""
    policies: Path | None = None
    """Folder for the trained policies, which the results do not hold."""
    quiet: bool = False
    """No progress bar (as when CI is set)."""
    dirty: bool = False
    """Make runs for data/runs though src is not as committed."""

    def run(self) -> int:
        """Run, and say what was made."""
        from entropy_rl.algorithms.runs import commit
        from entropy_rl.experiments import Store, experiment, runs_folder, sweep

        chosen = experiment(self.name)
        kept = self.tier == "paper" and self.store is None
        if kept and not self.dirty and (now := commit() or "").endswith("+"):
            expected = "src as committed for 'paper', whose runs name their commit; or --dirty"
            raise ValueError(f"tier: expected {expected}, got {now}")
        folder = (self.store or runs_folder(self.tier)) / chosen.folder
        report = sweep(
            chosen,
            self.tier,
            Store(folder),
            jobs=self.jobs,
            backend=self.backend,
            only=dict(key_and_value(part) for part in self.only),
            device=self.device,
            progress=not (self.quiet or os.environ.get("CI")),
            policies=self.policies,
        )
        print(report.summary())
        return 1 if report.diverged else 0


def key_and_value(part: str) -> tuple[str, str]:
    """``"policy=lstm"`` as ``("policy", "lstm")``.

    Raises:
        ValueError: anything else.
    """
    key, sign, value = part.partition("=")
    if not (key and sign and value):
        raise ValueError(f"only: expected KEY=VALUE, got {part!r}")
    return key, value


@dataclass
class Results:
    """Verify every stored run and list them by experiment and label.

    Exit status 1 if a file is not as it was written, or a run is stale.
    """

    stale: bool = False
    """Make the first twenty updates of each run again, and compare."""
    tier: Literal["quick", "paper"] = "paper"
    """Of which the results are."""
    store: Path | None = None
    """Folder of the results; data/runs for the paper's tier and _build/runs for the quick one."""

    def run(self) -> int:
        """Read them all."""
        from entropy_rl.experiments import runs_folder
        from entropy_rl.experiments.results import report

        return 0 if report(self.store or runs_folder(self.tier), self.tier, self.stale) else 1


@dataclass
class Verify:
    """Run the checks of the book's claims and print what each is off by."""

    claims: Annotated[tuple[str, ...], tyro.conf.Positional] = ()
    """Which ones, such as zhang2018.thm4; all of them if none is named."""

    def run(self) -> int:
        """Exit status 0 if all hold."""
        from entropy_rl.checks import report

        return 0 if report(list(self.claims) or None) else 1


@dataclass
class List:
    """Print the names that the other commands take."""

    def run(self) -> int:
        """Under the command and the flag that take them."""
        from entropy_rl.algorithms import ALGORITHMS, OFF_POLICY_ALGORITHMS, PRESETS
        from entropy_rl.algorithms.config import PRECISIONS
        from entropy_rl.algorithms.presets import trainable_policies
        from entropy_rl.checks import CHECKS
        from entropy_rl.estimators import ESTIMATORS
        from entropy_rl.experiments import BACKENDS, EXPERIMENTS

        def words_of(row: Any, *choices: str) -> str:
            return (
                " × ".join(choices)
                + "".join(f", {key}={option.default}" for key, option in row.options.items())
                + (f" ({row.source})" if row.source else "")
            )

        rows = {
            name: words_of(
                row, row.advantage, row.surrogate, row.entropy,
                *([row.update] if row.update != "gradient_step" else []),
            )
            for name, row in ALGORITHMS.items()
        }  # fmt: skip
        off_policy = {
            name: words_of(row, row.target, row.actor, row.temperature)
            for name, row in OFF_POLICY_ALGORITHMS.items()
        }
        for title, names in (
            ("train PRESET", {name: chosen.source for name, chosen in PRESETS.items()}),
            (
                "train --algorithm (advantage × surrogate × entropy (× update), what --set takes)",
                rows,
            ),
            (
                "train pendulum-sac --algorithm (target × actor × temperature, what --set takes)",
                off_policy,
            ),
            ("train --policy", dict.fromkeys(trainable_policies(), "")),
            ("train --entropy", dict.fromkeys(ESTIMATORS, "")),
            ("train --precision", dict.fromkeys(PRECISIONS, "")),
            ("sweep NAME", {name: len(x.runs("paper")) for name, x in EXPERIMENTS.items()}),
            ("sweep --backend", dict.fromkeys(BACKENDS, "")),
            ("verify CLAIMS", dict.fromkeys(CHECKS, "")),
        ):
            print(title)
            for name, words in names.items():
                print(f"  {name:14} {words}".rstrip())
        return 0


@dataclass
class Bench:
    """Measure training speed, the cost of each estimator, and of the exact entropy."""

    quick: bool = False
    """Fewer repetitions."""

    def run(self) -> int:
        """Print the tables."""
        from entropy_rl.bench import main as bench

        bench(quick=self.quick)
        return 0


Command = (
    Annotated[Train, tyro.conf.subcommand("train")]
    | Annotated[Evaluate, tyro.conf.subcommand("evaluate")]
    | Annotated[Sweep, tyro.conf.subcommand("sweep")]
    | Annotated[Results, tyro.conf.subcommand("results")]
    | Annotated[Verify, tyro.conf.subcommand("verify")]
    | Annotated[List, tyro.conf.subcommand("list")]
    | Annotated[Bench, tyro.conf.subcommand("bench")]
)


def main(arguments: list[str] | None = None) -> int:
    """Run one command; a bad argument is one line on stderr and exit status 2."""
    command = tyro.cli(Command, prog="entropy-rl", description=__doc__, args=arguments)
    try:
        return command.run()
    except (ValueError, OSError) as error:
        print(f"entropy-rl: {error}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        library = (error.name or "entropy_rl").partition(".")[0]
        if library == "entropy_rl":
            raise
        told = f"{library}: is not installed; pip install 'entropy-rl[experiments]' has it"
        # What raised it may know better which extra is missing.
        print(f"entropy-rl: {error if 'pip install' in str(error) else told}", file=sys.stderr)
        return 2


def console() -> None:
    """The entry point."""
    sys.exit(main())
