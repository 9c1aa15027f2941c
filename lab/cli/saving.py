"""Keeping a run: its folder and what is written into it, and files that were asked for beside it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.cli.exits import CANNOT_RUN, INTERRUPTED, leave, wrong_usage

if TYPE_CHECKING:
    from lab.cli.printer import Printer
    from lab.record.results import Run
    from lab.record.saved.folder import RunFolder


def wanted_folder(path: Path | None) -> RunFolder:
    """The folder for a run. Ends the command, before anything has run, where it can be told that there will be none."""
    from lab.record.saved.folder import NotWritable, RunFolder

    try:
        return RunFolder(path)
    except NotWritable as why:
        print(f"{why}\nname another folder: --out DIR, or save nothing: --no-out", file=sys.stderr)
        leave(CANNOT_RUN, at_once=True)


def save(run: Run, folder: RunFolder, printer: Printer) -> bool:
    """Write the run and its captures; says where, or why not. Whether it is there now: if not, nothing of it is."""
    from lab.record.saved.document import lines_of
    from lab.record.saved.folder import RUN_FILE, NotWritable
    from lab.report.captures import captures

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
    printer.saved(folder.path)
    return True


def write_json(name: str, value: Any, indent: int = 2) -> None:
    """Write a value as JSON into a file; - is standard output."""
    from lab.report.screen import json_text

    text = json_text(value, indent)
    if name == "-":
        print(text)
    else:
        write(Path(name), f"{text}\n".encode())


def write(file: Path, data: bytes) -> None:
    """Write a file that the command line names; ends the command when it cannot be."""
    from lab.record.saved.folder import NotWritable, put

    try:
        put(file, [data])
    except NotWritable as why:
        wrong_usage(str(why))
