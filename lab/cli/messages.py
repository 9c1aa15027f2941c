"""Messages of commands: in the language of the command line, and on a terminal without a line that breaks in a word."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from typing import TextIO

from lab.cli.language import text

_CONTINUED = 6
"""Room for the mark that a command goes on, and for the further indent of its next line, in columns."""


def tell(message: str) -> None:
    """Print a message, English or in the language already."""
    print(*message_lines(message, sys.stdout), sep="\n", flush=True)


def warn(message: str) -> None:
    """Print a message on standard error."""
    print(*message_lines(message, sys.stderr), sep="\n", file=sys.stderr, flush=True)


def tell_command(command: str, before: str = "") -> None:
    """Print a command to be typed, behind a text. Where it goes on in a second line, it can be copied all the same."""
    from rich.cells import cell_len

    from lab.report.screen import wrapped

    start = f"{before} " if before else "  "
    lines = wrapped(command, width_for(sys.stdout) - cell_len(start) - _CONTINUED)
    print(start + " \\\n      ".join(lines), flush=True)


def message_lines(message: str, stream: TextIO) -> Iterator[str]:
    """Yield the lines of a message, English or in the language already, as they fit a stream.

    A line that is too long goes on below, indented by two more columns if it is indented.
    """
    from lab.report.screen import indented

    for line in text(message).split("\n"):
        told = line.lstrip(" ")
        at = len(line) - len(told)
        yield from indented(told, width_for(stream), at, at + 2 * bool(at))


def width_for(stream: TextIO) -> int:
    """Columns of a terminal; no limit on any other stream."""
    from lab.report.screen import UNBROKEN

    return shutil.get_terminal_size().columns if stream.isatty() else UNBROKEN
