"""Runs rounds of an exercise against the kernel, reads the true answers from the recording, and judges predictions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from lab.author.lab import Lab
from lab.author.registry import Runnable
from lab.author.runner import Runner
from lab.exercise.judging import Judgement, judge
from lab.exercise.model import Exercise, Numbers, Question, Seen
from lab.exercise.notation import NotUnderstood
from lab.exercise.readings import TIME
from lab.record.results import Outcome, Result
from lab.record.translations import beside
from lab.session.errors import Inconclusive
from lab.session.readings import Readings

ROUND_NAMES = ("predict", "modify")
_NOT_SEEN = "nothing of the kind"


class Finding(Enum):
    """What a run says about the kernel, before any prediction is looked at."""

    KNOWN = "as known"
    """The kernel did what it is known to do: predictions can be judged."""
    DIFFERS = "kernel differs"
    """The kernel did something else: no prediction is judged."""
    UNTRIED = "could not be tried"
    """This machine, kernel or address family cannot run it."""


class Played(NamedTuple):
    """A run of one round."""

    finding: Finding
    result: Result
    truths: dict[str, Seen]
    """True answers by the id of their question; complete if the kernel did as known."""
    own: Numbers


class Verdict(NamedTuple):
    """A prediction beside the true answer."""

    question: Question
    typed: str | None
    """None if it was not answered."""
    judgement: Judgement
    unclear: str = ""
    """Key of the text that says why the answer is not understood; "" if it is."""


class Graded(NamedTuple):
    """One round, and the verdicts of its predictions; none if they cannot be judged."""

    exercise: Exercise
    number: int
    played: Played
    verdicts: tuple[Verdict, ...]

    @property
    def is_right(self) -> bool:
        """Whether every prediction was judged, and right."""
        return self.played.finding is Finding.KNOWN and all(each.judgement.right for each in self.verdicts)

    @property
    def is_wrong(self) -> bool:
        """Whether a prediction was judged and wrong."""
        return any(not each.judgement.right for each in self.verdicts)


def play(
    runner: Runner, exercise: Exercise, number: int, own: Numbers, family: int, readings: Readings | None = None
) -> Played:
    """Run the round with this index. MachineError if this machine cannot run labs at all."""
    own = exercise.numbers_of(exercise.rounds[number], own, family)
    return assess(exercise, number, own, runner.run(runnable(exercise, number, own), family, readings))


class Job(NamedTuple):
    """One round to run, with the numbers of a learner."""

    exercise: Exercise
    number: int
    own: Numbers
    family: int


def play_all(runner: Runner, jobs: Sequence[Job]) -> Iterator[Played | None]:
    """Run rounds side by side, and yield them in their order; None for one that was not begun.

    MachineError if this machine cannot run labs at all.
    """
    own = [exercise.numbers_of(exercise.rounds[number], drawn, family) for exercise, number, drawn, family in jobs]
    scenarios = [runnable(job.exercise, job.number, each) for job, each in zip(jobs, own, strict=True)]
    results: dict[int, Result] = {}
    for family in {job.family for job in jobs}:
        wanted = [each for each, job in zip(scenarios, jobs, strict=True) if job.family == family]
        results |= {id(each.scenario): each for each in runner.run_all(wanted, [family], lambda _: False)}
    for job, numbers, scenario in zip(jobs, own, scenarios, strict=True):
        result = results.get(id(scenario))
        yield assess(job.exercise, job.number, numbers, result) if result is not None else None


def assess(exercise: Exercise, number: int, own: Numbers, result: Result) -> Played:
    """Read the true answers of a round from the result of its run, which may be a saved one."""
    truths = {}
    if result.recording is not None:
        questions = exercise.rounds[number].questions
        seen = {question.id: question.seen(result.recording) for question in questions}
        truths = {id_: each for id_, each in seen.items() if each is not None}
    finding = {Outcome.PASS: Finding.KNOWN, Outcome.FAIL: Finding.DIFFERS}.get(result.outcome, Finding.UNTRIED)
    return Played(finding, result, truths, own)


def runnable(exercise: Exercise, number: int, own: Numbers) -> Runnable:
    """The scenario of a round: that of the exercise, then a check of each answer against what the author knows."""
    round_ = exercise.rounds[number]

    def scenario(lab: Lab) -> None:
        exercise.run(lab, own)
        lab.settle()
        for question in round_.questions:
            seen = question.seen(lab.recording)
            got = question.kind.show(seen.value) if seen is not None else _NOT_SEEN
            is_time = getattr(question.seen, "field", "") == TIME
            if is_time and seen is not None and seen.value != question.known(own):
                # The scenario has checked the timer: it was late, by less than a busy machine excuses.
                raise Inconclusive("this machine is too busy: a timer of the kernel was late by another second")
            lab.verify(f"answer to {question.id}", question.kind.show(question.known(own)), got)

    code = exercise.run.__code__
    return Runnable(
        f"{exercise.id}.{ROUND_NAMES[number]}",
        exercise.title.en,
        exercise.section,
        exercise.families,
        exercise.sysctls,
        {},
        exercise.waits,
        router=exercise.router,
        file=Path(code.co_filename),
        line=code.co_firstlineno,
        alone=False,
        function=scenario,
        translations=beside(Path(code.co_filename)),
    )


def grade(runner: Runner, exercise: Exercise, typed: Mapping[str, str], own: Numbers, family: int) -> Iterator[Graded]:
    """Run each round and judge its predictions, and of the other questions those that are answered."""
    for number, round_ in enumerate(exercise.rounds):
        played = play(runner, exercise, number, own, family)
        asked = [*round_.predict, *(each for each in round_.investigate if each.id in typed)]
        verdicts = [judged(each, typed.get(each.id), played) for each in asked if played.finding is Finding.KNOWN]
        yield Graded(exercise, number, played, tuple(verdicts))


def judged(question: Question, typed: str | None, played: Played) -> Verdict:
    """The verdict on a prediction as it was typed."""
    if typed is None:
        return Verdict(question, None, Judgement(right=False))
    try:
        value = question.kind.parse(typed, played.own)
    except NotUnderstood as unclear:
        return Verdict(question, typed, Judgement(right=False), unclear.key)
    return Verdict(question, typed, judge(question, value, played.own, played.truths[question.id].value))
