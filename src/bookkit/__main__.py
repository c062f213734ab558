"""Command line of the book: ``python -m bookkit --help``."""

from __future__ import annotations

import argparse
import functools
import http.server
import shutil
import sys
from pathlib import Path

from bookkit import paths


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the exit status."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options) or 0)
    except (RuntimeError, ValueError, OSError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bookkit", description="Build and keep the book."
    )
    commands = parser.add_subparsers(required=True, metavar="command")

    def command(name: str, run: object, text: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=text, description=text)
        made.set_defaults(run=run)
        return made

    build = command("build", _build, "run what changed, then make the pages in _build/html")
    build.add_argument("--only", metavar="PAGE", help="one page alone, such as book/intro")
    run = command("execute", _execute, "run the notebooks whose code, data or packages changed")
    run.add_argument("notebooks", nargs="*", type=Path, help="all in the table of contents if none")
    run.add_argument(
        "-p", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"), help="a parameter"
    )
    for made in (build, run):
        made.add_argument("--jobs", type=int, default=2, help="notebooks at a time (2)")
    serve = command("serve", _serve, "build, then serve the pages on this machine")
    serve.add_argument("--port", type=int, default=8000)
    keep = command(
        "sync", _sync, "bring notebooks into the committed form; turn .md drafts into them"
    )
    keep.add_argument("sources", nargs="*", type=Path, help="all in the table of contents if none")
    keep.add_argument("--check", action="store_true", help="only say which would change")
    command("ledger", _ledger, "print the claims with their computed statuses")
    command("colophon", _colophon, "print versions, hardware and execution times")
    command("clean", _clean, "remove _build")
    return parser


def _build(options: argparse.Namespace) -> None:
    from bookkit.build import build, preview

    if options.only:
        print(preview(paths.root(), options.only))
    else:
        print(build(paths.root(), jobs=options.jobs) / "index.html")


def _execute(options: argparse.Namespace) -> None:
    import yaml

    from bookkit.execute import execute

    ran = execute(
        paths.root(),
        options.notebooks or None,
        {name: yaml.safe_load(value) for name, value in options.p},
        options.jobs,
    )
    print(f"ran {len(ran)}: {', '.join(p.stem for p in ran) or 'nothing had changed'}")


def _serve(options: argparse.Namespace) -> None:
    from bookkit.build import build

    handler = functools.partial(
        http.server.SimpleHTTPRequestHandler, directory=str(build(paths.root()))
    )
    with http.server.ThreadingHTTPServer(("127.0.0.1", options.port), handler) as server:
        print(f"http://127.0.0.1:{server.server_port}/  (Ctrl-C ends)")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return


def _sync(options: argparse.Namespace) -> int:
    from bookkit.sync import sync

    changed = sync(paths.root(), options.sources or None, options.check)
    for path in changed:
        print(f"{'would rewrite' if options.check else 'wrote'} {path}")
    return int(options.check and bool(changed))


def _ledger(options: argparse.Namespace) -> None:
    from bookkit.claims import ledger
    from bookkit.evidence import evidence

    print(ledger(evidence()).drop(columns=["says", "correction"]).to_string(index=False))


def _colophon(options: argparse.Namespace) -> None:
    from bookkit.colophon import as_text

    print(as_text(paths.root()))


def _clean(options: argparse.Namespace) -> None:
    shutil.rmtree(paths.build_folder(paths.root()), ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
