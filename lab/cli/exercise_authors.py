"""`lab exercise verify` and `lab exercise new`, for authors."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lab.cli.exercise_files import chosen, playing, runner, view_here
from lab.cli.exits import CANNOT_RUN, DIFFERS, leave, wrong_usage
from lab.cli.options import Exercises, IPv4, IPv6, families

_MUTATIONS = {
    "frame": (
        "with FIN, or without it",
        "ack + 1",
        "seq far off",
        "with SYN, or without it",
        "no options",
        "another window",
        "a SYN's number from a clock that is the same for all, from then on",
        "late",
        "other values of options",
        "another TSecr",
        "an option more",
        "with RST, or without it",
        "never",
    ),
    "fence": ("one segment more",),
    "look": (
        "another state",
        "a timer that ends later",
        "another timer",
        "a longer receive queue",
        "a longer send queue",
    ),
    "call": ("another errno", "another value", "no errno"),
    "count": ("one more",),
    "counter": ("one more",),
    "info": ("numbers + 1", "nothing but zeros"),
    "peer": ("another state of the peer",),
    "text": ("another text",),
    "poll": ("other events",),
}
"""For each kind of reading, mutations that between them change every answer that can be read from it."""
_FIRST_MUTATION = {
    "ack": "ack + 1",
    "header": "no options",
    "options": "no options",
    "mss": "other values of options",
    "scale": "other values of options",
    "seq": "seq far off",
    "tsecr": "another TSecr",
    "time": "late",
    "window": "another window",
}
"""The mutation to try first, by the field of a segment that a question is about: runs with timers take seconds."""

_SURVEYS = 3
"""Number of surveys of an exercise's readings, if altering one of them is not noticed."""
_AT_ONCE = 16
"""Number of exercises that are verified at the same time, each over one address family; most of them mostly wait."""

if TYPE_CHECKING:
    from lab.author.runner import Runner
    from lab.exercise.model import Exercise, Learner, Question, Seen
    from lab.exercise.running import Played
    from lab.mutate.mutant import Reading
    from lab.record.events import Event


def verify(
    names: Exercises = None,
    *,
    ipv4: IPv4 = False,
    ipv6: IPv6 = False,
) -> None:
    """Prove exercises good: true answers pass, typical wrong ones fail with their reason, an altered kernel is noticed.

    Exit code 1 if one is not good.
    """
    from lab.exercise.model import Learner
    from lab.exercise.verifying import problems_of_data

    view, bad = view_here(), False
    exercises = chosen(names or [])
    of_data = {each.id: [view.translate.text(problem) for problem in problems_of_data(each)] for each in exercises}
    jobs = [
        (exercise, family)
        for exercise in sorted(exercises, key=lambda each: not each.waits)  # the others run while these wait
        for family in families(ipv4, ipv6)
        if family in exercise.families and not of_data[exercise.id]
    ]
    with playing(), _pool() as pool:
        verifying = {
            (exercise.id, family): pool.submit(
                lambda *job: list(_problems_of_runs(*job)), runner(), exercise, family, Learner("verify", "verify")
            )
            for exercise, family in jobs
        }
        for exercise in exercises:
            problems = of_data[exercise.id]
            for family in (family for family in exercise.families if (exercise.id, family) in verifying):
                found = verifying[exercise.id, family].result()
                problems += [view.say("over", family=family, problem=view.translate.text(each)) for each in found]
            verdict = view.say("not_good" if problems else "good")
            print(f"{verdict}  {exercise.id}  {exercise.title.of(view.language)}", flush=True)
            for each in problems:
                print(f"      {each}", flush=True)
            bad |= bool(problems)
    leave(DIFFERS if bad else 0, at_once=True)


@contextmanager
def _pool() -> Iterator[ThreadPoolExecutor]:
    """Threads that verify exercises. At the end of the block none begins any more, and none is waited for."""
    pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="verify")
    try:
        yield pool
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _problems_of_runs(runner: Runner, exercise: Exercise, family: int, learner: Learner) -> Iterator[str]:
    from lab.exercise.verifying import problems_of_run
    from lab.mutate.mutant import Mutant
    from lab.record.results import Outcome
    from lab.report.i18n import translator

    surveys: list[Mutant] = []

    def survey() -> Mutant:
        surveys.append(Mutant(judged=True))
        return surveys[-1]

    for number, played, problem in problems_of_run(runner, exercise, family, learner, survey):
        if problem:
            yield problem
        elif played is not None and played.result.outcome is Outcome.SKIP:
            view, result = view_here(), played.result
            why = translator(view.language, result.scenario.translations).text(result.summary)
            said = {"id": exercise.id, "family": family, "round": number + 1, "why": why}
            print(view.say("not_for_this_kernel", **said), file=sys.stderr)
        elif played is not None:
            for question in _unnoticed(runner, exercise, number, played, family, surveys[-1].readings):
                yield f"{question}: no altered reading of the kernel changes the answer"


def _unnoticed(
    runner: Runner, exercise: Exercise, number: int, played: Played, family: int, readings: list[Reading]
) -> Iterator[str]:
    """Yield the questions whose answer stays the same whatever is altered in the reading that it comes from.

    `readings` are those of the run `played`. On a busy machine a later run may have others, and the mutation then
    misses the one that is meant, so what is not noticed is tried with another survey.
    """
    from lab.exercise.running import Finding, play
    from lab.mutate.mutant import Mutant

    left = exercise.rounds[number].questions
    for _ in range(_SURVEYS - 1):
        left = tuple(each for each in left if not _is_noticed(runner, exercise, number, played, family, readings, each))
        if not left:
            return
        survey = Mutant(judged=True)
        again = play(runner, exercise, number, played.own, family, survey)
        if again.finding is Finding.KNOWN:
            played, readings = again, survey.readings
    yield from (each.id for each in left if not _is_noticed(runner, exercise, number, played, family, readings, each))


def _is_noticed(
    runner: Runner, exercise: Exercise, number: int, played: Played, family: int, readings: list[Reading],
    question: Question,
) -> bool:  # fmt: skip
    """Whether altering the reading behind the answer changes it, or the answer is about the learner's own segment."""
    from lab.exercise.mystery import Diagnosis, PacketNumber, PeerState
    from lab.exercise.readings import HowMany, OfSegment
    from lab.exercise.running import Finding, play
    from lab.mutate.mutant import Mutant, Mutation
    from lab.record.events import FrameSeen

    assert played.result.recording is not None
    truth = played.truths[question.id]
    event = played.result.recording.events[truth.event]
    of_one_segment = isinstance(question.seen, OfSegment | PacketNumber | Diagnosis | PeerState)
    if of_one_segment and isinstance(event, FrameSeen) and event.from_peer:
        return True
    counts = isinstance(question.seen, HowMany)
    fitting = "never" if counts else _FIRST_MUTATION.get(getattr(question.seen, "field", ""))
    mutations = [
        Mutation(each.kind, each.position, name)
        for each in _readings_behind(truth, event, readings)
        for name in sorted(_MUTATIONS[each.kind], key=lambda name: name != fitting)
    ]
    altered = (play(runner, exercise, number, played.own, family, Mutant(each)) for each in mutations)
    return any(each.finding is Finding.DIFFERS and _changed(question, truth, each) for each in altered)


def _readings_behind(truth: Seen, event: Event, readings: list[Reading]) -> list[Reading]:
    """The readings from which an answer can come, the most likely one first.

    The reading behind an event was made just before the event was recorded. That no segment came, or no further one, is
    proven by the fence after it.
    """
    from lab.record.events import CallMade, CheckMade, FrameSeen, StateSeen

    before = (each for each in reversed(readings) if each.after <= truth.event)
    if isinstance(event, CheckMade):
        return list(islice((each for each in before if each.kind not in ("frame", "fence")), 1))
    kind = "look" if isinstance(event, StateSeen) else "call" if isinstance(event, CallMade) else "frame"
    found = list(islice((each for each in before if each.kind == kind), 1))
    if isinstance(event, FrameSeen):
        fences = islice((each for each in readings if each.kind == "fence" and each.after > truth.event), 1)
        found = [*fences, *found] if event.from_peer else [*found, *fences]
    return found


def _changed(question: Question, truth: Seen, altered: Played) -> bool:
    seen = altered.truths.get(question.id)
    return seen is not None and seen.value != truth.value


def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the exercise; its file is NAME.py, here.")],
) -> None:
    """Write an exercise to start from, which `lab exercise verify NAME.py` accepts."""
    from lab.cli.saved_runs import write
    from lab.exercise.catalogue import template

    stem = name.removesuffix(".py")
    file = Path(f"{stem}.py")
    if not file.stem.isidentifier():
        wrong_usage(f"{name!r} cannot be the name of a file in Python: use letters, digits and _")
    if file.exists() or file.is_symlink():
        wrong_usage(f"{file} exists already")
    if not write(file.absolute(), template(file.stem).encode()):
        leave(CANNOT_RUN, at_once=True)
    print(view_here().say("made", file=file))
