"""Ladder that grows while two kernels talk: frames and state changes go in, rungs come out once they are complete.

A rung has the states of both kernels after its segment. A kernel changes its state some microseconds after the segment
was on the wire, or just before it sends one, so a rung is complete `SETTLED_NS` later.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from operator import attrgetter
from typing import NamedTuple

from lab.record.events import Connection, Recording
from lab.record.expectation import Bases
from lab.report.evidence import segment_text
from lab.report.ladder_model import Kind, Ladder, Rung, Sides
from lab.tcp.flags import ACK, FIN, RST, SYN
from lab.tcp.segment import Segment
from lab.tcp.sequence import Seq
from lab.tcp.state import State
from lab.wire.frames import Endpoints, decode
from lab.wire.ip import written

SETTLED_NS = 100_000_000
"""Time after which no change of state belongs to a segment any more."""
_ANNOUNCED_BY = {State.SYN_SENT: SYN, State.FIN_WAIT_1: FIN, State.LAST_ACK: FIN, State.CLOSED: RST}
"""Control bit of the segment that a kernel sends right after it has entered a state."""
_TIME = attrgetter("time_ns")
_UNKNOWN = Seq(0)


class StateChange(NamedTuple):
    """A kernel's state of one connection from some time on."""

    time_ns: int
    of_peer: bool
    """Of the kernel at the peer's end."""
    ends: Endpoints
    """From the kernel under test to the peer. Port 0 of the kernel that connects: it has not chosen one yet."""
    state: State


class _Frame(NamedTuple):
    time_ns: int
    from_peer: bool
    segment: Segment
    connection: _Connection


@dataclass(slots=True)
class _Side:
    """One kernel's view of a connection."""

    shown: State | None = None
    """The state in the last rung."""
    shown_ns: int = 0
    changes: deque[StateChange] = field(default_factory=deque)
    """Changes that no rung shows yet, by time."""
    base: Seq | None = None
    """Its initial sequence number, or the number before the first that was seen."""
    highest: Seq | None = None
    """End of all that it has sent."""
    syn_ack_ns: int = 0
    """When it has answered a SYN; 0 if it has not."""

    def add(self, change: StateChange) -> None:
        """Add a change, unless a later one is shown already."""
        if change.state is State.SYN_RECEIVED and self.syn_ack_ns:
            # The tracepoint reports it when the third segment arrives. The kernel entered it before its SYN+ACK.
            change = change._replace(time_ns=min(change.time_ns, self.syn_ack_ns - 1))
        last = self.changes[-1].state if self.changes else self.shown
        if change.state is not last and change.time_ns > self.shown_ns:
            insort(self.changes, change, key=_TIME)

    def show_next(self) -> None:
        """Show the next change."""
        change = self.changes.popleft()
        self.shown, self.shown_ns = change.state, change.time_ns


class _Connection:
    """One connection: what both sides have sent, their states, and the frames that have no rung yet."""

    def __init__(self, number: int, ends: Endpoints, began_ns: int) -> None:
        self.number = number
        self.ends = ends
        self.began_ns = began_ns
        self.kernel, self.peer = _Side(), _Side()
        self.waiting: deque[_Frame] = deque()
        """By time."""

    def side(self, of_peer: bool) -> _Side:
        """The side of one kernel."""
        return self.peer if of_peer else self.kernel

    def is_succeeded_by(self, segment: Segment, from_peer: bool) -> bool:
        """Whether a segment opens another connection with the same ends."""
        return segment.flags & (SYN | ACK) == SYN and self.side(from_peer).base not in {None, segment.seq}

    def note(self, time_ns: int, segment: Segment, from_peer: bool) -> None:
        """Note the numbers of a segment."""
        own, other = self.side(from_peer), self.side(not from_peer)
        if own.base is None:
            own.base = segment.seq if segment.flags & SYN else segment.seq + -1
        if other.base is None and segment.flags & ACK:
            other.base = segment.ack + -1
        if segment.flags & (SYN | ACK) == (SYN | ACK) and not own.syn_ack_ns:
            own.syn_ack_ns = time_ns

    def rung(self, frame: _Frame) -> Rung:
        """The rung of the first frame that has none."""
        self.waiting.popleft()
        segment, before = frame.segment, self._states
        until_ns = self.waiting[0].time_ns if self.waiting else frame.time_ns + SETTLED_NS
        for side in self.peer, self.kernel:
            while side.changes and side.changes[0].time_ns < until_ns:
                if side.changes[0].time_ns > frame.time_ns and self._is_announced(side.changes[0]):
                    break
                side.show_next()
        own = self.side(frame.from_peer)
        again = bool(segment.length) and own.highest is not None and segment.end <= own.highest
        if segment.length and not again:
            own.highest = segment.end
        text = segment_text(segment, self._bases, frame.from_peer)
        rung = Rung(Kind.SEGMENT, frame.time_ns, text, None, None, self.number, before, self._states)
        rung.letters, rung.from_peer, rung.retransmission = segment.letters or "-", frame.from_peer, again
        return rung

    def rungs_without_segment(self, until_ns: int) -> Iterator[Rung]:
        """Yield a rung for each change of state up to a time that belongs to no segment."""
        for side in self.peer, self.kernel:
            while side.changes and side.changes[0].time_ns <= until_ns and not self._is_announced(side.changes[0]):
                before, time_ns = self._states, side.changes[0].time_ns
                side.show_next()
                yield Rung(Kind.STATE, time_ns, "", None, None, self.number, before, self._states)

    def _is_announced(self, change: StateChange) -> bool:
        """Whether the kernel sends a segment right after this change that shows it."""
        bit = _ANNOUNCED_BY.get(change.state, 0)
        return any(
            each.from_peer is change.of_peer and each.segment.flags & bit
            for each in self.waiting
            if each.time_ns < change.time_ns + SETTLED_NS
        )

    @property
    def _states(self) -> Sides:
        return Sides(self.peer.shown, self.kernel.shown)

    @property
    def _bases(self) -> Bases:
        return Bases(self.kernel.base or _UNKNOWN, self.peer.base or _UNKNOWN)


class GrowingLadder:
    """Ladder of the connections between two kernels."""

    def __init__(self) -> None:
        self._recording = Recording(4, 0)
        """It has the connections only."""
        self._connections: dict[Endpoints, _Connection] = {}
        self._waiting: list[_Frame] = []
        """Frames without a rung, by time."""
        self._unmatched: list[StateChange] = []
        """Changes of connections of which no frame has been seen yet."""
        self._start_ns = self._last_ns = 0

    @property
    def open(self) -> Iterator[Endpoints]:
        """Ends, as in `StateChange`, of the connections that are not known to be closed at both ends."""
        for each in self._connections.values():
            if each.kernel.shown is not State.CLOSED or each.peer.shown not in {State.CLOSED, None}:
                yield each.ends

    def frame(self, time_ns: int, data: bytes, *, from_peer: bool) -> None:
        """Add a frame. Only TCP segments are shown."""
        received = decode(data)
        if received is None:
            return
        source, source_port, destination, port = received.ends
        ends = Endpoints(destination, port, source, source_port) if from_peer else received.ends
        segment = received.segment
        connection = self._connections.get(ends)
        if connection is None or connection.is_succeeded_by(segment, from_peer):
            connection = self._begun(ends, time_ns)
        connection.note(time_ns, segment, from_peer)
        frame = _Frame(time_ns, from_peer, segment, connection)
        insort(self._waiting, frame, key=_TIME)
        insort(connection.waiting, frame, key=_TIME)

    def _begun(self, ends: Endpoints, time_ns: int) -> _Connection:
        """A new connection; it has the number of an earlier one with the same ends."""
        known, (kernel, kernel_port, peer, peer_port) = self._recording.connections, ends
        earlier = self._connections.get(ends)
        made = self._connections[ends] = _Connection(earlier.number if earlier else len(known), ends, time_ns)
        if earlier is None:
            family = 4 if len(kernel) == 4 else 6
            known.append(Connection(family, kernel_port, peer_port, written(kernel), written(peer)))
        return made

    def change(self, *changes: StateChange) -> None:
        """Add changes of state; a state that a connection already has changes nothing."""
        unmatched, self._unmatched = self._unmatched, []
        for each in (*unmatched, *changes):
            connection = self._connection_of(each)
            if connection is None:
                self._unmatched.append(each)
            else:
                connection.side(each.of_peer).add(each)

    def _connection_of(self, change: StateChange) -> _Connection | None:
        ends = change.ends
        if ends.source_port and ends.destination_port:
            return self._connections.get(ends)
        begun_later = (
            each
            for each in self._connections.values()
            if each.began_ns >= change.time_ns and each.ends in _with_port_of(ends, each.ends)
        )
        return min(begun_later, key=attrgetter("began_ns"), default=None)

    def complete(self, now_ns: int) -> Ladder:
        """The rungs that are complete, each once. All that happened until `now_ns` must have been added."""
        self.change()  # of connections that have come since
        until_ns = now_ns - SETTLED_NS
        due = bisect_right(self._waiting, until_ns, key=_TIME)
        taken, self._waiting = self._waiting[:due], self._waiting[due:]
        rungs = [frame.connection.rung(frame) for frame in taken]
        rungs += [rung for each in self._connections.values() for rung in each.rungs_without_segment(until_ns)]
        self._unmatched = [each for each in self._unmatched if each.time_ns > until_ns]
        return Ladder(list(self._with_waits(sorted(rungs, key=_TIME))), self._recording)

    def _with_waits(self, rungs: list[Rung]) -> Iterator[Rung]:
        """Make the times relative to the first rung, and show long times without a rung."""
        for rung in rungs:
            self._start_ns = self._start_ns or rung.time_ns
            gap_ns = rung.time_ns - (self._last_ns or rung.time_ns)
            self._last_ns = max(self._last_ns, rung.time_ns)
            rung.time_ns -= self._start_ns
            if gap_ns >= SETTLED_NS:
                timer = "retransmission" if rung.retransmission else ""
                yield Rung(Kind.WAIT, rung.time_ns, "", connection=rung.connection, waited_ns=gap_ns, timer=timer)
            yield rung


def _with_port_of(ends: Endpoints, other: Endpoints) -> tuple[Endpoints, ...]:
    """Ends without the port that the other ends have, filled in at either place."""
    return (
        ends._replace(source_port=ends.source_port or other.source_port),
        ends._replace(destination_port=ends.destination_port or other.destination_port),
    )
