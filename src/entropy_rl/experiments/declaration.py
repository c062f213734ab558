"""A table or figure as data: its runs by label, and what is compared, said before anything runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from entropy_rl import _validate
from entropy_rl.experiments.spec import RunSpec

TIERS = ("quick", "paper")
METRICS = ("length", "reward", "last_optimal", "last_expected")

Label: TypeAlias = tuple[tuple[str, str | int], ...]


def label(**parts: str | int) -> Label:
    """The name of a run within an experiment: ``label(policy="lstm", entropy="none", seed=0)``."""
    return tuple(parts.items())


def describe(name: Label) -> str:
    """A label in words: ``policy=lstm entropy=none seed=0``."""
    return " ".join(f"{key}={value}" for key, value in name)


@dataclass(frozen=True)
class Contrast:
    """A comparison that was registered before the sweep: mean over seeds of first - second.

    The interval is Student's over the differences paired by seed. (Not the bootstrap: over five
    pairs its 95 % cover about 83.)

    Args:
        metric: "length" or "reward", means over the evaluation; or "last_" and the name of a curve,
            its last point: see :meth:`~entropy_rl.experiments.store.Seed.metric`.
        first: a label without its seed.
        second: likewise.
        sign: the sign expected of the difference: -1, 1, or 0 if none is.
        level: of the interval.

    Raises:
        ValueError: an unknown metric, another sign, a label with a seed.
    """

    metric: str
    first: Label
    second: Label
    sign: int
    level: float = 0.95

    def __post_init__(self) -> None:
        _validate.choice("metric", self.metric, METRICS)
        if self.sign not in (-1, 0, 1):
            raise _validate.fail("sign", "-1, 0 or 1", self.sign)
        for name in ("first", "second"):
            if "seed" in dict(getattr(self, name)):
                raise _validate.fail(name, "a label without a seed", getattr(self, name))

    def estimate(
        self, first: Sequence[float], second: Sequence[float]
    ) -> tuple[float, float, float]:
        """The mean difference and its interval, from the metric of the seeds in the same order.

        Raises:
            ValueError: fewer than two pairs, or another number in ``second``.
        """
        from scipy.stats import t

        if len(first) != len(second) or len(first) < 2:
            raise _validate.fail("second", "as many values as first, ≥ 2", len(second))
        differences = [a - b for a, b in zip(first, second, strict=True)]
        n = len(differences)
        mean = sum(differences) / n
        variance = sum((x - mean) ** 2 for x in differences) / (n - 1)
        half = float(t.ppf((1 + self.level) / 2, n - 1)) * (variance / n) ** 0.5
        return mean, mean - half, mean + half


@dataclass(frozen=True)
class Experiment:
    """The runs of a table or a figure.

    Labels with equal specs share one run. Where two labels are known to give the same numbers, the
    declaration gives both the same spec; so do labels of seeds that are stacked in one run.

    Args:
        name: such as "zhang2018.table1"; what stands before the dot is the folder of its results.
        source: where the settings come from, and which were chosen and why.
        tiers: for "quick" and "paper" the runs by label.
        contrasts: what is compared.
        seconds: what a run is expected to cost by ``(policy, entropy)``, in CPU-seconds a million
            episodes: for the order of a sweep and its time left, never for its numbers.

    Raises:
        ValueError: a name without a dot, a tier that is missing, a contrast of no label.
    """

    name: str
    source: str
    tiers: Mapping[str, Mapping[Label, RunSpec]]
    contrasts: tuple[Contrast, ...] = ()
    seconds: Mapping[tuple[str, str], float] | None = None

    def __post_init__(self) -> None:
        if not self.folder or self.folder == self.name:
            raise _validate.fail("name", "paper.part, such as 'zhang2018.table1'", repr(self.name))
        for tier in TIERS:
            if not self.tiers.get(tier):
                raise _validate.fail("tiers", f"runs of the tier {tier!r}", sorted(self.tiers))
        for tier in self.tiers:
            _validate.choice("tiers", tier, TIERS)
        for contrast in self.contrasts:
            for side in (contrast.first, contrast.second):
                if not self.seeds("paper", side):
                    raise _validate.fail("contrasts", "labels of the experiment", describe(side))

    @property
    def folder(self) -> str:
        """The folder of its results; those of one paper share it, and so may share runs."""
        return self.name.partition(".")[0]

    def runs(self, tier: str, only: Mapping[str, str] | None = None) -> dict[Label, RunSpec]:
        """The runs of a tier, those whose label has the values of ``only``.

        Raises:
            ValueError: an unknown tier, or a key or value that no label has.
        """
        runs = dict(self.tiers[_validate.choice("tier", tier, TIERS)])
        for key, value in (only or {}).items():
            found = {str(dict(name)[key]) for name in self.tiers[tier] if key in dict(name)}
            keys = dict.fromkeys(key for name in self.tiers[tier] for key, _ in name)
            _validate.choice(f"only {key}", value, sorted(found)) if found else _validate.choice(
                "only", key, keys
            )
            runs = {name: spec for name, spec in runs.items() if str(dict(name).get(key)) == value}
        return runs

    def seeds(self, tier: str, name: Label) -> dict[int, RunSpec]:
        """The runs of a label without a seed, by seed; stacked ones under each of theirs."""
        found = {}
        for full, spec in self.tiers[tier].items():
            parts = dict(full)
            seed = parts.pop("seed", None)
            if isinstance(seed, int) and parts == dict(name):
                found[seed] = spec
        return found

    def cost(self, spec: RunSpec) -> float:
        """CPU-seconds that a run is expected to take, or its episodes where nothing is known."""
        each = (self.seconds or {}).get((spec.policy, spec.config.entropy), 1e6)
        return each * spec.replicas * spec.config.episodes / 1e6


EXPERIMENTS: dict[str, Experiment] = {}


def register_experiment(experiment: Experiment) -> Experiment:
    """Add ``experiment`` to :data:`EXPERIMENTS`.

    Raises:
        ValueError: a name that is taken.
    """
    if experiment.name in EXPERIMENTS:
        raise _validate.fail("name", "one that is free", repr(experiment.name))
    EXPERIMENTS[experiment.name] = experiment
    return experiment


def experiment(name: str) -> Experiment:
    """The experiment called ``name``.

    Raises:
        ValueError: unknown name (the nearest is suggested).
    """
    return EXPERIMENTS[_validate.choice("name", name, EXPERIMENTS)]
