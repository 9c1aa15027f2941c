"""What a run comes to: a result for each scenario and address family, and all of them together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple

from lab.record.events import CheckMade, Recording, Where
from lab.tcp.state import State


@dataclass(frozen=True, slots=True)
class Scenario:
    """What the author of a scenario says about it."""

    id: str
    """`file.function`."""
    title: str
    """The first line of its docstring."""
    section: str
    """Where the documents describe what it shows."""
    families: tuple[int, ...]
    sysctls: Mapping[str, str]
    short: Mapping[str, str]
    """Settings on top of those, with which timers end early; left out when timers run their whole length."""
    waits: bool
    """Most of its time goes by while timers run."""
    router: bool
    file: Path
    line: int


class BrokenFile(NamedTuple):
    """A scenario file that cannot be loaded."""

    file: Path
    line: int
    why: str


class Outcome(Enum):
    """The verdicts, never mixed."""

    PASS = "pass"
    """The kernel did as documented."""
    FAIL = "fail"
    """The kernel did something else."""
    ERROR = "error"
    """The lab or the scenario could not do its part."""
    SKIP = "skip"
    """Not applicable here."""


@dataclass(slots=True)
class Result:
    """One scenario in one address family."""

    scenario: Scenario
    family: int
    outcome: Outcome
    seconds: float
    recording: Recording | None
    difference: CheckMade | None = None
    """For FAIL: the check that says what was different."""
    message: str = ""
    """For ERROR and SKIP: why."""
    where: Where | None = None
    """For ERROR: the line of the scenario."""

    @property
    def checks(self) -> int:
        """Things verified: the scenario's own checks, and each segment of the kernel against the standing rules."""
        return len(self.recording.checks) + self.recording.segments_judged if self.recording else 0

    @property
    def states(self) -> set[State]:
        """The states that the kernel was seen in."""
        return self.recording.states if self.recording else set()

    @property
    def summary(self) -> str:
        """Why it did not pass, in one sentence; "" where it did."""
        more = self.difference.difference if self.difference is not None else None
        return more.summary if more is not None else self.message

    @property
    def at(self) -> Where | None:
        """The line of the scenario where it ended early."""
        return self.difference.where if self.difference is not None else self.where

    @property
    def failed(self) -> int:
        """Checks that did not hold."""
        return sum(not check.passed for check in self.recording.checks) if self.recording else 0


@dataclass(slots=True)
class Run:
    """One call of `lab run`, finished or loaded from where it was saved. Every view is a function of this."""

    results: list[Result] = field(default_factory=list)
    broken: list[BrokenFile] = field(default_factory=list)
    """Scenario files that could not be loaded."""
    unknown: list[str] = field(default_factory=list)
    """Patterns of the command line that matched nothing."""
    environment: dict[str, Any] = field(default_factory=dict)
    """What the verdicts depend on: kernel, versions of what the lab rests on, witnesses, sysctls."""
    version: str = ""
    """Of the lab."""
    began: str = ""
    """Wall clock, ISO 8601 with an offset."""
    wall_clock_offset_ns: int = 0
    """What to add to the times of a recording to get nanoseconds since 1970."""
    seconds: float = 0.0
    full: bool = False
    """Timers ran their whole length."""
    interrupted: bool = False
    """It was stopped before all scenarios had their turn."""
