"""The command line: ``entropy-rl train``, ``evaluate``, ``verify``, ``list``, ``bench``."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

try:
    import tyro
except ModuleNotFoundError:
    sys.exit("entropy-rl: the command line needs the extra 'cli': pip install 'entropy-rl[cli]'")


@dataclass
class Train:
    """Train a policy in an environment and say how well it does.

    What is left out is taken from the preset of that name (see ``entropy-rl list``).
    """

    environment: Annotated[str, tyro.conf.Positional]
    """A preset: hunters, hunters-small, hunters-paper or bandit."""
    policy: str | None = None
    """Family: independent, lstm, mmdp or commnet."""
    entropy: str | None = None
    """Estimator of the bonus: none, crude, crude_gradient, smoothed, ..."""
    beta: float | None = None
    """Weight of the bonus, reward per nat."""
    episodes: int | None = None
    """Training episodes."""
    learning_rate: float | None = None
    """Of the policy's optimiser."""
    precision: str | None = None
    """float32, bfloat16 or float64."""
    seed: int = 0
    """Of everything that is drawn."""
    evaluation_episodes: int = 2_000
    """Episodes to evaluate on, with sampled actions."""
    save: Path | None = None
    """Write the policy here."""
    result: Path | None = None
    """Write curves, evaluation and provenance here, as JSON."""
    quiet: bool = False
    """No progress bar (as when CI is set)."""

    def run(self) -> int:
        """Train, evaluate, save."""
        from entropy_rl.algorithms import preset
        from entropy_rl.algorithms.runs import run_preset

        chosen = preset(self.environment)
        names = ("entropy", "beta", "episodes", "learning_rate", "precision")
        changes = {n: getattr(self, n) for n in names if getattr(self, n) is not None}
        if changes.get("entropy") == "none" and self.beta is None:
            changes["beta"] = 0.0
        chosen = chosen.but(**changes)
        if self.policy is not None:
            chosen = chosen.with_policy(self.policy)
        report = run_preset(
            chosen,
            self.seed,
            evaluation_episodes=self.evaluation_episodes,
            progress=not (self.quiet or os.environ.get("CI")),
            save=self.save,
            result=self.result,
        )
        print(report.summary())
        return 0


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
        """Presets, algorithms, policies, estimators, environments, claims."""
        import gymnasium

        import entropy_rl.envs  # registers the ids  # noqa: F401
        from entropy_rl.algorithms import ALGORITHMS, PRESETS
        from entropy_rl.checks import CHECKS
        from entropy_rl.estimators import ESTIMATORS
        from entropy_rl.policies import POLICIES

        ids = sorted(i for i in gymnasium.registry if i.startswith("entropy_rl/"))
        print("presets")
        for name, chosen in PRESETS.items():
            print(f"  {name:14} {chosen.source}")
        print("algorithms (advantage × surrogate × entropy)")
        for name, row in ALGORITHMS.items():
            print(f"  {name:14} {row.advantage} × {row.surrogate} × {row.entropy}")
        for title, names in (
            ("policies", POLICIES),
            ("estimators", ESTIMATORS),
            ("environments", ids),
            ("claims with a check", CHECKS),
        ):
            print(title)
            for name in names:
                print(f"  {name}")
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
    | Annotated[Verify, tyro.conf.subcommand("verify")]
    | Annotated[List, tyro.conf.subcommand("list")]
    | Annotated[Bench, tyro.conf.subcommand("bench")]
)


def main(arguments: list[str] | None = None) -> int:
    """Run one command; a bad argument is one line on stderr and exit status 2."""
    command = tyro.cli(Command, prog="entropy-rl", description=__doc__, args=arguments)
    try:
        return command.run()
    except (ValueError, FileNotFoundError) as error:
        print(f"entropy-rl: {error}", file=sys.stderr)
        return 2


def console() -> None:
    """The entry point."""
    sys.exit(main())
