"""A mutant: a kernel of which one reading is altered.

Everything that the lab learns of the kernel passes here as a reading: frames, look-ups, results of system calls,
counters. They are numbered by kind from check to check, so that a second run of the same scenario gets another value at
the same place. That a check turns red then is what shows that it looks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from lab.mutate.mutations import LASTING, MUTATIONS
from lab.record.events import CheckMade, Event
from lab.session.readings import Readings
from lab.session.tolerance import DEADLINE_S
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
        self._observed: Callable[[str, Any], Any] = mutant.observed
        self._waiting: list[Frame] = []
        self._last: dict[bytes, tuple[bytes, bool]] = {}
        """By connection, the one used last at the end: the last frame sent on it and True.

        Where none was sent yet, the first one received and False.
        """

    def send(self, data: bytes) -> int:
        """Send a frame as it is. One that is not TCP is a fence: a mutant may say something before the answer."""
        if carries_tcp(data):
            self._last.pop(_ends(data), None)
            self._last[_ends(data)] = data, True
            return self._link.send(data)
        back = self._observed("fence", 0)
        time_ns = self._link.send(data)
        if 0 < back <= len(self._last):
            frame, was_sent = list(self._last.values())[-back]
            more = _answer_to(frame) if was_sent else _WITH_ACK_OR_NOT([Frame(time_ns, frame)])[0].data
            self._waiting.append(Frame(time_ns, more))
        return time_ns

    def receive(self, deadline_ns: int) -> Frame | None:
        """The next frame of the kernel, altered or not."""
        while not self._waiting:
            frame = self._link.receive(deadline_ns)
            if frame is None:
                return None
            if not carries_tcp(frame.data):
                return frame
            self._last.setdefault(_ends(_answer_to(frame.data)), (frame.data, False))
            self._waiting = list(self._observed("frame", [frame]))
        return self._waiting.pop(0)


_ADDRESSES_AT = {b"\x86\xdd": 22, b"\x08\x00": 26}
_WITH_ACK_OR_NOT = MUTATIONS["frame"]["without ACK, or with it"]


def _ends(frame: bytes) -> bytes:
    return frame[_ADDRESSES_AT[frame[12:14]] : _ports_at(frame) + 4]


def _ports_at(frame: bytes) -> int:
    return 54 if frame[12:14] == b"\x86\xdd" else 14 + (frame[14] & 15) * 4


def _answer_to(frame: bytes) -> bytes:
    """The same frame back: addresses and ports change places, which leaves every checksum right."""
    at, ports = _ADDRESSES_AT[frame[12:14]], _ports_at(frame)
    size = 16 if frame[12:14] == b"\x86\xdd" else 4
    return (
        frame[6:12] + frame[:6] + frame[12:at]
        + frame[at + size : at + 2 * size] + frame[at : at + size] + frame[at + 2 * size : ports]
        + frame[ports + 2 : ports + 4] + frame[ports : ports + 2] + frame[ports + 4 :]
    )  # fmt: skip
