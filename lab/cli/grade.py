"""`lab grade`: the grades of a class, from the progress files that learners have handed in."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lab.cli.exercise_files import catalogue_of, playing, runner
from lab.cli.exits import CANNOT_RUN, DIFFERS, leave, wrong_usage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lab.exercise.model import Exercise
    from lab.grading.config import Roster, Settings
    from lab.grading.grading import Grades


def grade(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILES", help="Progress files of learners, or folders that hold *.jsonl files."),
    ],
    *,
    roster_file: Annotated[
        Path | None, typer.Option("--roster", metavar="CSV", help="The learners of the class; a column has their ids.")
    ] = None,
    config_file: Annotated[
        Path | None,
        typer.Option("--config", metavar="TOML", help="Class token, deadline, weights, what costs points, columns."),
    ] = None,
    csv_file: Annotated[
        str | None, typer.Option("--csv", metavar="FILE", help="Write the grades as CSV (- is standard output).")
    ] = None,
    html_file: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write the grades as a page for a browser.")
    ] = None,
    rerun: Annotated[
        bool, typer.Option("--rerun", help="Play the predictions against this machine's kernel, and compare.")
    ] = False,
) -> None:
    """Grade a class: a row for each learner, a column for each exercise, and what has to be looked at.

    Exit code 0: nothing has to be looked at. 1: something has. 3: a file cannot be read, or the lab cannot run here.
    """
    from lab.cli.language import language
    from lab.cli.saved_runs import output, write
    from lab.grading.grading import grade as grade_all
    from lab.grading.page import page
    from lab.grading.sheet import sheet

    csv_path, html_path = output(csv_file), output(html_file)
    exercises = catalogue_of().exercises
    settings, roster = _decided(config_file, roster_file, exercises)
    found = _files(files)
    with playing() if rerun else nullcontext():
        grades = grade_all(found, exercises, settings, roster, (runner(), _runs_done()) if rerun else None)
    if csv_file != "-":
        _show(grades)
    is_written = csv_file is None or write(csv_path, sheet(grades))
    is_written &= html_file is None or write(html_path, page(grades, language()).encode("utf-8", "backslashreplace"))
    is_complete = is_written and not grades.unreadable
    leave(DIFFERS if grades.suspected else 0 if is_complete else CANNOT_RUN, at_once=True)


def _files(named: Sequence[Path]) -> list[Path]:
    from lab.cli.language import language
    from lab.grading.transcripts import TooMany, files_in
    from lab.grading.words import say

    try:
        found = files_in(named)
    except TooMany as why:
        wrong_usage(str(why))
    return found or wrong_usage(say("nothing_to_grade", language()))


def _decided(
    config: Path | None, roster: Path | None, exercises: dict[str, Exercise]
) -> tuple[Settings, Roster | None]:
    """Settings and roster; exits with 2 if they cannot be used."""
    from lab.grading.config import BadSettings, Settings, read_roster, read_settings

    try:
        settings = read_settings(config, exercises) if config is not None else Settings()
        return settings, read_roster(roster, settings) if roster is not None else None
    except BadSettings as why:
        wrong_usage(str(why))


def _runs_done() -> Callable[[int, int], None]:
    """Shows on a terminal how many runs are done."""
    from lab.cli.language import language
    from lab.grading.words import say

    def show(done: int, count: int) -> None:
        if sys.stderr.isatty():
            text = say("playing", language(), {"done": done, "count": count})
            print(f"\r{text}", end="\n" if done == count else "", file=sys.stderr, flush=True)

    return show


def _show(grades: Grades) -> None:
    """Print a line for each learner, and what has to be looked at."""
    from lab.cli.language import language
    from lab.cli.printer import screen_of
    from lab.grading.lines import lines

    for line in lines(grades, screen_of(sys.stdout, plain=False), language()):
        print(line)
    sys.stdout.flush()
