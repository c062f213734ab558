"""Run the notebooks by papermill, in parallel, and only those whose cache key has changed.

An execution is `papermill book/x.ipynb out.ipynb` from the root, with the committed parameters; our
engine adds what was read, and the environment of `bookkit.paths.single_threaded`.
"""

from __future__ import annotations

import datetime
import difflib
import json
import logging
import os
import platform
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from joblib import Parallel, delayed
from tqdm import tqdm

from bookkit import cache, paths

ANSI = re.compile(r"\x1b\[[0-9;]*m")


class ExecutionFailed(RuntimeError):
    """One or more notebooks did not run through; the message holds each one's traceback."""


def execute(
    book: Path,
    notebooks: Sequence[Path] | None = None,
    parameters: Mapping[str, Any] | None = None,
    jobs: int = 2,
) -> list[Path]:
    """Bring the executed twins up to date and return the notebooks that had to run.

    Args:
        book: the root of the repository.
        notebooks: which; every one in the table of contents unless given.
        parameters: what to set in their ``parameters`` cells; the committed defaults unless given.
        jobs: how many run at a time.

    Raises:
        ValueError: a notebook has no such parameter.
        ExecutionFailed: a cell raised. Every other notebook has run nevertheless.
    """
    parameters = dict(parameters or {})
    chosen = [p.resolve() for p in (paths.notebooks(book) if notebooks is None else notebooks)]
    for notebook in chosen:
        _check_parameters(notebook, parameters)
    stale = [p for p in chosen if not is_fresh(book, p, parameters)]
    if not stale:
        return []
    # The longest first, as far as is known: otherwise it runs alone at the end.
    stale.sort(key=lambda p: -_seconds(book, p))
    results = Parallel(n_jobs=min(jobs, len(stale)), return_as="generator_unordered")(
        delayed(_run)(book, p, parameters) for p in stale
    )
    bar = tqdm(
        results, total=len(stale), unit="notebook", desc="executing", disable=_is_quiet() or None
    )
    failures = [failure for failure in bar if failure]
    if failures:
        raise ExecutionFailed("\n\n".join(sorted(failures)))
    return stale


def is_fresh(book: Path, notebook: Path, parameters: Mapping[str, Any] | None = None) -> bool:
    """Whether the executed twin is what an execution would give now."""
    executed = paths.twin(book, notebook)
    record = paths.record(executed)
    if not (executed.is_file() and record.is_file()):
        return False
    known = json.loads(record.read_text(encoding="utf-8"))
    return bool(known["key"] == cache.key(book, notebook, parameters or {}, known["depends_on"]))


def _run(book: Path, notebook: Path, parameters: dict[str, Any]) -> str | None:
    """Execute one notebook in this process; the complaint, if it failed."""
    import papermill
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    from bookkit.engine import ENGINE, register

    register()
    logging.getLogger("papermill").setLevel(logging.ERROR)
    os.environ.update(paths.single_threaded())
    executed = paths.twin(book, notebook)
    executed.parent.mkdir(parents=True, exist_ok=True)
    part = executed.with_suffix(".part.ipynb")
    depends = executed.with_suffix(".depends.part.json")
    name = notebook.relative_to(book).as_posix()
    with paths.lock(book, executed.stem):
        if is_fresh(book, notebook, parameters):
            return None
        for stale in (executed, paths.record(executed), depends):
            stale.unlink(missing_ok=True)
        before = cache.snapshot(book, notebook)
        try:
            done = papermill.execute_notebook(
                cache.read(notebook),
                part,
                parameters=parameters,
                engine_name=ENGINE,
                kernel_name="python3",
                progress_bar=False,
                cwd=book,
                book=str(book),
                depends=str(depends),
            )
        except PapermillExecutionError as error:
            return f"{name}, cell {error.cell_index}: {ANSI.sub('', str(error)).strip()}"
        except DeadKernelError as error:
            return f"{name}: {error} (killed, perhaps for want of memory)"
        seconds = done.metadata.papermill["duration"]
        _commit(book, notebook, parameters, part, depends, seconds, before)
    return None


def _commit(
    book: Path,
    notebook: Path,
    parameters: dict[str, Any],
    part: Path,
    depends: Path,
    seconds: float,
    before: Mapping[str, str],
) -> None:
    """Put the executed twin in place, and its record last: without a record it does not count.

    What was edited after the snapshot ``before`` may have been read old or new: no record then.
    """
    executed = paths.twin(book, notebook)
    depends_on = json.loads(depends.read_text(encoding="utf-8"))
    record = {
        "notebook": notebook.relative_to(book).as_posix(),
        "key": cache.key(book, notebook, parameters, depends_on),
        "depends_on": depends_on,
        "parameters": parameters,
        "seconds": round(seconds, 2),
        "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "hardware": hardware(),
    }
    depends.unlink()
    part.rename(executed)
    if cache.changed(before, cache.snapshot(book, notebook), depends_on):
        return
    written = paths.record(executed).with_suffix(".part")
    written.write_text(json.dumps(record, indent=1), encoding="utf-8")
    written.rename(paths.record(executed))


def hardware() -> dict[str, Any]:
    """What this machine is: processor, cores, memory, system."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file() and (found := re.search(r"model name\s*:\s*(.+)", info.read_text())):
        model = found[1]
    pages = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "memory_gib": round(pages / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
    }


def _check_parameters(notebook: Path, parameters: Mapping[str, Any]) -> None:
    """Raise where ``notebook`` has no such parameter: papermill would only warn."""
    if not parameters:
        return
    from papermill import inspect_notebook

    known = list(inspect_notebook(str(notebook)))
    for name in parameters:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f" (did you mean {close[0]!r}?)" if close else ""
            raise ValueError(
                f"parameters: expected one of {known} for {notebook.name}, got {name!r}{hint}"
            )


def _seconds(book: Path, notebook: Path) -> float:
    """How long ``notebook`` took, read from what is left of its last execution; 0 if unknown."""
    record = paths.record(paths.twin(book, notebook))
    return float(json.loads(record.read_text())["seconds"]) if record.is_file() else 0.0


def _is_quiet() -> bool:
    """Whether to leave out progress bars, as in continuous integration."""
    return bool(os.environ.get("BOOKKIT_QUIET") or os.environ.get("CI"))
