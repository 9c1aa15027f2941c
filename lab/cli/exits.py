"""How a command ends: its exit code, and whether it waits for what still runs."""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from typing import NoReturn

import typer

DIFFERS, USAGE, CANNOT_RUN, INTERRUPTED, READER_GONE = 1, 2, 3, 130, 141
"""The kernel did not do as documented, wrong usage, the lab could not run, Ctrl-C, nobody reads the output any more."""


def leave(code: int, at_once: bool = False) -> NoReturn:
    """Exit. `at_once` does not wait for scenarios still running: all they hold are descriptors, which end with us."""
    # Of a full disk: what could not be written was said, or is told by the code.
    with suppress(OSError) if at_once else nullcontext():
        sys.stdout.flush()
        sys.stderr.flush()
    if at_once:
        os._exit(code)
    raise typer.Exit(code)


@contextmanager
def immediate_exit() -> Iterator[None]:
    """For a whole command: it ends without waiting for scenarios still running, or taking apart what it has loaded."""
    code, stdout = 0, sys.stdout
    try:
        try:
            yield
        except SystemExit as ended:
            if sys.stdout is not stdout:  # what click does about a broken pipe, before it exits with 1
                os._exit(READER_GONE)
            code = ended.code if isinstance(ended.code, int) else USAGE if ended.code else 0
        if not code:
            sys.stdout.flush()
    except BrokenPipeError:  # the reader has seen enough
        os._exit(READER_GONE)
    except MemoryError:
        try:
            cannot_run("it has run out of memory", "allow it more: ulimit -v shows a limit")
        finally:  # there is too little memory for the message
            os._exit(CANNOT_RUN)
    except Exception as mistake:  # noqa: BLE001  # in the lab, which says nothing about the kernel
        if isinstance(mistake, OSError) and mistake.errno == errno.ENOSPC:
            cannot_run("there is no room for what it writes", "make room, or write it to where there is some")
        with suppress(OSError):
            traceback.print_exc()
        leave(CANNOT_RUN, at_once=True)
    leave(code, at_once=True)


def cannot_run(why: str, remedy: str) -> NoReturn:
    """End: the lab cannot run here, and what would help."""
    print(f"the lab cannot run here: {why}\n{remedy}", file=sys.stderr)
    leave(CANNOT_RUN, at_once=True)


def wrong_usage(what: str, code: int = USAGE) -> NoReturn:
    """End: what was asked for cannot be."""
    from lab.report.screen import printable_lines

    for line in printable_lines(what):
        print(line, file=sys.stderr)
    leave(code, at_once=True)
