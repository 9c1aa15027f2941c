"""Recordings written by hand, to test views without a kernel."""

from __future__ import annotations

from typing import Any

from lab.record.events import (
    CallMade,
    CheckKind,
    CheckMade,
    Connection,
    CrossingOver,
    Difference,
    FrameSeen,
    Place,
    Recording,
    StateSeen,
    StepBegun,
)
from lab.record.expectation import Bases, Expected, Row
from lab.record.kernel_state import KernelState
from lab.tcp import flags
from lab.tcp.segment import Segment
from lab.tcp.sequence import Seq
from lab.tcp.state import State
from lab.wire.frames import Encoder
from tests.unit.crafted import DESTINATION_MAC, SOURCE_MAC, hosts

ISS = {True: Seq(2**32 - 2), False: Seq(5000)}
"""By whether it is the peer's."""
MILLISECOND = 1_000_000


class Story:
    """Builder of a recording. Times are in milliseconds; each event is 0.1 ms after the one before."""

    def __init__(self, family: int = 4) -> None:
        self.recording = Recording(family, 1_000_000_000, connections=[Connection(family, 80, 40001)])
        self.now_ns = self.recording.started_ns
        source, destination = hosts(family)
        self._encoders = {
            True: Encoder(source, destination, SOURCE_MAC, DESTINATION_MAC),
            False: Encoder(destination, source, DESTINATION_MAC, SOURCE_MAC),
        }

    def wait(self, milliseconds: float) -> None:
        self.now_ns += int(milliseconds * MILLISECOND)

    def peer(self, letters: str, state: State | None = None, **fields: Any) -> int:
        return self._frame(True, letters, state, **fields)

    def kernel(self, letters: str, state: State | None = None, **fields: Any) -> int:
        return self._frame(False, letters, state, **fields)

    def state(self, state: State, connection: int | None = 0, timer: int = 0) -> None:
        detail = KernelState(state, timer) if timer else None
        self.add(StateSeen(self.tick(), connection, state, "inet_diag" if timer else "tracepoint", detail))

    def call(self, name: str, *arguments: object, value: object = None, error: str = "") -> None:
        number = None if name in {"bind", "listen"} else 0
        self.add(CallMade(self.tick(), name, arguments, value, error, number, None))

    def step(self, title: str, *claims: str) -> None:
        self.add(StepBegun(self.tick(), title, claims, None))

    def crossing_over(self, *frames: int) -> None:
        self.add(CrossingOver(self.tick(), frames))

    def agrees(
        self,
        subject: str,
        frame: int | None = None,
        expected: Expected | None = None,
        *rows: Row,
        kind: CheckKind = CheckKind.SEGMENT,
    ) -> None:
        where = Place("a file.py", 7, "peer.expect()")
        self.add(CheckMade(self.tick(), True, kind, subject, where, 0, frame, expected, rows))

    def differs(self, frame: int, expected: Expected, why: str = "") -> CheckMade:
        difference = Difference(
            "the expectation did not hold: the kernel sent a different segment", why, State.SYN_RECEIVED
        )
        where = Place("a file.py", 8, "peer.expect('SA', ack=2)")
        check = CheckMade(self.tick(), False, CheckKind.SEGMENT, "SA", where, 0, frame, expected, (), difference)
        self.add(check)
        return check

    def frame(self, data: bytes, from_peer: bool = True, connection: int | None = 0) -> int:
        return self.add(FrameSeen(self.tick(), from_peer, data, None, connection))

    def handshake(self) -> None:
        self.call("bind", 80)
        self.call("listen", 16)
        self.peer("S", State.SYN_SENT, options=(("MSS", 1460),))
        self.state(State.SYN_RECEIVED)
        self.kernel("SA", State.ESTABLISHED, ack=1, options=(("MSS", 1460),))
        self.peer("A", State.ESTABLISHED, seq=1, ack=1)
        self.state(State.ESTABLISHED)

    def _frame(
        self,
        from_peer: bool,
        letters: str,
        state: State | None,
        *,
        seq: int = 0,
        ack: int | None = None,
        connection: int = 0,
        retransmission: bool = False,
        lost: bool = False,
        **fields: Any,
    ) -> int:
        own, other = ISS[from_peer], ISS[not from_peer]
        segment = Segment(
            own + seq, Seq(0) if ack is None else other + ack, flags.bits(letters), **{"window": 64240, **fields}
        )
        ends = self.recording.connections[connection]
        ports = (ends.peer_port, ends.kernel_port) if from_peer else (ends.kernel_port, ends.peer_port)
        data = self._encoders[from_peer].encode(*ports, segment)
        bases = Bases(ISS[False], ISS[True])
        return self.add(
            FrameSeen(self.tick(), from_peer, data, segment, connection, state, retransmission, bases, lost)
        )

    def tick(self) -> int:
        self.now_ns += MILLISECOND // 10
        return self.now_ns

    def add(self, event: Any) -> int:
        self.recording.events.append(event)
        return len(self.recording.events) - 1


def a_long_one(frames: int) -> Recording:
    """An open connection; the peer sends single bytes, and the kernel acknowledges each."""
    story = Story()
    story.handshake()
    for number in range(1, frames // 2):
        story.peer("PA", State.ESTABLISHED, seq=number, ack=1, payload=b"x")
        story.kernel("A", State.ESTABLISHED, seq=1, ack=number + 1)
        story.state(State.ESTABLISHED)
    return story.recording
