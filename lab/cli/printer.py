"""Output of a run: results as they arrive, and progress lines about scenarios that wait for timers.

Width, characters and colours depend on the stream.
"""

from __future__ import annotations

import linecache
import os
import shlex
import shutil
import signal
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from lab.cli.exits import READER_GONE, cannot_run
from lab.cli.language import language
from lab.cli.messages import message_lines, width_for
from lab.cli.options import command_name

if TYPE_CHECKING:
    from rich.live import Live

    from lab.author.registry import Found, Unknown
    from lab.author.runner import Interim, Patient
    from lab.record.results import BrokenFile, Result, Run
    from lab.report.screen import Screen

FEW = 3
"""So many scenarios are shown with their ladders; of more there is a line for each."""
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
        self,
        stream: TextIO,
        *,
        quiet: bool = False,
        verbose: bool = False,
        plain: bool = False,
        everything: bool = False,
        ladders: bool = True,
        widest_name: int = 0,
    ) -> None:
        """`quiet`: print only failures and errors. Without `ladders` a passed scenario takes one line.

        `widest_name` is the width of the longest id in these lines.
        """
        self._stream = stream
        self._quiet = quiet
        self._verbose = verbose
        self._ladders = ladders or quiet
        self._screen = screen_of(stream, plain=plain, everything=everything)
        self._together: list[Result] = []
        self._widest_name = widest_name
        self.progress = Progress(sys.stderr, plain, counts=not ladders)

    def add(self, result: Result, *, is_last: bool) -> None:
        """Add a result. Results of one scenario are printed together, when its last one or another scenario's comes."""
        if self._together and self._together[0].scenario is not result.scenario:
            self.flush()
        self._together.append(result)
        if is_last:
            self.flush()

    def flush(self) -> None:
        """Print the results that have been added and are not printed yet."""
        from lab.report.verdicts import QUIET, scenario_lines

        added, self._together = self._together, []
        in_line = [each for each in added if each.outcome in QUIET and not self._ladders]
        if in_line:
            self.print_lines(*scenario_lines(in_line, self._screen, self._widest_name))
        for result in added:
            if result not in in_line:
                self._safely(result)
        self.progress.redraw()

    def _safely(self, result: Result) -> None:
        """Print a result. One that cannot be printed becomes an error of its scenario, without its recording."""
        from lab.record.results import Outcome

        try:
            self.result(result)
        except Exception as mistake:  # noqa: BLE001  # one scenario must not lose the results of the others
            result.outcome, result.recording, result.difference = Outcome.ERROR, None, None
            result.message = f"its recording cannot be shown ({type(mistake).__name__}: {mistake})"
            self.result(result)

    def result(self, result: Result) -> None:
        """Print the result of one scenario. A quiet printer prints only failures and errors."""
        from lab.report.verdicts import QUIET, result_lines

        if self._quiet and result.outcome in QUIET:
            return
        head, *lines = result_lines(result, self._screen, brief=self._quiet, verbose=self._verbose)
        word, _, rest = head.partition(" ")
        self.print_lines(f"{self._screen.paint(word, result.outcome.value)} {rest}", *lines, "")

    def listing(self, run: Run) -> None:
        """Print a line for each scenario of a saved run. A quiet printer leaves out those that passed."""
        from lab.report.verdicts import listing_lines

        self.print_lines(*listing_lines(run, self._screen, brief=self._quiet), "")

    def end(self, found: Found, run: Run, *, interrupted: bool) -> None:
        """Print the end of a run's output: any interruption, wrong patterns and files, and the totals."""
        from lab.report.i18n import translator

        if interrupted:
            self.print_lines("", translator(language())("run_interrupted", count=len(run.results)))
        if run.results and not self._ladders:
            self.print_lines("")
        self.found(found)
        self.summary(run)

    def found(self, found: Found) -> None:
        """Print the scenario files that cannot be loaded, and the patterns that select no scenario."""
        self.broken(found.broken)
        self.unknown(found.unknown)

    def broken(self, files: Iterable[BrokenFile]) -> None:
        """Print the scenario files that cannot be loaded."""
        from lab.report.i18n import translator
        from lab.report.verdicts import place

        text = translator(language()).text
        for file, line, why in files:
            source = linecache.getline(str(file), line).strip()
            self._tell(f"{text('ERROR')} {place(str(file), line)}: {text(why)}" + f"\n    > {source}" * bool(source))

    def unknown(self, patterns: Iterable[Unknown], listed_by: str = "lab list") -> None:
        """Print the patterns that select no scenario, each with the cause and with similar names."""
        from lab.report.i18n import translator

        translate = translator(language())
        for pattern, cause, similar in patterns:
            told = [translate(cause, pattern=pattern)]
            if cause == "no_name":
                names = translate("comma").join(similar)
                told.append(translate("similar", names=names) if similar else translate("shown_by", command=listed_by))
                told += [translate("named_here", path=f"./{pattern}")] * Path(pattern).exists()
            self._tell(translate.text("; ").join(told))

    def summary(self, run: Run) -> None:
        """Print the totals of a run."""
        from lab.report.screen import printable, wrapped
        from lab.report.verdicts import summary_lines

        if run.results or run.broken:
            for line in summary_lines(run, self._screen.language):
                self.print_lines(*wrapped(printable(line), self._screen.width))

    def next_steps(self, run: Run, folder: Path, *, is_newest: bool) -> None:
        """Print where a run is saved, and the commands to use next. With `is_newest` these need no folder."""
        from rich.cells import cell_len

        from lab.report.i18n import translator
        from lab.report.verdicts import QUIET

        translate = translator(language())
        self._tell(translate("saved_in", folder=folder))
        if self._quiet:
            return
        named = "" if is_newest else f" {shlex.quote(str(folder))}"
        first = next((each for each in run.results if each.outcome not in QUIET), run.results[0])
        steps = {f"report{named}": "next_report"}
        steps |= {"list": "next_list"} if self._ladders else {f"show{named} {first.scenario.id}": "next_show"}
        commands = {f"{command_name()} {step}": translate(key) for step, key in steps.items()}
        wide = max(map(len, commands))
        is_narrow = any(wide + cell_len(text) + 4 > width_for(self._stream) for text in commands.values())
        for command, text in commands.items():
            self._tell(f"  {command}\n      {text}" if is_narrow else f"  {command:<{wide}}  {text}")

    def _tell(self, message: str) -> None:
        self.print_lines(*message_lines(message, self._stream))

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


_MIN_WIDTH, _DEFAULT_WIDTH = 60, 100
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
    message_width = width_for(stream)
    return Screen(width, _shows_unicode(stream), colours, plain, language(), message_width, most)


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
    """Progress lines of a run: redrawn on a terminal, one line on any other stream.

    Between `show` and `hide` nothing else may be printed there.
    """

    def __init__(self, stream: TextIO, plain: bool = False, *, counts: bool = False) -> None:
        """`counts`: a terminal always shows how many scenario runs have ended. By default it shows only long waits."""
        self._stream = stream
        self._draws = stream.isatty() and not plain and os.environ.get("TERM") not in {None, "dumb", "unknown"}
        self._counts = counts
        self._live: Live | None = None
        self._idle_since = time.monotonic()
        self._printed = False
        self._interim: Interim | None = None

    def show(self, interim: Interim) -> None:
        """Replace the progress lines."""
        self._interim = interim
        now_ns = time.monotonic_ns()
        long_waits = [each for each in interim.patient if now_ns - each.waiting.since_ns >= _SOON_S * 1e9]
        long_waits.sort(key=lambda each: (-each.waiting.until_ns, each.scenario, each.family))
        if self._draws and (long_waits or self._counts):
            heading = [_ended(interim)] if self._counts else []
            heading += [_waiting(long_waits, now_ns)] if long_waits else []
            with _deferred_interrupt():
                self._draw("; ".join(heading), long_waits, now_ns)
        elif self._draws:
            self.hide()
        elif long_waits and not self._printed and time.monotonic() - self._idle_since >= _LONG_S:
            self._printed, first = True, long_waits[0]
            text = f"{_ended(interim)}; {_waiting(long_waits, now_ns)}: {first.scenario} IPv{first.family}"
            print(text, file=self._stream, flush=True)

    def redraw(self) -> None:
        """Show the progress lines again, after other output."""
        if self._draws and self._counts and self._interim is not None:
            self.show(self._interim)

    def hide(self) -> None:
        """Remove the progress lines before other output, or at the end."""
        self._idle_since = time.monotonic()
        if self._live is not None:
            with _deferred_interrupt():
                self._live.stop()
                self._live = None

    def _draw(self, heading: str, long_waits: list[Patient], now_ns: int) -> None:
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
        lines = [heading, *_rows(long_waits, width, max(1, min(_MAX_ROWS, height - _OTHER_LINES)), now_ns)]
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


def _rows(long_waits: list[Patient], width: int, most: int, now_ns: int) -> list[str]:
    """At most `most` lines, one for each scenario that has long been waiting; names are cut to fit the width."""
    from rich.cells import cell_len

    from lab.report.i18n import translator
    from lab.report.screen import padded

    words = translator(language())
    rows: dict[str, list[Patient]] = {}
    for each in long_waits:
        rows.setdefault(each.scenario, []).append(each)
    shown = list(rows.items())[:most]
    what = max((cell_len(words.text(waits[0].waiting.what)) for _, waits in shown), default=0)
    widest = max((len(name) for name, _ in shown), default=0)
    room = max(_MIN_NAME, min(widest, width - what - _OTHER_COLUMNS))
    lines = []
    for name, waits in shown:
        text, since_ns, until_ns = waits[0].waiting
        families = "+".join(str(family) for family in sorted({each.family for each in waits}))
        waited, most_s = f"{(now_ns - since_ns) / 1e9:3.0f}", f"{max(0, until_ns - since_ns) / 1e9:.0f}"
        times = words("progress_times", waited=waited, most=most_s)
        lines.append(f"  {name[:room]:<{room}}  IPv{families:<3}  {padded(words.text(text), what)}  {times}")
    if len(rows) > most:
        lines.append(f"  {words('progress_more', count=len(rows) - most)}")
    return lines


def _ended(interim: Interim) -> str:
    from lab.report.i18n import translator

    return translator(language())("progress_ended", ended=interim.ended, total=interim.total)


def _waiting(long_waits: list[Patient], now_ns: int) -> str:
    from lab.report.i18n import translator

    left_s = max(0, long_waits[0].waiting.until_ns - now_ns) / 1e9
    key = "progress_waits" if len(long_waits) > 1 else "progress_one_waits"
    return translator(language())(key, count=len(long_waits), left=f"{left_s:.0f}")
