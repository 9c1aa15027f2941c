"""What is wrong with a transcript: seen in the file, and by playing its predictions against this machine's kernel."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import Enum
from itertools import product
from typing import NamedTuple

import lab
from lab.author.runner import Runner
from lab.exercise.model import Exercise, Learner
from lab.exercise.running import Finding, Job, Played, judged, play_all
from lab.grading.transcripts import Attempt, Recorded, RecordedRound, Transcript

_AT_ONCE = 200
"""Runs whose recordings are held in memory at a time."""


Values = tuple[tuple[str, str | int], ...]


class Kind(Enum):
    """Kind of a suspicion. A teacher decides what it means."""

    UNEARNED = "unearned verdict"
    """The file says right, and the prediction is not."""
    ALTERED = "altered record"
    """The file was changed after the lab has written it, or says of the kernel what it has not done."""
    FOREIGN_LEARNER = "foreign learner"
    FOREIGN_TOKEN = "foreign class token"  # not a password


class Suspicion(NamedTuple):
    """Something wrong with a transcript."""

    kind: Kind
    key: str
    """Key of the text in `words.toml` that says what."""
    values: Values = ()
    """Values of its placeholders, by name."""
    exercise: str = ""
    question: str = ""


class Unjudged(NamedTuple):
    """A round or an answer that cannot be judged here. That is no suspicion."""

    key: str
    values: Values
    exercise: str
    question: str = ""


class Expected(NamedTuple):
    """Whose transcripts a class can have."""

    students: Sequence[str]
    """Ids of all learners of the roster, or of the files without one."""
    has_roster: bool
    token: str | None
    """The class token; None if it is not known."""
    tokens: Sequence[str]
    """All tokens that occur."""


class Checked(NamedTuple):
    """What was found in a transcript."""

    suspicions: list[Suspicion]
    unjudged: list[Unjudged]


def _named(**values: str | int) -> Values:
    return tuple(values.items())


def is_from_elsewhere(round_: RecordedRound) -> bool:
    """Whether another kernel, or another version of the lab, has made this record."""
    return (round_.kernel, round_.lab) != (platform.release(), lab.__version__)


def check(transcript: Transcript, exercises: Mapping[str, Exercise], expected: Expected, owner: str | None) -> Checked:
    """What can be seen without a run. An attempt with foreign numbers loses its verdicts: they are another's.

    `owner` is the learner whose file it is by its path, None if that is not known.
    """
    found = list(_seen(transcript, exercises, expected, owner))
    return Checked(
        [each for each in found if isinstance(each, Suspicion)], [each for each in found if isinstance(each, Unjudged)]
    )


def _seen(
    transcript: Transcript, exercises: Mapping[str, Exercise], expected: Expected, owner: str | None
) -> Iterator[Suspicion | Unjudged]:
    if transcript.altered is not None:
        yield Suspicion(Kind.ALTERED, "line_altered", _named(line=transcript.altered))
    student, token = transcript.learner.student, transcript.learner.token
    if expected.has_roster and student not in expected.students:
        yield Suspicion(Kind.FOREIGN_LEARNER, "not_on_roster" if student else "no_id")
    elif owner not in (None, student):
        yield Suspicion(Kind.FOREIGN_LEARNER, "file_of_another", _named(owner=owner or ""))
    if expected.token not in (None, token):
        yield Suspicion(Kind.FOREIGN_TOKEN, "another_token" if token else "no_token", _named(token=token))
    is_foreign = False
    for id_, work in transcript.works.items():
        for attempt in work.attempts if id_ in exercises else ():
            for each in _check_attempt(exercises[id_], attempt, transcript.learner, expected, is_foreign=is_foreign):
                is_foreign |= isinstance(each, Suspicion) and each.kind is not Kind.UNEARNED
                yield each


def _check_attempt(
    exercise: Exercise, attempt: Attempt, learner: Learner, expected: Expected, *, is_foreign: bool
) -> Iterator[Suspicion | Unjudged]:
    """`is_foreign`: an earlier attempt has the numbers of another, which is said only once."""
    if attempt.version != exercise.version:
        if attempt.rounds:
            yield Unjudged("other_version", _named(old=attempt.version, new=exercise.version), exercise.id)
        return
    foreign = [each for number, each in attempt.rounds.items() if not _fits(exercise, attempt, number, each, learner)]
    if any(map(is_from_elsewhere, foreign)):
        yield Unjudged("other_numbers", _named(lab=foreign[0].lab or "?"), exercise.id)
    elif foreign:
        if not is_foreign:
            yield _foreign(exercise, attempt, learner, expected)
        attempt.rounds.clear()
    elif attempt.claims_solved and not is_earned(exercise, attempt):
        yield Suspicion(Kind.UNEARNED, "solved_unearned", exercise=exercise.id)


def _fits(exercise: Exercise, attempt: Attempt, number: int, round_: RecordedRound, learner: Learner) -> bool:
    """Whether the numbers of a recorded round are those of the learner. Of a round that there is not, they are not."""
    if number not in range(len(exercise.rounds)):
        return False
    change = exercise.rounds[number].change
    own = exercise.numbers(learner, attempt.number)
    return not round_.numbers or all(round_.numbers.get(name) == own[name] for name in own if name not in change)


def _foreign(exercise: Exercise, attempt: Attempt, learner: Learner, expected: Expected) -> Suspicion:
    """Say whose numbers an attempt has."""
    tokens = dict.fromkeys([learner.token, *expected.tokens, ""])
    for student, token in product(dict.fromkeys([learner.student, *expected.students, ""]), tokens):
        other = Learner(student, token)
        if all(_fits(exercise, attempt, number, each, other) for number, each in attempt.rounds.items()):
            if student == learner.student:
                return Suspicion(Kind.FOREIGN_TOKEN, "numbers_of_token", _named(token=token or "-"), exercise.id)
            return Suspicion(Kind.FOREIGN_LEARNER, "numbers_of_learner", _named(student=student or "-"), exercise.id)
    return Suspicion(Kind.FOREIGN_LEARNER, "numbers_of_nobody", exercise=exercise.id)


def is_earned(exercise: Exercise, attempt: Attempt) -> bool:
    """Whether each prediction of each round has the verdict right; for an old version what was recorded is right."""
    if attempt.version != exercise.version:
        verdicts = [each.right for round_ in attempt.rounds.values() for each in round_.answers.values()]
        return bool(verdicts) and all(verdicts)
    return all(
        number in attempt.rounds
        and question.id in attempt.rounds[number].answers
        and attempt.rounds[number].answers[question.id].right
        for number, round_ in enumerate(exercise.rounds)
        for question in round_.predict
    )


class _Replay(NamedTuple):
    """A round that is to be played again, and where what is found goes."""

    job: Job
    recorded: RecordedRound
    found: Checked


def rerun(
    attempts: Iterable[tuple[Transcript, Exercise, Attempt, Checked]],
    runner: Runner,
    meanwhile: Callable[[int, int], None],
) -> None:
    """Play the predictions of attempts against the kernel of this machine; what is found is added to their findings.

    Verdicts become those that the predictions earn here. `meanwhile` is told how many runs of how many are done.
    MachineError if this machine cannot run labs.
    """
    replays = [
        _Replay(
            Job(exercise, number, exercise.numbers(transcript.learner, attempt.number), recorded.family),
            recorded,
            found,
        )
        for transcript, exercise, attempt, found in attempts
        if attempt.version == exercise.version
        for number, recorded in attempt.rounds.items()
        if number in range(len(exercise.rounds))
    ]
    for begin in range(0, len(replays), _AT_ONCE):
        batch = replays[begin : begin + _AT_ONCE]
        for replay, played in zip(batch, play_all(runner, [each.job for each in batch]), strict=True):
            _judge(replay, played)
        meanwhile(begin + len(batch), len(replays))


def _judge(replay: _Replay, played: Played | None) -> None:
    exercise, recorded, found = replay.job.exercise, replay.recorded, replay.found
    if played is None or played.finding is not Finding.KNOWN:
        why = played.finding if played is not None else Finding.UNTRIED
        found.unjudged.append(Unjudged(f"here_{why.name.lower()}", (), exercise.id))
        return
    for question in exercise.rounds[replay.job.number].predict:
        answer = recorded.answers.get(question.id)
        if answer is None:
            continue  # is_earned() sees it
        here = question.kind.show(played.truths[question.id].value)
        if here != answer.kernel and is_from_elsewhere(recorded):
            values = _named(there=answer.kernel, kernel=recorded.kernel or "?", here=here)
            found.unjudged.append(Unjudged("other_kernel", values, exercise.id, question.id))
            continue
        if here != answer.kernel:
            values = _named(there=answer.kernel, here=here)
            found.suspicions.append(Suspicion(Kind.ALTERED, "kernel_altered", values, exercise.id, question.id))
        right = judged(question, answer.typed, played).judgement.right
        if answer.right and not right:
            found.suspicions.append(_unearned(answer, here, exercise.id, question.id))
        recorded.answers[question.id] = answer._replace(right=right)


def _unearned(answer: Recorded, here: str, exercise: str, question: str) -> Suspicion:
    values = _named(typed=answer.typed, here=here)
    return Suspicion(Kind.UNEARNED, "prediction_unearned", values, exercise, question)
