"""What learners have handed in: progress files, one or more learners in each. Their content may be hostile."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from lab.exercise.model import HINTS, Learner
from lab.exercise.progress import Happened, Unreadable, by_learner, first_altered, read_lines

_MOST_FILES = 10_000
_MOST_LEARNERS = 100
"""Most learners in one file."""
_SUFFIX = ".jsonl"


class TooMany(Exception):
    """There are more files than a class can have."""


class Recorded(NamedTuple):
    """A prediction, and what the file says of it."""

    typed: str
    right: bool
    misconception: str
    kernel: str
    """The kernel's answer as the lab showed it."""


@dataclass(slots=True)
class RecordedRound:
    """The run of one round, and the verdicts of its predictions by the id of their question."""

    answers: dict[str, Recorded]
    numbers: Mapping[str, Any]
    family: int
    kernel: str
    """Release of the kernel that answered."""
    lab: str
    """Version of the lab."""


@dataclass(slots=True)
class Attempt:
    """One attempt at an exercise."""

    number: int
    version: int
    """Version of the exercise."""
    rounds: dict[int, RecordedRound] = field(default_factory=dict)
    is_finished: bool = False
    ended: datetime | None = None
    """By the clock of the learner's computer; None if the time cannot be read."""
    claims_solved: bool = False
    after_giving_up: bool = False
    predictions: dict[str, str] = field(default_factory=dict)
    """What was typed last for each question, up to now."""

    def ended_by(self, deadline: datetime) -> bool:
        """Whether it is known to have ended by then."""
        return self.ended is not None and self.ended <= deadline


@dataclass(slots=True)
class Work:
    """What a learner has done in one exercise; a reset takes nothing away."""

    attempts: list[Attempt] = field(default_factory=list)
    hints: int = 0
    gave_up: bool = False
    skipped: bool = False
    misconceptions: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Transcript:
    """The work of one learner in one file."""

    file: Path
    learner: Learner
    works: dict[str, Work] = field(default_factory=dict)
    """By the id of the exercise."""
    digests: tuple[str, ...] = ()
    """Digests of the learner's lines."""
    altered: int | None = None
    """Number of the first line of the file whose digest is wrong."""


def files_in(named: Iterable[Path]) -> list[Path]:
    """The named files, and those named `*.jsonl` in named folders and below. Symbolic links are not followed."""
    found: list[Path] = []
    for path in named:
        found += sorted(_below(path)) if path.is_dir() and not path.is_symlink() else [path]
        if len(found) > _MOST_FILES:
            raise TooMany(f"these are more than {_MOST_FILES} files")
    return list(dict.fromkeys(found))


def _below(folder: Path) -> Iterator[Path]:
    for parent, _, names in os.walk(folder):
        yield from (Path(parent, name) for name in names if name.endswith(_SUFFIX))


def read(file: Path) -> list[Transcript]:
    """The learners of a file, each with their work. Raises Unreadable.

    Work without a student's id counts as practice, if the file has a learner with one too.
    """
    try:
        lines = read_lines(file)
    except FileNotFoundError:
        raise Unreadable(file, os.strerror(2)) from None
    try:
        altered = first_altered(lines)
    except RecursionError:
        altered = 0
    by = by_learner(lines)
    named = [learner for learner in by if learner.student] or list(by)
    if not named:
        raise Unreadable(file, "it has no work of a learner")
    if len(named) > _MOST_LEARNERS:
        raise Unreadable(file, f"it has more than {_MOST_LEARNERS} learners")
    transcripts = []
    for learner in named:
        found = Transcript(file, learner, digests=tuple(_text(line.get("digest")) for line in by[learner]))
        found.altered = None if altered is None else altered + 2  # counted from 1, after the head
        for line in by[learner]:
            if isinstance(line.get("exercise"), str):
                _add(found.works.setdefault(line["exercise"], Work()), line)
        transcripts.append(found)
    return transcripts


def _add(work: Work, line: Mapping[str, Any]) -> None:
    """Add one line to the work; a line that is not understood is passed over."""
    attempt = work.attempts[-1] if work.attempts else None
    match line["event"], line:
        case Happened.STARTED.value, {"attempt": int(number), "version": int(version)}:
            work.attempts.append(Attempt(number, version, after_giving_up=work.gave_up))
            work.skipped = False
        case Happened.HINT.value, _:
            work.hints = min(work.hints + 1, HINTS + 1)  # one more is of a changed round
        case Happened.GAVE_UP.value, _:
            work.gave_up = True
        case Happened.SKIPPED.value, _:
            work.skipped = True
        case Happened.INVESTIGATED.value, {"misconception": str(misconception)}:
            work.misconceptions.add(misconception)
        case _ if attempt is not None:
            _continue(work, attempt, line)


def _continue(work: Work, attempt: Attempt, line: Mapping[str, Any]) -> None:
    """Add to the current attempt. Predictions after their verdict do not count, nor do second verdicts."""
    match line["event"], line:
        case Happened.PREDICTED.value, {"question": str(question), "typed": str(typed)}:
            attempt.predictions[question] = typed
        case Happened.JUDGED.value, {"round": int(number), "verdicts": dict(verdicts)} if verdicts:
            judged = _round(line, {id_: each for id_, each in verdicts.items() if isinstance(each, dict)}, attempt)
            attempt.rounds.setdefault(number, judged)
            work.misconceptions |= {each.misconception for each in judged.answers.values()}
        case Happened.FINISHED.value, {"solved": bool(solved)} if not attempt.is_finished:
            attempt.is_finished, attempt.claims_solved, attempt.ended = True, solved, _time(line.get("time"))


def _round(line: Mapping[str, Any], verdicts: Mapping[str, Mapping[str, Any]], attempt: Attempt) -> RecordedRound:
    environment, numbers = line.get("environment"), line.get("numbers")
    made_by = environment if isinstance(environment, dict) else {}
    return RecordedRound(
        {
            id_: Recorded(
                attempt.predictions.get(id_, ""),
                each.get("right") is True,
                _text(each.get("misconception")),
                _text(each.get("kernel")),
            )
            for id_, each in verdicts.items()
        },
        numbers if isinstance(numbers, dict) else {},
        6 if line.get("family") == 6 else 4,
        _text(made_by.get("kernel")),
        _text(made_by.get("lab")),
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _time(value: object) -> datetime | None:
    """A time with its zone; UTC without one."""
    try:
        found = datetime.fromisoformat(_text(value))
    except ValueError:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
