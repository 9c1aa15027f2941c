"""Arrows of figure 5 (RFC 9293 3.3.2) that the kernel and the peers walk in a recording.

The kernel's states come from the two witnesses, in order of time. An arrow between two states counts only if its event
happened in between: a received segment, a system call, or a timeout.

States are interpreted as in the RFC. A connection request in SYN-RECEIVED came from LISTEN, though the listener stays
in LISTEN, and goes back to LISTEN if a reset ends it. CLOSED from the tracepoint is ignored if a mini-socket in
FIN-WAIT-2 or TIME-WAIT has replaced the full socket, which only an inet_diag query shows.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from operator import itemgetter
from typing import NamedTuple

from lab.record.events import CallMade, CrossingOver, FrameSeen, Recording, StateSeen
from lab.report.mini_sockets import without_replaced
from lab.tcp import flags
from lab.tcp.diagram import CLOSED, EDGES, LISTEN, SYN_RECEIVED, TIME_WAIT, Edge, Event
from lab.tcp.segment import Segment
from lab.tcp.sequence import Seq
from lab.tcp.state import State

FIGURE_5 = tuple(edge for edge in EDGES if edge.in_figure)

_BY_ENDS = {(edge.source, edge.target): edge for edge in FIGURE_5}
_CALLS = {
    Event.PASSIVE_OPEN: {"listen"},
    Event.ACTIVE_OPEN: {"connect"},
    Event.CLOSE: {"close", "shutdown", "kill"},
    Event.SEND: {"send"},
}
"""System calls that cause each user event."""
_TIME = itemgetter(0)
_SHORTEST_TIMER_NS = 1_000_000_000
"""If nothing happened for at least this long, the timer ended TIME-WAIT."""


class WalkedEdge(NamedTuple):
    """An arrow of the diagram that was walked, and when."""

    edge: Edge
    time_ns: int
    """When the new state was observed, in nanoseconds."""
    connection: int | None
    """Index into `Recording.connections`; None for a listener."""
    cause: int | None
    """Index into `Recording.events` of its cause, a frame or a system call; None for a timer."""


class _Arrival(NamedTuple):
    """A segment that the kernel received."""

    time_ns: int
    at: int
    frame: FrameSeen
    segment: Segment


class _Call(NamedTuple):
    """A system call."""

    time_ns: int
    at: int
    call: CallMade


class Observation(NamedTuple):
    """A state of the kernel as one witness observed it."""

    time_ns: int
    at: int
    state: State
    witness: str
    """"inet_diag" or "tracepoint"."""

    @property
    def exact(self) -> bool:
        """Whether the state changed at exactly this time, not earlier."""
        return self.witness == "tracepoint"


def kernel_edges(recording: Recording) -> Iterator[WalkedEdge]:
    """Yield the arrows that the kernel walked: those of listeners first, then connection by connection."""
    unassigned: list[_Call] = []
    sides: dict[int | None, _KernelSide] = {None: _KernelSide(None, None, unassigned, unassigned)}
    sides |= {at: _KernelSide(at, each.peer_port, [], unassigned) for at, each in enumerate(recording.connections)}
    events = recording.events
    crossed = {at: event.time_ns for event in events if isinstance(event, CrossingOver) for at in event.frames}
    for at, event in enumerate(events):
        if isinstance(event, CallMade):
            sides[event.connection].calls.append(_Call(event.time_ns, at, event))
        elif isinstance(event, FrameSeen) and event.connection is not None and event.segment is not None:
            side, segment = sides[event.connection], event.segment
            if not event.from_peer and segment.flags & flags.FIN:
                side.fin_ends.add(segment.end)
            elif event.from_peer and not event.lost and not segment.faults:
                side.arrivals.append(_Arrival(crossed.get(at, event.time_ns), at, event, segment))
    for side in sides.values():
        side.arrivals.sort(key=_TIME)
        side.calls.sort(key=_TIME)
    found = observations(recording)
    for number, side in sides.items():
        yield from side.walks(found.get(number, []))


def peer_edges(recording: Recording) -> Iterator[WalkedEdge]:
    """Yield the transitions of the peers, from the recorded states of their models."""
    states: dict[int, State] = {}
    for at, event in enumerate(recording.events):
        if not isinstance(event, FrameSeen) or event.connection is None:
            continue
        if event.segment is None or event.peer_state is None:  # lost before it reached the peer
            continue
        before = states.get(event.connection)
        if before is None:
            before = CLOSED
            if not event.from_peer:  # a passive open
                before = LISTEN
                yield WalkedEdge(_BY_ENDS[CLOSED, LISTEN], event.time_ns, event.connection, at)
        states[event.connection] = event.peer_state
        edge = _BY_ENDS.get((before, event.peer_state))
        if edge is None:
            continue
        # The model took an edge between these states; its event must fit, as there may be several.
        own_action = edge.event in (Event.ACTIVE_OPEN, Event.CLOSE)
        if own_action if event.from_peer else _fits_segment(edge.event, event.segment):
            yield WalkedEdge(edge, event.time_ns, event.connection, at)


@dataclass(slots=True)
class _KernelSide:
    """Events of one connection of the kernel, or of its listeners, in order of time."""

    number: int | None
    peer_port: int | None
    calls: list[_Call]
    unassigned: list[_Call]
    """Calls on a listener, or on a socket of an unknown connection."""
    arrivals: list[_Arrival] = field(default_factory=list)
    fin_ends: set[Seq] = field(default_factory=set)
    """Acknowledgment numbers that acknowledge a FIN of the kernel."""

    def walks(self, observed_states: list[Observation]) -> Iterator[WalkedEdge]:
        """Yield the arrows between these states."""
        before, passive, since_ns = CLOSED, False, 0
        for observed in observed_states:
            source, target = before, observed.state
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
                if self._was_idle(since_ns, observed):
                    yield WalkedEdge(edge, observed.time_ns, self.number, None)
                continue
            cause = self._cause(edge.event, since_ns, observed)
            if cause is not None:
                since_ns = cause.time_ns
                yield WalkedEdge(edge, observed.time_ns, self.number, cause.at)

    def _cause(self, event: Event, since_ns: int, observed: Observation) -> _Arrival | _Call | None:
        """The last fitting event before the change; the first fitting segment if a later query showed the state."""
        if event in _CALLS:
            calls = (self._last_call(event, each, since_ns, observed) for each in (self.calls, self.unassigned))
            return max((call for call in calls if call is not None), key=_TIME, default=None)
        fitting = [each for each in self._arrived(since_ns, observed) if self._fits(event, each)]
        return next(reversed(fitting) if observed.exact else iter(fitting), None)

    def _last_call(self, event: Event, calls: list[_Call], since_ns: int, observed: Observation) -> _Call | None:
        for at in range(bisect_right(calls, observed.time_ns, key=_TIME) - 1, -1, -1):
            made = calls[at]
            if made.time_ns < since_ns:
                return None
            wrong_port = event is Event.ACTIVE_OPEN and made.call.arguments[:1] != (self.peer_port,)
            if made.at < observed.at and made.call.name in _CALLS[event] and not wrong_port:
                return made
        return None

    def _was_idle(self, since_ns: int, observed: Observation) -> bool:
        arrived = list(self._arrived(since_ns, observed))
        last_ns = arrived[-1].time_ns if arrived else since_ns
        resets = any(each.segment.flags & (flags.RST | flags.SYN) for each in arrived)
        return not resets and observed.time_ns - last_ns >= _SHORTEST_TIMER_NS

    def _arrived(self, since_ns: int, observed: Observation) -> Iterator[_Arrival]:
        for each in self.arrivals[bisect_left(self.arrivals, since_ns, key=_TIME) :]:
            if each.time_ns > observed.time_ns:  # later than the observation
                return
            if each.at < observed.at:
                yield each

    def _fits(self, event: Event, arrival: _Arrival) -> bool:
        if not _fits_segment(event, arrival.segment):
            return False
        if event is Event.ACK_OF_SYN:
            return arrival.segment.ack - arrival.frame.bases.kernel >= 1
        return event is not Event.ACK_OF_FIN or arrival.segment.ack in self.fin_ends


def _fits_segment(event: Event, segment: Segment) -> bool:
    """Whether a received segment can be this event."""
    syn, ack, fin, rst = (bool(segment.flags & bit) for bit in (flags.SYN, flags.ACK, flags.FIN, flags.RST))
    if event is Event.RST_AFTER_PASSIVE_OPEN or rst:
        return event is Event.RST_AFTER_PASSIVE_OPEN and rst
    meant = {
        Event.SYN: syn and not ack,
        Event.SYN_AND_ACK_OF_SYN: syn and ack,
        Event.ACK_OF_SYN: ack,
        Event.ACK_OF_FIN: ack,
        Event.FIN: fin,
    }
    return meant.get(event, False)


def observations(recording: Recording) -> dict[int | None, list[Observation]]:
    """Observations by connection (None: listeners) in order of time, without misleading ones.

    The tracepoint does not report the end of a mini-socket. What it reports during TIME-WAIT is about a connection with
    the same addresses in another namespace.
    """
    found: dict[int | None, list[Observation]] = {}
    for at, event in enumerate(recording.events):
        if isinstance(event, StateSeen):
            found.setdefault(event.connection, []).append(Observation(event.time_ns, at, event.state, event.witness))
    return {number: _of_this_one(without_replaced(sorted(series, key=_TIME))) for number, series in found.items()}


def _of_this_one(series: list[Observation]) -> list[Observation]:
    kept: list[Observation] = []
    for observed in series:
        if not (observed.state is CLOSED and observed.exact and kept and kept[-1].state is TIME_WAIT):
            kept.append(observed)
    return kept
