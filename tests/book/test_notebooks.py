"""The committed notebooks: clean, runnable anywhere, and all executed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from browsing import ROOT

from bookkit import execute, paths
from bookkit.sync import setup_cell, sync, tags

NOTEBOOKS = paths.notebooks(ROOT)
names = pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda p: p.stem)


def code(notebook: Path) -> list[nbformat.NotebookNode]:
    cells = nbformat.read(notebook, as_version=4).cells
    return [c for c in cells if c.cell_type == "code"]


@names
def test_it_is_committed_without_outputs(notebook: Path) -> None:
    assert [c.id for c in code(notebook) if c.outputs or c.execution_count] == []


@names
def test_it_is_in_the_committed_form(notebook: Path) -> None:
    """`python -m bookkit sync` would leave it as it is."""
    assert sync(ROOT, [notebook], check=True) == []


@names
def test_its_first_cells_are_setup_and_parameters(notebook: Path) -> None:
    first, *rest = code(notebook)
    assert tags(first) == ["setup"]
    assert first.source == setup_cell(ROOT)
    parameters = [c for c in rest if "parameters" in tags(c)]
    assert len(parameters) <= 1
    assert parameters in ([], rest[:1])


@names
def test_its_code_fits_on_the_page(notebook: Path) -> None:
    lines = [line for cell in code(notebook) for line in cell.source.splitlines()]
    assert [line for line in lines if len(line) > 75] == []


@names
@pytest.mark.notebook
def test_it_runs(html: Path, notebook: Path) -> None:
    """Papermill ran it to its end, on the code, data and packages that are here now."""
    assert execute.is_fresh(ROOT, notebook)


@pytest.mark.notebook
def test_plain_papermill_runs_one_from_the_root(tmp_path: Path) -> None:
    """Without bookkit's engine, and with the sliders live."""
    papermill = Path(sys.executable).parent / "papermill"
    command = [str(papermill), "book/intro.ipynb", str(tmp_path / "out.ipynb"), "-k", "python3"]
    live = {k: v for k, v in os.environ.items() if k != "BOOKKIT_STATIC"}
    done = subprocess.run(command, cwd=ROOT, env=live, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.notebook
@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="needs the repository's history")
def test_the_setup_cell_installs_the_book_into_a_bare_virtualenv(tmp_path: Path) -> None:
    """As on Colab, with this repository standing in for the one on the network.

    The dependencies are lent by a path file, which leaves our own package out: what is tested is
    the cell, not the index.
    """
    bare = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", str(bare)], check=True)
    (python,) = bare.glob("bin/python")
    (site,) = bare.glob("lib/python*/site-packages")
    (site / "lent.pth").write_text(next(p for p in sys.path if p.endswith("site-packages")))
    cell = tmp_path / "cell.ipy"
    shown = "print('root:', bookkit.paths.root())"
    cell.write_text(f"{setup_cell(ROOT)}\nimport bookkit.paths\n{shown}\n")
    url = paths.config(ROOT)["repository"]["url"]
    environment = {
        **{k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")},
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{ROOT.as_uri()}.insteadOf",
        "GIT_CONFIG_VALUE_0": url,
        "IPYTHONDIR": str(tmp_path / "ipython"),
    }
    done = subprocess.run(
        [str(python), "-m", "IPython", "--no-banner", str(cell)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    found = Path(done.stdout.split("root: ")[1].split("\n")[0])
    assert found.is_relative_to(tmp_path)
    assert (found / "_toc.yml").is_file()


def test_the_binder_image_is_the_pinned_one() -> None:
    """Binder reads requirements.txt at the root; nothing may stand in its way."""
    assert (ROOT / "requirements.txt").is_file()
    for other in ("environment.yml", "Dockerfile", "binder", ".binder"):
        assert not (ROOT / other).exists()


def test_jupyterlab_is_there() -> None:
    assert shutil.which("jupyter", path=str(Path(sys.executable).parent))
    from jupyterlab import __version__

    assert int(__version__.split(".")[0]) >= 4


def test_the_kernel_is_named_plainly() -> None:
    for notebook in NOTEBOOKS:
        kernel = json.loads(notebook.read_text())["metadata"]["kernelspec"]["name"]
        assert kernel == "python3"
