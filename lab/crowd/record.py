"""The one member of a crowd that is recorded like any other connection, and what is told when a member differs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn

from lab.crowd.script import Act
from lab.record.events import FrameSeen
from lab.record.expectation import ANY, Bases, Expected, Row, compare
from lab.wire.frames import decode

if TYPE_CHECKING:
    from lab.session.switchboard import Exchange
    from lab.tcp.state import State

_SUMMARY = "the kernel does not treat all connections alike"


class MemberRecord:
    """Writes into the recording. A member is known by the port that tells it from the others."""

    def __init__(self, exchange: Exchange, example: int, ports: Callable[[int], tuple[int, int]]) -> None:
        """`example` is the connection that all follow; `ports` gives the kernel's and the peer's port of a member."""
        self._journal = exchange.journal
        self._timeline = exchange.timeline
        self._example = example
        self._ports = ports
        self._peer_state: State | None = None
        self.member = -1
        """Who is recorded, -1 as long as nobody is."""
        self.number: int | None = None
        """Its connection."""

    def begin(self, member: int) -> None:
        """From now on this member is recorded."""
        connections = self._journal.recording.connections
        kernel_port, peer_port = self._ports(member)
        connections.append(replace(connections[self._example], kernel_port=kernel_port, peer_port=peer_port))
        self.member, self.number = member, len(connections) - 1

    def frame(self, act: Act, data: bytes, time_ns: int, bases: Bases) -> None:
        """It has sent or heard this."""
        seen = decode(data)
        assert seen is not None  # it is like the example, or made from it
        self._peer_state = act.peer_state
        self._journal.recording.events.append(
            FrameSeen(time_ns, act.from_peer, data, seen.segment, self.number, act.peer_state, bases=bases)
        )

    def glance(self) -> None:
        """Look at the kernel's state of it."""
        if self.number is not None:
            self._timeline.glance(self.number)

    def verify(self, subject: str, wanted: int, got: int) -> None:
        """So many connections must have got so far."""
        if wanted != got:
            self._journal.differs(subject, (Row("connections", str(wanted), str(got), False),), summary=_SUMMARY)

    def differs(self, expected: Act | None, member: int, seen: FrameSeen) -> NoReturn:
        """A member has heard something else than what the example heard at this point (None: nothing)."""
        if member != self.member:
            self.begin(member)
        assert self.number is not None
        assert seen.segment is not None  # otherwise nobody could tell that it is for a member
        segment, events = seen.segment, self._journal.recording.events
        subject = "silence"
        rows: tuple[Row, ...] = (Row("segment", "none", segment.letters or "no flags", False),)
        if expected is not None:
            subject, rows = expected.segment.letters, compare(_fields(expected), segment, seen.bases)
            if all(row.agrees for row in rows):
                got = ", ".join(segment.faults) or "another one"
                rows += (Row("frame", "like the example's", got, False),)
        events.append(seen._replace(connection=self.number, peer_state=self._peer_state))
        at, state = len(events) - 1, self._timeline.look(self.number).state
        self._journal.differs(subject, rows, summary=_SUMMARY, connection=self.number, frame=at, state=state)


def _fields(act: Act) -> Expected:
    segment = act.segment
    listed = tuple((name, ANY if name == "Timestamp" else value) for name, value in segment.options)
    return Expected(segment.flags, act.seq, act.ack, None, listed, segment.payload, segment.urgent)
