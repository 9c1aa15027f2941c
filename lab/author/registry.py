"""Registry of scenarios: the decorator, and finding and loading scenario files."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from lab.author.assertions import ScenarioLoader
from lab.author.containment import contained, is_interrupt, message_of
from lab.claims.catalogue import scenarios_folder
from lab.claims.groups import learning_order
from lab.claims.index import Selectable, named_in
from lab.record.results import BrokenFile, Scenario
from lab.record.saved.owners import why_not_as_root
from lab.record.translations import WrongTranslation, beside, phrases_in, translation_files

if TYPE_CHECKING:
    from lab.author.lab import Lab


@dataclass(frozen=True, slots=True)
class Runnable(Scenario):
    """A scenario whose file is loaded."""

    alone: bool
    """Whether it runs alone: it uses seconds of CPU time, which would delay other scenarios."""
    function: Callable[[Lab], None]
    limit: float | None = None
    """Its time limit in seconds; None for that of the run."""


class Unknown(NamedTuple):
    """A pattern that matches no scenario, and why."""

    pattern: str
    cause: Literal["no_file", "no_scenario_in_file", "no_name"]
    similar: list[str] = []  # noqa: RUF012  # never changed
    """Names that may have been meant."""


@dataclass(slots=True)
class Found:
    """Scenarios found for the patterns of a command line, those of the lab in learning order."""

    scenarios: list[Runnable] = field(default_factory=list)
    broken: list[BrokenFile] = field(default_factory=list)
    unknown: list[Unknown] = field(default_factory=list)
    """Patterns that match nothing."""


def scenario(
    *,
    section: str,
    families: Iterable[int] = (4, 6),
    sysctls: Mapping[str, str | int] | None = None,
    short: Mapping[str, str | int] | None = None,
    router: bool = False,
    alone: bool = False,
    limit: float | None = None,
) -> Callable[[Callable[[Lab], None]], Callable[[Lab], None]]:
    """Decorator that makes a function a scenario.

    `section` says where the documents describe it; `sysctls` are settings of the kernel for this scenario alone.
    A scenario that waits for timers names in `short` the settings with which they end soon ({} if none is needed):
    `lab run` uses them, `lab run --full` does not. With `router` a third namespace forwards between the two ends.
    With `alone` it runs after all others except those that wait for timers: it keeps the CPU busy for seconds.
    `limit` is its time limit in seconds, waits included; without it, that of the run.
    """
    chosen = tuple(families)
    if not chosen or not set(chosen) <= {4, 6}:
        raise ValueError(f"families must be 4, 6 or both, not {chosen}")
    if limit is not None and not limit > 0:
        raise ValueError(f"limit must be a number of seconds above 0, not {limit!r}")

    def mark(function: Callable[[Lab], None]) -> Callable[[Lab], None]:
        described = {
            "section": section,
            "families": chosen,
            "sysctls": {name: str(value) for name, value in (sysctls or {}).items()},
            "short": {name: str(value) for name, value in (short or {}).items()},
            "waits": short is not None,
            "router": router,
            "alone": alone,
            "limit": limit,
        }
        function.__scenario__ = described  # type: ignore[attr-defined]
        return function

    return mark


def find(patterns: Iterable[str] = ()) -> Found:
    """The scenarios that any of the patterns selects (all without one), or that are in the files that it names.

    What root would execute from a place that another user can write is not loaded, and is listed as broken.
    """
    wanted = list(patterns)
    found = Found()
    # All files before the first is executed: it may change the working directory.
    files = {pattern: (Path(pattern).exists(), _files_in(Path(pattern))) for pattern in wanted if is_path(pattern)}
    names = [pattern for pattern in wanted if pattern not in files]
    chosen: dict[str, Runnable] = {}
    if names or not wanted:
        known = {each.id: each for each in _load_all([(file, file) for file in lab_files()], found)}
        chosen = _selected(names, known, found) if names else known
        # A file that cannot be loaded is reported only if it may contain a requested scenario.
        found.broken = [each for each in found.broken if not names or found.unknown or _stem_named(each, names)]
    for pattern, (exists, listed) in files.items():
        broken_before = len(found.broken)
        scenarios = _load_all(listed, found)
        if not scenarios and len(found.broken) == broken_before:
            found.unknown.append(Unknown(pattern, "no_scenario_in_file" if exists else "no_file"))
        chosen.update({each.id: each for each in scenarios})
    found.scenarios = list(chosen.values())
    return found


def lab_files() -> list[Path]:
    """The files of the lab's own scenarios, in learning order."""
    return sorted(scenarios_folder().glob("*.py"), key=lambda file: learning_order(file.stem))


def _selected(names: Iterable[str], known: Mapping[str, Runnable], found: Found) -> dict[str, Runnable]:
    """The known scenarios that one of the names selects, in their order."""
    selectable = Selectable(frozenset(known), lambda: named_in(known.values()))
    selected = set()
    for name in names:
        meant = selectable.meant_by(name)
        if not meant:
            found.unknown.append(Unknown(name, "no_name", selectable.similar_to(name)))
        selected |= meant
    return {name: each for name, each in known.items() if name in selected}


def is_path(pattern: str) -> bool:
    """Whether a pattern names a file or a folder: `x.py`, `./x`, `x/`, `..`. Ids of scenarios have no slash."""
    return "/" in pattern or pattern.endswith(".py") or pattern in (".", "..")


def _files_in(path: Path) -> list[tuple[Path, Path]]:
    """The scenario files of a folder, or the file itself: each as it is named, and absolute without symbolic links."""
    files = sorted(path.glob("*.py")) if path.is_dir() else [path] if path.exists() else []
    return [(file, file.resolve()) for file in files]


def _stem_named(broken: BrokenFile, names: list[str]) -> bool:
    return any(broken.file.stem in name or name in broken.file.stem for name in names)


def _load_all(files: Iterable[tuple[Path, Path]], found: Found) -> list[Runnable]:
    scenarios: list[Runnable] = []
    for file, path in files:
        why = "" if path.parent == scenarios_folder() else why_not_as_root(path)
        if why:
            found.broken.append(BrokenFile(file, 1, f"root executes no file that another user can change: {why}"))
            continue
        try:
            with contained():
                functions = _load(path)
        except BaseException as raised:  # whatever a file does, the others still run
            if is_interrupt(raised):
                raise
            why, where = message_of(raised, path)
            of_syntax = raised.lineno if isinstance(raised, SyntaxError) else None
            found.broken.append(BrokenFile(file, of_syntax or (where.line if where else 1), why))
            continue
        if path.parent != scenarios_folder():  # the lab's own ones are tested
            found.broken += _wrong_translations(file)
        for name, function in functions.items():
            code = getattr(inspect.unwrap(function), "__code__", None)
            line = code.co_firstlineno if code is not None else 1
            wrong = _mistake(function) if code is not None else "must be a function"
            if wrong:
                found.broken.append(BrokenFile(file, line, f"the scenario {name!r} {wrong}"))
            else:
                scenarios.append(_describe(path, name, function, line))
    return scenarios


def _wrong_translations(file: Path) -> Iterator[BrokenFile]:
    for path in translation_files(file):
        try:
            phrases_in(path)
        except WrongTranslation as wrong:
            yield BrokenFile(path, 1, str(wrong))


def _load(file: Path) -> dict[str, Callable[[Lab], None]]:
    name = f"lab_scenarios_{file.stem}"
    spec = importlib.util.spec_from_file_location(name, file, loader=ScenarioLoader(name, str(file)))
    assert spec is not None  # a .py file always has both
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return {
        name: function
        for name, function in vars(module).items()
        if hasattr(function, "__scenario__") and function.__module__ == module.__name__
    }


def _mistake(function: Callable[[Lab], None]) -> str:
    """Reason why a function cannot be a scenario, in words that follow its name; "" if it can."""
    body = inspect.unwrap(function)
    if inspect.iscoroutinefunction(body) or inspect.isasyncgenfunction(body):
        return "is an `async def`, so its body would not run: make it an ordinary function"
    if inspect.isgeneratorfunction(body):
        return "is a generator, so its body would not run: it must not have a `yield`"
    try:
        inspect.signature(function).bind(None)
    except TypeError as wrong:
        return f"must take one argument, the lab ({wrong})"
    return ""


def _describe(file: Path, name: str, function: Callable[[Lab], None], line: int) -> Runnable:
    described = function.__scenario__  # type: ignore[attr-defined]  # set by @scenario
    title = (inspect.getdoc(function) or name.replace("_", " ")).partition("\n")[0]
    return Runnable(
        f"{file.stem}.{name}",
        title,
        file=file,
        line=line,
        function=function,
        translations=beside(file),
        **described,
    )
