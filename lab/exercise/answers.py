"""Answers of a file or of the progress, and their verdicts as JUnit XML."""

from __future__ import annotations

import shlex
import tomllib
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree as ET

from lab.exercise.model import Exercise, Learner
from lab.exercise.progress import Progress, Standing
from lab.exercise.running import Finding, Graded
from lab.exercise.view import View
from lab.record.nearest import did_you_mean
from lab.report.ci import junit_case, junit_document
from lab.report.screen import json_text


class BadAnswers(Exception):
    """The file of answers cannot be used; the message names it and the reason in one line."""


@dataclass(slots=True)
class Answers:
    """Answers as they were typed, and whose they are."""

    learner: Learner
    typed: list[tuple[Exercise, dict[str, str]]] = field(default_factory=list)
    """By id of the question."""
    standings: dict[str, Standing] = field(default_factory=dict)
    """Of the answers of a progress, by id of the exercise."""

    def standing(self, exercise: Exercise) -> Standing:
        """The attempt to which the answers to an exercise belong; the first over IPv4 for those of a file."""
        return self.standings.get(exercise.id) or Standing(attempt=1)


def read(file: Path, exercises: Sequence[Exercise], others: Collection[str] = ()) -> Answers:
    """Read a TOML file with a table for each exercise; those of the `others` are passed over.

    Raises BadAnswers, also for a misspelt name.
    """
    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as refused:
        raise BadAnswers(f"{file}: {refused.strerror}") from None
    except UnicodeDecodeError:
        raise BadAnswers(f"{file}: it is not UTF-8") from None
    except ValueError as malformed:
        raise BadAnswers(f"{file}: it is not TOML: {malformed}") from None
    answers = Answers(Learner(str(tables.pop("student", "")), str(tables.pop("class", ""))))
    known = {exercise.id: exercise for exercise in exercises}
    for id_, table in tables.items():
        if id_ in others and id_ not in known:
            continue
        if id_ not in known:
            raise BadAnswers(f"{file}: there is no exercise {id_!r}{did_you_mean(id_, known)}")
        if not isinstance(table, dict):
            raise BadAnswers(f"{file}: {id_} must be a table: [{id_}]")
        questions = {question.id for question in known[id_].questions}
        for name in table:
            if name not in questions:
                raise BadAnswers(f"{file}: {id_} has no question {name!r}{did_you_mean(name, questions)}")
        typed = {name: _text(value) for name, value in table.items()}
        answers.typed.append((known[id_], {name: text for name, text in typed.items() if text}))
    return answers


def form(exercises: Iterable[Exercise], learner: Learner, view: View, family: int) -> Iterator[str]:
    """A file for `read`, without the answers: the predictions are asked in comments."""
    yield f"student = {json_text(learner.student)}"
    yield f"class = {json_text(learner.token)}"
    for exercise in exercises:
        own = exercise.numbers(learner)
        yield from ("", f"[{exercise.id}]", f"# {exercise.title.of(view.language)}")
        for round_ in exercise.rounds:
            numbers = exercise.numbers_of(round_, own, family)
            yield ""
            yield from _comment(view.paragraph(round_.text.of(view.language).format_map(numbers)))
            if exercise.mystery:
                yield f"# {view.say('capture_of', id=exercise.id, learner=_options(learner))}"
            for question in round_.predict:
                yield from _comment(view.question(question, numbers))
                yield f'{question.id} = ""'


def _options(learner: Learner) -> str:
    named = (("--student", learner.student), ("--class", learner.token))
    return "".join(f" {option} {shlex.quote(value)}" for option, value in named if value)


def _comment(lines: Iterable[str]) -> Iterator[str]:
    return (f"# {line}" for line in lines)


def of_progress(progress: Progress, exercises: Iterable[Exercise]) -> Answers:
    """The predictions of the current attempts, of those exercises that have one."""
    answers = Answers(progress.learner)
    for exercise in exercises:
        standing = progress.standing(exercise.id)
        if standing.answers:
            answers.typed.append((exercise, standing.answers))
            answers.standings[exercise.id] = standing
    return answers


def junit(graded: Iterable[Graded], view: View) -> bytes:
    """JUnit XML: a suite for each exercise, a case for each question."""
    suites: dict[str, list[ET.Element]] = {}
    for each in graded:
        cases = suites.setdefault(each.exercise.id, [])
        file, seconds = Path(each.played.result.scenario.file), each.played.result.seconds
        for verdict in each.verdicts:
            right = verdict.judgement.right
            reason = "" if right else view.reason(verdict, each.played.own)
            kind = None if right else ("failure", verdict.judgement.misconception or "wrong")
            cases.append(
                junit_case(file, each.played.result.scenario.line, verdict.question.id, seconds, kind, reason, "")
            )
        if each.played.finding is not Finding.KNOWN:
            name, why = f"round {each.number + 1}", each.played.result.summary
            kind = ("error", each.played.finding.value)
            cases.append(junit_case(file, each.played.result.scenario.line, name, seconds, kind, why, ""))
    return junit_document("lab exercise", suites.items())


def _text(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
