"""Output of a run: results as they arrive, and progress lines about scenarios that wait for timers.

Width, characters and colours depend on the stream.
"""

from __future__ import annotations

import linecache
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from lab.cli.exits import READER_GONE, cannot_run
from lab.cli.language import language

if TYPE_CHECKING:
    from rich.live import Live

    from lab.author.registry import Found
    from lab.author.runner import Patient
    from lab.record.results import Result, Run
    from lab.report.screen import Screen

_SOON_S = 2.0
"""Shorter waits are not shown, in seconds."""
_LONG_S = 30.0
"""Time before the one progress line of a stream that is not a terminal, in seconds; most runs end earlier."""
_MAX_ROWS = 12
_OTHER_LINES = 4
_OTHER_COLUMNS = 26
_MIN_NAME = 20


class Printer:
    """Output of `lab run` and similar commands on one stream."""

    def __init__(
        self, stream: TextIO, quiet: bool = False, verbose: bool = False, plain: bool = False, everything: bool = False
    ) -> None:
        self._stream = stream
        self._quiet = quiet
        self._verbose = verbose
        self._screen = screen_of(stream, plain, everything)
        self.progress = Progress(sys.stderr, plain)

    def result(self, result: Result) -> None:
        """Print the result of one scenario. A quiet printer prints only failures and errors."""
        from lab.report.verdicts import QUIET, result_lines

        if self._quiet and result.outcome in QUIET:
            return
        head, *lines = result_lines(result, self._screen, brief=self._quiet, verbose=self._verbose)
        word, _, rest = head.partition(" ")
        self.print_lines(f"{self._screen.paint(word, result.outcome.value)} {rest}", *lines, "")

    def usage(self, found: Found | Run) -> None:
        """Print the broken scenario files, and the patterns that match no scenario."""
        from lab.report.screen import printable, printable_lines
        from lab.report.verdicts import place

        for broken in found.broken:
            source = linecache.getline(str(broken.file), broken.line).strip()
            text = f"ERROR {place(str(broken.file), broken.line)}: {broken.why}"
            self.print_lines(*printable_lines(text), *[f"    > {printable(source)}"] * bool(source))
        for pattern in found.unknown:
            there = f"; ./{pattern} names the file or folder here" if Path(pattern).exists() else ""
            self.print_lines(f"no scenario matches {pattern!r}; `lab list` shows them all{there}")

    def summary(self, run: Run) -> None:
        """Print the totals of a run."""
        from lab.report.screen import printable
        from lab.report.verdicts import summary_lines

        if run.results or run.broken:
            self.print_lines(*map(printable, summary_lines(run, self._screen.language)))

    def print_lines(self, *lines: str) -> None:
        """Print lines, after removing the progress lines."""
        self.progress.hide()
        try:
            for line in lines:
                print(line, file=self._stream, flush=True)
        except BrokenPipeError:  # the reader closed the pipe: do not wait for running scenarios
            os._exit(READER_GONE)
        except OSError as refused:
            cannot_run(f"its output cannot be written ({refused.strerror})", "free some space, or write elsewhere")


_MIN_WIDTH, _DEFAULT_WIDTH = 80, 100
_LINE_CHARACTERS = "─►┊·"


def screen_of(stream: TextIO, plain: bool = False, everything: bool = False) -> Screen:
    """Properties of a stream: width, character set, colours, and the most lines to print (`everything`: no limit).

    Characters that its encoding lacks are written as escape sequences.
    """
    from lab.report.screen import Screen

    if hasattr(stream, "reconfigure"):
        stream.reconfigure(errors="backslashreplace")
    width = max(_MIN_WIDTH, shutil.get_terminal_size((_DEFAULT_WIDTH, 24)).columns)
    colours = stream.isatty() and not os.environ.get("NO_COLOR")
    most = None if everything else Screen().most
    return Screen(width, _shows_unicode(stream), colours, plain, language(), most)


def _shows_unicode(stream: TextIO) -> bool:
    """Whether the stream shows more than ASCII.

    In the C locale Python writes UTF-8, which the terminal may not support.
    """
    chosen = os.environ.get("LC_ALL") or os.environ.get("LANG")
    if sys.flags.utf8_mode and chosen in {"C", "POSIX"} and os.environ.get("PYTHONUTF8") != "1":
        return False
    try:
        _LINE_CHARACTERS.encode(stream.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True


class Progress:
    """Progress lines about waiting scenarios: redrawn on a terminal, one line on any other stream.

    Between `show` and `hide` nothing else may be printed there.
    """

    def __init__(self, stream: TextIO, plain: bool = False) -> None:
        self._stream = stream
        self._draws = stream.isatty() and not plain and os.environ.get("TERM") not in {None, "dumb", "unknown"}
        self._live: Live | None = None
        self._idle_since = time.monotonic()
        self._printed = False

    def show(self, patient: list[Patient]) -> None:
        """Replace the progress lines with the scenarios that wait now."""
        now_ns = time.monotonic_ns()
        long_waits = [each for each in patient if now_ns - each.waiting.since_ns >= _SOON_S * 1e9]
        long_waits.sort(key=lambda each: (-each.waiting.until_ns, each.scenario, each.family))
        if self._draws and long_waits:
            with _deferred_interrupt():
                self._draw(long_waits, now_ns)
        elif self._draws:
            self.hide()
        elif long_waits and not self._printed and time.monotonic() - self._idle_since >= _LONG_S:
            self._printed, first = True, long_waits[0]
            print(f"{_counted(long_waits, now_ns)}: {first.scenario} IPv{first.family}", file=self._stream, flush=True)

    def hide(self) -> None:
        """Remove the progress lines before other output, or at the end."""
        self._idle_since = time.monotonic()
        if self._live is not None:
            with _deferred_interrupt():
                self._live.stop()
                self._live = None

    def _draw(self, long_waits: list[Patient], now_ns: int) -> None:
        from rich.console import Console
        from rich.live import Live
        from rich.text import Text

        if self._live is None:
            console = Console(file=self._stream, highlight=False)
            # Nothing else prints meanwhile: no drawing thread and no redirected stream are needed.
            self._live = Live(
                console=console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False
            )
            self._live.start()
        width, height = self._live.console.size
        lines = _lines(long_waits, width, max(1, min(_MAX_ROWS, height - _OTHER_LINES)), now_ns)
        self._live.update(Text("\n".join(lines), no_wrap=True, overflow="ellipsis"), refresh=True)


@contextmanager
def _deferred_interrupt() -> Iterator[None]:
    """Delay Ctrl-C until the block ends: an interrupted drawing could be neither finished nor removed."""
    caught: list[int] = []
    previous = signal.signal(signal.SIGINT, lambda number, _: caught.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
    if caught:
        signal.raise_signal(signal.SIGINT)


def _lines(long_waits: list[Patient], width: int, most: int, now_ns: int) -> list[str]:
    """At most `most` lines, one for each scenario that has long been waiting; names are cut to fit the width."""
    rows: dict[str, list[Patient]] = {}
    for each in long_waits:
        rows.setdefault(each.scenario, []).append(each)
    shown = list(rows.items())[:most]
    what = max(len(waits[0].waiting.what) for _, waits in shown)
    room = max(_MIN_NAME, min(max(len(name) for name, _ in shown), width - what - _OTHER_COLUMNS))
    lines = [_counted(long_waits, now_ns)]
    for name, waits in shown:
        text, since_ns, until_ns = waits[0].waiting
        families = "+".join(str(family) for family in sorted({each.family for each in waits}))
        times = f"{(now_ns - since_ns) / 1e9:3.0f} of {max(0, until_ns - since_ns) / 1e9:.0f} s"
        lines.append(f"  {name[:room]:<{room}}  IPv{families:<3}  {text:<{what}}  {times}")
    if len(rows) > most:
        lines.append(f"  and {len(rows) - most} more")
    return lines


def _counted(long_waits: list[Patient], now_ns: int) -> str:
    many = f"{len(long_waits)} scenarios wait" if len(long_waits) > 1 else "1 scenario waits"
    left_s = max(0, long_waits[0].waiting.until_ns - now_ns) / 1e9
    return f"{many} for timers of the kernel, at most {left_s:.0f} s more"
