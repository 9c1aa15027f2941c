"""Saved runs: find, load and save them; and write other files that the command line names."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.cli.exits import CANNOT_RUN, INTERRUPTED, USAGE, leave, wrong_usage

if TYPE_CHECKING:
    from lab.cli.printer import Printer
    from lab.record.results import Run
    from lab.record.saved.folder import RunFolder


@contextmanager
def reading() -> Iterator[None]:
    """Exit with 2 for a missing or damaged run or catalogue; damage may show only when a part is used."""
    from lab.claims.catalogue import CatalogueError
    from lab.record.saved.document import Unreadable
    from lab.record.saved.folder import NoRun

    try:
        yield
    except (NoRun, Unreadable, CatalogueError) as why:
        wrong_usage(str(why))


def load_run(named: Path | None, families: list[int]) -> Run:
    """The run in that folder or file (default: the newest below `out`), with its results in these families."""
    from lab.record.saved.document import load
    from lab.record.saved.folder import find

    run = load(find(named))
    run.results = [result for result in run.results if result.family in families]
    return run


def named_run(arguments: Sequence[str]) -> Path | None:
    """The folder or file of a run, if the first argument names one rather than a scenario."""
    first = arguments[0] if arguments else ""
    return Path(first) if first and (Path(first).exists() or "/" in first or first.endswith(".json")) else None


def choose(arguments: list[str], families: list[int]) -> tuple[Run, list[str], list[str]]:
    """The run named by the first argument (else the newest), the patterns, and those that match nothing.

    The run keeps only results that match a pattern; all of them without a pattern.
    """
    named = named_run(arguments)
    run = load_run(named, families)
    patterns = arguments[named is not None :]
    return run, patterns, narrow(run, patterns)


def narrow(run: Run, patterns: list[str]) -> list[str]:
    """Remove the results that match no pattern, if there is a pattern. Returns the patterns that match nothing."""
    from lab.author.registry import matches

    known = [result.scenario.id for result in run.results]
    run.results = [
        result for result in run.results if not patterns or any(matches(each, result.scenario.id) for each in patterns)
    ]
    return [each for each in patterns if not any(matches(each, name) for name in known)]


def new_folder(path: Path | None) -> RunFolder:
    """The folder for a run; exits with 3 before anything has run if it cannot be made."""
    from lab.record.saved.folder import NotWritable, RunFolder

    try:
        return RunFolder(path)
    except NotWritable as why:
        print(f"{why}\nname another folder: --out DIR, or save nothing: --no-out", file=sys.stderr)
        leave(CANNOT_RUN, at_once=True)


def save(run: Run, folder: RunFolder, printer: Printer) -> bool:
    """Save the run and its captures, and print where. False if that failed: then nothing is left."""
    from lab.record.saved.document import lines_of
    from lab.record.saved.folder import RUN_FILE, NotWritable
    from lab.report.captures import captures
    from lab.report.screen import printable

    if not run.results:
        return True
    try:
        with folder:
            for name, blocks in captures(run):
                folder.write(name, blocks)
            folder.write(RUN_FILE, (line.encode() for line in lines_of(run)))
    except NotWritable as why:
        print(f"the run is not saved: {why}", file=sys.stderr)
        return False
    except KeyboardInterrupt:
        print("interrupted; the run is not saved", file=sys.stderr)
        leave(INTERRUPTED, at_once=True)
    printer.print_lines(f"saved in {printable(str(folder.named))}; `lab show` shows it again")
    return True


def output(named: Path | str | None, code: int = USAGE) -> Path | None:
    """The absolute path of a file to be written later. Exits before anything has run if it cannot be written.

    None without a file: nothing is to be written, or it goes to standard output (`-`).
    """
    from lab.record.saved.folder import NotWritable, ensure_writable

    try:
        return None if named in (None, "-") else ensure_writable(Path(named))
    except NotWritable as why:
        wrong_usage(str(why), code)


def write_json(file: Path | None, value: Any, indent: int = 2) -> bool:
    """Write a value as JSON to a file, or to standard output without one. False, after a message, if that fails."""
    from lab.report.screen import json_text

    text = f"{json_text(value, indent)}\n"
    if file is not None:
        return write(file, text.encode())
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as refused:
        print(f"cannot write to standard output: {refused.strerror}", file=sys.stderr)
        return False
    return True


def write(file: Path, data: bytes) -> bool:
    """Write a file that the command line names. False, after a message, if that fails."""
    from lab.record.saved.folder import NotWritable, put
    from lab.report.screen import printable

    try:
        put(file, [data])
    except NotWritable as why:
        print(printable(str(why)), file=sys.stderr)
        return False
    return True
