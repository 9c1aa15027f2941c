"""Registry of scenarios: the decorator, and finding and loading scenario files."""

from __future__ import annotations

import fnmatch
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from lab.claims.catalogue import scenarios_folder
from lab.record.results import BrokenFile, Scenario

if TYPE_CHECKING:
    from lab.author.lab import Lab


@dataclass(frozen=True, slots=True)
class Runnable(Scenario):
    """A scenario whose file is loaded."""

    alone: bool
    """Whether it runs alone: it uses seconds of CPU time, which would delay other scenarios."""
    function: Callable[[Lab], None]


@dataclass(slots=True)
class Found:
    """Scenarios found for the patterns of a command line."""

    scenarios: list[Runnable] = field(default_factory=list)
    broken: list[BrokenFile] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    """Patterns that match nothing."""


def scenario(
    *,
    section: str,
    families: Iterable[int] = (4, 6),
    sysctls: Mapping[str, str | int] | None = None,
    short: Mapping[str, str | int] | None = None,
    router: bool = False,
    alone: bool = False,
) -> Callable[[Callable[[Lab], None]], Callable[[Lab], None]]:
    """Decorator that makes a function a scenario.

    `section` says where the documents describe it; `sysctls` are settings of the kernel for this scenario alone.
    A scenario that waits for timers names in `short` the settings with which they end soon ({} if none is needed):
    `lab run` uses them, `lab run --full` does not. With `router` a third namespace forwards between the two ends.
    With `alone` it runs after all others except those that wait for timers: it keeps the CPU busy for seconds.
    """
    chosen = tuple(families)
    if not chosen or not set(chosen) <= {4, 6}:
        raise ValueError(f"families must be 4, 6 or both, not {chosen}")

    def mark(function: Callable[[Lab], None]) -> Callable[[Lab], None]:
        described = {
            "section": section,
            "families": chosen,
            "sysctls": {name: str(value) for name, value in (sysctls or {}).items()},
            "short": {name: str(value) for name, value in (short or {}).items()},
            "waits": short is not None,
            "router": router,
            "alone": alone,
        }
        function.__scenario__ = described  # type: ignore[attr-defined]
        return function

    return mark


def find(patterns: Iterable[str] = ()) -> Found:
    """The scenarios that match any of the patterns (all without one): part of an id, a glob, a file or a folder."""
    wanted = list(patterns)
    found = Found()
    paths = {pattern: Path(pattern) for pattern in wanted if pattern.endswith(".py") or Path(pattern).is_dir()}
    names = [pattern for pattern in wanted if pattern not in paths]
    chosen: dict[str, Runnable] = {}
    if names or not wanted:
        known = _load_all(sorted(scenarios_folder().glob("*.py")), found)
        for name in names:
            matching = [each for each in known if matches(name, each.id)]
            if not matching:
                found.unknown.append(name)
            chosen.update({each.id: each for each in matching})
        if not wanted:
            chosen.update({each.id: each for each in known})
        # A file that cannot be loaded is reported only if it may contain a requested scenario.
        found.broken = [each for each in found.broken if not names or found.unknown or _stem_named(each, names)]
    for pattern, path in paths.items():
        if not path.exists():
            found.unknown.append(pattern)
            continue
        files = sorted(path.glob("*.py")) if path.is_dir() else [path]
        broken_before = len(found.broken)
        scenarios = _load_all(files, found)
        if not scenarios and len(found.broken) == broken_before:
            found.unknown.append(pattern)
        chosen.update({each.id: each for each in scenarios})
    found.scenarios = list(chosen.values())
    return found


def matches(pattern: str, name: str) -> bool:
    """Whether a scenario's id is meant by a pattern: a part of it, or a glob."""
    return fnmatch.fnmatchcase(name, pattern) if any(c in pattern for c in "*?[") else pattern in name


def _stem_named(broken: BrokenFile, names: list[str]) -> bool:
    return any(broken.file.stem in name or name in broken.file.stem for name in names)


def _load_all(files: Iterable[Path], found: Found) -> list[Runnable]:
    scenarios: list[Runnable] = []
    for file in files:
        try:
            scenarios += _load(file.resolve())
        except (Exception, SystemExit) as raised:  # noqa: BLE001  # whatever a file does, the others still run
            from lab.author.mistakes import described

            found.broken.append(BrokenFile(file, _line_in(file, raised), described(raised)))
    return scenarios


def _load(file: Path) -> list[Runnable]:
    name = f"lab_scenarios_{file.stem}"
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None  # a .py file always has both
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return [
        _describe(file, name, function)
        for name, function in vars(module).items()
        if hasattr(function, "__scenario__") and function.__module__ == module.__name__
    ]


def _describe(file: Path, name: str, function: Callable[[Lab], None]) -> Runnable:
    described = function.__scenario__  # type: ignore[attr-defined]  # set by @scenario
    title = (inspect.getdoc(function) or name.replace("_", " ")).partition("\n")[0]
    line = function.__code__.co_firstlineno
    return Runnable(f"{file.stem}.{name}", title, file=file, line=line, function=function, **described)


def _line_in(file: Path, raised: BaseException) -> int:
    """The line of the scenario file that raised the exception; 1 if none did."""
    if isinstance(raised, SyntaxError) and raised.lineno:
        return raised.lineno
    lines = [
        frame.lineno for frame in traceback.extract_tb(raised.__traceback__) if Path(frame.filename) == file.resolve()
    ]
    return lines[-1] if lines and lines[-1] else 1
