"""Results of a run: one for each scenario and address family, and the run as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple

from lab.record.events import CheckMade, Recording, Where
from lab.record.translations import NONE, Translations
from lab.tcp.state import State


@dataclass(frozen=True, slots=True)
class Scenario:
    """Declaration of a scenario."""

    id: str
    """`file.function`."""
    title: str
    """The first line of its docstring."""
    section: str
    """Sections of the documents on the behaviour that the scenario shows."""
    families: tuple[int, ...]
    sysctls: Mapping[str, str]
    short: Mapping[str, str]
    """Further settings that shorten timers; not used in a run at full length."""
    waits: bool
    """It spends most of its time waiting for timers."""
    router: bool
    """A router forwards between the kernel and the peer."""
    file: Path
    line: int
    translations: Translations = field(default=NONE, kw_only=True, compare=False, repr=False)
    """The texts of its file in other languages."""


class BrokenFile(NamedTuple):
    """A scenario file that cannot be loaded."""

    file: Path
    line: int
    why: str


class Outcome(Enum):
    """Outcome of a scenario."""

    PASS = "pass"
    """The kernel behaved as documented."""
    CHANGED = "changed"
    """Under settings of `lab run --sysctl` the kernel answers differently, as it may. With the baseline it passes."""
    FAIL = "fail"
    """The kernel behaved differently."""
    ERROR = "error"
    """The lab or the scenario failed, so there is no verdict on the kernel."""
    INCONCLUSIVE = "inconclusive"
    """The machine was too slow to try, in each of several tries, so there is no verdict on the kernel."""
    SKIP = "skip"
    """Not applicable to this kernel or address family."""

    @property
    def has_verdict(self) -> bool:
        """Whether the outcome is a verdict on the kernel, or a skip."""
        return self not in (Outcome.ERROR, Outcome.INCONCLUSIVE)


@dataclass(slots=True)
class Result:
    """The result of one scenario in one address family."""

    scenario: Scenario
    family: int
    outcome: Outcome
    seconds: float
    recording: Recording | None
    difference: CheckMade | None = None
    """For FAIL and CHANGED: the failed check."""
    message: str = ""
    """For ERROR, INCONCLUSIVE and SKIP: the reason. For CHANGED: the settings."""
    where: Where | None = None
    """For ERROR: the line of the scenario."""

    @property
    def checks(self) -> int:
        """Number of checks: the scenario's own, and one for each segment against the standing rules."""
        return len(self.recording.checks) + self.recording.segments_judged if self.recording else 0

    @property
    def states(self) -> set[State]:
        """States of the kernel that were seen."""
        return self.recording.states if self.recording else set()

    @property
    def summary(self) -> str:
        """The reason in one sentence; "" for PASS."""
        more = self.difference.difference if self.difference is not None else None
        return more.summary if more is not None else self.message

    @property
    def at(self) -> Where | None:
        """The line of the scenario where it ended early."""
        return self.difference.where if self.difference is not None else self.where

    @property
    def failed(self) -> int:
        """Number of failed checks."""
        return sum(not check.passed for check in self.recording.checks) if self.recording else 0


@dataclass(slots=True)
class Run:
    """The results of one `lab run`, just finished or loaded from a file. Every view is computed from them alone."""

    results: list[Result] = field(default_factory=list)
    broken: list[BrokenFile] = field(default_factory=list)
    """Scenario files that could not be loaded."""
    unknown: list[str] = field(default_factory=list)
    """Patterns of the command line that matched no scenario."""
    environment: dict[str, Any] = field(default_factory=dict)
    """Everything that verdicts depend on: kernel, versions of dependencies, sources of states, sysctls."""
    version: str = ""
    """Version of the lab."""
    began: str = ""
    """Wall clock at the start, ISO 8601 with an offset."""
    wall_clock_offset_ns: int = 0
    """To be added to times of a recording, for nanoseconds since 1970."""
    seconds: float = 0.0
    full: bool = False
    """Timers were not shortened."""
    interrupted: bool = False
    """The run was interrupted before all scenarios had run."""
