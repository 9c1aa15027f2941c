"""What a stream's reader can see: how wide it is, whether it knows more than ASCII, whether it has colours."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from lab.report.screen import Screen

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
