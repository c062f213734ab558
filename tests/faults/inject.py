"""Put one fault at a time into a copy of the packages and see which tests go red.

``PYTHONPATH=tests python tests/faults/inject.py`` prints the list of faults and what caught each.
"""

import shutil
import tempfile
from pathlib import Path

from child import judge
from table import FAULTS as OF_THE_PACKAGE
from table import Fault
from table_of_the_book import FAULTS as OF_THE_BOOK

from forked import forkserver

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("entropy_rl", "bookkit")
LIMIT = 850
FAULTS = (*OF_THE_PACKAGE, *OF_THE_BOOK)


def copy_packages(folder: Path, fault: Fault | None = None) -> Path:
    """A folder to put on the path, with the packages in it, ``fault`` included."""
    source = folder / "src"
    for name in PACKAGES:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "src" / name, source / name, ignore=ignored)
    if fault is not None:
        file = source / fault.file
        text = file.read_text(encoding="utf-8")
        found = text.count(fault.original)
        if found != 1:
            raise LookupError(f"{fault.file}: {fault.original!r} stands there {found} times, not 1")
        file.write_text(text.replace(fault.original, fault.mutated), encoding="utf-8")
    return source


def run(source: Path, tests: tuple[str, ...]) -> dict[str, str]:
    """The outcome of every test, run in a process of its own on the packages in ``source``."""
    context = forkserver()
    verdict, sender = context.Pipe(duplex=False)
    log = source.with_name("log")
    process = context.Process(target=judge, args=(ROOT, source, PACKAGES, tests, log, sender))
    process.start()
    sender.close()
    try:
        if verdict.poll(LIMIT):
            return verdict.recv()
        raise RuntimeError(f"no verdict after {LIMIT} s:\n{log.read_text()}")
    except EOFError:
        raise RuntimeError(f"no verdict:\n{log.read_text()}") from None
    finally:
        process.kill()
        process.join()


def red(fault: Fault) -> dict[str, list[str]]:
    """For each test that should catch the fault, its cases that failed on an assertion."""
    with tempfile.TemporaryDirectory() as folder:
        outcomes = run(copy_packages(Path(folder), fault), fault.caught_by)
    return {
        test: [case for case, outcome in outcomes.items() if of(case, test) and outcome == "failed"]
        for test in fault.caught_by
    }


def of(case: str, test: str) -> bool:
    """Whether ``case`` is ``test`` or one of its parametrised cases."""
    return case.split("[")[0] == test


def main() -> None:
    """Print what caught each fault."""
    print("| fault | where | caught by |\n|---|---|---|")
    for fault in FAULTS:
        caught = [f"`{test}` ({len(cases)})" for test, cases in red(fault).items() if cases]
        print(f"| {fault.name} | `{fault.file}` | {', '.join(caught) or '**nothing**'} |")


if __name__ == "__main__":
    main()
