"""The recording of a scenario: its events on one clock, as data. Every view is a function of it.

Times are nanoseconds of CLOCK_MONOTONIC. Events are in the order in which the lab received them; a state change that
the kernel reports later has the earlier time at which it happened.
"""

from __future__ import annotations

import linecache
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from itertools import pairwise
from types import CodeType
from typing import NamedTuple, Protocol

from lab.record.expectation import Bases, Expected, Row, compare
from lab.record.kernel_state import KernelState
from lab.tcp.segment import Segment
from lab.tcp.sequence import Seq
from lab.tcp.state import State
from lab.wire.frames import why_no_segment


class Where(Protocol):
    """A line of a scenario file."""

    @property
    def file(self) -> str:
        """Path of the file as it was loaded."""

    @property
    def line(self) -> int:
        """Line number, counted from 1."""

    @property
    def source(self) -> str:
        """Source text of the line, "" when it is unknown."""


class Place(NamedTuple):
    """A line of a scenario file as it was when the scenario ran."""

    file: str
    line: int
    source: str


class Executed(NamedTuple):
    """A line of a scenario file as code and instruction; the line number is computed on demand, as that is slow."""

    code: CodeType
    instruction: int
    """`frame.f_lasti`."""

    @property
    def file(self) -> str:
        """Path of the file as it was loaded."""
        return self.code.co_filename

    @property
    def line(self) -> int:
        """Line number, counted from 1."""
        lines = (line for start, end, line in self.code.co_lines() if start <= self.instruction < end)
        return next(lines) or self.code.co_firstlineno

    @property
    def source(self) -> str:
        """Source text of the line, "" when the file is gone."""
        return linecache.getline(self.file, self.line).strip()


class ReprOnly(NamedTuple):
    """A value of which a recording keeps only the text: the value itself has no meaning after the run."""

    text: str

    def __repr__(self) -> str:
        return self.text


A_SOCKET = ReprOnly("a connection")
"""The value that accept() returned."""


def abbreviated(value: object) -> str:
    """The repr of a value, cut to 40 characters; of longer bytes the first eight, as strace shows them."""
    text = repr(value)
    if isinstance(value, bytes) and len(text) > 40:
        return f"{value[:8]!r}..."
    return text if len(text) <= 40 else f"{text[:37]}..."


class FrameSeen(NamedTuple):
    """A frame on the wire."""

    time_ns: int
    from_peer: bool
    data: bytes
    segment: Segment | None = None
    """None for frames without TCP: echo requests and replies, neighbour discovery, multicast."""
    connection: int | None = None
    """Index into `Recording.connections`; None outside any of them."""
    peer_state: State | None = None
    """The peer's state after the frame; None if the frame never reached the peer."""
    retransmission: bool = False
    bases: Bases = Bases(Seq(0), Seq(0))
    """Initial sequence numbers, for relative numbers."""
    lost: bool = False
    """For a frame of the peer: the wire lost it."""


class CrossingOver(NamedTuple):
    """The end of a `lab.crossing()` block: the frames that the peers sent in it are passed to the kernel."""

    time_ns: int
    frames: tuple[int, ...] = ()
    """Indices of these frames in `Recording.events`."""


class StateSeen(NamedTuple):
    """The kernel's state of a connection or listener, and the source of this information."""

    time_ns: int
    connection: int | None
    """Index into `Recording.connections`; None for a listener."""
    state: State
    witness: str
    """"inet_diag" or "tracepoint"."""
    detail: KernelState | None = None


class CallMade(NamedTuple):
    """A system call on a kernel socket."""

    time_ns: int
    """When it was made."""
    name: str
    arguments: tuple[object, ...]
    value: object
    """Return value; None for success without a value."""
    error: str
    """Name of the errno, "" for success."""
    connection: int | None
    where: Where | None

    def __str__(self) -> str:
        return f"{self.name}({', '.join(map(abbreviated, self.arguments))})"

    @property
    def result(self) -> str:
        """The result in the style of strace: a value, 0 for success without a value, or the name of an errno."""
        return self.error or ("0" if self.value is None else abbreviated(self.value))


class StepBegun(NamedTuple):
    """The beginning of a step of the scenario."""

    time_ns: int
    title: str
    claims: tuple[str, ...]
    """Ids of the claims in the catalogue that the step shows."""
    where: Where | None


class Measured(NamedTuple):
    """A value measured for a claim, as text."""

    time_ns: int
    claim: str
    value: str
    where: Where | None


class Concluded(NamedTuple):
    """A conclusion about a claim in the author's words: what a step shows if all its checks pass."""

    time_ns: int
    claim: str
    text: str
    where: Where | None


class CheckKind(Enum):
    """Kind of a check, independent of the wording of its subject."""

    SEGMENT = "segment"
    """A segment of the kernel agrees with the expected one."""
    SILENCE = "silence"
    """The kernel sent no segment where the scenario expects silence."""
    NOTHING_LEFT = "nothing left"
    """No unexpected segment of the kernel is left."""
    STATE = "state"
    TIMER = "timer"
    """Time of an event that a timer of the kernel causes."""
    CALL = "call"
    """Result of a system call."""
    RULE = "rule"
    """A broken standing rule."""
    DEVIATION = "deviation"
    """A standing rule that Linux is documented to break."""
    VALUE = "value"
    """Comparison of two other values."""


class CheckMade(NamedTuple):
    """A check: the compared fields as rows. The failure message is printed from the same rows."""

    time_ns: int
    passed: bool
    kind: CheckKind
    subject: str
    """Subject in words: `SA`, `state of the connection`, `silence`."""
    where: Where | None
    connection: int | None = None
    frame: int | None = None
    """Index into `Recording.events` of the checked frame."""
    expected: Expected | None = None
    """For a segment: the expected fields."""
    rows: tuple[Row, ...] = ()
    """Other comparisons. `Recording.rows` returns both."""
    difference: Difference | None = None
    """Explanation of a failed check."""


class Difference(NamedTuple):
    """Explanation of a failed check."""

    summary: str
    """The difference, in one sentence."""
    why: str
    """The rule of the documents with its section; "" without one."""
    state: State | None
    """The kernel's state at that time, None if unknown."""


Event = FrameSeen | CrossingOver | StateSeen | CallMade | StepBegun | Measured | Concluded | CheckMade


@dataclass(slots=True)
class Connection:
    """The two ends of a recorded connection."""

    family: int
    kernel_port: int
    peer_port: int
    kernel_address: str = ""
    """Address as text, "" if it was not recorded."""
    peer_address: str = ""


@dataclass(slots=True)
class Recording:
    """One run of one scenario."""

    family: int
    started_ns: int
    events: list[Event] = field(default_factory=list)
    connections: list[Connection] = field(default_factory=list)
    segments_judged: int = 0
    """Number of the kernel's segments that were checked against the standing rules."""
    sysctls: dict[str, str] = field(default_factory=dict)
    """Sysctls of the kernel's namespace."""
    transitions_lost: int = 0
    """State changes, of any run, that the tracepoint dropped; some may be missing in this recording."""
    witnesses: tuple[str, ...] = ("inet_diag",)
    """Sources of the kernel's states in this recording."""
    _packets: list[int] = field(default_factory=list, init=False, repr=False, compare=False)
    """Cache: for each event, the number of frames up to it, in order of time."""
    _order: list[int] = field(default_factory=list, init=False, repr=False, compare=False)
    """Cache of `chronological`."""

    @property
    def checks(self) -> list[CheckMade]:
        """All checks, in order."""
        return [event for event in self.events if isinstance(event, CheckMade)]

    def rows(self, check: CheckMade) -> tuple[Row, ...]:
        """The comparisons of `check`, field by field."""
        seen = self.events[check.frame] if check.frame is not None else None
        if check.expected is None or not isinstance(seen, FrameSeen) or seen.segment is None:
            return check.rows
        return compare(check.expected, seen.segment, seen.bases) + check.rows

    @property
    def chronological(self) -> list[int]:
        """Indices of the events in order of time. A frame may be recorded late: when the lab reads it.

        So a step is moved before all frames and calls recorded in it, but never before those recorded earlier.
        """
        if len(self._order) != len(self.events):
            self._order = self._sorted()
        return self._order

    def _sorted(self) -> list[int]:
        times = [event.time_ns for event in self.events]
        order = list(range(len(times)))
        if all(earlier <= later for earlier, later in pairwise(times)):
            return order
        happened = [event.__class__ in (FrameSeen, CallMade) for event in self.events]
        steps = [index for index, event in enumerate(self.events) if event.__class__ is StepBegun]
        after = len(times)
        following: float = math.inf
        for index in reversed(steps):
            read = (times[at] for at in range(index, after) if happened[at])
            after, following = index, min(following, min(read, default=math.inf))
            if following < times[index]:
                times[index] = int(following)
        begun, before = 0, 0
        for index in steps:
            before = max(before, max((times[at] for at in range(begun, index) if happened[at]), default=0))
            begun, times[index] = index, max(times[index], before)
        order.sort(key=times.__getitem__)
        return order

    @property
    def in_order(self) -> Iterator[tuple[int, Event]]:
        """The events in order of time, each with its index."""
        return ((index, self.events[index]) for index in self.chronological)

    def packet(self, at: int) -> int:
        """The packet number of the frame at this index of the events, counted from 1 as in Wireshark."""
        if len(self._packets) != len(self.events):
            self._packets, number = [0] * len(self.events), 0
            for index, event in self.in_order:
                number += isinstance(event, FrameSeen)
                self._packets[index] = number
        return self._packets[at]

    @property
    def dropped(self) -> Iterator[tuple[int, str]]:
        """The kernel's frames that the peers ignored: index of the event, and the reason in words."""
        for at, event in enumerate(self.events):
            if isinstance(event, FrameSeen) and not event.from_peer:
                if event.segment is None:
                    yield at, why_no_segment(event.data)
                elif event.segment.faults:
                    yield at, ", ".join(event.segment.faults)

    @property
    def states(self) -> set[State]:
        """States of the kernel that were seen."""
        return {event.state for event in self.events if isinstance(event, StateSeen)}
