"""Containment of a scenario's code: it cannot end the process, and an exception of any kind is its own error."""

from __future__ import annotations

import ast
import builtins
import inspect
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from textwrap import dedent
from types import FrameType
from typing import NoReturn, TextIO

from lab.record.events import Executed
from lab.session.errors import ScenarioError

_SAFE = {abs, all, any, bool, bytes, dict, float, int, len, list, max, min, repr, round, set, sorted, str, sum, tuple}
"""Functions that an `assert` may call and still be evaluated again: they change nothing."""
_exit = os._exit
_process = os.getpid()
_here = threading.local()


@contextmanager
def contained() -> Iterator[None]:
    """Within the block this thread cannot end the process by os._exit, nor close the streams of `keep_open`."""
    outer, _here.contained = getattr(_here, "contained", False), True
    os._exit = _exit_unless_contained
    try:
        yield
    finally:
        _here.contained = outer


def keep_open(stream: TextIO) -> None:
    """Make `close()` of this stream an error in a scenario, which would leave the run without output."""

    def close(really: Callable[[], None] = stream.close) -> None:
        _refuse_if_contained(f"closing {stream.name} would leave the whole run without output")
        really()

    with suppress(AttributeError):  # not every class of streams can be changed
        stream.close = close  # type: ignore[method-assign]


def _exit_unless_contained(status: int) -> NoReturn:
    _refuse_if_contained(f"os._exit({status}) would end the whole run")
    _exit(status)


def _refuse_if_contained(why: str) -> None:
    if getattr(_here, "contained", False) and os.getpid() == _process:  # a child process may exit so
        raise ScenarioError(why)


def is_interrupt(raised: BaseException) -> bool:
    """Whether this is Ctrl-C of the user: Python raises it in the main thread only."""
    return isinstance(raised, KeyboardInterrupt) and threading.current_thread() is threading.main_thread()


def line_in(file: Path, frame: FrameType | None) -> Executed | None:
    """The line of the scenario file at which this thread is, from its innermost frame."""
    while frame is not None and frame.f_code.co_filename != str(file):
        frame = frame.f_back
    return None if frame is None else Executed(frame.f_code, frame.f_lasti)


def message_of(raised: BaseException, file: Path) -> tuple[str, Executed | None]:
    """What an exception says, and the innermost line of the scenario file that it passed."""
    where, frame, trace = None, None, raised.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(file):
            where, frame = Executed(trace.tb_frame.f_code, trace.tb_lasti), trace.tb_frame
        trace = trace.tb_next
    try:
        text = str(raised)
        if isinstance(raised, AssertionError) and where is not None and frame is not None:
            text = ", ".join(filter(None, [text, _both_sides(where, frame)]))
    except Exception as why:  # noqa: BLE001  # whatever the author's class does
        text = f"(its message cannot be made: {type(why).__name__})"
    if isinstance(raised, ScenarioError):
        return text, where
    return f"{type(raised).__name__}: {text}" if text else type(raised).__name__, where


def has_assert(function: Callable[..., object]) -> bool:
    """Whether the body of a function has an `assert`: a check that no recording shows."""
    statements = ast.walk(ast.parse(dedent(inspect.getsource(function))))
    return any(isinstance(each, ast.Assert) for each in statements)


def _both_sides(where: Executed, frame: FrameType) -> str:
    """The values that an `assert` with one comparison has compared, unless their evaluation may change something."""
    statements = ast.walk(ast.parse(Path(where.file).read_bytes()))
    for found in statements:
        match found:
            case ast.Assert(test=ast.Compare(left=left, ops=[sign], comparators=[right])) if (
                found.lineno <= where.line <= (found.end_lineno or 0) and _is_pure(left) and _is_pure(right)
            ):
                names = {**vars(builtins), **frame.f_globals, **frame.f_locals}
                values = [repr(eval(ast.unparse(side), names)) for side in (left, right)]  # its own code
                return ast.unparse(ast.Compare(ast.Name(values[0]), [sign], [ast.Name(values[1])]))
    return ""


def _is_pure(side: ast.expr) -> bool:
    return all(
        isinstance(each.func, ast.Name) and getattr(builtins, each.func.id, None) in _SAFE
        if isinstance(each, ast.Call)
        else not isinstance(each, ast.Await | ast.Yield | ast.YieldFrom | ast.NamedExpr)
        for each in ast.walk(side)
    )
