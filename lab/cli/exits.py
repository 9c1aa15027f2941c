"""How a command ends: its exit code, and whether it waits for what still runs."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

import typer

DIFFERS, USAGE, CANNOT_RUN, INTERRUPTED, READER_GONE = 1, 2, 3, 130, 141
"""The kernel did not do as documented, wrong usage, the lab could not run, Ctrl-C, nobody reads the output any more."""


def leave(code: int, at_once: bool = False) -> NoReturn:
    """Exit. `at_once` does not wait for scenarios still running: all they hold are descriptors, which end with us."""
    sys.stdout.flush()
    sys.stderr.flush()
    if at_once:
        os._exit(code)
    raise typer.Exit(code)


def cannot_run(why: str, remedy: str) -> NoReturn:
    """End: the lab cannot run here, and what would help."""
    print(f"the lab cannot run here: {why}\n{remedy}", file=sys.stderr)
    leave(CANNOT_RUN, at_once=True)


def wrong_usage(what: str) -> NoReturn:
    """End: what was asked for cannot be."""
    from lab.report.screen import printable_lines

    for line in printable_lines(what):
        print(line, file=sys.stderr)
    leave(USAGE, at_once=True)
