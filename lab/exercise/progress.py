"""A learner's progress: a file of JSON lines, one for each thing that happened, in a folder of the learner.

Everything else is computed from these lines: they are never changed, except by a reset, which is a line too.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Any

from lab.exercise.model import Exercise, Learner
from lab.record.saved.folder import ensure_folder, put
from lab.report.screen import json_text

FOLDER = Path("tcp-lab")
FILE = "progress.jsonl"
FORMAT = "tcp-packet-lab progress"
CURRENT = 1
_MOST_BYTES = 16_000_000


class Unreadable(Exception):
    """The progress file cannot be read; the message names it and the reason in one line."""

    def __init__(self, file: Path, why: str) -> None:
        super().__init__(f"{file}: {why}")


class Status(Enum):
    """What a learner has done with an exercise."""

    NEW = "new"
    STARTED = "started"
    WRONG = "wrong"
    """It was run, and not every prediction was right."""
    SOLVED = "solved"
    SKIPPED = "skipped"
    GIVEN_UP = "given up"


class Happened(Enum):
    """Kind of a line."""

    LEARNER = "learner"
    STARTED = "started"
    PREDICTED = "predicted"
    JUDGED = "judged"
    """A round was run; the verdicts of its predictions."""
    INVESTIGATED = "investigated"
    FINISHED = "finished"
    HINT = "hint"
    SKIPPED = "skipped"
    GAVE_UP = "gave up"
    RESET = "reset"
    MADE = "made"
    """A rung of `lab exercise make` was passed; it belongs to no exercise."""


_ENDS = {Happened.FINISHED.value, Happened.SKIPPED.value, Happened.GAVE_UP.value}
"""Lines that end an attempt."""


@dataclass(slots=True)
class Standing:
    """A learner's standing in one exercise."""

    status: Status = Status.NEW
    attempt: int = 0
    """Number of the current attempt, counted from 1; 0 before the first."""
    hints: int = 0
    """Number of hints read."""
    answers: dict[str, str] = field(default_factory=dict)
    """Predictions of this attempt as they were typed, by the id of their question."""
    investigated: set[str] = field(default_factory=set)
    """Ids of the questions about this attempt's segments that are done."""
    judged: dict[int, dict[str, Any]] = field(default_factory=dict)
    """The rounds of this attempt that were run: the verdict of each prediction by the id of its question."""
    solved_version: int | None = None
    """Version of the exercise when it was solved."""
    version: int = 0
    """Version of the exercise in this attempt."""
    learner: Learner = field(default_factory=Learner)
    """Whose numbers this attempt has; before the first attempt, whose it will have."""
    is_under_way: bool = False
    """Whether this attempt was begun and has not ended."""

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to do."""
        return self.status in (Status.SOLVED, Status.GIVEN_UP)


class Progress:
    """The progress in one folder. Each change is written at once, atomically."""

    def __init__(self, folder: Path = FOLDER) -> None:
        """Read the progress, if there is any. Raises Unreadable, also for a symbolic link."""
        self.folder = folder
        self._lines = self._read()

    @property
    def file(self) -> Path:
        """The file."""
        return self.folder / FILE

    @property
    def learner(self) -> Learner:
        """Whose numbers the exercises have."""
        enrolled = (_learner(line) for line in reversed(self._lines) if line["event"] == Happened.LEARNER.value)
        return next(enrolled, Learner())

    @property
    def last(self) -> str | None:
        """Name of the exercise that was worked on last, as a command line has it: its id, or its file."""
        named = (line.get("file", line["exercise"]) for line in reversed(self._lines) if "exercise" in line)
        return next(map(str, named), None)

    def standing(self, exercise: str) -> Standing:
        """The standing in an exercise. Lines that this version does not know are passed over."""
        standing, learner = Standing(), Learner()
        for line in self._lines:
            if line["event"] == Happened.LEARNER.value:
                learner = _learner(line)
            elif line.get("exercise") == exercise:
                standing = _after(standing, line, learner)
        if not standing.attempt:
            standing.learner = learner
        return standing

    def add(self, happened: Happened, exercise: Exercise, **more: object) -> None:
        """Add a line. Raises NotWritable if it cannot be saved, and Unreadable if the file has been damaged."""
        line = {"event": happened.value, "exercise": exercise.id, "version": exercise.version, **more}
        self._append(line if exercise.file is None else {**line, "file": str(exercise.file)})

    def enrol(self, learner: Learner) -> None:
        """Add a line that says whose numbers the exercises have from now on. Raises as `add` does."""
        self._append({"event": Happened.LEARNER.value, "student": learner.student, "class": learner.token})

    @property
    def rungs(self) -> set[str]:
        """Ids of the rungs that were passed."""
        return {str(line["rung"]) for line in self._lines if line["event"] == Happened.MADE.value and "rung" in line}

    def made(self, rung: str) -> None:
        """Add a line that says that this rung was passed. Raises as `add` does."""
        if rung not in self.rungs:
            self._append({"event": Happened.MADE.value, "rung": rung})

    def _append(self, line: dict[str, Any]) -> None:
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        ensure_folder(self.folder)
        self._lines = [*self._read(), {"time": now, **line}]
        head = {"format": FORMAT, "version": CURRENT}
        lines = (f"{json_text(line, None)}\n" for line in (head, *self._lines))
        put(self.file, (line.encode("utf-8", "backslashreplace") for line in lines))

    def _read(self) -> list[dict[str, Any]]:
        try:
            descriptor = os.open(self.file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            return []
        except OSError as refused:
            raise Unreadable(self.file, refused.strerror or str(refused)) from None
        try:
            with os.fdopen(descriptor, "rb") as file:
                data = file.read(_MOST_BYTES + 1)
            return list(_parsed(data))
        except (OSError, ValueError, RecursionError) as why:
            raise Unreadable(self.file, f"it is not a progress file of the lab ({why})") from None


def _parsed(data: bytes) -> Iterator[dict[str, Any]]:
    if len(data) > _MOST_BYTES:
        raise ValueError("it is too large")
    for number, text in enumerate(data.decode().splitlines(), 1):
        line = json.loads(text)
        if not isinstance(line, dict):
            raise ValueError(f"line {number}")  # noqa: TRY004  # of the file, not of an argument
        if number == 1:
            if line.get("format") != FORMAT or line.get("version") not in range(1, CURRENT + 1):
                raise ValueError("line 1")
        elif not isinstance(line.get("event"), str):
            raise ValueError(f"line {number}")
        else:
            yield line


def _learner(line: dict[str, Any]) -> Learner:
    return Learner(str(line.get("student", "")), str(line.get("class", "")))


def _after(standing: Standing, line: dict[str, Any], learner: Learner) -> Standing:
    """The standing after one more line, written while this learner worked."""
    match line["event"], line:
        case Happened.STARTED.value, {"attempt": int(attempt)}:
            status = standing.status if standing.is_done else Status.STARTED
            return Standing(
                status, attempt, standing.hints, solved_version=standing.solved_version,
                version=line.get("version", 0), learner=learner, is_under_way=True,
            )  # fmt: skip
        case Happened.RESET.value, _:
            return Standing(attempt=standing.attempt, learner=standing.learner)
        case Happened.PREDICTED.value, {"question": str(question), "typed": str(typed)}:
            standing.answers[question] = typed
        case Happened.JUDGED.value, {"round": int(number), "verdicts": dict(verdicts)}:
            standing.judged[number] = verdicts
        case Happened.INVESTIGATED.value, {"question": str(question), "right": True}:
            standing.investigated.add(question)
        case Happened.HINT.value, {"level": int(level)}:
            standing.hints = max(standing.hints, level)
        case _:
            standing.status = _status_after(standing.status, line)
            standing.is_under_way &= line["event"] not in _ENDS
    if line["event"] == Happened.FINISHED.value and standing.status is Status.SOLVED:
        standing.solved_version = line.get("version", 0)
    return standing


def _status_after(status: Status, line: dict[str, Any]) -> Status:
    """What an exercise is after a line that ends the work on it; what is solved remains so."""
    if status is Status.SOLVED:
        return status
    match line["event"], line:
        case Happened.FINISHED.value, {"solved": True}:
            return Status.SOLVED
        case Happened.GAVE_UP.value, _:
            return Status.GIVEN_UP
        case Happened.FINISHED.value, _ if status is not Status.GIVEN_UP:
            return Status.WRONG
        case Happened.SKIPPED.value, _ if status is not Status.GIVEN_UP:
            return Status.SKIPPED
    return status
