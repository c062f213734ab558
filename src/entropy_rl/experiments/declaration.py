"""A table or figure as data: its runs by label, and what is compared, said before anything runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from entropy_rl import _validate
from entropy_rl.algorithms import ENVIRONMENTS, curve_names
from entropy_rl.experiments.spec import RunSpec

TIERS = ("quick", "paper")
METRICS = ("length", "reward", "greedy_reward", "expected_reward")
STATISTICS = ("mean", "spread")

Label: TypeAlias = tuple[tuple[str, str | int], ...]


def label(**parts: str | int) -> Label:
    """The name of a run within an experiment: ``label(policy="lstm", entropy="none", seed=0)``."""
    return tuple(parts.items())


def describe(name: Label) -> str:
    """A label in words: ``policy=lstm entropy=none seed=0``."""
    return " ".join(f"{key}={value}" for key, value in name)


# What an evaluation has only if the spec asks for it.
_SEEN_BY = {"greedy_reward": "greedy", "expected_reward": "exact"}


@dataclass(frozen=True)
class Contrast:
    """A comparison that was registered before the sweep, of the runs of two labels.

    With x and y the metric of the two, by seed, what is estimated is

        mean:    E[x - factor · y], with Student's interval over the pairs
        spread:  log(σ(x) / σ(y)), with the interval that F gives for normal values

    (Not the bootstrap: over five pairs its 95 % cover about 83. And F is for normal values only:
    heavy tails make its interval too short.)

    Args:
        metric: "length", "reward" or "greedy_reward", means over the evaluation; "expected_reward",
            in closed form; or ``last_`` and the name of a curve, its last point: see
            :meth:`~entropy_rl.experiments.Seed.metric`.
        first: a label without its seed.
        second: likewise.
        sign: the sign expected of what is estimated: -1, 1, or 0 if it is expected to be near 0.
        level: of the interval, in (0, 1).
        factor: > 0; a length expected to be less than 1.1 times another has 1.1 and the sign -1.
        statistic: "mean" or "spread"; the latter knows no factor.

    Raises:
        ValueError: an unknown metric or statistic, another sign, a label with a seed, a factor that
            is not positive or that nothing reads, a level out of range.
    """

    metric: str
    first: Label
    second: Label
    sign: int
    level: float = 0.95
    factor: float = 1.0
    statistic: str = "mean"

    def __post_init__(self) -> None:
        if not self.metric.startswith("last_"):  # which curves there are, its runs tell
            _validate.choice("metric", self.metric, METRICS)
        _validate.choice("statistic", self.statistic, STATISTICS)
        if self.sign not in (-1, 0, 1):
            raise _validate.fail("sign", "-1, 0 or 1", self.sign)
        _validate.above("factor", self.factor, 0.0)
        _validate.between("level", self.level, 0.0, 1.0)
        if self.level in (0.0, 1.0):
            raise _validate.fail("level", "a number between 0 and 1", self.level)
        if self.statistic == "spread" and self.factor != 1.0:
            raise _validate.fail("factor", "1 for a spread", self.factor)
        for name in ("first", "second"):
            if "seed" in dict(getattr(self, name)):
                raise _validate.fail(name, "a label without a seed", getattr(self, name))

    def estimate(
        self, first: Sequence[float], second: Sequence[float]
    ) -> tuple[float, float, float]:
        """What is estimated and its interval, from the metric of the seeds in the same order.

        The pairing plays no part in a spread, whose sides may have different numbers of seeds.

        Raises:
            ValueError: fewer than two values; of a mean, another number in ``second``; of a
                spread, values that are all equal.
        """
        if self.statistic == "spread":
            return self._spread(first, second)
        if len(first) != len(second) or len(first) < 2:
            raise _validate.fail("second", "as many values as first, ≥ 2", len(second))
        return interval(
            [a - self.factor * b for a, b in zip(first, second, strict=True)], self.level
        )

    def _spread(
        self, first: Sequence[float], second: Sequence[float]
    ) -> tuple[float, float, float]:
        from scipy.stats import f

        for name, values in (("first", first), ("second", second)):
            if len(set(values)) < 2:
                raise _validate.fail(name, "values that differ", list(values))
        ratio = math.log(_variance(first) / _variance(second))
        tail, n, m = (1 - self.level) / 2, len(first) - 1, len(second) - 1
        below, above = (math.log(float(f.ppf(q, n, m))) for q in (1 - tail, tail))
        return ratio / 2, (ratio - below) / 2, (ratio - above) / 2

    def verdict(self, low: float, high: float) -> str:
        """What the interval says of the sign.

        "expected" or "against" if it lies wholly on that side of 0, else "undecided". Where no
        difference is expected: "expected" if 0 is in it (which does not show that there is none),
        else "against". An interval [0, 0] is "undecided" whatever the sign: all pairs are equal, as
        where no run of either side gets anywhere.

        Raises:
            ValueError: ``low`` above ``high``, or NaN.
        """
        if not low <= high:
            raise _validate.fail("high", f"at least low = {low}", high)
        if low == high == 0:
            return "undecided"
        if self.sign == 0:
            return "expected" if low <= 0 <= high else "against"
        near, far = (low, high) if self.sign > 0 else (-high, -low)
        return "expected" if near > 0 else "against" if far < 0 else "undecided"


def interval(values: Sequence[float], level: float = 0.95) -> tuple[float, float, float]:
    """The mean of values, one a seed, and Student's interval for it.

    Raises:
        ValueError: fewer than two values.
    """
    from scipy.stats import t

    if len(values) < 2:
        raise _validate.fail("values", "two or more", list(values))
    n, mean = len(values), sum(values) / len(values)
    half = float(t.ppf((1 + level) / 2, n - 1)) * (_variance(values) / n) ** 0.5
    return mean, mean - half, mean + half


def _variance(values: Sequence[float]) -> float:
    mean = sum(values) / len(values)
    return sum((x - mean) ** 2 for x in values) / (len(values) - 1)


@dataclass(frozen=True)
class Experiment:
    """The runs of a table or a figure.

    Labels with equal specs share one run. Where two labels are known to give the same numbers, the
    declaration gives both the same spec; so do labels of seeds that are stacked in one run.

    Args:
        name: such as "zhang2018.table1"; what stands before the dot is the folder of its results.
        source: where the settings come from, and which were chosen and why.
        tiers: for "quick" and "paper" the runs by label, each with its seed: ``label(…, seed=0)``.
        contrasts: what is compared.
        seconds: what a run is expected to cost by ``(policy, entropy)``, in CPU-seconds a million
            episodes, or a function of the run: for the order of a sweep and its time left, never
            for its numbers.
        claims: the contrasts on which a claim of ``data/claims.yml`` rests, by its name.

    Raises:
        ValueError: a name without a dot, a tier that is missing or unknown, a contrast of no label,
            of means whose sides share fewer than two seeds, or of what its runs are not evaluated
            for, a claim that rests on nothing or on what is no contrast of the experiment.
    """

    name: str
    source: str
    tiers: Mapping[str, Mapping[Label, RunSpec]]
    contrasts: tuple[Contrast, ...] = ()
    seconds: Mapping[tuple[str, str], float] | Callable[[RunSpec], float] | None = None
    claims: Mapping[str, tuple[Contrast, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.folder or self.folder == self.name:
            raise _validate.fail("name", "paper.part, such as 'zhang2018.table1'", repr(self.name))
        for tier in TIERS:
            if not self.tiers.get(tier):
                raise _validate.fail("tiers", f"runs of the tier {tier!r}", sorted(self.tiers))
        for tier, runs in self.tiers.items():
            _validate.choice("tiers", tier, TIERS)
            for name in runs:
                if not isinstance(dict(name).get("seed"), int):
                    expected = "labels with a seed, label(…, seed=0)"
                    raise _validate.fail("tiers", expected, describe(name))
        for contrast in self.contrasts:
            for side in (contrast.first, contrast.second):
                if not self.seeds("paper", side):
                    raise _validate.fail("contrasts", "labels of the experiment", describe(side))
            first, second = (self.seeds("paper", x) for x in (contrast.first, contrast.second))
            needs = _SEEN_BY.get(contrast.metric)
            specs = [*first.values(), *second.values()]
            for spec in specs if contrast.metric.startswith("last_") else ():
                known = curve_names(spec.config, ENVIRONMENTS[spec.environment])
                _validate.choice("contrasts", contrast.metric, [f"last_{x}" for x in known])
            if needs and not all(getattr(spec.evaluation, needs) for spec in specs):
                expected = f"runs whose evaluation is {needs!r}, for {contrast.metric!r}"
                raise _validate.fail("contrasts", expected, describe(contrast.first))
            if contrast.statistic == "mean" and len(first.keys() & second.keys()) < 2:
                pair = f"{describe(contrast.first)}, {describe(contrast.second)}"
                raise _validate.fail("contrasts", "two seeds or more that both sides have", pair)
        for claim, contrasts in self.claims.items():
            if not contrasts or not set(contrasts) <= set(self.contrasts):
                raise _validate.fail("claims", "contrasts of the experiment", repr(claim))

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
        if callable(self.seconds):
            return self.seconds(spec)
        kind = getattr(spec.config, "entropy", spec.config.algorithm)
        each = (self.seconds or {}).get((spec.policy, kind), 1e6)
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
