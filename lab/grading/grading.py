"""The grades of a class: a row for each learner, a cell for each exercise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from lab.author.runner import Runner
from lab.exercise.model import Exercise
from lab.exercise.progress import Status, Unreadable
from lab.grading.checking import Checked, Expected, Suspicion, Unjudged, check, is_earned, rerun
from lab.grading.config import Roster, Settings, owner_of
from lab.grading.transcripts import Attempt, Transcript, Work, read
from lab.report.misconceptions import misconceptions

_MOST_TOKENS = 100
"""Class tokens that are tried when numbers are not those of a learner."""


class Cell(NamedTuple):
    """A learner's result in one exercise."""

    status: Status
    points: float = 0.0
    attempts: int = 0
    """Up to the one that counts: the first in which the exercise was solved, else the last."""
    hints: int = 0
    gave_up: bool = False
    """Whether it was given up before."""
    late: bool = False
    right: int = 0
    """Predictions that are right in the attempt that counts."""
    predictions: int = 0


@dataclass(slots=True)
class Row:
    """A learner of the class."""

    student: str
    cells: dict[str, Cell] = field(default_factory=dict)
    """By the id of the exercise."""
    of_roster: Mapping[str, str] = field(default_factory=dict)
    files: list[Path] = field(default_factory=list)
    most: float = 0.0
    """Points that can be had."""
    suspicions: list[Suspicion] = field(default_factory=list)
    unjudged: list[Unjudged] = field(default_factory=list)
    misconceptions: set[str] = field(default_factory=set)

    @property
    def points(self) -> float:
        """Points of all exercises."""
        return round(sum(each.points for each in self.cells.values()), 2)

    @property
    def percent(self) -> float:
        """Points in percent of those that can be had."""
        return round(100 * self.points / self.most, 1) if self.most else 0.0


@dataclass(slots=True)
class Grades:
    """The grades of a class."""

    settings: Settings
    exercises: list[Exercise]
    """Those that count, in their order."""
    rows: list[Row]
    headings: list[str]
    """Columns of the roster."""
    unreadable: list[str]
    """For each file that cannot be read, its name and why."""
    is_rerun: bool = False

    @property
    def suspected(self) -> list[Row]:
        """The rows with a suspicion."""
        return [row for row in self.rows if row.suspicions]

    @property
    def misconceptions(self) -> list[tuple[str, int]]:
        """The ids of misconceptions and how many learners had them, the most frequent first."""
        return Counter(sorted(id_ for row in self.rows for id_ in row.misconceptions)).most_common()

    @property
    def unjudged(self) -> dict[Unjudged, list[str]]:
        """What cannot be judged here, each with the ids of its learners."""
        found: dict[Unjudged, list[str]] = {}
        for row in self.rows:
            for each in row.unjudged:
                found.setdefault(each, []).append(row.student)
        return found

    def name_of(self, row: Row) -> str:
        """The learner's name on the roster; "" if it has none."""
        return row.of_roster.get(self.settings.name_column, "")


def grade(
    files: Sequence[Path],
    exercises: Mapping[str, Exercise],
    settings: Settings,
    roster: Roster | None,
    rerunning: tuple[Runner, Callable[[int, int], None]] | None = None,
) -> Grades:
    """Grade the learners of these files, and those of the roster without a file.

    `rerunning`: also play the predictions, on this runner; the function is told how many runs of how many are done.
    MachineError if this machine cannot run labs.
    """
    handed_in, unreadable = _read_all(files)
    handed_in = _of_the_class(handed_in, roster, settings.token)
    by_student = {id_: Row(id_, of_roster=of_roster) for id_, of_roster in (roster.rows if roster else {}).items()}
    for each in handed_in:
        row = by_student.setdefault(each.learner.student, Row(each.learner.student))
        row.files.append(each.file)
    named = {*settings.weights, *(source.partition(".")[0] for source in settings.columns.values())}
    begun = named.union(*(each.works for each in handed_in))
    chosen = {id_: exercises[id_] for id_ in settings.exercises or (id_ for id_ in exercises if id_ in begun)}
    expected = Expected(
        list(roster.rows if roster else by_student),
        roster is not None,
        settings.token,
        list(dict.fromkeys(each.learner.token for each in handed_in))[:_MOST_TOKENS],
    )
    by_path = roster if settings.file_column else None
    owners = [owner_of(each.file, by_path, settings.file_column) if by_path else None for each in handed_in]
    found = [check(each, chosen, expected, owner) for each, owner in zip(handed_in, owners, strict=True)]
    if rerunning is not None:
        runner, meanwhile = rerunning
        rerun(_counting_attempts(handed_in, found, chosen), runner, meanwhile)
    for transcript, checked in zip(handed_in, found, strict=True):
        row = by_student[transcript.learner.student]
        row.suspicions += (each for each in checked.suspicions if each not in row.suspicions)
        row.unjudged += (each for each in checked.unjudged if each not in row.unjudged)
    for row in by_student.values():
        works = [each.works for each in handed_in if each.learner.student == row.student]
        _fill(row, works, chosen, settings)
    headings = roster.headings if roster else []
    return Grades(
        settings, list(chosen.values()), list(by_student.values()), headings, unreadable, rerunning is not None
    )


def _read_all(files: Sequence[Path]) -> tuple[list[Transcript], list[str]]:
    """The transcripts of the files. One of which another file holds all lines, and more, is left out."""
    found: list[Transcript] = []
    unreadable = []
    for file in files:
        try:
            found += read(file)
        except Unreadable as why:
            unreadable.append(str(why))
    kept: list[Transcript] = []
    for each in sorted(found, key=lambda each: -len(each.digests)):  # stable: of equal ones the first
        if not any(_holds(other, each) for other in kept):
            kept.append(each)
    return [each for each in found if any(each is other for other in kept)], unreadable


def _of_the_class(found: Sequence[Transcript], roster: Roster | None, token: str | None) -> list[Transcript]:
    """Leave out what was done under a misspelt id or class token, if the same learner or file has the right one too."""
    students = roster.rows.keys() if roster else {each.learner.student for each in found}
    files = {each.file for each in found if each.learner.student in students}
    by_id = [each for each in found if each.learner.student in students or each.file not in files]
    have_token = {each.learner.student for each in by_id if each.learner.token == token}
    return [each for each in by_id if each.learner.token == token or each.learner.student not in have_token]


def _holds(longer: Transcript, shorter: Transcript) -> bool:
    """Whether a file is a later copy of another: it begins with the same lines of the same learner."""
    is_same = (longer.learner, longer.altered) == (shorter.learner, shorter.altered)
    return is_same and all(shorter.digests) and longer.digests[: len(shorter.digests)] == shorter.digests


def _counting_attempts(
    transcripts: Sequence[Transcript], found: Sequence[Checked], exercises: Mapping[str, Exercise]
) -> Iterator[tuple[Transcript, Exercise, Attempt, Checked]]:
    for transcript, checked in zip(transcripts, found, strict=True):
        for id_, exercise in exercises.items():
            attempts = transcript.works[id_].attempts if id_ in transcript.works else []
            solved = [each for each in attempts if each.claims_solved and each.rounds]
            last = _counting(attempts, exercise)
            for attempt in solved or filter(None, [last]):
                yield transcript, exercise, attempt, checked


def _counting(attempts: Sequence[Attempt], exercise: Exercise) -> Attempt | None:
    """The attempt that counts: the first in which the exercise was solved, else the last with a verdict."""
    solved = [each for each in attempts if each.claims_solved and is_earned(exercise, each)]
    judged = [each for each in attempts if each.rounds]
    return next(iter(solved), None) or next(reversed(judged), None)


def _fill(row: Row, works: Sequence[Mapping[str, Work]], exercises: Mapping[str, Exercise], settings: Settings) -> None:
    """Compute the cells of a learner. With several files the best of each exercise counts."""
    for id_, exercise in exercises.items():
        cells = [_cell(each[id_], exercise, settings) for each in works if id_ in each]
        row.cells[id_] = max(cells, key=lambda cell: (cell.points, cell.right), default=Cell(Status.NEW))
        row.misconceptions |= {
            known for each in works if id_ in each for known in each[id_].misconceptions & misconceptions().keys()
        }
    row.most = sum(settings.weight(id_) for id_ in exercises)


def _cell(work: Work, exercise: Exercise, settings: Settings) -> Cell:
    attempt = _counting(work.attempts, exercise)
    status = Status.GIVEN_UP if work.gave_up else Status.SKIPPED if work.skipped else Status.STARTED
    if attempt is None:
        return Cell(status, attempts=len(work.attempts), hints=work.hints, gave_up=work.gave_up)
    is_solved = attempt.claims_solved and is_earned(exercise, attempt)
    verdicts = [each.right for round_ in attempt.rounds.values() for each in round_.answers.values()]
    is_late = settings.deadline is not None and attempt.is_finished and not attempt.ended_by(settings.deadline)
    attempts = work.attempts.index(attempt) + 1
    taken_off = (
        settings.cost["hint"] * work.hints
        + settings.cost["attempt"] * (attempts - 1)
        + settings.cost["give_up"] * attempt.after_giving_up
        + settings.cost["late"] * is_late
    )
    count = sum(len(each.predict) for each in exercise.rounds)
    share = 1.0 if is_solved else min(1.0, sum(verdicts) / count) if settings.partial else 0.0
    if is_solved:
        status = Status.SOLVED
    elif status is Status.STARTED and attempt.is_finished:
        status = Status.WRONG
    return Cell(
        status,
        round(settings.weight(exercise.id) * share * max(0.0, 1 - taken_off), 2),
        attempts,
        work.hints,
        attempt.after_giving_up if is_solved else work.gave_up,
        is_late,
        sum(verdicts),
        count,
    )
