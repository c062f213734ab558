"""Build the book: execute what changed, then Sphinx if anything that it reads has changed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from bookkit import assets, cache, execute, paths
from entropy_rl import _validate

# Every warning is an error, and all of them are shown.
OPTIONS = ("-q", "-W", "-n", "--keep-going")


class BuildFailed(RuntimeError):
    """Sphinx reported a warning or an error."""


def build(book: Path, jobs: int = 2) -> Path:
    """Bring the pages up to date and return the folder that holds them.

    Raises:
        ExecutionFailed: a notebook's cell raised.
        BuildFailed: Sphinx warned (of a missing twin, an unverified theorem, a broken reference …).
    """
    assets.fetch(book)
    execute.execute(book, jobs=jobs)
    html = paths.build_folder(book) / "html"
    stamp = paths.build_folder(book) / "built.txt"
    with paths.lock(book, "html"):
        key = inputs(book)
        if stamp.is_file() and stamp.read_text() == key:
            return html
        stamp.unlink(missing_ok=True)
        if not _same_tools(book):
            shutil.rmtree(html, ignore_errors=True)
            shutil.rmtree(paths.build_folder(book) / ".doctrees", ignore_errors=True)
        _sphinx(book)
        stamp.write_text(key)
    return html


def preview(book: Path, page: str) -> Path:
    """Run and build one page alone, in a folder of its own, and return its file.

    A reference to another page of the book stays plain text (:mod:`bookkit.preview`); whatever else
    Sphinx warns of is the page's own, and an error.

    Args:
        book: the root of the repository.
        page: as it stands in ``_toc.yml``, such as ``book/intro``; it need not stand there yet.

    Raises:
        ValueError: a page without a file.
        ExecutionFailed: a cell raised.
        BuildFailed: Sphinx warned.
    """
    page = page.removesuffix(".ipynb").removesuffix(".md")
    if not any((book / f"{page}{ending}").is_file() for ending in (".ipynb", ".md")):
        raise _validate.fail("page", "a notebook or .md file, such as book/intro", repr(page))
    assets.fetch(book)
    folder = paths.build_folder(book) / "preview" / Path(page).name
    folder.mkdir(parents=True, exist_ok=True)
    if (notebook := book / f"{page}.ipynb").is_file():
        execute.execute(book, [notebook])
    contents = folder / paths.MARK
    contents.write_text(yaml.safe_dump({"format": "jb-book", "root": page}))
    config = paths.config(book)
    sphinx = config.setdefault("sphinx", {})
    sphinx["extra_extensions"] = [*sphinx.get("extra_extensions", []), "bookkit.preview"]
    settings = folder / "_config.yml"
    settings.write_text(yaml.safe_dump(config, sort_keys=False))
    with paths.lock(book, f"preview-{Path(page).name}"):
        options = ("--toc", str(contents), "--config", str(settings), "--path-output", str(folder))
        _sphinx(book, "--all", *options)
    return folder / "_build" / "html" / f"{page}.html"


def _sphinx(book: Path, *options: str) -> None:
    """Run jupyter-book, with every warning an error."""
    command = [str(Path(sys.executable).parent / "jupyter-book"), "build", *OPTIONS, *options, "."]
    done = subprocess.run(command, cwd=book, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        print(done.stdout, file=sys.stderr)
        raise BuildFailed("Sphinx warned, see above; every warning is an error")


def inputs(book: Path) -> str:
    """One hash of all that Sphinx reads."""
    names = ["_config.yml", "_toc.yml", "book", "data/claims.yml", "src", "_build/executed"]
    return cache.digest({n: cache.file_digest(book / n) for n in names}, cache.versions())


def _same_tools(book: Path) -> bool:
    """Whether the last pages were made by this extension and configuration; note that they will be.

    Sphinx re-reads a page when the page changed, and knows nothing of our extension's code.
    """
    stamp = paths.build_folder(book) / "tools.txt"
    key = cache.digest(
        [cache.file_digest(p) for p in sorted(Path(__file__).parent.rglob("*.py"))],
        cache.file_digest(book / "_config.yml"),
        cache.versions(),
    )
    same = stamp.is_file() and stamp.read_text() == key
    stamp.write_text(key)
    return same
