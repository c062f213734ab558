"""Results on disk: a data file and a sidecar a run, named by the hash of its spec.

The data is written first and the sidecar takes its place last: the sidecar is the commit. Reading
verifies everything, and what is truncated, altered or foreign is refused by name.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from entropy_rl import _validate
from entropy_rl.algorithms import Evaluation
from entropy_rl.experiments import files
from entropy_rl.experiments.spec import RunSpec

FORMAT = "entropy_rl.results/1"
POINTS = 200
LOCK = "sweep.lock"
_NAME = re.compile(r"[0-9a-f]{16}\.(npz|json|ckpt|diverged\.pt)")


@dataclass(frozen=True)
class Seed:
    """What a run gives for one of its seeds.

    Attributes:
        evaluation: means, intervals, median and the unfinished share; what is known in closed form.
        curves: ``(points,)`` each.
        lengths: ``(episodes,)``.
        scores: ``(episodes,)``.
    """

    evaluation: dict[str, Any]
    curves: dict[str, np.ndarray] = field(repr=False)
    lengths: np.ndarray = field(repr=False)
    scores: np.ndarray = field(repr=False)

    def metric(self, name: str) -> float:
        """A figure of the evaluation, or ``last_`` and a curve: the mean of its last part.

        A curve has at most 200 parts, so that the last is at least 1/200 of the training.

        Raises:
            ValueError: a name that is neither.
        """
        found = {**{f"last_{k}": v[-1] for k, v in self.curves.items()}, **self.evaluation}
        return float(found[_validate.choice("name", name, found)])


@dataclass(frozen=True)
class StoredRun:
    """A finished run, verified. Where replicas are stacked, every array has an axis of R in front.

    Attributes:
        spec: what was run.
        record: the sidecar: evaluation, provenance, fingerprint.
        curves: at most 200 points each, float32 ("episodes": int32, without an axis for replicas):
            means over equal parts of the training, at the episodes played at the part's end.
        lengths: steps of every episode of the evaluation ``(episodes,)``.
        scores: of every episode of the evaluation ``(episodes,)``, float32.
    """

    spec: RunSpec
    record: dict[str, Any]
    curves: dict[str, np.ndarray] = field(repr=False)
    lengths: np.ndarray = field(repr=False)
    scores: np.ndarray = field(repr=False)

    @property
    def evaluation(self) -> dict[str, Any]:
        """Means, intervals, median and the unfinished share, of a run that is not stacked.

        Raises:
            ValueError: a stacked run, which has one for each seed: see :meth:`of`.
        """
        if self.spec.replicas != 1:
            raise _validate.fail("run", "one that is not stacked; see StoredRun.of", self.spec.hash)
        return self.record["evaluation"]

    def of(self, seed: int) -> Seed:
        """What the run gives for one of its seeds, whether it was stacked or not.

        Raises:
            ValueError: a seed that is not one of the run's.
        """
        if seed not in self.spec.seeds:
            raise _validate.fail("seed", f"one of {list(self.spec.seeds)}", seed)
        if self.spec.replicas == 1:
            return Seed(self.evaluation, self.curves, self.lengths, self.scores)
        r = self.spec.seeds.index(seed)
        curves = {k: v if k == "episodes" else v[r] for k, v in self.curves.items()}
        return Seed(self.record["evaluation"][r], curves, self.lengths[r], self.scores[r])


class Store:
    """A folder of runs.

    Args:
        folder: it is made when something is written.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)

    def path(self, name: str, kind: str) -> Path:
        """The file of the run with the hash ``name``: "json", "npz", "ckpt" or "diverged.pt"."""
        return self.folder / f"{name}.{kind}"

    def find(self, spec: RunSpec) -> StoredRun | None:
        """The finished run of ``spec``, or of the same on another device, verified; or None.

        Raises:
            ValueError: it is there and not as it was written.
        """
        for same in spec.on_each_device:
            if self.path(same.hash, "json").exists():
                return self.load(same.hash)
        return None

    def save(
        self,
        spec: RunSpec,
        curves: Mapping[str, Sequence[Any]],
        evaluations: Sequence[Evaluation],
        provenance: Mapping[str, Any],
    ) -> None:
        """Write a finished run.

        Args:
            spec: of the run.
            curves: one entry a batch of training, a number, or of replicas a list of them.
            evaluations: of the trained policy, or of each replica.
            provenance: plain data, for the sidecar.

        Raises:
            OSError: naming the file that could not be written.
        """
        if spec.replicas == 1:
            (evaluation,) = evaluations
            arrays, found = _arrays(curves, evaluation), {"evaluation": evaluation.summary()}
        else:
            arrays, found = _stacked_arrays(curves, evaluations), _stacked_record(spec, evaluations)
        data = files.dump_arrays(arrays)
        record = {
            **provenance,
            **found,
            "format": FORMAT,
            "hash": spec.hash,
            "spec": spec.to_json(),
            "data": {"sha256": files.sha256(data), "bytes": len(data)},
        }
        files.write_whole(self.path(spec.hash, "npz"), data)
        files.write_whole(self.path(spec.hash, "json"), files.dump_record(record))

    def load(self, name: str) -> StoredRun:
        """The run with the hash ``name``.

        Raises:
            ValueError: naming the file that is not as it was written, and what is wrong.
            FileNotFoundError: no such run.
        """
        sidecar, data = self.path(name, "json"), self.path(name, "npz")
        try:
            record = files.load_record(sidecar.read_bytes())
            if record.get("format") != FORMAT:
                raise ValueError(f"expected format {FORMAT!r}, got {record.get('format')!r}")
            spec = RunSpec.from_json(record.get("spec"))
            if not spec.hash == record.get("hash") == name:
                raise ValueError(f"its spec has the hash {spec.hash}")
        except ValueError as error:
            raise ValueError(f"{sidecar}: {error}") from error
        if not data.exists():
            raise ValueError(f"{sidecar}: its data file {data.name} is missing")
        content, expected = data.read_bytes(), record["data"]
        if len(content) != expected["bytes"]:
            sizes = f"expected {expected['bytes']} bytes, got {len(content)}"
            raise ValueError(f"{data}: truncated or of another run: {sizes}")
        if files.sha256(content) != expected["sha256"]:
            raise ValueError(f"{data}: altered: its SHA-256 is not the sidecar's")
        arrays = files.load_arrays(content)
        curves = {k.removeprefix("curve_"): v for k, v in arrays.items() if k.startswith("curve_")}
        return StoredRun(spec, record, curves, arrays["lengths"], arrays["scores"])

    def names(self) -> list[str]:
        """The hashes of all runs that have a sidecar."""
        return sorted(path.stem for path in self.folder.glob("*.json"))

    def problems(self) -> dict[str, str]:
        """What is wrong with the folder, by file: every run is read, foreign files are named."""
        found: dict[str, str] = {}
        for path in sorted(self.folder.iterdir()) if self.folder.exists() else ():
            if not path.is_file() or not (_NAME.fullmatch(path.name) or _passing(path)):
                found[path.name] = f"{path}: not a file of this store"
            elif path.suffix == ".json":
                try:
                    self.load(path.stem)
                except (ValueError, OSError) as error:
                    found[path.name] = str(error)
        return found


def runs_folder(tier: str) -> Path:
    """Where results are kept: in the source tree, ``data/runs`` or, to be thrown away, ``_build``.

    Outside a source tree the folders are those of the present one.
    """
    root = Path(__file__).parents[3]
    if not (root / "src" / "entropy_rl").is_dir():
        root = Path()
    return root / ("data" if tier == "paper" else "_build") / "runs"


def _passing(path: Path) -> bool:
    """Whether a file is of a sweep that runs, or of one that was killed."""
    return path.name == LOCK or path.suffix == ".part"


def _arrays(curves: Mapping[str, Sequence[float]], evaluation: Evaluation) -> dict[str, np.ndarray]:
    width = np.uint16 if max(evaluation.lengths) < 2**16 else np.uint32
    arrays = {
        "lengths": np.array(evaluation.lengths, width),
        "scores": np.array(evaluation.scores, np.float32),
    }
    for name, values in curves.items():
        if name == "episodes":
            arrays["curve_episodes"] = np.array([part[-1] for part in _parts(values)], np.int32)
        else:
            means = [math.fsum(part) / len(part) for part in _parts(values)]
            arrays[f"curve_{name}"] = np.array(means, np.float32)
    return arrays


def _stacked_arrays(
    curves: Mapping[str, Sequence[Any]], evaluations: Sequence[Evaluation]
) -> dict[str, np.ndarray]:
    """Those of each replica, stacked; the episodes played are the same for all."""
    each = [
        _arrays({k: v if k == "episodes" else [x[r] for x in v] for k, v in curves.items()}, found)
        for r, found in enumerate(evaluations)
    ]
    return {
        k: v if k == "curve_episodes" else np.stack([arrays[k] for arrays in each])
        for k, v in each[0].items()
    }


def _stacked_record(spec: RunSpec, evaluations: Sequence[Evaluation]) -> dict[str, Any]:
    return {"seeds": list(spec.seeds), "evaluation": [found.summary() for found in evaluations]}


def _parts(values: Sequence[float]) -> list[Sequence[float]]:
    """``values`` in at most :data:`POINTS` parts that are as equal as can be."""
    n = min(POINTS, len(values))
    cuts = [len(values) * i // n for i in range(n + 1)]
    return [values[a:b] for a, b in pairwise(cuts)]
