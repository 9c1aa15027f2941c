"""`lab exercise make`: write a TCP endpoint that talks to the real kernel, rung by rung."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from lab.cli.completion import rungs
from lab.cli.exercise_files import keeping_progress, playing, progress_here, runner, view_here
from lab.cli.exits import CANNOT_RUN, DIFFERS, INTERRUPTED, leave, wrong_usage
from lab.cli.options import IPv6

if TYPE_CHECKING:
    from pathlib import Path

    from lab.exercise.make.checking import Checked
    from lab.exercise.make.rungs import Rung
    from lab.exercise.make.view import MakeView
    from lab.exercise.progress import Progress

_LOOK_MS, _STEP_MS = 1000, 50
"""The longest time between two looks at a watched file, and how long an editor may take to save it."""


def make(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RUNG]...", help="Such as R04 (default: the first that is not passed).", autocompletion=rungs
        ),
    ] = None,
    *,
    listed: Annotated[bool, typer.Option("--list", help="List the rungs instead.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Check again each time the file is saved.")] = False,
    ipv6: IPv6 = False,
) -> None:
    """Write a TCP endpoint, rung by rung: the real kernel is at the other end.

    The first call writes a file to begin with into tcp-lab/make, each later one checks it. Exit code 1: not passed
    yet. 3: it could not be tried.
    """
    from lab.exercise.make.view import MakeView

    view, progress = MakeView(view_here()), progress_here()
    if listed:
        print("\n".join(view.ladder(progress.rungs)))
        leave(0)
    maker = _Maker(view, progress, 6 if ipv6 else 4)
    chosen = [_named(name, view) for name in names or []] or [maker.following()]
    if watch:
        maker.watch(chosen[0])
    codes = [maker.work(rung) for rung in chosen]
    leave(DIFFERS if DIFFERS in codes else max(codes), at_once=True)


class _Maker:
    """A learner who writes an endpoint."""

    def __init__(self, view: MakeView, progress: Progress, family: int) -> None:
        self._view = view
        self._progress = progress
        self._family = family

    def following(self, rung: str = "") -> Rung:
        """The next rung after this one that is not passed, else the first one, else the last of all."""
        from lab.exercise.make.rungs import RUNGS

        left = [each for each in RUNGS.values() if each.id not in self._progress.rungs]
        return next((each for each in left if each.id > rung), left[0] if left else list(RUNGS.values())[-1])

    def work(self, rung: Rung) -> int:
        """Write the rung's file, or check it; returns the exit code."""
        self._print(self._view.task(rung))
        if self._begin(rung):
            self._tell("again")
            return 0
        return self._check(rung)

    def watch(self, rung: Rung) -> None:
        """Check the rung's file now and each time it is saved, until Ctrl-C."""
        from watchfiles import watch

        from lab.exercise.make.files import file_of

        self._print(self._view.task(rung))
        file = file_of(rung).absolute()
        new, checked = self._begin(rung), _stamp(file)
        if not new:
            self._check(rung)
        self._tell("watching", file=file_of(rung))
        with suppress(KeyboardInterrupt):
            # What was saved before the folder is watched is found by its time.
            for _ in watch(file.parent, recursive=False, yield_on_timeout=True, rust_timeout=_LOOK_MS, step=_STEP_MS):
                now = _stamp(file)
                if now is not None and now != checked:
                    checked = now
                    self._check(rung)
        leave(INTERRUPTED, at_once=True)

    def _begin(self, rung: Rung) -> bool:
        """Write the skeleton if there is no file yet; whether it was written."""
        from lab.exercise.make.files import ensure_file, file_of

        with keeping_progress():
            written = ensure_file(rung, self._view.view.language)
        self._tell("new_file" if written else "you_write", file=file_of(rung))
        return written

    def _check(self, rung: Rung) -> int:
        from lab.exercise.make.checking import check
        from lab.exercise.make.files import NotReadable, file_of, read

        file = file_of(rung)
        try:
            source = read(rung)
        except NotReadable as why:
            wrong_usage(str(why), CANNOT_RUN)
        with playing():
            checked = check(runner(), rung, file, source, self._family)
        print()
        self._print(self._view.checked(checked))
        if not checked.passed:
            return DIFFERS if checked.failure is not None else CANNOT_RUN
        self._passed(checked)
        return 0

    def _passed(self, checked: Checked) -> None:
        from lab.exercise.make.rungs import RUNGS
        from lab.exercise.make.view import texts

        with keeping_progress():
            self._progress.made(checked.rung.id)
        if set(RUNGS) <= self._progress.rungs:
            self._tell("all_passed")
        else:
            following = self.following(checked.rung.id)
            title = texts()[following.id]["title"][self._view.view.language]
            self._tell("next", id=following.id, title=title)

    def _tell(self, key: str, **values: object) -> None:
        """Print a text of `words.toml`."""
        self._print(self._view.view.paragraph(self._view.say(key, **values)))

    def _print(self, lines: Iterable[str]) -> None:
        for line in lines:
            print(line, flush=True)


def _stamp(file: Path) -> tuple[int, int] | None:
    """Time and number of a file, which change when it is saved; None while it is not there."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino


def _named(name: str, view: MakeView) -> Rung:
    from lab.exercise.make.rungs import RUNGS

    rung = RUNGS.get(name.upper())
    if rung is None:
        wrong_usage(view.say("no_rung", name=name))
    return rung
