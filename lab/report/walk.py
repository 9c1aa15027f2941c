"""The arrows of figure 5 (RFC 9293 3.3.2) that a recording walks, on the kernel's side and on the peer's.

The kernel's side is what the two witnesses saw, in order of time, and between two states what happened: a segment that
arrived, a system call, or nothing but time. An arrow counts only when that fits it.

What the witnesses say is read as the RFC means it. A request in SYN-RECEIVED came from LISTEN though the listener stays
there, and if a reset ends it, it goes back to LISTEN. And CLOSED is no state of a connection while a mini-socket goes
on in FIN-WAIT-2 or TIME-WAIT, which nothing but a look-up sees.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest
from typing import NamedTuple

from lab.scenario.recording import CallMade, CrossingOver, FrameSeen, Recording, StateSeen
from lab.tcp import flags
from lab.tcp.diagram import CLOSED, EDGES, FIN_WAIT_2, LISTEN, SYN_RECEIVED, TIME_WAIT, Edge, Event
from lab.tcp.segment import Segment
from lab.tcp.sequence import Seq
from lab.tcp.state import State

FIGURE_5 = tuple(edge for edge in EDGES if edge.in_figure)

_BY_ENDS = {(edge.source, edge.target): edge for edge in FIGURE_5}
_MINI_SOCKETS = (FIN_WAIT_2, TIME_WAIT)
_CLOSING_CALLS = {"close", "shutdown", "kill"}
_SHORTEST_TIMER_NS = 1_000_000_000
"""Nothing happened for at least so long: TIME-WAIT has ended by its timer."""


class Walked(NamedTuple):
    """One arrow, walked once."""

    edge: Edge
    time_ns: int
    """When the state was seen to be another."""
    connection: int | None
    """Index into `Recording.connections`; None for a listener."""
    cause: int | None
    """The event behind it, an index into `Recording.events`: a frame or a system call. None is a timer."""


class _Happening(NamedTuple):
    """Something that may have changed the state of a connection."""

    time_ns: int
    at: int
    event: FrameSeen | CallMade


class Sight(NamedTuple):
    """What a witness said."""

    time_ns: int
    at: int
    state: State
    witness: str
    """"inet_diag" or "tracepoint"."""

    @property
    def exact(self) -> bool:
        """It changed at this time; otherwise at some time before."""
        return self.witness == "tracepoint"


def kernel_walks(recording: Recording) -> Iterator[Walked]:
    """What the kernel walked: listeners first, then connection by connection."""
    for number in (None, *range(len(recording.connections))):
        yield from _Kernel(recording, number).walks()


def peer_walks(recording: Recording) -> Iterator[Walked]:
    """What the peers walked, by their own states."""
    states: dict[int, State] = {}
    for at, event in enumerate(recording.events):
        if not isinstance(event, FrameSeen) or event.connection is None:
            continue
        if event.segment is None or event.peer_state is None:  # lost on its way to the peer
            continue
        before = states.get(event.connection)
        if before is None:
            before = CLOSED
            if not event.from_peer:  # it waited for this one
                before = LISTEN
                yield Walked(_BY_ENDS[CLOSED, LISTEN], event.time_ns, event.connection, at)
        states[event.connection] = event.peer_state
        edge = _BY_ENDS.get((before, event.peer_state))
        if edge is not None and _fits_peer(edge.event, event.segment, event.from_peer):
            yield Walked(edge, event.time_ns, event.connection, at)


class _Kernel:
    """One connection of the kernel, or its listeners."""

    def __init__(self, recording: Recording, number: int | None) -> None:
        self._recording = recording
        self._number = number
        self._happenings = _happenings(recording, number)
        self._fin_ends = _fin_ends(recording, number)

    def walks(self) -> Iterator[Walked]:
        before, passive, since_ns = CLOSED, False, 0
        for sight in sights(self._recording, self._number):
            source, target = before, sight.state
            if source is target:
                continue
            before = target
            if source is CLOSED and target is SYN_RECEIVED:
                source, passive = LISTEN, True
            elif target is not CLOSED and source is CLOSED:
                passive = False
            if source is SYN_RECEIVED and target is CLOSED and passive:
                target = LISTEN
            edge = _BY_ENDS.get((source, target))
            if edge is None:
                continue
            if edge.event is Event.TIME_WAIT_TIMEOUT:
                if self._nothing_happened(since_ns, sight):
                    yield Walked(edge, sight.time_ns, self._number, None)
                continue
            cause = self._cause(edge.event, since_ns, sight)
            if cause is not None:
                since_ns = cause.time_ns
                yield Walked(edge, sight.time_ns, self._number, cause.at)

    def _cause(self, event: Event, since_ns: int, sight: Sight) -> _Happening | None:
        """The last thing that fits before the change; the first one where only a look-up afterwards tells of it."""
        fitting = [each for each in self._before(since_ns, sight) if self._fits(event, each.event)]
        if not fitting:
            return None
        return fitting[-1] if sight.exact or isinstance(fitting[-1].event, CallMade) else fitting[0]

    def _nothing_happened(self, since_ns: int, sight: Sight) -> bool:
        last_ns = since_ns
        for each in self._before(since_ns, sight):
            if isinstance(each.event, FrameSeen):
                last_ns = each.time_ns
                if each.event.segment is not None and each.event.segment.flags & (flags.RST | flags.SYN):
                    return False
        return sight.time_ns - last_ns >= _SHORTEST_TIMER_NS

    def _before(self, since_ns: int, sight: Sight) -> Iterator[_Happening]:
        for each in self._happenings:
            if since_ns <= each.time_ns and each.at < sight.at and (not sight.exact or each.time_ns <= sight.time_ns):
                yield each

    def _fits(self, event: Event, happening: FrameSeen | CallMade) -> bool:
        if isinstance(happening, CallMade):
            match event:
                case Event.PASSIVE_OPEN:
                    return happening.name == "listen"
                case Event.ACTIVE_OPEN:
                    return happening.name == "connect" and happening.arguments[:1] == (self._peer_port,)
                case Event.CLOSE:
                    return happening.name in _CLOSING_CALLS
            return False
        segment = happening.segment
        if segment is None or not _fits_segment(event, segment):
            return False
        if event is Event.ACK_OF_SYN:
            return segment.ack - happening.bases.kernel >= 1
        return event is not Event.ACK_OF_FIN or segment.ack in self._fin_ends

    @property
    def _peer_port(self) -> int | None:
        return None if self._number is None else self._recording.connections[self._number].peer_port


def _fits_peer(event: Event, segment: Segment, from_peer: bool) -> bool:
    """The model has taken the edge; what is left to know is which of several between the same states it was."""
    if from_peer:
        return event in (Event.ACTIVE_OPEN, Event.CLOSE)
    return _fits_segment(event, segment)


def _fits_segment(event: Event, segment: Segment) -> bool:
    """Whether a segment that arrives can mean this event."""
    bits = segment.flags
    if event is Event.RST_AFTER_PASSIVE_OPEN:
        return bool(bits & flags.RST)
    if bits & flags.RST:
        return False
    syn, ack = bool(bits & flags.SYN), bool(bits & flags.ACK)
    match event:
        case Event.SYN:
            return syn and not ack
        case Event.SYN_AND_ACK_OF_SYN:
            return syn and ack
        case Event.ACK_OF_SYN | Event.ACK_OF_FIN:
            return ack
        case Event.FIN:
            return bool(bits & flags.FIN)
    return False


def _happenings(recording: Recording, number: int | None) -> list[_Happening]:
    """What arrived for a connection and which calls were made, in order of time."""
    arrivals = {
        at: event.time_ns for event in recording.events if isinstance(event, CrossingOver) for at in event.frames
    }
    found = []
    for at, event in enumerate(recording.events):
        if isinstance(event, CallMade):
            if event.connection in (number, None):
                found.append(_Happening(event.time_ns, at, event))
        elif number is not None and isinstance(event, FrameSeen) and event.connection == number and _arrives(event):
            found.append(_Happening(arrivals.get(at, event.time_ns), at, event))
    return sorted(found, key=lambda each: each.time_ns)


def _arrives(frame: FrameSeen) -> bool:
    """Whether the kernel gets it, and can read it."""
    return frame.from_peer and not frame.lost and frame.segment is not None and not frame.segment.faults


def _fin_ends(recording: Recording, number: int | None) -> set[Seq]:
    """What acknowledges a FIN of the kernel."""
    return {
        event.segment.end
        for event in recording.events
        if isinstance(event, FrameSeen) and not event.from_peer and event.connection == number
        if event.segment is not None and event.segment.flags & flags.FIN
    }


def sights(recording: Recording, number: int | None) -> list[Sight]:
    """What the witnesses said of a connection in order of time, without the CLOSED that hands over to a mini-socket."""
    found = [
        Sight(event.time_ns, at, event.state, event.witness)
        for at, event in enumerate(recording.events)
        if isinstance(event, StateSeen) and event.connection == number
    ]
    found.sort(key=lambda each: each.time_ns)
    return [
        sight
        for sight, following in zip_longest(found, found[1:])
        if sight.state is not CLOSED or following is None or following.state not in _MINI_SOCKETS
    ]
