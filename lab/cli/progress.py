"""Progress of a run while nothing else is printed: which scenarios wait for which timers.

Drawn on a terminal, a single line elsewhere.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.live import Live

    from lab.author.runner import Patient

_SOON_S = 2.0
"""Shorter waits are not shown."""
_LONG_S = 30.0
"""Without a terminal nothing is printed before; an ordinary run is over by then."""
_MOST_ROWS = 12
_OTHER_LINES = 4
_OTHER_COLUMNS = 26
_LEAST_NAME = 20


class Progress:
    """The lines about waiting scenarios on one stream; from `show` to `hide` nothing else may be printed there."""

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
        if not self._draws:
            self._say_once(lasting, now_ns)
        elif lasting:
            with _undisturbed():
                self._draw(lasting, now_ns)
        else:
            self.hide()

    def hide(self) -> None:
        """Remove the lines: something else is going to be printed, or nothing more."""
        self._quiet_since = time.monotonic()
        if self._live is not None:
            with _undisturbed():
                self._live.stop()
                self._live = None

    def _say_once(self, lasting: list[Patient], now_ns: int) -> None:
        if lasting and not self._said and time.monotonic() - self._quiet_since >= _LONG_S:
            self._said = True
            first = lasting[0]
            print(f"{_counted(lasting, now_ns)}: {first.scenario} IPv{first.family}", file=self._stream, flush=True)

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
