"""Progress files as learners hand them in, made by the code that the prompt uses, without a kernel."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, cast

import pytest

import lab
from lab.author.runner import Runner
from lab.exercise.catalogue import load
from lab.exercise.model import Exercise, Learner, Seen
from lab.exercise.progress import FORMAT, Happened, Progress, sealed
from lab.exercise.running import Finding, Job, Played
from lab.grading import checking
from lab.grading.config import Roster, Settings
from lab.grading.grading import Cell, Grades, grade

KNOWN = load()
FIRST, SECOND = KNOWN.exercises["E01"], KNOWN.exercises["E07"]
ME = Learner("1", "spring")
HOSTILE = "</script><img src=x onerror=alert(1)>\x1b[2J\u202e=cmd|' /C calc'!A0"


def true_answers(exercise: Exercise, learner: Learner, attempt: int) -> dict[str, str]:
    """What the kernel is known to answer, as it is shown."""
    own = exercise.numbers(learner, attempt)
    return {
        question.id: question.kind.show(question.known(exercise.numbers_of(each, own)))
        for each in exercise.rounds
        for question in each.predict
    }


def attend(
    progress: Progress,
    exercise: Exercise,
    *,
    wrong: Iterable[str] = (),
    typed: Mapping[str, str] | None = None,
    version: int | None = None,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Add an attempt with true answers, but for those named, without a kernel."""
    attempt = progress.standing(exercise.id).attempt + 1
    answers = true_answers(exercise, progress.learner, attempt)
    own = exercise.numbers(progress.learner, attempt)
    more: dict[str, Any] = {} if version is None else {"version": version}
    progress.add(Happened.STARTED, exercise, attempt=attempt, family=4, **more)
    made_by = environment or {"lab": lab.__version__, "kernel": platform.release()}
    for number, round_ in enumerate(exercise.rounds):
        verdicts = {}
        for question in round_.predict:
            prediction = {**answers, **(typed or {})}[question.id] if question.id not in wrong else "99"
            progress.add(Happened.PREDICTED, exercise, question=question.id, typed=prediction, **more)
            right = question.id not in wrong
            misconception = "" if right else next(iter(question.wrong))
            verdicts[question.id] = {"right": right, "misconception": misconception, "kernel": answers[question.id]}
        progress.add(
            Happened.JUDGED, exercise, round=number, verdicts=verdicts, family=4, environment=made_by,
            numbers=dict(exercise.numbers_of(round_, own)), **more,
        )  # fmt: skip
    progress.add(Happened.FINISHED, exercise, attempt=attempt, solved=not set(wrong) & answers.keys(), **more)


def graded(*of: Progress, settings: Settings | None = None, roster: Roster | None = None) -> Grades:
    return grade([each.file for each in of], KNOWN.exercises, settings or Settings(), roster)


def roster_of(*students: str, **columns: str) -> Roster:
    return Roster(["student", *columns], {each: {"student": each, **columns} for each in students})


def cell(grades: Grades, exercise: Exercise = FIRST) -> Cell:
    [row] = grades.rows
    return row.cells[exercise.id]


def kinds(grades: Grades) -> list[str]:
    return [each.kind.value for row in grades.rows for each in row.suspicions]


def rewrite(progress: Progress, change: Any, *, seal: bool = True) -> None:
    """Change each line of a file, with new digests or without."""
    read_lines = [json.loads(line) for line in progress.file.read_text().splitlines()[1:]]
    kept: list[dict[str, Any]] = []
    for line in read_lines:
        kept.append(sealed(change(line), kept) if seal else change(line))
    write(progress.file, *kept)


def write(file: Path, *lines_: object) -> None:
    file.parent.mkdir(exist_ok=True)
    head = {"format": FORMAT, "version": 1}
    file.write_text("".join(f"{json.dumps(each)}\n" for each in (head, *lines_)))


class Replay:
    """Instead of a kernel: what it answers, which is as known unless it is said here."""

    def __init__(self, finding: Finding = Finding.KNOWN, **answers: object) -> None:
        self.finding, self.answers, self.jobs = finding, answers, 0

    def __call__(self, _: Runner, jobs: Iterable[Job]) -> Iterable[Played]:
        for exercise, number, drawn, _family in jobs:
            self.jobs += 1
            own = exercise.numbers_of(exercise.rounds[number], drawn)
            truths = {
                each.id: Seen(self.answers.get(each.id, each.known(own)), 0) for each in exercise.rounds[number].predict
            }
            yield Played(self.finding, cast("Any", None), truths, own)


def replayed(monkeypatch: pytest.MonkeyPatch, replay: Replay, *of: Progress) -> Grades:
    monkeypatch.setattr(checking, "play_all", replay)
    told: list[tuple[int, int]] = []
    runner = cast("Runner", None)
    grades = grade(
        [each.file for each in of], KNOWN.exercises, Settings(), None, (runner, lambda *done: told.append(done))
    )
    assert not told or told[-1] == (replay.jobs, replay.jobs)
    return grades


def called_right(line: dict[str, Any]) -> dict[str, Any]:
    verdicts = {id_: {**each, "right": True} for id_, each in line.get("verdicts", {}).items()}
    return {**line, **({"verdicts": verdicts} if verdicts else {}), **({"solved": True} if "solved" in line else {})}
