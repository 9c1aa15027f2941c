"""`lab exercise`: predict what the kernel sends, run it, see and understand."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import click
import typer

from lab.cli import completion
from lab.cli.exercise_authors import new, verify
from lab.cli.exercise_files import (
    catalogue_of,
    chosen,
    is_file,
    keeping_progress,
    named,
    playing,
    progress_here,
    runner,
    view_here,
)
from lab.cli.exercise_make import make
from lab.cli.exits import CANNOT_RUN, DIFFERS, INTERRUPTED, USAGE, leave, wrong_usage
from lab.cli.help import Command, Subgroup
from lab.cli.options import AsJson, Exercises, IPv6, Plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lab.cli.lesson import Lesson
    from lab.exercise.answers import Answers
    from lab.exercise.model import Exercise
    from lab.exercise.progress import Progress
    from lab.exercise.running import Graded


class _Exercises(Subgroup):
    """The commands of `lab exercise`."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command. UsageError if there is none, which says what to type for an exercise."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as unknown:
            if re.fullmatch(r"(?i)[a-z]\d+|.+\.py", args[0]):
                raise click.UsageError(
                    f"No such command {args[0]!r}. Did you mean 'start {args[0]}'?", ctx
                ) from unknown
            raise


app = typer.Typer(
    cls=_Exercises,
    rich_markup_mode=None,
    help="Predict what the kernel sends, run it, see and understand: exercises, one question at a time.",
)

Student = Annotated[str | None, typer.Option("--student", metavar="ID", help="Your numbers derive from it.")]
Class = Annotated[
    str | None,
    typer.Option("--class", metavar="TOKEN", help="Your numbers derive from this too; the teacher hands it out."),
]
Id = Annotated[
    str, typer.Argument(metavar="ID", help="Such as E06, or an exercise file.", autocompletion=completion.exercises)
]
Current = Annotated[
    str | None,
    typer.Argument(
        metavar="[ID]",
        help="Such as E06, or an exercise file (default: the current one).",
        autocompletion=completion.exercises,
    ),
]


@app.callback(invoke_without_command=True)
def resume(
    context: typer.Context,
    *,
    student: Student = None,
    token: Class = None,
    ipv6: IPv6 = False,
    plain: Plain = False,
) -> None:
    """Start with the first exercise, or go on where you left."""
    if context.invoked_subcommand is None:
        _work(None, student, token, ipv6, plain)


@app.command(cls=Command)
def start(name: Id, *, student: Student = None, token: Class = None, ipv6: IPv6 = False, plain: Plain = False) -> None:
    """Start one exercise, or go on with it."""
    _work(name, student, token, ipv6, plain)


@app.command("next", cls=Command)
def next_() -> None:
    """Name the exercise to do next."""
    from lab.exercise.catalogue import next_exercise

    lesson, catalogue = _lesson(), catalogue_of()
    exercise = next_exercise(catalogue, lesson.progress)
    if exercise is None:
        lesson.end_track(catalogue)
    else:
        lesson.head(exercise)


@app.command("list", cls=Command)
def list_exercises(*, as_json: AsJson = False) -> None:
    """List the exercises by track, with minutes and progress."""
    from lab.exercise.overview import as_json as overview_json
    from lab.exercise.overview import overview_lines
    from lab.report.screen import json_text

    catalogue, progress = catalogue_of(), progress_here()
    if as_json:
        print(json_text(overview_json(catalogue, progress)))
    else:
        print("\n".join(overview_lines(catalogue, progress, view_here())))


@app.command(cls=Command)
def check(
    names: Exercises = None,
    *,
    answers_file: Annotated[
        Path | None, typer.Option("--answers", metavar="FILE.toml", help="Answers of a file instead of your progress.")
    ] = None,
    junit_file: Annotated[
        Path | None, typer.Option("--junit", metavar="FILE", help="Write the verdicts as JUnit XML, for CI systems.")
    ] = None,
    student: Student = None,
    token: Class = None,
    ipv6: IPv6 = False,
) -> None:
    """Run exercises and judge the predictions made so far, or those of a file.

    Exit code 0: all are right. 1: one is wrong. 3: an exercise could not be tried, or the kernel differs.
    """
    from lab.cli.saved_runs import output, write
    from lab.exercise.answers import junit
    from lab.exercise.running import grade

    junit_path = output(junit_file)
    view = view_here()
    answers = _answers(answers_file, chosen(names or []))
    learner = answers.learner.but(student, token)
    graded: list[Graded] = []
    for exercise, typed in answers.typed:
        standing = answers.standing(exercise)
        own = exercise.numbers(learner, standing.attempt)
        with playing():
            rounds = list(grade(runner(), exercise, typed, own, 6 if ipv6 else standing.family))
        print("\n".join(view.graded(exercise, rounds)), flush=True)
        graded += rounds
    if not graded:
        wrong_usage(view.say("no_answers", file=answers_file) if answers_file else view.say("nothing_to_check"))
    is_written = not junit_path or write(junit_path, junit(graded, view))
    is_wrong = any(each.is_wrong for each in graded)
    all_right = is_written and all(each.is_right for each in graded)
    leave(DIFFERS if is_wrong else 0 if all_right else CANNOT_RUN, at_once=True)


@app.command(cls=Command)
def form(names: Exercises = None, *, student: Student = None, token: Class = None, ipv6: IPv6 = False) -> None:
    """Print a file for `check --answers`, with the questions as comments, to be filled in."""
    from lab.exercise.answers import form as form_of
    from lab.exercise.model import Learner

    learner = Learner().but(student, token)
    for line in form_of(chosen(names or []), learner, view_here(colours=False), 6 if ipv6 else 4):
        print(line)


@app.command(cls=Command)
def capture(
    name: Id,
    *,
    file: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write it there (default: ID.pcapng).")
    ] = None,
    student: Student = None,
    token: Class = None,
    ipv6: IPv6 = False,
) -> None:
    """Write the capture of a mystery, which Wireshark opens."""
    from lab.cli.saved_runs import output, write
    from lab.exercise.mystery import capture as blocks_of
    from lab.exercise.running import Finding, play

    exercise, lesson = named(name), _lesson(6 if ipv6 else 4)
    if not exercise.mystery:
        wrong_usage(lesson.view.say("no_mystery", id=exercise.id))
    path = output(file or Path(f"{exercise.id}.pcapng"))
    own = exercise.numbers(lesson.progress.learner.but(student, token))
    with playing():
        played = play(runner(), exercise, 0, own, 6 if ipv6 else 4)
    if played.finding is not Finding.KNOWN or played.result.recording is None:
        lesson.print(lesson.view.not_judged(played))
        leave(CANNOT_RUN, at_once=True)
    is_written = write(path, b"".join(blocks_of(played.result.recording)))
    leave(0 if is_written else CANNOT_RUN, at_once=True)


@app.command(cls=Command)
def hint(name: Current = None) -> None:
    """Show the next hint of an exercise."""
    lesson = _lesson()
    exercise = _current(name, lesson.progress)
    lesson.head(exercise)
    with keeping_progress():
        lesson.hint(exercise, lesson.progress.standing(exercise.id))


@app.command(cls=Command)
def explain(name: Current = None) -> None:
    """Show the answers of an exercise with their reasons, after it was run or given up."""
    lesson = _lesson()
    exercise = _current(name, lesson.progress)
    standing = lesson.progress.standing(exercise.id)
    if not standing.is_done and len(standing.judged) < len(exercise.rounds):
        lesson.tell("predict_first", id=exercise.id)
        leave(USAGE)
    lesson.head(exercise)
    lesson.explain(exercise)


@app.command(cls=Command)
def skip(name: Current = None) -> None:
    """Skip an exercise; it comes again after the others."""
    lesson = _lesson()
    with keeping_progress():
        lesson.skip(_current(name, lesson.progress))


@app.command("give-up", cls=Command)
def give_up(name: Current = None) -> None:
    """Give an exercise up: that is recorded, and its answers are shown."""
    lesson = _lesson()
    with keeping_progress():
        lesson.give_up(_current(name, lesson.progress))


@app.command(cls=Command)
def reset(name: Id) -> None:
    """Begin an exercise again, with other numbers. Earlier attempts stay in the file."""
    from lab.exercise.progress import Happened

    lesson = _lesson()
    exercise = named(name)
    with keeping_progress():
        lesson.progress.add(Happened.RESET, exercise)
    lesson.tell("was_reset", id=exercise.id)


@app.command(cls=Command)
def summary(*, plain: Plain = False) -> None:
    """Show what the exercises have shown so far, with your ladders and predictions."""
    lesson = _lesson(plain=plain)
    for exercise in catalogue_of().exercises.values():
        if lesson.progress.standing(exercise.id).judged:
            lesson.summarize(exercise)


def _work(name: str | None, student: str | None, token: str | None, ipv6: bool, plain: bool) -> None:
    from lab.cli.lesson import prepare_terminal

    lesson = _lesson(6 if ipv6 else None, plain=plain)
    prepare_terminal()
    try:
        with keeping_progress():
            lesson.enrol(student, token)
            _teach(lesson, name)
    except KeyboardInterrupt:
        print()
        lesson.leave(INTERRUPTED)
    leave(0, at_once=True)


def _teach(lesson: Lesson, name: str | None) -> None:
    """Teach one exercise after the other, beginning with the named one, or with the next that is to be done."""
    from lab.cli.lesson import End
    from lab.exercise.catalogue import next_exercise

    catalogue, progress = catalogue_of(), lesson.progress
    exercise = named(name) if name is not None else _left_file(progress) or next_exercise(catalogue, progress)
    is_mystery = exercise is not None and exercise.mystery
    lesson.tell("welcome_mystery" if is_mystery else "welcome", file=progress.file)
    lesson.tell("also")
    again = False
    while exercise is not None:
        if lesson.teach(exercise, again=again) is End.STUCK:
            leave(CANNOT_RUN, at_once=True)
        following = next_exercise(catalogue, progress)
        again = lesson.ask_next(exercise, following) == "again"
        exercise = exercise if again else following
    for each in catalogue.tracks[0].exercises:
        lesson.summarize(catalogue.exercises[each])
    lesson.end_track(catalogue)


def _answers(file: Path | None, exercises: Sequence[Exercise]) -> Answers:
    """The answers to these exercises in a file, or else in the progress; exits with 2 if they cannot be read."""
    from lab.exercise.answers import BadAnswers, of_progress, read

    if file is None:
        return of_progress(progress_here(), exercises)
    try:
        return read(file, exercises, catalogue_of().exercises)
    except BadAnswers as why:
        wrong_usage(str(why))


def _lesson(family: int | None = None, *, plain: bool = False) -> Lesson:
    """A learner at this terminal; exits with 2 if the progress cannot be read."""
    from lab.cli.lesson import Lesson

    return Lesson(view_here(plain=plain), progress_here(), family, runner)


def _left_file(progress: Progress) -> Exercise | None:
    """The exercise of a file, if it was worked on last and was left under way."""
    if progress.last is None or not is_file(progress.last) or not Path(progress.last).exists():
        return None
    exercise = named(progress.last)
    return exercise if progress.standing(exercise.id).is_under_way else None


def _current(name: str | None, progress: Progress) -> Exercise:
    """The named exercise, else the one that was worked on last, else the next one."""
    from lab.exercise.catalogue import next_exercise

    name = progress.last if name is None else name
    if name is not None:
        return named(name)
    found = next_exercise(catalogue_of(), progress)
    assert found is not None  # nothing was worked on, so all are new
    return found


app.command(cls=Command)(make)
app.command(cls=Command)(new)
app.command(cls=Command)(verify)
