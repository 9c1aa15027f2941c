"""Everything that happened in one scenario, on one clock, as data. Every view is a function of this.

Times are nanoseconds of CLOCK_MONOTONIC. Events stand in the order in which the lab learned of them; a state change
that the kernel reports afterwards carries the earlier time at which it happened.
"""

from __future__ import annotations

import linecache
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
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
        """The path as it was loaded."""

    @property
    def line(self) -> int:
        """Counted from 1."""

    @property
    def source(self) -> str:
        """What stands there, "" when that is not known."""


class Place(NamedTuple):
    """A line of a scenario file as it was when the scenario ran."""

    file: str
    line: int
    source: str


class Executed(NamedTuple):
    """A line of a scenario file, kept as the interpreter has it: finding it takes longer than all the rest."""

    code: CodeType
    instruction: int
    """`frame.f_lasti`."""

    @property
    def file(self) -> str:
        """The path as it was loaded."""
        return self.code.co_filename

    @property
    def line(self) -> int:
        """Counted from 1."""
        lines = (line for start, end, line in self.code.co_lines() if start <= self.instruction < end)
        return next(lines) or self.code.co_firstlineno

    @property
    def source(self) -> str:
        """What stands there, "" when the file is gone."""
        return linecache.getline(self.file, self.line).strip()


class ReprOnly(NamedTuple):
    """Something of which a recording keeps only how it looks: what it was means nothing afterwards."""

    text: str

    def __repr__(self) -> str:
        return self.text


A_SOCKET = ReprOnly("a connection")
"""What accept() returned."""


def abbreviated(value: object) -> str:
    """A value as Python writes it, cut to some forty characters."""
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


class FrameSeen(NamedTuple):
    """A frame on the wire."""

    time_ns: int
    from_peer: bool
    data: bytes
    segment: Segment | None = None
    """None for what is not TCP: echo requests and replies, neighbour and multicast housekeeping."""
    connection: int | None = None
    """Index into `Recording.connections`; None outside any of them."""
    peer_state: State | None = None
    """The peer's state once it has dealt with the frame; None if it never got there."""
    retransmission: bool = False
    bases: Bases = Bases(Seq(0), Seq(0))
    """What relative numbers are relative to in it."""
    lost: bool = False
    """For the peer's: the wire lost it on its way to the kernel."""


class CrossingOver(NamedTuple):
    """What the peers have sent since the crossing began reaches the kernel now."""

    time_ns: int
    frames: tuple[int, ...] = ()
    """Those frames, as indices into `Recording.events`."""


class StateSeen(NamedTuple):
    """The kernel's state of a connection or listener, and who says so."""

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
    """What it returned; None for mere success."""
    error: str
    """The name of an errno, or ""."""
    connection: int | None
    where: Where | None

    def __str__(self) -> str:
        return f"{self.name}({', '.join(map(abbreviated, self.arguments))})"

    @property
    def result(self) -> str:
        """As strace writes it: a value, 0 for mere success, or the name of an errno."""
        return self.error or ("0" if self.value is None else abbreviated(self.value))


class StepBegun(NamedTuple):
    """The author's next paragraph."""

    time_ns: int
    title: str
    claims: tuple[str, ...]
    """Which claims of the article it shows, by their ids in the catalogue."""
    where: Where | None


class Measured(NamedTuple):
    """A value that the author found for a claim, in words."""

    time_ns: int
    claim: str
    value: str
    where: Where | None


class CheckKind(Enum):
    """What a check is about, whatever its subject says in words."""

    SEGMENT = "segment"
    """A segment of the kernel, against what the author expects or what a retransmission repeats."""
    SILENCE = "silence"
    """The kernel sent nothing where the author says so."""
    NOTHING_LEFT = "nothing left"
    """The kernel sent nothing that the author did not ask for."""
    STATE = "state"
    TIMER = "timer"
    """When something happens by a timer of the kernel."""
    CALL = "call"
    """How a system call ended."""
    RULE = "rule"
    """A standing rule that was broken."""
    DEVIATION = "deviation"
    """A standing rule that Linux is known to break, and whether it did."""
    VALUE = "value"
    """Anything else: two values."""


class CheckMade(NamedTuple):
    """One thing verified. The rows are what was compared; the failure message prints from the same rows."""

    time_ns: int
    passed: bool
    kind: CheckKind
    subject: str
    """What was verified, in words: `SA`, `state of the connection`, `silence`."""
    where: Where | None
    connection: int | None = None
    frame: int | None = None
    """Index into `Recording.events` of the frame that was looked at."""
    expected: Expected | None = None
    """For a segment: the fields that it was compared with."""
    rows: tuple[Row, ...] = ()
    """For everything else: what was compared. `Recording.rows` gives them for both."""
    difference: Difference | None = None
    """More on a check that did not hold."""


class Difference(NamedTuple):
    """What there is to say about a check that did not hold."""

    summary: str
    """What happened, in one sentence."""
    why: str
    """The sentence of the documents behind it, with its section; "" when there is none to tell."""
    state: State | None
    """The kernel's state at that moment, where it is known."""


Event = FrameSeen | CrossingOver | StateSeen | CallMade | StepBegun | Measured | CheckMade


@dataclass(slots=True)
class Connection:
    """Who the two ends of a recorded connection are."""

    family: int
    kernel_port: int
    peer_port: int
    kernel_address: str = ""
    """As one writes it, "" where nobody noted it."""
    peer_address: str = ""


@dataclass(slots=True)
class Recording:
    """One run of one scenario."""

    family: int
    started_ns: int
    events: list[Event] = field(default_factory=list)
    connections: list[Connection] = field(default_factory=list)
    segments_judged: int = 0
    """Segments of the kernel that all standing rules were held against."""
    sysctls: dict[str, str] = field(default_factory=dict)
    """The kernel's settings in this run."""
    transitions_lost: int = 0
    """State changes that the tracepoint could not store, of this run or another; some may be missing here."""
    witnesses: tuple[str, ...] = ("inet_diag",)
    _packets: list[int] = field(default_factory=list, init=False, repr=False, compare=False)
    """By event: how many frames there are up to it, as far as somebody has asked."""

    @property
    def checks(self) -> list[CheckMade]:
        """All checks, in order."""
        return [event for event in self.events if isinstance(event, CheckMade)]

    def rows(self, check: CheckMade) -> tuple[Row, ...]:
        """What `check` compared, field by field."""
        seen = self.events[check.frame] if check.frame is not None else None
        if check.expected is None or not isinstance(seen, FrameSeen) or seen.segment is None:
            return check.rows
        return compare(check.expected, seen.segment, seen.bases) + check.rows

    def packet(self, at: int) -> int:
        """The number of the frame that is the event at this index, counted from 1 as Wireshark does."""
        for event in self.events[len(self._packets) : at + 1]:
            self._packets.append((self._packets[-1] if self._packets else 0) + isinstance(event, FrameSeen))
        return self._packets[at]

    @property
    def dropped(self) -> Iterator[tuple[int, str]]:
        """The kernel's frames that meant nothing to the peers: index of the event, and why in a few words."""
        for at, event in enumerate(self.events):
            if isinstance(event, FrameSeen) and not event.from_peer:
                if event.segment is None:
                    yield at, why_no_segment(event.data)
                elif event.segment.faults:
                    yield at, ", ".join(event.segment.faults)

    @property
    def states(self) -> set[State]:
        """The states that the kernel was seen in."""
        return {event.state for event in self.events if isinstance(event, StateSeen)}
