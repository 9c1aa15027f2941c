"""Shared by the commands about exercises: the exercises that are named, the view, the progress, and the runner."""

from __future__ import annotations

import re
import shutil
import sys
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from lab.cli.exits import CANNOT_RUN, cannot_run, leave, lent_streams, wrong_usage
from lab.cli.options import command_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lab.author.runner import Runner
    from lab.exercise.catalogue import Catalogue
    from lab.exercise.model import Exercise
    from lab.exercise.progress import Progress
    from lab.exercise.view import View

_LEAST_WIDTH = 40
"""Least width of texts, in columns."""


def chosen(names: Sequence[str]) -> list[Exercise]:
    """The named exercises, or all; exits with 2 or 3 if there is no such exercise or a file is broken."""
    if not names:
        return list(catalogue_of().exercises.values())
    return [named(each) for each in names]


def catalogue_of(name: str | None = None) -> Catalogue:
    """The exercises of the lab, or of a named file. Exits with 3 if one is broken."""
    return _loaded(Path(name) if name is not None and is_file(name) else None)


@cache
def _loaded(file: Path | None) -> Catalogue:
    from lab.cli.printer import Printer
    from lab.exercise.catalogue import load

    with lent_streams():
        found = load([file] if file is not None else None)
    if found.broken:
        Printer(sys.stderr).broken(found.broken)
        leave(CANNOT_RUN, at_once=True)
    return found


def is_file(name: str) -> bool:
    """Whether a name of an exercise is that of a file."""
    return name.endswith(".py")


def named(name: str) -> Exercise:
    """The exercise of this id or in this file; exits with 2 if there is none."""
    from lab.record.nearest import did_you_mean

    if is_file(name) and not Path(name).exists():
        wrong_usage(f"there is no file {name}")
    exercises = catalogue_of(name).exercises
    found = next(iter(exercises.values())) if is_file(name) else exercises.get(_id_of(name))
    if found is None:
        known = did_you_mean(name, exercises) or "; `lab exercise list` names them"
        wrong_usage(f"there is no exercise {name!r}{known}")
    return found


def _id_of(name: str) -> str:
    """The id that is meant: "e6" is E06."""
    return re.sub(r"^([A-Z])(\d)$", r"\g<1>0\2", name.strip().upper())


def view_here(*, plain: bool = False, colours: bool = True) -> View:
    """The view on standard output, in the language of the command line."""
    from lab.cli.printer import screen_of
    from lab.exercise.view import View

    screen = screen_of(sys.stdout, plain)
    screen = screen._replace(colours=colours and screen.colours)
    columns = shutil.get_terminal_size((screen.width, 24)).columns
    return View(screen, max(_LEAST_WIDTH, min(screen.width, columns)), command_name())


def progress_here() -> Progress:
    """The progress in the working directory; exits with 2 if it cannot be read."""
    from lab.exercise.progress import Progress, Unreadable

    try:
        return Progress()
    except Unreadable as why:
        wrong_usage(str(why))


@contextmanager
def keeping_progress() -> Iterator[None]:
    """For changes of the progress: exits with 3 if it cannot be saved."""
    from lab.exercise.progress import Unreadable
    from lab.record.saved.folder import NotWritable

    try:
        yield
    except (NotWritable, Unreadable) as why:
        wrong_usage(str(why), CANNOT_RUN)


@cache
def runner() -> Runner:
    """The runner of scenarios; exits with 3 if this machine cannot run them."""
    from lab.author.runner import Runner
    from lab.host.errors import MachineError
    from lab.host.user_namespace import ensure_privileges

    try:
        ensure_privileges()
        return Runner()
    except MachineError as missing:
        cannot_run(missing.why, missing.remedy)


@contextmanager
def playing() -> Iterator[None]:
    """For runs of exercises: they get copies of the output streams. Exits with 3 if this machine cannot run them."""
    from lab.host.errors import MachineError

    try:
        with lent_streams():
            yield
    except MachineError as missing:
        cannot_run(missing.why, missing.remedy)
