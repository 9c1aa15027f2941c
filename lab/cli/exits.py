"""Exit codes of commands, and exits with or without waiting for running scenarios."""

from __future__ import annotations

import errno
import io
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn

import typer

from lab.cli.language import text
from lab.cli.messages import warn

DIFFERS, USAGE, CANNOT_RUN, INTERRUPTED, READER_GONE = 1, 2, 3, 130, 141
"""Exit codes: the kernel differs, wrong usage, the lab cannot run, Ctrl-C, the reader of the output is gone."""

_OUTPUT = (1, 2)
"""Descriptors of standard output and standard error."""


def leave(code: int, at_once: bool = False) -> NoReturn:
    """Exit. `at_once` does not wait for running scenarios: they hold only descriptors, which the process closes."""
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError) as refused:  # a full disk, a closed stream: an exit code other than 0 stays
        if not at_once and (isinstance(refused, BrokenPipeError) or not code):
            raise
    if at_once:
        os._exit(code)
    raise typer.Exit(code)


def keep_process() -> None:
    """From now on os._exit, and os.close of the output, are errors of the scenario that calls them."""
    exit_process, close_descriptor = os._exit, os.close

    def ending(status: int) -> NoReturn:
        _refuse_if_contained(f"os._exit({status}) would end the whole run")
        exit_process(status)

    def closing(fd: int) -> None:
        if fd in _OUTPUT:
            _refuse_if_contained(f"os.close({fd}) would leave the other scenarios without output")
        close_descriptor(fd)

    os._exit, os.close = ending, closing


class _Lent(io.TextIOWrapper):
    """A copy of an output stream, for scenarios."""

    def close(self) -> None:
        """Close the copy, except in a scenario: others write to it too."""
        _refuse_if_contained("closing the output would leave the other scenarios without it")
        super().close()


@contextmanager
def lent_streams() -> Iterator[None]:
    """Within the block, for scenario code: sys.stdout and sys.stderr are copies, whatever is done to them."""
    own = sys.stdout, sys.stderr
    lent = [
        _Lent(io.BufferedWriter(io.FileIO(os.dup(each.fileno()), "w")), each.encoding, each.errors, line_buffering=True)
        for each in own
    ]
    sys.stdout, sys.stderr = lent
    try:
        yield
    finally:
        sys.stdout, sys.stderr = own
        for each in lent:
            with suppress(OSError, ValueError):
                each.flush()


def _refuse_if_contained(why: str) -> None:
    containment = sys.modules.get("lab.author.containment")  # not loaded: no scenario has run
    if containment is not None:
        containment.refuse_if_contained(why)


@contextmanager
def immediate_exit() -> Iterator[None]:
    """Context of a whole command. At its end the process exits without waiting for scenarios or freeing objects."""
    code, stdout = 0, sys.stdout
    try:
        try:
            yield
        except SystemExit as ended:
            if sys.stdout is not stdout:  # click replaces stdout after a broken pipe, and exits with 1
                os._exit(READER_GONE)
            code = ended.code if isinstance(ended.code, int) else USAGE if ended.code else 0
        if not code:
            sys.stdout.flush()
    except BrokenPipeError:  # the reader closed the pipe
        os._exit(READER_GONE)
    except MemoryError:
        try:
            cannot_run("it has run out of memory", "allow it more: ulimit -v shows a limit")
        finally:  # even without memory for the message
            os._exit(CANNOT_RUN)
    except KeyboardInterrupt:
        leave(INTERRUPTED, at_once=True)
    except BaseException as mistake:  # noqa: BLE001  # a bug in the lab, not a verdict on the kernel
        if isinstance(mistake, OSError) and mistake.errno == errno.ENOSPC:
            cannot_run("no space is left on the device", "free some space, or write elsewhere")
        with suppress(OSError):
            traceback.print_exc()
        leave(CANNOT_RUN, at_once=True)
    leave(code, at_once=True)


def cannot_run(why: str, remedy: str) -> NoReturn:
    """Print why the lab cannot run here and what would help, and exit with 3."""
    warn(f"the lab cannot run here: {text(why)}")
    warn(remedy)
    leave(CANNOT_RUN, at_once=True)


def wrong_usage(what: str, code: int = USAGE) -> NoReturn:
    """Print what is wrong with the request, and exit."""
    warn(what)
    leave(code, at_once=True)
