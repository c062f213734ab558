"""Where things are: the root of the book, its notebooks, and what the build writes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock

MARK = "_toc.yml"


def root(start: Path | None = None) -> Path:
    """The folder that holds ``_toc.yml``: above ``start``, else above this package.

    Args:
        start: where to look first; the working directory unless given.

    Raises:
        ValueError: there is none, as when the package was installed without its repository.
    """
    start = Path(start or Path.cwd()).resolve()
    for folder in (start, *start.parents, *Path(__file__).resolve().parents):
        if (folder / MARK).is_file():
            return folder
    raise ValueError(
        f"start: expected a folder of the book's repository (one that holds {MARK}), got {start}; "
        "clone the repository and install it with `pip install --editable '.[book]'`"
    )


def build_folder(book: Path) -> Path:
    """Everything made by the build lies below it; `clean` removes it."""
    return book / "_build"


def executed_folder(book: Path) -> Path:
    """The executed twins of the notebooks, at the same relative paths."""
    return build_folder(book) / "executed"


def twin(book: Path, notebook: Path) -> Path:
    """The executed twin of ``notebook``."""
    return executed_folder(book) / notebook.resolve().relative_to(book)


def record(executed: Path) -> Path:
    """The record of an execution, beside the executed twin: its cache key, times, hardware."""
    return executed.with_suffix(".record.json")


def documents(book: Path) -> list[Path]:
    """The source file of every page in ``_toc.yml``, in reading order.

    Raises:
        ValueError: an entry has no file, or two.
    """
    names = list(_entries(yaml.safe_load((book / MARK).read_text(encoding="utf-8"))))
    found = []
    for name in names:
        hits = [p for s in ("", ".ipynb", ".md") if (p := book / f"{name}{s}").is_file()]
        if len(hits) != 1:
            raise ValueError(f"{MARK}: expected one .ipynb or .md for {name!r}, got {hits}")
        found += hits
    return found


def notebooks(book: Path) -> list[Path]:
    """The notebooks among the pages, in reading order."""
    return [p for p in documents(book) if p.suffix == ".ipynb"]


def lock(book: Path, name: str) -> FileLock:
    """A lock on one thing the build writes: two builds at a time take turns."""
    folder = build_folder(book) / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    return FileLock(folder / f"{name}.lock")


def config(book: Path) -> dict[str, Any]:
    """``_config.yml`` as a dictionary."""
    loaded: dict[str, Any] = yaml.safe_load((book / "_config.yml").read_text(encoding="utf-8"))
    return loaded


def _entries(node: Any) -> Any:
    """Every ``root:`` and ``file:`` of a table of contents, depth first."""
    if isinstance(node, dict):
        for key in ("root", "file"):
            if key in node:
                yield node[key]
        for value in node.values():
            yield from _entries(value)
    elif isinstance(node, list):
        for value in node:
            yield from _entries(value)


def single_threaded() -> dict[str, str]:
    """The environment of the build's kernels: one thread, no progress bars, sliders drawn ahead."""
    return {
        "BOOKKIT_STATIC": "1",
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "PYTHONHASHSEED": "0",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        "TQDM_DISABLE": "1",
    }


def is_static() -> bool:
    """Whether the build runs this notebook, so that every frame is to be drawn ahead."""
    return os.environ.get("BOOKKIT_STATIC") == "1"
