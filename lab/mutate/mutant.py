"""A mutant: a kernel of which one reading is altered.

Everything that the lab learns of the kernel passes here as a reading: frames, look-ups, results of system calls,
counters. They are numbered by kind from check to check, so that a second run of the same scenario gets another value at
the same place. That a check turns red then is what shows that it looks.
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple, TypeVar

from lab.host.addresses import KERNEL_MAC, PEER_MAC
from lab.mutate.mutations import LASTING, MUTATIONS
from lab.record.events import CheckMade, Event, FrameSeen
from lab.session.readings import Readings
from lab.session.tolerance import DEADLINE_S
from lab.tcp.flags import ACK
from lab.wire.frames import Encoder, decode
from lab.wire.ip import carries_tcp
from lab.wire.link import Frame, Link

T = TypeVar("T")
_PATIENCE_S = 2.0
"""What a mutation takes away does not come, so it is not waited for as long as for an honest kernel."""


class Spot(NamedTuple):
    """Where in a scenario something is read: from check to check, as what comes between two of them may vary."""

    check: int
    """How many checks were made before."""
    number: int
    """How many readings of its kind have come since the last of them."""


class Reading(NamedTuple):
    """Something that was read of the kernel."""

    kind: str
    """A key of `mutations.MUTATIONS`."""
    spot: Spot
    after: int
    """How many events the recording had by then."""
    value: object


class Mutation(NamedTuple):
    """What is read instead at one place: `name` is a key of `MUTATIONS[kind]`."""

    kind: str
    spot: Spot
    name: str

    def __str__(self) -> str:
        return f"{self.name} ({self.kind} {self.spot.number + 1} before check {self.spot.check + 1})"

    @property
    def lasting(self) -> bool:
        """All readings of this kind from there on are altered."""
        return not LASTING.isdisjoint({self.kind, self.name})


class Mutant(Readings):
    """Alters one reading, or all from one on; without a mutation it only lists them."""

    def __init__(self, mutation: Mutation | None = None, *, judged: bool = False) -> None:
        """`judged`: the standing rules judge what it says; otherwise every check has to see for itself."""
        self.judged = judged
        self.applied = False
        """The reading has come, and was altered."""
        self.readings: list[Reading] = []
        self._mutation = mutation
        self._events: list[Event] = []
        self._counted = 0
        """So many of the events were looked at for checks."""
        self._checks = 0
        self._since: Counter[str] = Counter()

    def begin(self, events: list[Event]) -> None:
        """Count checks in these events."""
        self._events = events

    def patience(self, seconds: float) -> float:
        """What a timer brings is waited for as long as its author says, anything else not as long."""
        return seconds if self._mutation is None or seconds != DEADLINE_S else _PATIENCE_S

    def wrap(self, link: Link) -> Link:
        """The link whose frames are read."""
        return MutantLink(link, self)

    def observed(self, kind: str, value: T) -> T:
        """The value, altered where the mutation says so."""
        spot, mutation = self._next_spot(kind), self._mutation
        if mutation is None:
            self.readings.append(Reading(kind, spot, len(self._events), value))
        elif kind == mutation.kind and (spot == mutation.spot or (spot > mutation.spot and mutation.lasting)):
            self.applied = True
            value = MUTATIONS[kind][mutation.name](value)
        return value

    def last_frames(self) -> list[FrameSeen]:
        """By connection, the one used last at the end: the last frame of the peer, else the first of the kernel."""
        last: dict[int, FrameSeen] = {}
        for event in self._events:
            if isinstance(event, FrameSeen) and event.connection is not None and event.segment is not None:
                if event.from_peer:
                    last.pop(event.connection, None)
                last.setdefault(event.connection, event)
        return list(last.values())

    def _next_spot(self, kind: str) -> Spot:
        checks = sum(isinstance(event, CheckMade) for event in self._events[self._counted :])
        self._counted = len(self._events)
        if checks:
            self._checks += checks
            self._since.clear()
        self._since[kind] += 1
        return Spot(self._checks, self._since[kind] - 1)


class MutantLink:
    """A link whose received frames, TCP's alone, are readings; and which a mutant can make deliver one more."""

    def __init__(self, link: Link, mutant: Mutant) -> None:
        self._link = link
        self._mutant = mutant
        self._waiting: list[Frame] = []

    def send(self, data: bytes) -> int:
        """Send a frame as it is. One that is not TCP is a fence: a mutant may say something before the answer."""
        back = 0 if carries_tcp(data) else self._mutant.observed("fence", 0)
        time_ns = self._link.send(data)
        connections = self._mutant.last_frames() if back else []
        if 0 < back <= len(connections):
            self._waiting.append(Frame(time_ns, _one_more(connections[-back])))
        return time_ns

    def receive(self, deadline_ns: int) -> Frame | None:
        """The next frame of the kernel, altered or not."""
        while not self._waiting:
            frame = self._link.receive(deadline_ns)
            if frame is None or not carries_tcp(frame.data):
                return frame
            self._waiting = list(self._mutant.observed("frame", [frame]))
        return self._waiting.pop(0)

    def close(self) -> None:
        """Close the link underneath."""
        self._link.close()


def _one_more(last: FrameSeen) -> bytes:
    """What the kernel might say once more: the peer's last segment back, or its own first one with ACK or without."""
    received = decode(last.data)
    assert received is not None  # the frame carries a segment
    ends, segment = received
    if last.from_peer:
        ends = ends.reversed()
    else:
        segment = segment._replace(flags=segment.flags ^ ACK)
    encoder = Encoder(ends.source, ends.destination, KERNEL_MAC, PEER_MAC)
    return encoder.encode(ends.source_port, ends.destination_port, segment._replace(faults=()))
