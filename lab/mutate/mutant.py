"""A mutant: readings of the kernel of which one is altered.

Readings are all values that the lab gets from the kernel: frames, states, results of system calls, counters. Those
of each kind are numbered from check to check, so that a second run of a scenario can alter the same reading. A check
that then fails depends on that reading.
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple, TypeVar

from lab.mutate.mutations import LASTING, MUTATIONS, encoded
from lab.record.events import CheckMade, Event, FrameSeen
from lab.session.readings import Readings
from lab.session.tolerance import DEADLINE_S
from lab.tcp.flags import ACK
from lab.wire.frames import Endpoints, decode
from lab.wire.ip import carries_tcp
from lab.wire.link import Frame, Link

T = TypeVar("T")
_TIMEOUT_S = 2.0
"""Shorter than for an unaltered kernel, because a frame that the mutation removes never comes."""


class Position(NamedTuple):
    """Position of a reading in a scenario. It counts from the last check, as the number between checks can vary."""

    check: int
    """Number of checks before it."""
    number: int
    """Number of readings of its kind since the last check."""


class Reading(NamedTuple):
    """A value read from the kernel."""

    kind: str
    """A key of `mutations.MUTATIONS`."""
    position: Position
    after: int
    """Number of events in the recording at that time."""
    value: object


class Mutation(NamedTuple):
    """A change to one value read from the kernel, by kind and position; `name` is a key of `MUTATIONS[kind]`."""

    kind: str
    position: Position
    name: str

    def __str__(self) -> str:
        return f"{self.name} ({self.kind} {self.position.number + 1} before check {self.position.check + 1})"

    def alters(self, kind: str, position: Position) -> bool:
        """Whether this mutation alters the reading of this kind at this position.

        Any mutation alters the reading at its own position. One whose kind or name is in `LASTING` alters all later
        readings of that kind too.
        """
        lasting = not LASTING.isdisjoint({self.kind, self.name})
        return kind == self.kind and (position >= self.position if lasting else position == self.position)


class Mutant(Readings):
    """Alters the readings that a mutation selects. Without a mutation it only lists all readings in `readings`."""

    def __init__(self, mutation: Mutation | None = None, *, judged: bool = False) -> None:
        """`judged`: broken standing rules fail the scenario; by default only its checks do."""
        self.judged = judged
        self.applied = False
        """Whether a reading has been altered."""
        self._mutation = mutation
        self.begin([])

    def begin(self, events: list[Event]) -> None:
        """Begin a recording with these events. Readings of an earlier try of the scenario are forgotten."""
        self.readings: list[Reading] = []
        self._events = events
        self._counted = 0
        """Number of events that have been searched for checks."""
        self._checks = 0
        self._since: Counter[str] = Counter()

    def timeout(self, seconds: float) -> float:
        """`seconds`; with a mutation a shorter time instead of `DEADLINE_S`, which is for events that need no timer."""
        return seconds if self._mutation is None or seconds != DEADLINE_S else _TIMEOUT_S

    def wrap(self, link: Link) -> Link:
        """A link whose received frames are readings."""
        return MutantLink(link, self)

    def observed(self, kind: str, value: T) -> T:
        """The value, altered where the mutation says so."""
        position, mutation = self._next_position(kind), self._mutation
        if mutation is None:
            self.readings.append(Reading(kind, position, len(self._events), value))
        elif mutation.alters(kind, position):
            self.applied = True
            value = MUTATIONS[kind][mutation.name](value)
        return value

    def last_frames(self) -> list[FrameSeen]:
        """For each connection the peer's last frame, else the kernel's first. The connection used last comes last."""
        last: dict[int, FrameSeen] = {}
        for event in self._events:
            if isinstance(event, FrameSeen) and event.connection is not None and event.segment is not None:
                if event.from_peer:
                    last.pop(event.connection, None)
                last.setdefault(event.connection, event)
        return list(last.values())

    def last_event_ns(self) -> int:
        """Time of the last event, on the monotonic clock."""
        return max(event.time_ns for event in self._events)

    def _next_position(self, kind: str) -> Position:
        checks = sum(isinstance(event, CheckMade) for event in self._events[self._counted :])
        self._counted = len(self._events)
        if checks:
            self._checks += checks
            self._since.clear()
        self._since[kind] += 1
        return Position(self._checks, self._since[kind] - 1)


class MutantLink:
    """A link whose received TCP frames are readings. A mutant can make it deliver an extra segment."""

    def __init__(self, link: Link, mutant: Mutant) -> None:
        self._link = link
        self._mutant = mutant
        self._waiting: list[Frame] = []

    def send(self, data: bytes) -> int:
        """Send a frame unchanged. If it is a fence (an echo request), a mutation can add a segment before the reply."""
        back = 0 if carries_tcp(data) else self._mutant.observed("fence", 0)
        time_ns = self._link.send(data)
        connections = self._mutant.last_frames() if back else []
        if 0 < back <= len(connections):
            # Just after the last event: within the silence that the fence ends, however late the fence is.
            came_ns = self._mutant.last_event_ns() + 1
            self._waiting.append(Frame(came_ns, _extra_segment(connections[-back])))
        return time_ns

    def receive(self, deadline_ns: int) -> Frame | None:
        """The next frame of the kernel, possibly altered."""
        while not self._waiting:
            frame = self._link.receive(deadline_ns)
            if frame is None or not carries_tcp(frame.data):
                return frame
            self._waiting = list(self._mutant.observed("frame", [frame]))
        return self._waiting.pop(0)


def _extra_segment(last: FrameSeen) -> bytes:
    """The extra segment: the peer's last one sent back, or the kernel's first one with its ACK bit toggled."""
    received = decode(last.data)
    assert received is not None  # the frame carries a segment
    ends, segment = received
    if last.from_peer:
        ends = Endpoints(ends.destination, ends.destination_port, ends.source, ends.source_port)
    else:
        segment = segment._replace(flags=segment.flags ^ ACK)
    return encoded(ends, segment)
