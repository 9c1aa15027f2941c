"""A learner's progress: a file of JSON lines, one for each thing that happened, in a folder of the learner.

Everything else is computed from these lines. Lines are only added, and each has a digest of itself and of those before
it, so that a change by hand is noticed when the file is graded.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
_MOST_LINES = 100_000
_DIGEST, _DIGEST_LENGTH = "digest", 32


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
    family: int = 4
    """Address family of this attempt: 4 or 6."""
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
        """Whose numbers the exercises have: the learner who was named last."""
        named = [_named(line) for line in self._lines if line["event"] == Happened.LEARNER.value]
        return named[-1] if named else Learner()

    @property
    def place(self) -> int:
        """Place of the learner among those who have worked in this folder, counted from 1."""
        return list(dict.fromkeys([*by_learner(self._lines), self.learner])).index(self.learner) + 1

    @property
    def last(self) -> str | None:
        """Name of the exercise that the learner worked on last, as a command line has it: its id, or its file."""
        named = (line.get("file", line["exercise"]) for line in reversed(self._own) if "exercise" in line)
        return next(map(str, named), None)

    @property
    def _own(self) -> list[dict[str, Any]]:
        return by_learner(self._lines).get(self.learner, [])

    def standing(self, exercise: str) -> Standing:
        """The learner's standing in an exercise. Lines that this version does not know are passed over."""
        standing = Standing()
        for line in self._own:
            if line.get("exercise") == exercise:
                standing = _after(standing, line)
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
        before = self._read()
        self._lines = [*before, sealed({"time": now, **line}, before)]
        head = {"format": FORMAT, "version": CURRENT}
        lines = (f"{json_text(line, None)}\n" for line in (head, *self._lines))
        put(self.file, (line.encode("utf-8", "backslashreplace") for line in lines))

    def _read(self) -> list[dict[str, Any]]:
        try:
            return read_lines(self.file)
        except FileNotFoundError:
            return []


def read_lines(file: Path) -> list[dict[str, Any]]:
    """The lines of a progress file, which may be hostile. Raises FileNotFoundError, and Unreadable for all else."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise
    except OSError as refused:
        raise Unreadable(file, refused.strerror or str(refused)) from None
    try:
        with os.fdopen(descriptor, "rb") as opened:
            data = opened.read(_MOST_BYTES + 1)
        return list(_parsed(data))
    except (OSError, ValueError, RecursionError) as why:
        raise Unreadable(file, f"it is not a progress file of the lab ({why})") from None


def by_learner(lines: Iterable[dict[str, Any]]) -> dict[Learner, list[dict[str, Any]]]:
    """The lines of each learner, in the order in which they came: several may use one computer."""
    found: dict[Learner, list[dict[str, Any]]] = {}
    learner = Learner()
    for line in lines:
        if line["event"] == Happened.LEARNER.value:
            learner = _named(line)
        else:
            found.setdefault(learner, []).append(line)
    return found


def _named(line: Mapping[str, Any]) -> Learner:
    return Learner(str(line.get("student", "")), str(line.get("class", "")))


def sealed(line: Mapping[str, Any], before: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The line with its digest: SHA-256 of the digest of the line before it and of its own content.

    It shows a change by hand. It is no signature: this function can be called by everybody.
    """
    content = {name: value for name, value in line.items() if name != _DIGEST}
    previous = str(before[-1].get(_DIGEST, "")) if before else ""
    text = f"{previous}\n{json.dumps(content, sort_keys=True)}"
    return {**content, _DIGEST: hashlib.sha256(text.encode()).hexdigest()[:_DIGEST_LENGTH]}


def first_altered(lines: Sequence[Mapping[str, Any]]) -> int | None:
    """Index of the first line whose digest is not that of its content and of the line before it; None if all are."""
    wrong = (at for at, line in enumerate(lines) if sealed(line, lines[max(0, at - 1) : at]) != line)
    return next(wrong, None)


def _parsed(data: bytes) -> Iterator[dict[str, Any]]:
    if len(data) > _MOST_BYTES:
        raise ValueError("it is too large")
    for number, text in enumerate(data.decode().splitlines(), 1):
        if number > _MOST_LINES:
            raise ValueError("it has too many lines")
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


def _after(standing: Standing, line: dict[str, Any]) -> Standing:
    """The standing after one more line."""
    match line["event"], line:
        case Happened.STARTED.value, {"attempt": int(attempt)}:
            status = standing.status if standing.is_done else Status.STARTED
            return Standing(
                status, attempt, standing.hints, solved_version=standing.solved_version,
                version=line.get("version", 0), family=6 if line.get("family") == 6 else 4, is_under_way=True,
            )  # fmt: skip
        case Happened.RESET.value, _:
            return Standing(attempt=standing.attempt, family=standing.family)
        case Happened.PREDICTED.value, {"question": str(question), "typed": str(typed)}:
            standing.answers[question] = typed
        case Happened.JUDGED.value, {"round": int(number), "verdicts": dict(verdicts)} if verdicts:
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
