"""Notebooks run when their code, sources, data or parameters change, and otherwise not."""

from __future__ import annotations

import json
from pathlib import Path

import nbformat
import papermill
import pytest
from papermill.clientwrap import PapermillNotebookClient
from papermill.exceptions import PapermillExecutionError
from tiny_book import Book

from bookkit import cache, paths
from bookkit.engine import ENGINE, Client
from bookkit.execute import ExecutionFailed, _run, execute, is_fresh
from bookkit.handover import merge

# A kernel starts in about two seconds, so each test here asks it many questions.
pytestmark = pytest.mark.notebook

CODE = """\
import sys
sys.path.insert(0, ROOT + "/src")
import tiny
text = open(ROOT + "/data/runs/a.csv").read()
print(tiny.double(size), text)"""


@pytest.fixture
def ran(book: Book) -> Book:
    """A book that was executed once; it imports src/tiny.py and reads data/runs/a.csv."""
    for name, text in {
        "src/tiny.py": "def double(x):\n    return 2 * x\n",
        "data/runs/a.csv": "first",
        "data/claims.yml": "[]",
    }.items():
        (book.root / name).parent.mkdir(parents=True, exist_ok=True)
        (book.root / name).write_text(text)
    code = CODE.replace("ROOT", repr(str(book.root)))
    book.write("# A page", ("size = 3", ["parameters"]), code)
    assert execute(book.root) == [book.notebook]
    return book


def printed(book: Book) -> str:
    twin = nbformat.read(paths.twin(book.root, book.notebook), as_version=4)
    return "".join(o.text for c in twin.cells for o in c.get("outputs", []) if "text" in o)


def test_what_makes_a_notebook_run_again(ran: Book) -> None:
    assert printed(ran) == "6 first\n"
    record = json.loads(paths.record(paths.twin(ran.root, ran.notebook)).read_text())
    assert {"src/tiny.py", "data/runs"} <= set(record["depends_on"])
    assert "data/claims.yml" not in record["depends_on"]
    assert record["seconds"] > 0
    assert record["hardware"]["cores"] >= 1

    def after(name: str, text: str) -> bool:
        """Whether the twin stays fresh after a file is written; undone afterwards."""
        path = ran.root / name
        old = path.read_text() if path.is_file() else None
        path.write_text(text)
        fresh = is_fresh(ran.root, ran.notebook)
        path.unlink() if old is None else path.write_text(old)
        return fresh

    assert execute(ran.root) == []
    assert after("src/other.py", "x = 1")
    assert after("data/claims.yml", "[1]")
    assert not after("src/tiny.py", "def double(x):\n    return x + x\n")
    assert not after("data/runs/a.csv", "second")
    assert not after("data/runs/b.csv", "beside it")
    assert not is_fresh(ran.root, ran.notebook, {"size": 4})

    source = ran.notebook.read_text()
    assert after("book/page.ipynb", source.replace("# A page", "# Another title"))
    assert not after("book/page.ipynb", source.replace("size = 3", "size = 4"))
    assert is_fresh(ran.root, ran.notebook)


def test_an_execution_during_which_its_inputs_changed_does_not_count(ran: Book) -> None:
    source = ran.notebook.read_text()
    for name, text in (
        ("src/tiny.py", "def double(x):\n    return 7\n"),
        ("data/runs/b.csv", "beside it"),
        ("book/page.ipynb", source.replace("size = 3", "size = 8")),
    ):
        edit = f"open({str(ran.root / name)!r}, 'w').write({text!r})"
        code = CODE.replace("ROOT", repr(str(ran.root)))
        ran.write("# A page", ("size = 3", ["parameters"]), code, edit)
        assert execute(ran.root) == [ran.notebook]
        assert not is_fresh(ran.root, ran.notebook)
    # What it does not read may change meanwhile.
    edit = f"open({str(ran.root / 'src/other.py')!r}, 'w').write('')"
    ran.write("# A page", ("size = 3", ["parameters"]), code, edit)
    assert execute(ran.root) == [ran.notebook]
    assert is_fresh(ran.root, ran.notebook)


def test_an_installed_version_is_part_of_the_key(
    ran: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "versions", lambda: {"torch": "0"})
    assert not is_fresh(ran.root, ran.notebook)


def test_parameters(ran: Book) -> None:
    with pytest.raises(ValueError, match=r"'sise' \(did you mean 'size'\?\)"):
        execute(ran.root, parameters={"sise": 5})
    assert execute(ran.root, parameters={"size": 5}) == [ran.notebook]
    assert printed(ran) == "10 first\n"
    # The page shows the committed defaults; the injected cell is not on it.
    merged = merge(ran.notebook.read_text(), paths.twin(ran.root, ran.notebook).read_text())
    assert "size = 5" not in merged


def test_an_execution_is_papermills_from_the_root(
    book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So `papermill book/x.ipynb out.ipynb` from the root does the same, without the record."""
    calls = []

    def execute_notebook(*arguments: object, **options: object) -> None:
        calls.append((arguments, options))
        raise PapermillExecutionError(0, 0, "", "", "", [])

    book.write("# A page", ("size = 3", ["parameters"]))
    monkeypatch.setattr(papermill, "execute_notebook", execute_notebook)
    monkeypatch.setattr(paths, "single_threaded", dict)
    assert _run(book.root, book.notebook, {})
    (((notebook, _), options),) = calls
    assert notebook == cache.read(book.notebook)
    asked = {k: options[k] for k in ("cwd", "parameters", "kernel_name", "engine_name")}
    assert asked == {
        "cwd": book.root,
        "parameters": {},
        "kernel_name": "python3",
        "engine_name": ENGINE,
    }
    assert issubclass(Client, PapermillNotebookClient)


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("raise KeyError('lost')", r"book/page.ipynb, cell 2.*(?s:.*)KeyError: 'lost'"),
        ("import os\nos._exit(1)", r"book/page.ipynb: Kernel died"),
    ],
)
def test_a_failing_cell_is_reported_and_leaves_no_twin(book: Book, cell: str, said: str) -> None:
    book.write("# A page", "1 + 1", cell)
    good = book.write("# A page", "1 + 1", to=book.root / "book" / "good.ipynb")
    with pytest.raises(ExecutionFailed, match=said):
        execute(book.root, [book.notebook, good])
    assert not paths.twin(book.root, book.notebook).exists()
    assert not is_fresh(book.root, book.notebook)
    assert is_fresh(book.root, good)


def test_a_wrong_claim_fails(book: Book) -> None:
    wrong = (
        "import entropy_rl.checks as c\n"
        "c.CHECKS['x.wrong'] = lambda: c.Check("
        "'x.wrong', 1.0, 1e-10, (c.Control('a', 1.0, 0.5),), (), 'made up')\n"
        "from bookkit import verify\n"
        "verify('x.wrong')"
    )
    book.write("# A page", wrong)
    with pytest.raises(ExecutionFailed, match="CheckFailed"):
        execute(book.root)


def test_the_kernel_is_the_builds_own(book: Book) -> None:
    code = "import os, torch; print(os.environ['BOOKKIT_STATIC'], torch.get_num_threads())"
    book.write("# A page", code)
    notebook = nbformat.read(book.notebook, as_version=4)
    notebook.metadata["kernelspec"] = {"name": "julia", "display_name": "Julia"}
    nbformat.write(notebook, book.notebook)
    execute(book.root)
    assert printed(book) == "1 1\n"


def test_root_is_found_from_below(book: Book) -> None:
    book.write("# A page")
    assert paths.root(book.root / "book") == book.root
    assert paths.documents(book.root) == [book.notebook]
    (book.root / "_toc.yml").write_text("format: jb-book\nroot: book/missing\n")
    with pytest.raises(ValueError, match=r"expected one \.ipynb or \.md for 'book/missing'"):
        paths.documents(book.root)


def test_the_book_of_this_repository_is_found_without_a_working_directory(tmp_path: Path) -> None:
    assert (paths.root(tmp_path) / "_toc.yml").is_file()
