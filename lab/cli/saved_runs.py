"""Saved runs: find, load and save them; and write other files that the command line names."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.cli.exits import CANNOT_RUN, INTERRUPTED, USAGE, leave, wrong_usage
from lab.cli.language import language
from lab.cli.messages import warn

if TYPE_CHECKING:
    from lab.author.registry import Runnable, Unknown
    from lab.cli.printer import Printer
    from lab.record.results import Run
    from lab.record.saved.folder import RunFolder


@contextmanager
def reading() -> Iterator[None]:
    """Within the block, exit with 2 for a missing or damaged run or catalogue.

    The block includes the use of what was read: damage may be found only then.
    """
    from lab.claims.catalogue import CatalogueError
    from lab.record.saved.document import Unreadable
    from lab.record.saved.folder import NoRun

    try:
        yield
    except (NoRun, Unreadable, CatalogueError) as why:
        wrong_usage(str(why))


def load_run(named: Path | None, families: list[int]) -> Run:
    """The run in that folder or file (default: the newest below `out`), with its results in these families."""
    from lab.record.saved.document import load
    from lab.record.saved.folder import find

    run = load(find(named))
    run.results = [result for result in run.results if result.family in families]
    return run


def newest_with(scenarios: Sequence[Runnable], families: list[int], *, full: bool) -> tuple[Path, Run] | None:
    """Folder and run of the newest saved run that can stand for a new run of the scenarios, with these families alone.

    It is of this kernel, by this version of the lab, with the lab's own settings, later than the files of the
    scenarios, and has a verdict of each.
    """
    import lab
    from lab.author.runner import families_of
    from lab.record.saved.document import Unreadable, load
    from lab.record.saved.folder import saved_runs

    needed = {(each.id, each.file, family) for each in scenarios for family in families_of(each, families)}
    changed = max((each.file.stat().st_mtime for each in scenarios), default=0.0)
    for file in saved_runs():
        if file.stat().st_mtime < changed:
            return None
        try:
            run = load(file)
        except Unreadable:
            continue
        made_alike = (run.version, run.environment.get("kernel"), run.full) == (
            lab.__version__,
            os.uname().release,
            full,
        )
        run.results = [each for each in run.results if each.family in families]
        tried = {
            (each.scenario.id, each.scenario.file, each.family) for each in run.results if each.outcome.has_verdict
        }
        if made_alike and needed <= tried and not run.interrupted and _has_own_settings(run):
            return file.parent, run
    return None


def _has_own_settings(run: Run) -> bool:
    """Whether the run was made without settings of `lab run --sysctl`."""
    from lab.host.sysctls import BASELINE

    result = next((each for each in run.results if each.recording is not None), None)
    if result is None or result.recording is None:
        return False
    scenario, settings = result.scenario, result.recording.sysctls
    own = {**BASELINE, **scenario.sysctls, **({} if run.full else scenario.short)}
    return all(settings[name].split() == own[name].split() for name in settings if name in own)


def named_run(arguments: Sequence[str]) -> Path | None:
    """The folder or file of a run, if the first argument names one rather than a scenario."""
    from lab.record.saved.folder import names_a_run

    return Path(arguments[0]) if arguments and names_a_run(arguments[0]) else None


def choose(arguments: list[str], families: list[int]) -> tuple[Run, list[str], list[Unknown]]:
    """The run named by the first argument (else the newest), the patterns, and those that select nothing.

    The run keeps only results that a pattern selects; all of them without a pattern.
    """
    from lab.record.saved.folder import names_of_runs

    named = named_run(arguments)
    run = load_run(named, families)
    patterns = arguments[named is not None :]
    return run, patterns, narrow(run, patterns, names_of_runs() if named is None else ())


def narrow(run: Run, patterns: list[str], runs: Sequence[str] = ()) -> list[Unknown]:
    """Remove the results that no pattern selects, if there is a pattern. Returns the patterns that select nothing.

    The first pattern may also be the misspelt name of one of these `runs`.
    """
    from lab.author.registry import Unknown
    from lab.claims.index import Selectable

    selectable = Selectable(frozenset(result.scenario.id for result in run.results), lambda: _named_in(run))
    meant = {each: selectable.meant_by(each) for each in patterns}
    run.results = [
        each for each in run.results if not patterns or any(each.scenario.id in ids for ids in meant.values())
    ]
    return [
        Unknown(each, "no_name", selectable.similar_to(each, runs if each == patterns[0] else ()))
        for each, ids in meant.items()
        if not ids
    ]


def _named_in(run: Run) -> dict[str, set[str]]:
    """By scenario id: the claims that its steps name, and the states that its checks expect."""
    from lab.record.events import CheckKind, StepBegun

    named: dict[str, set[str]] = {}
    for result in run.results:
        found = named.setdefault(result.scenario.id, set())
        if result.recording is not None:
            found.update(*(each.claims for each in result.recording.events if isinstance(each, StepBegun)))
            states = (each.rows for each in result.recording.checks if each.kind is CheckKind.STATE)
            found.update(row.expected for rows in states for row in rows)
    return named


class Outputs:
    """The files that a run is written to. Exits before anything has run if one of them cannot be written."""

    def __init__(self, json_file: str | None, junit_file: str | None, out: Path | None, *, is_saved: bool) -> None:
        if json_file == junit_file == "-":
            wrong_usage("--json - and --junit - cannot both be written to standard output")
        self.takes_stdout = "-" in (json_file, junit_file)
        """Whether a file is written to standard output, which then has nothing else."""
        self._json = (output(json_file),) if json_file else ()
        self._junit = (output(junit_file),) if junit_file else ()
        self._folder = new_folder(out) if is_saved else None
        self._is_newest = out is None

    def write(self, run: Run, printer: Printer) -> bool:
        """Write the run to its files and its folder. False, after a message, if any of that fails."""
        from lab.report.verdicts import as_json

        is_written = True
        for file in self._json:
            is_written &= write_json(file, as_json(run))
        for file in self._junit:
            from lab.report.ci import junit

            is_written &= write(file, junit(run))
        if self._folder is not None:
            is_written &= save(run, self._folder, printer, is_newest=self._is_newest)
        return is_written


def new_folder(path: Path | None) -> RunFolder:
    """The folder for a run; exits with 3 before anything has run if it cannot be made."""
    from lab.record.saved.folder import NotWritable, RunFolder

    try:
        return RunFolder(path)
    except NotWritable as why:
        warn(str(why))
        warn("name another folder: --out DIR, or save nothing: --no-out")
        leave(CANNOT_RUN, at_once=True)


def save(run: Run, folder: RunFolder, printer: Printer, *, is_newest: bool) -> bool:
    """Save the run and its captures, and print where, and what to do next.

    Returns False if saving failed; then no file is left. `is_newest`: its folder is the newest below the default one.
    """
    from lab.record.saved.document import lines_of
    from lab.record.saved.folder import RUN_FILE, NotWritable
    from lab.report.captures import captures

    if not run.results:
        return True
    try:
        with folder:
            for name, blocks in captures(run, language()):
                folder.write(name, blocks)
            folder.write(RUN_FILE, (line.encode() for line in lines_of(run)))
    except NotWritable as why:
        warn(f"the run is not saved: {why}")
        return False
    except KeyboardInterrupt:
        warn("interrupted; the run is not saved")
        leave(INTERRUPTED, at_once=True)
    printer.next_steps(run, folder.named, is_newest=is_newest)
    return True


def output(named: Path | str | None, code: int = USAGE) -> Path | None:
    """The absolute path of a file to be written later. Exits before anything has run if it cannot be written.

    None without a file: nothing is to be written, or it goes to standard output (`-`).
    """
    from lab.record.saved.folder import NotWritable, ensure_writable

    try:
        return None if named in (None, "-") else ensure_writable(Path(named))
    except NotWritable as why:
        wrong_usage(str(why), code)


def write_json(file: Path | None, value: Any, indent: int = 2) -> bool:
    """Write a value as JSON to a file, or to standard output without one. False, after a message, if that fails."""
    from lab.report.screen import json_text

    return write(file, f"{json_text(value, indent)}\n".encode("utf-8", "backslashreplace"))


def write(file: Path | None, data: bytes) -> bool:
    """Write a file that the command line names, or to standard output. False, after a message, if that fails."""
    from lab.record.saved.folder import NotWritable, put

    try:
        if file is not None:
            put(file, [data])
        else:
            sys.stdout.flush()
            sys.stdout.buffer.write(data)
            sys.stdout.flush()
    except BrokenPipeError:
        raise
    except NotWritable as why:
        warn(str(why))
        return False
    except OSError as refused:
        warn(f"cannot write to standard output: {refused.strerror}")
        return False
    return True
