"""In the kernel: note which source files a notebook imports and which data files it opens.

The build runs `start` before the first cell and `write` after the last one. Of a data file the
whole folder counts (Parquet files are opened outside Python's sight, their sidecars are not);
directly below ``data/`` it is the file itself.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

_opened: set[str] = set()


def start(root: str) -> None:
    """Watch what is opened under ``root/data`` from here on, for as long as the process lives."""
    below = os.path.join(root, "data") + os.sep

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event in ("open", "os.listdir", "os.scandir") and isinstance(arguments[0], str | Path):
            path = os.path.abspath(arguments[0])
            if path.startswith(below):
                _opened.add(path)

    sys.addaudithook(hook)


def write(root: str, target: str) -> None:
    """Write the list of dependencies, relative to ``root``, as JSON to ``target``."""
    book = Path(root)
    modules = {
        Path(file).resolve()
        for module in list(sys.modules.values())
        if (file := getattr(module, "__file__", None))
    }
    files = {p for p in modules if p.is_relative_to(book / "src")}
    data = {_unit(book, Path(p)) for p in _opened}
    names = sorted(p.relative_to(book).as_posix() for p in files | data)
    Path(target).write_text(json.dumps(names), encoding="utf-8")


def _unit(book: Path, path: Path) -> Path:
    """What an access to ``path`` depends on: a file of ``data/`` itself, else the folder."""
    return path if path.is_dir() or path.parent == book / "data" else path.parent
