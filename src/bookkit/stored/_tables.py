"""Tables, contrasts and curves of what is stored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bookkit.stored._reading import SHARES, Results, limit, measure, printed_numbers, spec_of
from entropy_rl import _validate
from entropy_rl.experiments import Contrast, Label, Seed, StoredRun, describe, interval

if TYPE_CHECKING:
    import pandas as pd

NOT_RUN = "not run yet"
VERDICTS = ("as printed", "as expected", "against", "undecided", NOT_RUN)


@dataclass(frozen=True)
class Curves:
    """A learning curve of several seeds.

    Attributes:
        episodes: played at each point, ``(P,)``.
        values: ``(seeds, P)``, means over the part of the training that ends there.
        seeds: one a row.
    """

    episodes: np.ndarray = field(repr=False)
    values: np.ndarray = field(repr=False)
    seeds: tuple[int, ...]


def table(found: Results, metric: str) -> pd.DataFrame:
    """A metric by label without its seed.

    Args:
        found: of :func:`load`.
        metric: as for :func:`measure`.

    Returns:
        A row a label, indexed by its parts, with "values" (a tuple, one a stored seed), "mean",
        "low" and "high" (Student's 95 % interval over the seeds, of which it needs two), "std" (n -
        1), "seeds" (stored) of "planned", "unfinished" of "evaluated" episodes, "printed" and
        "printed_std" (data/papers), and "limit" (what no policy can beat: on the very starts of the
        evaluation, where chance is in the starts). NaN where there is nothing.
    """
    import pandas as pd

    printed = printed_numbers(found)
    rows = {}
    for name, runs in found.groups.items():
        stored = {seed: run for seed, run in runs.items() if run is not None}
        values = tuple(measure(run, metric, seed) for seed, run in stored.items())
        mean, low, high = (
            interval(values) if len(values) > 1 else (*values, *(np.nan,) * (3 - len(values)))
        )
        rows[name] = {
            "values": values,
            "mean": mean,
            "low": low,
            "high": high,
            "std": float(np.std(values, ddof=1)) if len(values) > 1 else np.nan,
            "seeds": len(stored),
            "planned": len(runs),
            "unfinished": sum(_unfinished(run.of(seed)) for seed, run in stored.items()),
            "evaluated": sum(run.of(seed).evaluation["episodes"] for seed, run in stored.items()),
            **dict(zip(("printed", "printed_std"), map(float, printed(name, metric)), strict=True)),
            "limit": limit(spec_of(found, name), metric),
        }
    return pd.DataFrame(list(rows.values()), index=_index(list(rows)))


def means(found: Results, metric: str) -> dict[Label, float]:
    """The mean of a metric over the stored seeds of every label; NaN where there are none."""
    return {
        name: float(np.mean(values)) if values else np.nan
        for name, runs in found.groups.items()
        for values in [[measure(run, metric, seed) for seed, run in runs.items() if run]]
    }


def cells(found: Results, metric: str, digits: int = 2) -> pd.DataFrame:
    """:func:`table` as text for a page.

    Args:
        found: of :func:`load`.
        metric: as for :func:`measure`.
        digits: decimals of ours and of the limit; what is printed stands as it is printed.

    Returns:
        A row a label, with "printed" (mean ± what the paper gives), "ours" (mean and interval, and
        how many seeds it is of where some are missing; "not run yet" where all are), "unfinished"
        and "limit". A column that has nothing in any row is left out.
    """
    import pandas as pd

    printed = printed_numbers(found)
    rows = [
        {
            "printed": "" if np.isnan(r.printed) else " ± ".join(printed(name, metric)),
            "ours": _ours(r, digits),
            "unfinished": f"{r.unfinished} of {r.evaluated:,}" if r.seeds else "",
            "limit": "" if np.isnan(r.limit) else f"{r.limit:.{digits}f}",
        }
        for name, r in zip(found.groups, table(found, metric).itertuples(), strict=True)
    ]
    shown = pd.DataFrame(rows, index=_index(list(found.groups)))
    return shown.loc[:, (shown != "").any()]


def contrasts(found: Results) -> pd.DataFrame:
    """What was registered before the sweep, and what came of it.

    A contrast is computed when all its pairs are stored, not before: to look at some of them
    invites stopping where one likes the answer.

    Returns:
        A row a contrast, with "metric", "statistic", "first", "second", "factor", "sign" (the
        expected one), "difference" (the mean of first - factor · second over the seeds, or for a
        spread the logarithm of the ratio of standard deviations), "low", "high" (its interval),
        "pairs" that are stored of "planned", and "verdict": "as printed" ("as expected" where the
        paper has no table of it), "against", "undecided" or "not run yet".
    """
    import pandas as pd

    return pd.DataFrame([judged(found, contrast) for contrast in found.experiment.contrasts])


def claims(found: Results) -> dict[str, pd.DataFrame]:
    """The contrasts on which each claim of ``data/claims.yml`` rests, as :func:`contrasts`."""
    import pandas as pd

    return {
        claim: pd.DataFrame([judged(found, contrast) for contrast in chosen])
        for claim, chosen in found.experiment.claims.items()
    }


def curves(found: Results, metric: str = "return") -> dict[Label, Curves]:
    """Learning curves by label without its seed; a label of which nothing is stored is left out.

    Args:
        found: of :func:`load`.
        metric: "return" (discounted, from the start), "length", "reward", "entropy" (nats), or
            another of :func:`entropy_rl.algorithms.curve_names`.

    Raises:
        ValueError: a curve that is not stored, or seeds that were not trained alike.
    """
    shown = {}
    for name, runs in found.groups.items():
        stored = {seed: run for seed, run in runs.items() if run is not None}
        if not stored:
            continue
        rows = []
        for seed, run in stored.items():
            _validate.choice("metric", metric, [k for k in run.curves if k != "episodes"])
            rows.append(run.of(seed).curves[metric])
        grids = {tuple(run.curves["episodes"].tolist()) for run in stored.values()}
        if len(grids) > 1:
            raise _validate.fail("found", "seeds of one length of training", describe(name))
        shown[name] = Curves(np.array(*grids), np.stack(rows), tuple(stored))
    return shown


def caption(found: Results) -> str:
    """Where stored results come from, for the caption of a figure.

    Accelerators are named, each with the number of its runs, where some run had one.
    """
    stored = found.stored()
    count = len({spec.hash for spec in found.experiment.runs(found.tier).values()})
    if not stored:
        return f"{found.experiment.name}: {NOT_RUN} (0 of {count} runs)."

    def every(read: Callable[[StoredRun], Any]) -> str:
        return ", ".join(sorted({str(read(run)) for run in stored}))

    commits = sorted({run.record["commit"] for run in stored})
    by = f"commit {commits[0]}" if len(commits) == 1 else f"{len(commits)} commits"
    hours = sum(sum(run.record["cpu_seconds"].values()) for run in stored) / 3600
    used = Counter(run.record["hardware"].get("accelerator") for run in stored)
    accelerators = "".join(
        f"{count} with {name}, " for name, count in sorted(used.items(), key=str) if name
    )
    return (
        f"{found.experiment.name}: {len(stored)} of {count} runs in "
        f"{_place(found.folder, found.data)}, {by}, "
        f"torch {every(lambda run: run.record['versions']['torch'])}, "
        f"{every(lambda run: run.record['hardware']['processor'])}, {accelerators}"
        f"{hours:.1f} CPU-hours."
    )


def judged(found: Results, contrast: Contrast) -> dict[str, Any]:
    """A row of :func:`contrasts`, of any contrast between labels of the experiment."""
    groups = found.groups.items()
    pairs = [
        next((runs for name, runs in groups if dict(name) == dict(side)), {})
        for side in (contrast.first, contrast.second)
    ]
    both = [(seed, a, pairs[1][seed]) for seed, a in pairs[0].items() if seed in pairs[1]]
    stored = [(seed, a, b) for seed, a, b in both if a is not None and b is not None]
    printed = _is_printed(found, contrast)  # a slip is one, whatever comes out
    verdict, estimate = NOT_RUN, (np.nan,) * 3
    if len(stored) == len(both) > 1:
        estimate = contrast.estimate(
            [measure(a, contrast.metric, seed) for seed, a, _ in stored],
            [measure(b, contrast.metric, seed) for seed, _, b in stored],
        )
        verdict = contrast.verdict(*estimate[1:])
        if verdict == "expected":
            verdict = "as printed" if printed else "as expected"
    return {
        "metric": contrast.metric,
        "statistic": contrast.statistic,
        "first": describe(contrast.first),
        "second": describe(contrast.second),
        "factor": contrast.factor,
        "sign": contrast.sign,
        **dict(zip(("difference", "low", "high"), estimate, strict=True)),
        "pairs": len(stored),
        "planned": len(both),
        "verdict": verdict,
    }


def _is_printed(found: Results, contrast: Contrast) -> bool:
    """Whether the paper prints the difference that was expected.

    Raises:
        ValueError: it prints the opposite, so that what was registered is a slip.
    """
    if contrast.sign == 0:  # the paper's text may see none where its numbers differ
        return False
    metric = SHARES.get(contrast.metric, contrast.metric)
    look_up, spread = printed_numbers(found), contrast.statistic == "spread"
    first, second = (
        float(look_up(side, metric)[spread]) for side in (contrast.first, contrast.second)
    )
    difference = contrast.sign * (first - contrast.factor * second)
    if difference <= 0:
        expected = f"the sign of what is printed, {first:g} and {contrast.factor:g} · {second:g}"
        got = f"{contrast.sign:+d} for {describe(contrast.first)}, {contrast.metric}"
        raise _validate.fail("contrast", expected, got)
    return difference > 0


def _place(folder: Path, data: Path) -> str:
    """A folder as it stands in the repository, where it is inside."""
    for base, name in ((data, "data/"), (data.parent, "")):
        if folder.is_relative_to(base):
            return name + folder.relative_to(base).as_posix()
    return folder.as_posix()


def _ours(row: Any, digits: int) -> str:
    if not row.seeds:
        return NOT_RUN
    text = f"{row.mean:.{digits}f}"
    if row.seeds > 1:
        text += f" [{row.low:.{digits}f}, {row.high:.{digits}f}]"
    return text if row.seeds == row.planned else f"{text} ({row.seeds} of {row.planned} seeds)"


def _index(names: list[Label]) -> pd.Index:
    import pandas as pd

    keys = list(dict.fromkeys(key for name in names for key, _ in name))
    rows = [tuple(dict(name).get(key, "") for key in keys) for name in names]
    if len(keys) == 1:
        return pd.Index([row[0] for row in rows], name=keys[0])
    return pd.MultiIndex.from_tuples(rows, names=keys)


def _unfinished(seen: Seed) -> int:
    return round(seen.evaluation["unfinished"] * seen.evaluation["episodes"])
