"""What an execution depends on, as one hash: code, parameters, sources, data, versions."""

from __future__ import annotations

import hashlib
import json
import platform
import sysconfig
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import metadata
from pathlib import Path, PurePosixPath
from typing import Any

import nbformat


def digest(*parts: object) -> str:
    """SHA-256 of the parts, as JSON."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes or of a folder's files and names; "" where there is neither."""
    if path.is_dir():
        return digest([(p.relative_to(path).as_posix(), file_digest(p)) for p in files(path)])
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def files(folder: Path) -> list[Path]:
    """Every file below ``folder``, sorted, without caches and hidden files."""
    return sorted(
        p
        for p in folder.rglob("*")
        if p.is_file()
        and not any(q.startswith(".") or q == "__pycache__" for q in p.relative_to(folder).parts)
    )


@cache
def versions() -> dict[str, str]:
    """Installed distributions with their versions, and Python's.

    Those of the environment's own folders: a package may put what it bundles on the path when it is
    imported, as Ray does.
    """
    folders = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    found = {d.metadata["Name"]: d.version for d in metadata.distributions(path=sorted(folders))}
    return {"python": platform.python_version(), **dict(sorted(found.items()))}


def code(notebook: Path) -> list[str]:
    """The sources of the code cells."""
    return [c.source for c in read(notebook).cells if c.cell_type == "code"]


def read(notebook: Path) -> nbformat.NotebookNode:
    """A notebook, in the current format."""
    return nbformat.read(notebook, as_version=4)


def snapshot(book: Path, notebook: Path) -> dict[str, str]:
    """Digests of all that an execution may depend on: the code, under "", and src and data."""
    inputs = [path for folder in ("src", "data") for path in files(book / folder)]
    digests = {path.relative_to(book).as_posix(): file_digest(path) for path in inputs}
    return {"": digest(code(notebook)), **digests}


def changed(before: Mapping[str, str], after: Mapping[str, str], depends_on: Iterable[str]) -> bool:
    """Whether two snapshots differ in the code or in one of the files and folders it read."""
    names = set(depends_on)

    def matters(snapshot: Mapping[str, str]) -> dict[str, str]:
        return {
            name: found
            for name, found in snapshot.items()
            if not name or names & {name, *map(str, PurePosixPath(name).parents)}
        }

    return matters(before) != matters(after)


def key(
    book: Path, notebook: Path, parameters: Mapping[str, Any], depends_on: Iterable[str]
) -> str:
    """The cache key of an execution of ``notebook``, given the files and folders it read."""
    return digest(
        code(notebook),
        dict(parameters),
        {name: file_digest(book / name) for name in depends_on},
        versions(),
    )
