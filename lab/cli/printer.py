"""Prints the results of a run as they come, as wide and as colourful as the stream's reader can see."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING, TextIO

from lab.cli.exits import READER_GONE, cannot_run
from lab.cli.progress import Progress

if TYPE_CHECKING:
    from lab.author.registry import Found
    from lab.record.results import Result, Run
    from lab.report.screen import Screen


class Printer:
    """Prints what `lab run` and similar commands say, on one stream."""

    def __init__(
        self,
        stream: TextIO,
        quiet: bool = False,
        verbose: bool = False,
        plain: bool = False,
        everything: bool = False,
    ) -> None:
        self._stream = stream
        self._quiet = quiet
        self._verbose = verbose
        self._screen = screen_of(stream, plain, everything)
        self.progress = Progress(sys.stderr, plain)

    def result(self, result: Result) -> None:
        """One scenario."""
        from lab.record.results import Outcome
        from lab.report.verdicts import result_lines

        if self._quiet and result.outcome in (Outcome.PASS, Outcome.SKIP):
            return
        head, *lines = result_lines(result, self._screen, brief=self._quiet, verbose=self._verbose)
        word, _, rest = head.partition(" ")
        self.say(f"{self._screen.paint(word, result.outcome.value)} {rest}", *lines, "")

    def usage(self, found: Found | Run) -> None:
        """What the command line asked for and could not have."""
        from lab.report.screen import printable_lines
        from lab.report.verdicts import place

        for broken in found.broken:
            self.say(*printable_lines(f"ERROR {place(str(broken.file), broken.line)}: {broken.why}"))
        for pattern in found.unknown:
            self.say(f"no scenario matches {pattern!r}; `lab list` shows them all")

    def summary(self, run: Run) -> None:
        """The last lines."""
        from lab.report.screen import printable
        from lab.report.verdicts import summary_lines

        if run.results or run.broken:
            self.say(*map(printable, summary_lines(run)))

    def say(self, *lines: str) -> None:
        """These lines, in place of those about waiting."""
        self.progress.hide()
        try:
            for line in lines:
                print(line, file=self._stream, flush=True)
        except BrokenPipeError:  # the reader has seen enough: do not wait for scenarios still running
            os._exit(READER_GONE)
        except OSError as refused:
            cannot_run(f"its output cannot be written ({refused.strerror})", "write it to where there is room")


_LEAST_WIDTH, _USUAL_WIDTH = 80, 100
_DRAWN = "─►┊·"


def screen_of(stream: TextIO, plain: bool = False, everything: bool = False) -> Screen:
    """The screen behind a stream. What its encoding lacks is written as an escape sequence, not refused.

    Its reader wants every line when `everything` is set.
    """
    from lab.report.screen import Screen

    if hasattr(stream, "reconfigure"):
        stream.reconfigure(errors="backslashreplace")
    width = max(_LEAST_WIDTH, shutil.get_terminal_size((_USUAL_WIDTH, 24)).columns)
    colours = stream.isatty() and not os.environ.get("NO_COLOR")
    most = None if everything else Screen().most
    return Screen(width, _shows_lines(stream), colours, plain, most)


def _shows_lines(stream: TextIO) -> bool:
    """Whether it shows more than ASCII.

    Where somebody chose the locale C, Python writes UTF-8 all the same; the terminal was not asked for that.
    """
    chosen = os.environ.get("LC_ALL") or os.environ.get("LANG")
    if sys.flags.utf8_mode and chosen in {"C", "POSIX"} and os.environ.get("PYTHONUTF8") != "1":
        return False
    try:
        _DRAWN.encode(stream.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True
