"""Which claims rest on stored runs, and what these runs say beside the printed tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from bookkit import paths
from bookkit.claims import Reproduction

if TYPE_CHECKING:
    import pandas as pd


def reproductions(data: Path | None = None) -> dict[str, Reproduction]:
    """The stored evidence of every claim that has some, by the claim's id.

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
