"""Prints the results of a run as they come, and between them which scenarios wait for which timers.

As wide and as colourful as the stream's reader can see.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from lab.cli.exits import READER_GONE, cannot_run

if TYPE_CHECKING:
    from rich.live import Live

    from lab.author.registry import Found
    from lab.author.runner import Patient
    from lab.record.results import Result, Run
    from lab.report.screen import Screen

_SOON_S = 2.0
"""Shorter waits are not shown."""
_LONG_S = 30.0
"""Without a terminal nothing is printed before; an ordinary run is over by then."""
_MOST_ROWS = 12
_OTHER_LINES = 4
_OTHER_COLUMNS = 26
_LEAST_NAME = 20


class Printer:
    """Prints what `lab run` and similar commands say, on one stream."""

    def __init__(
        self, stream: TextIO, quiet: bool = False, verbose: bool = False, plain: bool = False, everything: bool = False
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


class Progress:
    """The lines about waiting scenarios on one stream: drawn on a terminal, a single line elsewhere.

    From `show` to `hide` nothing else may be printed there.
    """

    def __init__(self, stream: TextIO, plain: bool = False) -> None:
        self._stream = stream
        self._draws = stream.isatty() and not plain and os.environ.get("TERM") not in {None, "dumb", "unknown"}
        self._live: Live | None = None
        self._quiet_since = time.monotonic()
        self._said = False

    def show(self, patient: list[Patient]) -> None:
        """Show which scenarios wait now, in place of the lines before."""
        now_ns = time.monotonic_ns()
        lasting = [each for each in patient if now_ns - each.waiting.since_ns >= _SOON_S * 1e9]
        lasting.sort(key=lambda each: (-each.waiting.until_ns, each.scenario, each.family))
        if self._draws and lasting:
            with _undisturbed():
                self._draw(lasting, now_ns)
        elif self._draws:
            self.hide()
        elif lasting and not self._said and time.monotonic() - self._quiet_since >= _LONG_S:
            self._said, first = True, lasting[0]
            print(f"{_counted(lasting, now_ns)}: {first.scenario} IPv{first.family}", file=self._stream, flush=True)

    def hide(self) -> None:
        """Remove the lines: something else is going to be printed, or nothing more."""
        self._quiet_since = time.monotonic()
        if self._live is not None:
            with _undisturbed():
                self._live.stop()
                self._live = None

    def _draw(self, lasting: list[Patient], now_ns: int) -> None:
        from rich.console import Console
        from rich.live import Live
        from rich.text import Text

        if self._live is None:
            console = Console(file=self._stream, highlight=False)
            # Nothing else prints meanwhile, so no thread has to draw and no stream has to be redirected.
            self._live = Live(
                console=console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False
            )
            self._live.start()
        width, height = self._live.console.size
        lines = _lines(lasting, width, max(1, min(_MOST_ROWS, height - _OTHER_LINES)), now_ns)
        self._live.update(Text("\n".join(lines), no_wrap=True, overflow="ellipsis"), refresh=True)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Ctrl-C takes effect after the block: an interrupted drawing could be neither finished nor removed."""
    struck: list[int] = []
    usual = signal.signal(signal.SIGINT, lambda number, _: struck.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)
    if struck:
        signal.raise_signal(signal.SIGINT)


def _lines(lasting: list[Patient], width: int, most: int, now_ns: int) -> list[str]:
    """A line for each scenario, its families together; names are cut where the screen is narrow."""
    rows: dict[str, list[Patient]] = {}
    for each in lasting:
        rows.setdefault(each.scenario, []).append(each)
    shown = list(rows.items())[:most]
    what = max(len(waits[0].waiting.what) for _, waits in shown)
    room = max(_LEAST_NAME, min(max(len(name) for name, _ in shown), width - what - _OTHER_COLUMNS))
    lines = [_counted(lasting, now_ns)]
    for name, waits in shown:
        text, since_ns, until_ns = waits[0].waiting
        families = "+".join(str(family) for family in sorted({each.family for each in waits}))
        times = f"{(now_ns - since_ns) / 1e9:3.0f} of {max(0, until_ns - since_ns) / 1e9:.0f} s"
        lines.append(f"  {name[:room]:<{room}}  IPv{families:<3}  {text:<{what}}  {times}")
    if len(rows) > most:
        lines.append(f"  and {len(rows) - most} more")
    return lines


def _counted(lasting: list[Patient], now_ns: int) -> str:
    many = f"{len(lasting)} scenarios wait" if len(lasting) > 1 else "1 scenario waits"
    left_s = max(0, lasting[0].waiting.until_ns - now_ns) / 1e9
    return f"{many} for timers of the kernel, {left_s:.0f} s more at most"
