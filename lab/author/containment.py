"""Containment of scenario code: it cannot end the process, and each of its exceptions becomes a message with a line."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from lab.record.events import Executed
from lab.session.errors import ScenarioError

_process = os.getpid()
_here = threading.local()


@contextmanager
def contained() -> Iterator[None]:
    """Within the block, `refuse_if_contained` raises in this thread."""
    outer, _here.contained = getattr(_here, "contained", False), True
    try:
        yield
    finally:
        _here.contained = outer


def refuse_if_contained(why: str) -> None:
    """Raise ScenarioError if scenario code runs in this thread; a child process that it has made may do anything."""
    if getattr(_here, "contained", False) and os.getpid() == _process:
        raise ScenarioError(why)


def is_interrupt(raised: BaseException) -> bool:
    """Whether this is Ctrl-C of the user: Python raises it in the main thread only."""
    return isinstance(raised, KeyboardInterrupt) and threading.current_thread() is threading.main_thread()


def line_in(file: Path, frame: FrameType | None) -> Executed | None:
    """The innermost line of a scenario file in the call stack that ends with this frame."""
    while frame is not None and frame.f_code.co_filename != str(file):
        frame = frame.f_back
    return None if frame is None else Executed(frame.f_code, frame.f_lasti)


def message_of(raised: BaseException, file: Path) -> tuple[str, Executed | None]:
    """Type and text of an exception, and the innermost line of the scenario file that it passed."""
    where, trace = None, raised.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(file):
            where = Executed(trace.tb_frame.f_code, trace.tb_lasti)
        trace = trace.tb_next
    try:
        text = str(raised)
    except Exception as why:  # noqa: BLE001  # whatever the author's class does
        text = f"(its text cannot be made: {type(why).__name__})"
    if isinstance(raised, ScenarioError):
        return text, where
    from lab.author.mistakes import nearest

    text += nearest(raised)
    return f"{type(raised).__name__}: {text}" if text else type(raised).__name__, where
