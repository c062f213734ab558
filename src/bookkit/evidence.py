"""Which claims rest on stored runs, and what these runs say of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bookkit import paths, stored
from bookkit.claims import Comparison, load
from bookkit.stored import Results
from entropy_rl import _validate
from entropy_rl.experiments import EXPERIMENTS, Contrast

if TYPE_CHECKING:
    import pandas as pd

# The claims of which there are smaller runs too: those of chapter 6, of the LSTM.
SMALLER = ("zhang2018.table1.lstm", "zhang2018.table1.percent", "zhang2018.fig2")

_NAMES = {
    "last_optimal": "share of optimal rounds",
    "last_expected": "expected reward",
    "expected_reward": "expected reward",
    "greedy_reward": "reward of the mean action",
}


@dataclass(frozen=True)
class _Row:
    """A contrast with what came of it, and with its two sides as the paper and as we have them."""

    contrast: Contrast
    estimate: tuple[float, float, float]
    printed: tuple[float, float]
    ours: tuple[float, float]

    def __str__(self) -> str:
        return self.found() + self._sides()

    def found(self) -> str:
        """What was estimated, with its interval."""
        name, sign = _NAMES.get(self.contrast.metric, self.contrast.metric), "+"
        middle, low, high = self.estimate
        if self.contrast.statistic == "spread":
            middle, low, high = (float(x) for x in np.exp(self.estimate))
            name, sign = f"ratio of the standard deviations of {name}", ""
        elif self.contrast.factor != 1:
            name += f" less {self.contrast.factor:g} times the other"
        return f"{name} {_figure(middle, sign)} [{_figure(low)}, {_figure(high)}]"

    def of(self) -> str:
        """What the first side has and the second has not, such as "unbiased gradient"."""
        other = dict(self.contrast.second)
        told = " ".join(str(v) for k, v in self.contrast.first if other.get(k) != v)
        return told.replace("_", " ")

    def _sides(self) -> str:
        """The means behind a difference, the second side first: from none to smoothed, say."""
        if self.contrast.statistic != "mean" or np.isnan(self.printed).any():
            return ""
        unit = " %" if self.contrast.metric in stored.SHARES else ""
        (to, start), (to_ours, start_ours) = self.printed, self.ours
        return (
            f" ({_figure(start)} to {_figure(to)}{unit} printed, "
            f"{_figure(start_ours)} to {_figure(to_ours)}{unit} ours)"
        )


def evidence(data: Path | None = None) -> dict[str, Comparison]:
    """What the ledger says of every claim that rests on runs, by the claim's id.

    The contrasts that an experiment registered for the claim; as long as runs of theirs are
    missing, the smaller runs of :func:`at_smaller_scale` if there are any.

    Args:
        data: the folder ``data``; that of the book unless given.

    Raises:
        ValueError: a stored run that is not as it was written.
        FileNotFoundError: a smaller run or a printed table is missing.
    """
    smaller = at_smaller_scale(data)
    return {
        **smaller,
        **{
            claim: at_scale
            for claim, at_scale in comparisons(data).items()
            if at_scale.complete or claim not in smaller
        },
    }


def comparisons(data: Path | None = None) -> dict[str, Comparison]:
    """The registered contrasts of every claim that has some, at the paper's scale.

    Args:
        data: the folder ``data``; that of the book unless given.

    Raises:
        ValueError: a claim that has no row in ``data/claims.yml``, or a stored run that is not as
            it was written.
    """
    known = load()
    for name, experiment in EXPERIMENTS.items():
        for claim in experiment.claims:
            _validate.choice(f"{name}: claims", claim, known)
    return {
        claim: _compared(found, found.experiment.claims[claim], rows, known[claim].sizes)
        for name, experiment in EXPERIMENTS.items()
        if experiment.claims
        for found in [stored.load(name, data=data)]
        for claim, rows in stored.claims(found).items()
    }


def _compared(
    found: Results, chosen: Sequence[Contrast], rows: pd.DataFrame, by_size: bool
) -> Comparison:
    """The differences with their intervals, or how many of the pairs are there."""
    done, planned = rows["pairs"].sum(), rows["planned"].sum()
    verdicts, printed = tuple(rows["verdict"]), stored.printed_numbers(found)
    for contrast in chosen if by_size else ():
        metric = stored.SHARES.get(contrast.metric, contrast.metric)
        if contrast.statistic != "mean" or not all(
            float(printed(side, metric)[0]) > 0 for side in (contrast.first, contrast.second)
        ):
            expected = "means of which the paper prints both, for a claim of sizes"
            raise _validate.fail(found.experiment.name, expected, contrast.metric)
    if done < planned:
        return Comparison(verdicts, f"{done} of {planned} pairs of runs")
    told, sizes = [], []
    for contrast, row in zip(chosen, rows.itertuples(), strict=True):
        metric = stored.SHARES.get(contrast.metric, contrast.metric)  # shown as papers print it
        sides = contrast.first, contrast.second
        # A label is what it says, in whatever order.
        means = {frozenset(name): mean for name, mean in stored.means(found, metric).items()}
        ours = means[frozenset(sides[0])], means[frozenset(sides[1])]
        as_printed = float(printed(sides[0], metric)[0]), float(printed(sides[1], metric)[0])
        estimate = (row.difference, row.low, row.high)
        told.append(_Row(contrast, estimate, as_printed, ours))
        if by_size:
            ratio = as_printed[0] / as_printed[1]
            alike = stored.judged(found, replace(contrast, factor=ratio, sign=0))
            sizes.append(bool(alike["low"] <= 0 <= alike["high"]))
    return Comparison(verdicts, _in_words(told, sizes), sizes=tuple(sizes))


def _figure(x: float, sign: str = "") -> str:
    """Three digits, thousands with their comma."""
    return format(x, f"{sign},.0f" if abs(x) >= 1000 else f"{sign}.3g")


def _in_words(rows: Iterable[_Row], sizes: Sequence[bool] = ()) -> str:
    """The rows, and whether the numbers beside the printed ones are judged, and how."""
    rows = list(rows)
    names = [row.of() for row in rows]
    metrics = [row.contrast.metric for row in rows]
    twice = len(set(metrics)) < len(rows)  # say of what each is
    if len(set(zip(names, metrics, strict=True))) < len(rows):
        names = [" ".join(str(v) for _, v in row.contrast.first).replace("_", " ") for row in rows]
    pairs = zip(names, rows, strict=True)
    told = "; ".join(f"{name}: {row}" if twice else str(row) for name, row in pairs)
    if sizes:
        return f"{told}; judged by size too: of {len(sizes)} printed ratios {sum(sizes)} fit ours"
    return f"{told}; judged by sign, not by size" if " printed, " in told else told


def at_smaller_scale(data: Path | None = None) -> dict[str, Comparison]:
    """What the smaller stored runs of chapter 6 say, by the claim's id, and by the same rule.

    The contrasts are those that were registered for the claim at the paper's scale, of the LSTM.
    A mean length with unfinished episodes in it is a matter of the cap, so a verdict stands only if
    it is the same with all runs and without those (and, of a mean, without their pairs).

    Args:
        data: the folder ``data``; that of the book unless given.

    Raises:
        FileNotFoundError: a stored run or the printed table is missing.
    """
    data = data or paths.root() / "data"
    found, printed = hunters_quick(data), _printed(data / "papers" / "zhang2018_table1.csv", "lstm")
    return {claim: _smaller(found, printed, claim) for claim in SMALLER}


def _smaller(found: pd.DataFrame, printed: pd.DataFrame, claim: str) -> Comparison:
    late = found.index[found["unfinished"] > 0]
    rows = _rows(found, printed, claim)
    told = f"at a smaller scale: {_in_words(rows)}"
    verdicts = [_verdict(row) for row in rows]
    if len(late):
        rest = _rows(found.drop(late), printed, claim)
        named = "; ".join(f"{bonus}, seed {seed}" for bonus, seed in late)
        told += f"; without what left episodes unfinished ({named}): "
        told += "; ".join(row.found() for row in rest)
        verdicts = [
            verdict if verdict == _verdict(other) else "undecided"
            for verdict, other in zip(verdicts, rest, strict=True)
        ]
    return Comparison(tuple(verdicts), told, paper_scale=False)


def _rows(found: pd.DataFrame, printed: pd.DataFrame, claim: str) -> list[_Row]:
    """The registered contrasts of a claim, of the LSTM, on the smaller runs."""
    rows = []
    for contrast in (c for e in EXPERIMENTS.values() for c in e.claims.get(claim, ())):
        if dict(contrast.first)["policy"] != "lstm":
            continue
        sides = [str(dict(side)["entropy"]) for side in (contrast.first, contrast.second)]
        ours = [found.loc[side, contrast.metric] for side in sides]
        if contrast.statistic == "mean":  # of pairs
            seeds = ours[0].index.intersection(ours[1].index)
            ours = [values[seeds] for values in ours]
        first, second = (float(printed.loc[side, contrast.metric]) for side in sides)
        means = (float(ours[0].mean()), float(ours[1].mean()))
        estimate = contrast.estimate(*(values.tolist() for values in ours))
        rows.append(_Row(contrast, estimate, (first, second), means))
    return rows


def _verdict(row: _Row) -> str:
    verdict = row.contrast.verdict(*row.estimate[1:])
    return "as printed" if verdict == "expected" else verdict


def hunters_quick(data: Path) -> pd.DataFrame:
    """Length, reward and share unfinished of the LSTM's ten stored runs on 5×5, by (bonus, seed).

    Args:
        data: the folder ``data``.
    """
    import pandas as pd

    rows = {
        (bonus, seed): json.loads(
            (data / "runs" / "hunters_quick" / f"{bonus}-{seed}.json").read_text(encoding="utf-8")
        )["evaluation"]
        for bonus in ("none", "smoothed")
        for seed in range(5)
    }
    table = pd.DataFrame(rows).T.rename_axis(["bonus", "seed"])
    return table[["length", "reward", "unfinished"]].astype(float)


def _printed(path: Path, policy: str) -> pd.DataFrame:
    """The printed means of a policy's row, columns metrics, indexed by estimator."""
    import pandas as pd

    table = pd.read_csv(path)
    rows = table[table["policy"] == policy]
    return rows.pivot(index="entropy", columns="metric", values="mean")
