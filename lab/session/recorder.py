"""Recorder: appends checks, calls and steps to a recording, with the line of the scenario that they belong to."""

from __future__ import annotations

import contextlib
import os
from inspect import currentframe
from pathlib import Path
from time import monotonic_ns
from typing import Any, NoReturn

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
)
from lab.record.expectation import Expected, Row, explanation
from lab.session.errors import KernelDiffers
from lab.session.readings import Readings
from lab.tcp.state import State

_OWN_FOLDERS = tuple(f"{Path(__file__).resolve().parents[1] / room}{os.sep}" for room in ("session", "crowd", "author"))
_own_code = {contextlib.__file__}
"""Files of these rooms seen so far, and the one whose generators end its with-blocks."""


class Recorder:
    """Appends checks, calls and steps to a recording."""

    __slots__ = ("_append", "over", "readings", "recording")

    def __init__(self, recording: Recording, readings: Readings) -> None:
        self.recording = recording
        self.readings = readings
        self.over = False
        """The scenario function has returned; later checks have no line."""
        self._append = recording.events.append

    def step(self, title: str, claims: tuple[str, ...]) -> None:
        """The author begins a paragraph."""
        self._append(StepBegun(monotonic_ns(), title, claims, self._where()))

    def measured(self, claim: str, value: str) -> None:
        """The author has a value for a claim."""
        self._append(Measured(monotonic_ns(), claim, value, self._where()))

    def call(self, name: str, arguments: tuple[object, ...], result: Result[Any], connection: int | None) -> CallMade:
        """A system call returned."""
        value = result.value if isinstance(result.value, int | bytes | None) else A_SOCKET
        made = CallMade(
            time_ns=result.began_ns,
            name=name,
            arguments=arguments,
            value=value,
            error=result.error,
            connection=connection,
            where=self._where(),
        )
        self._append(made)
        return made

    def segment_agrees(
        self, subject: str, expected: Expected, connection: int, frame: int, rows: tuple[Row, ...] = ()
    ) -> None:
        """The segment is the expected one, and so is what else was compared of it."""
        self._append(self._check(True, CheckKind.SEGMENT, subject, connection, frame, rows, expected))

    def segment_differs(
        self, subject: str, expected: Expected, connection: int, frame: int, state: State | None
    ) -> NoReturn:
        """The segment is another one; raises KernelDiffers."""
        check = self._check(False, CheckKind.SEGMENT, subject, connection, frame, (), expected)
        differing = [row.field for row in self.recording.rows(check) if not row.agrees]
        why = next(filter(None, (explanation(field, expected.flags) for field in differing)), "")
        self._fail(check, Difference("the kernel sent a different segment", why, state))

    def agrees(
        self, subject: str, rows: tuple[Row, ...], connection: int | None = None, kind: CheckKind = CheckKind.VALUE
    ) -> None:
        """Something other than a segment's fields is as it should be."""
        self._append(self._check(True, kind, subject, connection, None, rows))

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
        """Something other than a segment's fields is not as it should be; raises KernelDiffers."""
        self._fail(self._check(False, kind, subject, connection, frame, rows), Difference(summary, why, state))

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
        kind: CheckKind = CheckKind.VALUE,
    ) -> None:
        """Record whether two values are equal; KernelDiffers if not."""
        row = Row(field, str(expected), str(got), expected == got)
        self.verify_row(subject, row, summary=summary, why=why, connection=connection, kind=kind)

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

    def _check(
        self,
        passed: bool,
        kind: CheckKind,
        subject: str,
        connection: int | None,
        frame: int | None,
        rows: tuple[Row, ...],
        expected: Expected | None = None,
    ) -> CheckMade:
        return CheckMade(
            time_ns=monotonic_ns(),
            passed=passed,
            kind=kind,
            subject=subject,
            where=self._where(),
            connection=connection,
            frame=frame,
            expected=expected,
            rows=rows,
        )

    def _fail(self, check: CheckMade, difference: Difference) -> NoReturn:
        check = check._replace(difference=difference)
        self._append(check)
        raise KernelDiffers(check)

    def _where(self) -> Executed | None:
        """The innermost line outside of these rooms: the author's."""
        frame = None if self.over else currentframe()
        while frame is not None:
            code = frame.f_code
            file = code.co_filename
            if file not in _own_code:
                if not file.startswith(_OWN_FOLDERS):
                    return Executed(code, frame.f_lasti)
                _own_code.add(file)
            frame = frame.f_back
        return None
