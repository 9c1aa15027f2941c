"""Recorder: appends checks, calls and steps to a recording, each with its line of the scenario."""

from __future__ import annotations

import contextlib
import os
from inspect import currentframe
from pathlib import Path
from time import monotonic_ns
from typing import Any, NoReturn

from lab.host.sockets import CallResult
from lab.record.events import (
    A_SOCKET,
    CallMade,
    CheckKind,
    CheckMade,
    Concluded,
    Difference,
    Executed,
    Measured,
    Recording,
    StepBegun,
)
from lab.record.expectation import Expected, Row
from lab.record.explanations import explanation
from lab.session.errors import KernelDiffers
from lab.session.readings import Readings
from lab.tcp.state import State

_OWN_FOLDERS = tuple(f"{Path(__file__).resolve().parents[1] / room}{os.sep}" for room in ("session", "crowd", "author"))
_own_code = {contextlib.__file__}
"""Source files found so far that are not a scenario; contextlib runs the end of a scenario's with-blocks."""


class Recorder:
    """Appends checks, calls and steps to a recording."""

    __slots__ = ("_append", "finished", "readings", "recording")

    def __init__(self, recording: Recording, readings: Readings) -> None:
        self.recording = recording
        self.readings = readings
        self.finished = False
        """Whether the scenario function has returned; later checks have no line of the scenario."""
        self._append = recording.events.append

    def step(self, title: str, claims: tuple[str, ...]) -> None:
        """Record the beginning of a step."""
        self._append(StepBegun(monotonic_ns(), title, claims, self._where()))

    def measured(self, claim: str, value: str) -> None:
        """Record a measured value for a claim."""
        self._append(Measured(monotonic_ns(), claim, value, self._where()))

    def concluded(self, claim: str, text: str) -> None:
        """Record a conclusion about a claim."""
        self._append(Concluded(monotonic_ns(), claim, text, self._where()))

    def call(
        self, name: str, arguments: tuple[object, ...], result: CallResult[Any], connection: int | None
    ) -> CallMade:
        """Record a system call and its result."""
        value = result.value if isinstance(result.value, int | str | bytes | None) else A_SOCKET
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
        """Record a segment that agrees with the expectation; `rows` are further comparisons."""
        self._append(self._made(True, CheckKind.SEGMENT, subject, rows, connection, frame, expected))

    def segment_differs(
        self, subject: str, expected: Expected, connection: int, frame: int, state: State | None
    ) -> NoReturn:
        """Record a segment that differs from the expectation; raises KernelDiffers."""
        check = self._made(False, CheckKind.SEGMENT, subject, (), connection, frame, expected)
        why = explanation(self.recording, check, state)
        self._fail(check, Difference("the expectation did not hold: the kernel sent a different segment", why, state))

    def check(
        self,
        subject: str,
        rows: tuple[Row, ...],
        *,
        summary: str = "",
        why: str = "",
        kind: CheckKind = CheckKind.VALUE,
        connection: int | None = None,
        frame: int | None = None,
        state: State | None = None,
    ) -> None:
        """Record a comparison. Raises KernelDiffers, with this summary, if a row does not agree."""
        if not all(row.agrees for row in rows):
            self.differs(
                subject, rows, summary=summary, why=why, kind=kind, connection=connection, frame=frame, state=state
            )
        self._append(self._made(True, kind, subject, rows, connection, frame))

    def differs(
        self,
        subject: str,
        rows: tuple[Row, ...],
        *,
        summary: str,
        why: str = "",
        kind: CheckKind = CheckKind.VALUE,
        connection: int | None = None,
        frame: int | None = None,
        state: State | None = None,
    ) -> NoReturn:
        """Record a failed comparison; raises KernelDiffers."""
        self._fail(self._made(False, kind, subject, rows, connection, frame), Difference(summary, why, state))

    def _made(
        self,
        passed: bool,
        kind: CheckKind,
        subject: str,
        rows: tuple[Row, ...],
        connection: int | None,
        frame: int | None,
        expected: Expected | None = None,
    ) -> CheckMade:
        return CheckMade(monotonic_ns(), passed, kind, subject, self._where(), connection, frame, expected, rows)

    def _fail(self, check: CheckMade, difference: Difference) -> NoReturn:
        check = check._replace(difference=difference)
        self._append(check)
        raise KernelDiffers(check)

    def _where(self) -> Executed | None:
        """The line of the scenario: the innermost one outside of the rooms `session`, `crowd` and `author`."""
        frame = None if self.finished else currentframe()
        while frame is not None:
            code = frame.f_code
            file = code.co_filename
            if file not in _own_code:
                if not file.startswith(_OWN_FOLDERS):
                    return Executed(code, frame.f_lasti)
                _own_code.add(file)
            frame = frame.f_back
        return None
