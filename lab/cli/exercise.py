"""`lab exercise`: predict what the kernel sends, run it, see and understand."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lab.cli.exercise_authors import new, verify
from lab.cli.exercise_files import catalogue_of, chosen, named, runner
from lab.cli.exits import CANNOT_RUN, DIFFERS, USAGE, leave, lent_streams, wrong_usage
from lab.cli.options import AsJson, IPv6, Lang, Language

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lab.cli.lesson import Lesson
    from lab.exercise.answers import Answers
    from lab.exercise.model import Exercise
    from lab.exercise.progress import Progress
    from lab.exercise.running import Graded
    from lab.exercise.view import View

_LEAST_WIDTH = 40
"""Of texts, in columns."""

app = typer.Typer(
    rich_markup_mode=None,
    help="Predict what the kernel sends, run it, see and understand: exercises, one question at a time.",
)

Student = Annotated[str | None, typer.Option("--student", metavar="ID", help="Your numbers derive from it.")]
Class = Annotated[
    str | None, typer.Option("--class", metavar="TOKEN", help="And from this, which the teacher hands out.")
]
Id = Annotated[str, typer.Argument(metavar="ID", help="Such as E06, or an exercise file.")]
Current = Annotated[
    str | None, typer.Argument(metavar="[ID]", help="Such as E06, or an exercise file (default: the current one).")
]


@app.callback(invoke_without_command=True)
def resume(
    context: typer.Context,
    *,
    student: Student = None,
    token: Class = None,
    language: Lang = Language.EN,
    ipv6: IPv6 = False,
) -> None:
    """Start with the first exercise, or go on where you left."""
    if context.invoked_subcommand is None:
        _work(None, student, token, language, ipv6)


@app.command()
def start(
    name: Id, *, student: Student = None, token: Class = None, language: Lang = Language.EN, ipv6: IPv6 = False
) -> None:
    """Start one exercise, or go on with it."""
    _work(name, student, token, language, ipv6)


@app.command("next")
def next_(*, language: Lang = Language.EN) -> None:
    """Name the exercise to do next."""
    from lab.exercise.catalogue import next_exercise

    lesson = _lesson(language)
    exercise = next_exercise(catalogue_of(), lesson.progress)
    if exercise is None:
        lesson.tell("all_done")
    else:
        lesson.tell("heading", id=exercise.id, title=exercise.title.of(language.value))


@app.command("list")
def list_exercises(*, language: Lang = Language.EN, as_json: AsJson = False) -> None:
    """List the exercises by track, with minutes and progress."""
    from lab.exercise.overview import as_json as overview_json
    from lab.exercise.overview import overview_lines
    from lab.report.screen import json_text

    catalogue, progress = catalogue_of(), _progress()
    if as_json:
        print(json_text(overview_json(catalogue, progress)))
    else:
        print("\n".join(overview_lines(catalogue, progress, _view(language))))


@app.command()
def check(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]...", help="Such as E06 (default: all that have answers).")
    ] = None,
    *,
    answers_file: Annotated[
        Path | None, typer.Option("--answers", metavar="FILE.toml", help="Answers of a file instead of your progress.")
    ] = None,
    junit_file: Annotated[
        Path | None, typer.Option("--junit", metavar="FILE", help="Write the verdicts as JUnit XML, for CI systems.")
    ] = None,
    student: Student = None,
    token: Class = None,
    language: Lang = Language.EN,
    ipv6: IPv6 = False,
) -> None:
    """Run exercises and judge the predictions made so far, or those of a file.

    Exit code 0: all are right. 1: one is wrong. 3: an exercise could not be tried, or the kernel differs.
    """
    from lab.cli.saved_runs import output, write
    from lab.exercise.answers import junit
    from lab.exercise.running import grade

    junit_path = output(junit_file)
    view = _view(language)
    answers = _answers(answers_file, chosen(names or []))
    learner = answers.learner.but(student, token)
    graded: list[Graded] = []
    for exercise, typed in answers.typed:
        own = exercise.numbers(learner, answers.attempt(exercise))
        with lent_streams():
            rounds = list(grade(runner(), exercise, typed, own, 6 if ipv6 else 4))
        print("\n".join(view.graded(exercise, rounds)), flush=True)
        graded += rounds
    if not graded:
        wrong_usage(view.say("nothing_to_check"))
    is_written = not junit_path or write(junit_path, junit(graded, view))
    is_wrong = any(each.is_wrong for each in graded)
    all_right = is_written and all(each.is_right for each in graded)
    leave(DIFFERS if is_wrong else 0 if all_right else CANNOT_RUN, at_once=True)


@app.command()
def hint(name: Current = None, *, language: Lang = Language.EN) -> None:
    """Show the next hint of an exercise."""
    lesson = _lesson(language)
    exercise = _current(name, lesson.progress)
    lesson.hint(exercise, lesson.progress.standing(exercise.id))


@app.command()
def explain(name: Current = None, *, language: Lang = Language.EN) -> None:
    """Show the answers of an exercise with their reasons, after it was run or given up."""
    lesson = _lesson(language)
    exercise = _current(name, lesson.progress)
    standing = lesson.progress.standing(exercise.id)
    if not standing.is_done and len(standing.judged) < len(exercise.rounds):
        lesson.tell("predict_first", id=exercise.id)
        leave(USAGE)
    lesson.explain(exercise, standing.attempt)


@app.command()
def skip(name: Current = None, *, language: Lang = Language.EN) -> None:
    """Skip an exercise; it comes again after the others."""
    lesson = _lesson(language)
    lesson.skip(_current(name, lesson.progress))


@app.command("give-up")
def give_up(name: Current = None, *, language: Lang = Language.EN) -> None:
    """Give an exercise up: that is recorded, and its answers are shown."""
    lesson = _lesson(language)
    lesson.give_up(_current(name, lesson.progress))


@app.command()
def reset(name: Id, *, language: Lang = Language.EN) -> None:
    """Begin an exercise again, with other numbers. Earlier attempts stay in the file."""
    from lab.exercise.progress import Happened

    lesson = _lesson(language)
    exercise = named(name)
    lesson.progress.add(Happened.RESET, exercise)
    lesson.tell("was_reset", id=exercise.id)


@app.command()
def summary(*, language: Lang = Language.EN) -> None:
    """Show what the exercises have shown so far, with your ladders and predictions."""
    lesson = _lesson(language)
    for exercise in catalogue_of().exercises.values():
        if lesson.progress.standing(exercise.id).judged:
            lesson.summarize(exercise)


app.command()(new)
app.command()(verify)


def _work(name: str | None, student: str | None, token: str | None, language: Language, ipv6: bool) -> None:
    from lab.cli.lesson import End, prepare_terminal
    from lab.exercise.catalogue import next_exercise

    catalogue = catalogue_of()
    lesson = _lesson(language, 6 if ipv6 else 4)
    lesson.enrol(student, token)
    progress = lesson.progress
    exercise = named(name) if name is not None else next_exercise(catalogue, progress)
    prepare_terminal()
    lesson.tell("welcome", file=progress.file)
    lesson.tell("also")
    again = False
    while exercise is not None:
        end = lesson.teach(exercise, again=again)
        if end is End.STUCK:
            leave(CANNOT_RUN, at_once=True)
        following = next_exercise(catalogue, progress)
        again = lesson.ask_next(exercise, following) == "again"
        exercise = exercise if again else following
    for each in catalogue.tracks[0].exercises:
        lesson.summarize(catalogue.exercises[each])
    lesson.tell("all_done")
    leave(0, at_once=True)


def _answers(file: Path | None, exercises: Sequence[Exercise]) -> Answers:
    """The answers to these exercises in a file, or else in the progress; exits with 2 if they cannot be read."""
    from lab.exercise.answers import BadAnswers, of_progress, read

    if file is None:
        return of_progress(_progress(), exercises)
    try:
        return read(file, exercises)
    except BadAnswers as why:
        wrong_usage(str(why))


def _view(language: Language) -> View:
    from lab.cli.printer import screen_of
    from lab.exercise.view import View

    screen = screen_of(sys.stdout)
    columns = shutil.get_terminal_size((screen.width, 24)).columns
    return View(language.value, screen, width=max(_LEAST_WIDTH, min(screen.width, columns)))


def _lesson(language: Language, family: int = 4) -> Lesson:
    """A learner at this terminal; exits with 2 if the progress cannot be read."""
    from lab.cli.lesson import Lesson

    return Lesson(_view(language), _progress(), family, runner)


def _progress() -> Progress:
    from lab.exercise.progress import Progress, Unreadable

    try:
        return Progress()
    except Unreadable as why:
        wrong_usage(str(why))


def _current(name: str | None, progress: Progress) -> Exercise:
    """The named exercise, else the one that was worked on last, else the next one."""
    from lab.exercise.catalogue import next_exercise

    if name is None and progress.last is not None:
        name = progress.last
    if name is not None:
        return named(name)
    found = next_exercise(catalogue_of(), progress)
    assert found is not None  # nothing was worked on, so all are new
    return found
