"""Proves an exercise good: its texts, its true answers, its typical wrong ones, and that the kernel is looked at."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import product
from string import Formatter

from lab.author.runner import Runner
from lab.claims.catalogue import Text
from lab.exercise.judging import judge
from lab.exercise.model import HINTS, Exercise, Learner, Numbers, Question
from lab.exercise.notation import NotUnderstood
from lab.exercise.running import Finding, Played, play
from lab.record.results import Outcome, Result
from lab.report.misconceptions import misconceptions
from lab.session.readings import Readings

LEAST_WRONG = 3
"""Number of typical wrong answers that an exercise needs."""
_LEARNERS = [Learner(f"learner {number}", "verify") for number in range(40)]
_CHINESE, _LATIN = re.compile(r"[\u4e00-\u9fff]"), re.compile("[A-Za-z]")
_SECTION = re.compile(r"(RFC \d|[a-z_]+\(\d\))")


def problems_of_data(exercise: Exercise) -> Iterator[str]:
    """Yield what is wrong with an exercise without a run: texts, notations, wrong answers."""
    if len(exercise.hints) != HINTS:
        yield f"it has {len(exercise.hints)} hints, and needs {HINTS}"
    if exercise.minutes <= 0 or not exercise.article or not _SECTION.match(exercise.section):
        yield "it needs minutes, the section of the article, and a section of the documents"
    if len(exercise.rounds) not in (1, 2):
        yield "it needs one round, or two: the second changes one number"
    typical = sum(len(question.wrong) for each in exercise.rounds for question in each.predict)
    if typical < LEAST_WRONG:
        yield f"its predictions have {typical} typical wrong answers, and need {LEAST_WRONG}"
    ids = [question.id for question in exercise.questions]
    if len(set(ids)) != len(ids):
        yield "two of its questions have the same id"
    for where, text, own in texts_of(exercise):
        yield from (f"{where}: {why}" for why in _problems_of_text(text, own))
    # What is wrong for one learner's numbers is mostly wrong for the others' too, and for IPv6 too: once is enough.
    yield from next(filter(None, (dict.fromkeys(_problems_for(exercise, learner)) for learner in _LEARNERS)), {})


def _problems_for(exercise: Exercise, learner: Learner) -> Iterator[str]:
    own = exercise.numbers(learner)
    for each, family in product(exercise.rounds, exercise.families):
        for question in each.questions:
            yield from _problems_of_answers(question, exercise.numbers_of(each, own, family))


def problems_of_run(
    runner: Runner, exercise: Exercise, family: int, learner: Learner, readings: Callable[[], Readings] = Readings
) -> Iterator[tuple[int, Played | None, str]]:
    """Run each round. Yield its index, the run if it can be used further, and what is wrong ("" for nothing).

    `readings` makes those of each run. A round that does not apply to this kernel is not wrong.
    """
    own = exercise.numbers(learner)
    for number, round_ in enumerate(exercise.rounds):
        played = play(runner, exercise, number, own, family, readings())
        if played.result.outcome is Outcome.SKIP:
            yield number, played, ""
            continue
        if played.finding is not Finding.KNOWN:
            yield number, None, f"round {number + 1}: {played.finding.value}: {played.result.summary}"
            yield from ((number, None, difference) for difference in _differences(played.result))
            continue
        yield number, played, ""
        for question in round_.questions:
            truth = played.truths[question.id].value
            typed = question.kind.show(question.known(played.own))
            if not judge(question, question.kind.parse(typed, played.own), played.own, truth).right:
                yield number, None, f"{question.id}: the true answer {typed} is not judged right"


def _differences(result: Result) -> Iterator[str]:
    """What the failed check has expected, and what came: the author has no ladder to look at."""
    if result.difference is not None and result.recording is not None:
        for row in result.recording.rows(result.difference):
            if not row.agrees:
                yield f"{row.field}: expected {row.expected}, got {row.got}"


def texts_of(exercise: Exercise) -> Iterator[tuple[str, Text, Numbers]]:
    """Each text of an exercise, where it stands, and the numbers that it may name."""
    own = exercise.numbers(_LEARNERS[0])
    for name in ("title", "goal", "learned"):
        yield name, getattr(exercise, name), Numbers({})
    for level, hint in enumerate(exercise.hints, 1):
        yield f"hint {level}", hint, Numbers({})
    for number, each in enumerate(exercise.rounds, 1):
        numbers = exercise.numbers_of(each, own)
        yield f"round {number}", each.text, numbers
        if each.hint is not None:
            yield f"hint of round {number}", each.hint, Numbers({})
        for question in each.questions:
            yield question.id, question.text, numbers
            yield f"why of {question.id}", question.why, numbers
            for option in question.kind.options:
                yield f"option of {question.id}", option, Numbers({})


def _problems_of_text(text: Text, own: Numbers) -> Iterator[str]:
    if not _LATIN.search(text.en):
        yield "there is no English text"
    if not _CHINESE.search(text.zh) and text.zh != text.en:
        yield "there is no Chinese text"
    names = [sorted(name for _, name, _, _ in Formatter().parse(each) if name is not None) for each in text]
    if names[0] != names[1]:
        yield f"English and Chinese name other numbers: {names[0]} and {names[1]}"
    for name in {*names[0], *names[1]} - set(own):
        yield f"no number is called {name!r}"


def _problems_of_answers(question: Question, own: Numbers) -> Iterator[str]:
    known = question.known(own)
    if _retyped(question, known, own) != known:
        yield f"{question.id}: its answer {known!r} cannot be typed as it is shown"
    typical = 0
    for id_, wrong in question.wrong.items():
        value = wrong(own)
        if id_ not in misconceptions():
            yield f"{question.id}: misconceptions.toml has no {id_!r}"
        if value == known:
            continue  # for this learner's numbers it happens to be right
        if _retyped(question, value, own) != value:
            yield f"{question.id}: the wrong answer {value!r} cannot be typed as it is shown"
        found = judge(question, value, own, known).misconception
        if found != id_:
            yield f"{question.id}: the answer {value!r} is explained by {found!r} instead of {id_!r}"
        typical += 1
    if not typical:
        yield f"{question.id}: no typical wrong answer is wrong for {dict(own)}"


def _retyped(question: Question, value: object, own: Numbers) -> object:
    try:
        return question.kind.parse(question.kind.show(value), own)
    except NotUnderstood as unclear:
        return unclear
