"""How much the gradients of the entropy scatter in training, how biased they are, what they cost.

``python -m entropy_rl.bench.gradients --out data/measured/gradients-5.json`` trains the LSTM on
Hunters-and-Rabbits with a critic of the entropy to go, and looks at it four times: at the start, at
a quarter, at half and at the end; :func:`entropy_rl.bench.gradient_looks.measure` says what it
measures there. The table that is written is tidy: a row a number.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from entropy_rl._threads import one_thread
from entropy_rl.algorithms.runs import check_writable, commit
from entropy_rl.bench.gradient_looks import Row, Settings, measure
from entropy_rl.experiments import RunSpec
from entropy_rl.experiments.files import dump_record, load_record, write_whole
from entropy_rl.experiments.runner import hardware, versions

FORMAT = "entropy_rl.gradients/1"


def record(settings: Settings, rows: list[Row], seconds: dict[str, float]) -> dict[str, Any]:
    """The file: settings, spec of the training, provenance, and the table."""
    return {
        "format": FORMAT,
        "settings": asdict(settings),
        "spec": RunSpec.of(settings.preset, settings.seed).to_json(),
        "commit": commit(),
        "threads": torch.get_num_threads(),
        "versions": versions(),
        "hardware": hardware("cpu"),
        "seconds": seconds,
        "rows": rows,
    }


def load(path: Path) -> dict[str, Any]:
    """The record that :func:`main` wrote; its ``rows`` make a table.

    Raises:
        ValueError: naming the file, if it is truncated, altered or of another kind.
        FileNotFoundError: no such file.
    """
    try:
        found = load_record(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    if found.get("format") != FORMAT:
        raise ValueError(f"{path}: expected format {FORMAT!r}, got {found.get('format')!r}")
    return found


def show(rows: list[Row]) -> None:
    """Print what is compared: a line an estimator and a look."""
    shown = (
        ("states", "variance_over_smoothed"),
        ("states", "squared_bias_share"),
        ("batches", "variance_over_smoothed"),
        ("batches", "update_variance_over_smoothed"),
        ("cost", "cost_over_smoothed"),
    )
    for where, quantity in shown:
        for row in rows:
            if (row["where"], row["quantity"]) == (where, quantity):
                print(
                    f"{where:8} {quantity:30} {row['share']:5.0%}  {row['estimator']:18}"
                    f"{row['value']:10.4g} [{row['low']:.4g}, {row['high']:.4g}]"
                )


def main(arguments: list[str] | None = None) -> None:
    """Measure, write the file and print what is in it.

    Raises:
        ValueError: a setting out of range, or a file that cannot be written: before it begins.
    """
    parser = argparse.ArgumentParser(prog="python -m entropy_rl.bench.gradients")
    for name, default in asdict(Settings()).items():
        if name == "exact":
            parser.add_argument("--exact", action="store_true", help="compare with the exact one")
        else:
            parser.add_argument(f"--{name}", type=int, default=default, help=f"({default})")
    parser.add_argument("--out", type=Path, required=True, help="the file, JSON")
    parser.add_argument("--quiet", action="store_true", help="no bar")
    given = vars(parser.parse_args(arguments))
    out, quiet = given.pop("out"), given.pop("quiet")
    settings = Settings(**given)
    check_writable("out", out)
    wall, cpu = time.perf_counter(), time.process_time()
    with one_thread():
        rows = measure(settings, not quiet)
        spent = {
            "wall": round(time.perf_counter() - wall, 1),
            "cpu": round(time.process_time() - cpu, 1),
        }
        write_whole(out, dump_record(record(settings, rows, spent)))
    show(rows)


if __name__ == "__main__":
    main()
