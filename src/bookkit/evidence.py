"""Which claims rest on stored runs, and what these runs say of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bookkit import paths, stored
from bookkit.claims import Comparison, Reproduction
from entropy_rl.experiments import EXPERIMENTS

if TYPE_CHECKING:
    import pandas as pd


def evidence(data: Path | None = None) -> dict[str, Comparison | Reproduction]:
    """What the ledger says of every claim that rests on runs, by the claim's id.

    The contrasts that an experiment registered for the claim; as long as runs of theirs are
    missing, the smaller runs of :func:`reproductions` if there are any.

    Args:
        data: the folder ``data``; that of the book unless given.

    Raises:
        ValueError: a stored run that is not as it was written.
        FileNotFoundError: a smaller run or a printed table is missing.
    """
    smaller = reproductions(data)
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
        ValueError: a stored run that is not as it was written.
    """
    return {
        claim: Comparison(tuple(rows["verdict"]), _in_words(rows))
        for name, experiment in EXPERIMENTS.items()
        if experiment.claims
        for claim, rows in stored.claims(stored.load(name, data=data)).items()
    }


def _in_words(rows: pd.DataFrame) -> str:
    """The differences with their intervals, or how many of the pairs are there."""
    done, planned = rows["pairs"].sum(), rows["planned"].sum()
    if done < planned:
        return f"{done} of {planned} pairs of runs"
    return "; ".join(
        f"{_quantity(row)} {row.difference:+.3g} [{row.low:.3g}, {row.high:.3g}]"
        for row in rows.itertuples()
    )


def _quantity(row: Any) -> str:
    """What a row of contrasts is the difference of."""
    if row.statistic == "spread":
        return f"{row.metric}, log ratio of its spread"
    return row.metric if row.factor == 1 else f"{row.metric} less {row.factor:g} times the other"


def reproductions(data: Path | None = None) -> dict[str, Reproduction]:
    """The smaller stored runs of chapter 6, by the claim's id.

    Args:
        data: the folder ``data``; that of the book unless given.

    Raises:
        FileNotFoundError: a stored run or a printed table is missing.
    """
    data = data or paths.root() / "data"
    return _hunters(hunters_quick(data), _printed(data / "papers" / "zhang2018_table1.csv", "lstm"))


def hunters_quick(data: Path) -> pd.DataFrame:
    """Length and reward of the LSTM's ten stored runs on 5×5, indexed by (bonus, seed).

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
    return table[["length", "reward"]].astype(float)


def _printed(path: Path, policy: str) -> pd.DataFrame:
    """Mean and std of a policy's row, columns (mean or std, metric), indexed by estimator."""
    import pandas as pd

    table = pd.read_csv(path)
    rows = table[table["policy"] == policy]
    return rows.pivot(index="entropy", columns="metric", values=["mean", "std"])


def _hunters(found: pd.DataFrame, printed: pd.DataFrame) -> dict[str, Reproduction]:
    ours = found.groupby("bonus").agg(["mean", "std", "min", "max"])

    def gains(column: str, sign: int) -> bool:
        """Whether smoothed comes before none in both, in the mean."""
        return all(
            bool(sign * (x["smoothed"] - x["none"]) > 0)
            for x in (ours[column, "mean"], printed["mean", column])
        )

    def smaller(column: str, better: str, same_order: bool) -> Reproduction:
        mean, std = (printed.loc["smoothed", (what, column)] for what in ("mean", "std"))
        low, high = (ours.loc["smoothed", (column, what)] for what in ("min", "max"))
        return Reproduction(
            printed=(mean - std, mean + std),
            found=(low, high),
            better=better,
            paper_scale=False,
            same_order=same_order,
        )

    shorter, richer = gains("length", -1), gains("reward", 1)
    steadier = bool(ours.loc["smoothed", ("length", "std")] < ours.loc["none", ("length", "std")])
    return {
        "zhang2018.table1.lstm": smaller("length", "lower", shorter),
        "zhang2018.table1.percent": smaller("reward", "higher", shorter and richer),
        "zhang2018.fig2": smaller("length", "lower", steadier),
    }
