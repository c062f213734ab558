"""The one place that finds a browser or installs one; ``python tests/book/chromium.py`` does both.

A candidate counts only if it starts: a machine may hold a stub, or miss a library.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Browser, Error, Playwright, sync_playwright

from bookkit import paths

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
# A container's Chromium runs as root, without a sandbox, and must not phone home.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PLAYWRIGHTS = [[sys.executable, "-m", "playwright", "install", "chromium"]]
DEBIANS = [
    ["apt-get", "update", "-qq"],
    ["apt-get", "install", "-qq", "-y", "--no-install-recommends", "chromium"],
]
SECONDS = 600


def launch(playwright: Playwright) -> Browser:
    """Start the machine's Chrome or Chromium, else playwright's, else Debian's.

    What is missing is installed, by one process at a time.

    Raises:
        RuntimeError: none starts; the message says what was tried.
    """
    tried: dict[str, str] = {}
    with paths.lock(paths.root(Path(__file__).parent), "browser"):
        if found := _first_that_starts(playwright, tried):
            return found
        for commands in _installs():
            if trouble := _run_all(commands):
                tried[" ".join(commands[-1])] = trouble
            elif found := _first_that_starts(playwright, tried):
                return found
    said = "; ".join(f"{what}: {why}" for what, why in tried.items())
    raise RuntimeError(
        "browser: expected a Chrome or Chromium that starts, got none; install Debian's package "
        f"chromium, or run `playwright install --with-deps chromium` (tried: {said})"
    )


def _first_that_starts(playwright: Playwright, tried: dict[str, str]) -> Browser | None:
    """A browser, from the first candidate that can be launched; ``tried`` gets the complaints."""
    for path in _candidates(playwright):
        try:
            return playwright.chromium.launch(executable_path=path, args=FLAGS, timeout=60_000)
        except Error as error:
            tried[str(path)] = str(error).strip().splitlines()[0]
    return None


def _candidates(playwright: Playwright) -> Iterator[Path]:
    """Executables that are there: by name in PATH, then playwright's own."""
    yield from (Path(found) for name in NAMES if (found := shutil.which(name)))
    own = Path(playwright.chromium.executable_path)
    if own.is_file():
        yield own


def _installs() -> list[list[list[str]]]:
    """Ways to install one, each as its commands: Debian's needs root."""
    may = os.geteuid() == 0 and shutil.which("apt-get")
    return [PLAYWRIGHTS, DEBIANS] if may else [PLAYWRIGHTS]


def _run_all(commands: list[list[str]]) -> str:
    """Run ``commands`` and return the last line of what went wrong, or an empty string."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in commands:
        try:
            subprocess.run(
                command, env=environment, timeout=SECONDS, check=True, capture_output=True
            )
        except subprocess.TimeoutExpired:
            return f"took more than {SECONDS} s"
        except subprocess.CalledProcessError as error:
            lines = error.stderr.decode(errors="replace").strip().splitlines()
            return lines[-1] if lines else f"exit status {error.returncode}"
    return ""


if __name__ == "__main__":
    with sync_playwright() as driver:
        try:
            browser = launch(driver)
        except RuntimeError as error:
            sys.exit(str(error))
        print(f"browser: Chromium {browser.version}")
        browser.close()
