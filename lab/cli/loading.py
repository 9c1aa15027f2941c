"""Taking up a saved run again, and ending the command when that cannot be."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from lab.cli.exits import wrong_usage

if TYPE_CHECKING:
    from lab.record.results import Run


@contextmanager
def reading() -> Iterator[None]:
    """For whatever looks at saved runs: a part that is damaged may be noticed only when it is looked at."""
    from lab.record.saved.document import Unreadable
    from lab.record.saved.folder import NoRun

    try:
        yield
    except (NoRun, Unreadable) as why:
        wrong_usage(str(why))


def load_run(named: Path | None, families: list[int]) -> Run:
    """The run in that folder or file, the newest below `out` when none is named, with its results in these families."""
    from lab.record.saved.document import load
    from lab.record.saved.folder import find

    run = load(find(named))
    run.results = [result for result in run.results if result.family in families]
    return run


class Chosen(NamedTuple):
    """What a command line says of a saved run."""

    run: Run
    """With the results that are meant, and no others."""
    patterns: list[str]
    unknown: list[str]
    """Patterns that match nothing in it."""


def choose(words: list[str], families: list[int]) -> Chosen:
    """The run that the first of the words names, or the newest if it names none, and what matches the others."""
    named = bool(words) and (Path(words[0]).exists() or "/" in words[0] or words[0].endswith(".json"))
    run = load_run(Path(words[0]) if named else None, families)
    patterns = words[named:]
    return Chosen(run, patterns, narrow(run, patterns))


def narrow(run: Run, patterns: list[str]) -> list[str]:
    """Leave the results that match any of the patterns (all without one); the patterns that match nothing."""
    from lab.author.registry import matches

    known = [result.scenario.id for result in run.results]
    run.results = [
        result for result in run.results if not patterns or any(matches(each, result.scenario.id) for each in patterns)
    ]
    return [each for each in patterns if not any(matches(each, name) for name in known)]
