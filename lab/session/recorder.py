"""Writes the recording: where in the scenario something happened, and whether it agreed."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from time import monotonic_ns
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from lab.host.sockets import Result
from lab.record.events import (
    A_SOCKET,
    CallMade,
    CheckKind,
    CheckMade,
    Difference,
    Executed,
    Measured,
    Recording,
    StepBegun,
    Where,
)
from lab.record.expectation import Expected, Row, explanation
from lab.session.errors import KernelDiffers
from lab.tcp.state import State

if TYPE_CHECKING:
    from lab.mutate.mutant import Liar

T = TypeVar("T")
_OWN_FOLDERS = tuple(f"{Path(__file__).resolve().parents[1] / room}{os.sep}" for room in ("session", "crowd", "author"))
_own_code = {contextlib.__file__}
"""Files of these rooms seen so far, and the one whose generators end its with-blocks."""


class Journal:
    """The one that appends checks, calls and steps to a recording."""

    __slots__ = ("_append", "liar", "over", "recording")

    def __init__(self, recording: Recording, liar: Liar | None = None) -> None:
        self.recording = recording
        self.liar = liar
        self.over = False
        """The author's last line is behind us: what is verified now belongs to no line."""
        self._append = recording.events.append

    def hear(self, kind: str, value: T) -> T:
        """What the kernel has told, as the lab gets to hear it: the same, unless the lab is lied to on purpose."""
        return value if self.liar is None else self.liar.hear(kind, value)

    def patience(self, within: float) -> float:
        """How long to wait for what is on its way; a kernel that lies is not waited for as long as an honest one."""
        return within if self.liar is None else self.liar.patience(within)

    def step(self, title: str, claims: tuple[str, ...]) -> None:
        """The author begins a paragraph."""
        self._append(StepBegun(monotonic_ns(), title, claims, self._where()))

    def measured(self, claim: str, value: str) -> None:
        """The author has a value for a claim."""
        self._append(Measured(monotonic_ns(), claim, value, self._where()))

    def call(self, name: str, arguments: tuple[object, ...], result: Result[Any], connection: int | None) -> CallMade:
        """A system call returned."""
        value = result.value if isinstance(result.value, int | bytes | None) else A_SOCKET
        made = CallMade(result.began_ns, name, arguments, value, result.error, connection, self._where())
        self._append(made)
        return made

    def segment_agrees(
        self, subject: str, expected: Expected, connection: int, frame: int, rows: tuple[Row, ...] = ()
    ) -> None:
        """The segment is the expected one, and so is what else was compared of it."""
        self._append(
            CheckMade(
                monotonic_ns(),
                passed=True,
                kind=CheckKind.SEGMENT,
                subject=subject,
                where=self._where(4),
                connection=connection,
                frame=frame,
                expected=expected,
                rows=rows,
            )
        )

    def segment_differs(
        self, subject: str, expected: Expected, connection: int, frame: int, state: State | None
    ) -> NoReturn:
        """The segment is another one."""
        check = CheckMade(monotonic_ns(), False, CheckKind.SEGMENT, subject, self._where(), connection, frame, expected)
        differing = [row.field for row in self.recording.rows(check) if not row.agrees]
        why = next(filter(None, (explanation(field, expected.flags) for field in differing)), "")
        self._fail(check, Difference("the kernel sent a different segment", why, state))

    def agrees(
        self, subject: str, rows: tuple[Row, ...], connection: int | None = None, kind: CheckKind = CheckKind.VALUE
    ) -> None:
        """Something other than a segment's fields is as it should be."""
        where = self._where()
        self._append(
            CheckMade(
                monotonic_ns(), passed=True, kind=kind, subject=subject, where=where, connection=connection, rows=rows
            )
        )

    def differs(
        self,
        subject: str,
        rows: tuple[Row, ...],
        *,
        summary: str,
        why: str = "",
        connection: int | None = None,
        frame: int | None = None,
        state: State | None = None,
        kind: CheckKind = CheckKind.VALUE,
    ) -> NoReturn:
        """Something other than a segment's fields is not as it should be."""
        check = CheckMade(monotonic_ns(), False, kind, subject, self._where(), connection, frame, None, rows)
        self._fail(check, Difference(summary, why, state))

    def verify(
        self,
        subject: str,
        field: str,
        expected: object,
        got: object,
        *,
        summary: str,
        why: str = "",
        connection: int | None = None,
        state: State | None = None,
        kind: CheckKind = CheckKind.VALUE,
    ) -> None:
        """Record whether two values are equal; KernelDiffers if not."""
        row = Row(field, str(expected), str(got), expected == got)
        self.verify_row(subject, row, summary=summary, why=why, connection=connection, state=state, kind=kind)

    def verify_row(
        self,
        subject: str,
        row: Row,
        *,
        summary: str,
        why: str = "",
        connection: int | None = None,
        state: State | None = None,
        kind: CheckKind = CheckKind.VALUE,
    ) -> None:
        """Record a comparison that was made already; KernelDiffers if it does not agree."""
        if row.agrees:
            self.agrees(subject, (row,), connection, kind)
        else:
            self.differs(subject, (row,), summary=summary, why=why, connection=connection, state=state, kind=kind)

    def _fail(self, check: CheckMade, difference: Difference) -> NoReturn:
        check = check._replace(difference=difference)
        self._append(check)
        raise KernelDiffers(check)

    def _where(self, depth: int = 3) -> Where | None:
        """The innermost line outside this package: the author's. The `depth` calls on top are surely this package's."""
        if self.over:
            return None
        frame: FrameType | None = sys._getframe(depth)  # noqa: SLF001  # inspect.currentframe() is a slower door to it
        while frame is not None:
            code = frame.f_code
            file = code.co_filename
            if file not in _own_code:
                if not file.startswith(_OWN_FOLDERS):
                    return Executed(code, frame.f_lasti)
                _own_code.add(file)
            frame = frame.f_back
        return None
