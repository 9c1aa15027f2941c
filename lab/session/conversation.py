"""One connection between a peer and the kernel: its ends, the model, the rules' state, and the inbox."""

from __future__ import annotations

from typing import NamedTuple

from lab.record.events import FrameSeen
from lab.record.expectation import Bases
from lab.tcp.endpoint import Config, Endpoint
from lab.tcp.flags import ACK, FIN, SYN
from lab.tcp.flow import Flow
from lab.tcp.input import segment_arrives
from lab.tcp.output import segment_leaves
from lab.tcp.rules import Breach, judge
from lab.tcp.segment import Segment
from lab.tcp.sequence import Seq
from lab.wire.frames import Endpoints

_SOONEST_TIMER_NS = 1_000_000
"""Shorter than any retransmission timer of Linux (a tail loss probe: 2 jiffies). An earlier repetition is a reply."""


class Judgement(NamedTuple):
    """Judgement of a segment of the kernel, independent of any expectation."""

    retransmission: bool
    breaches: tuple[Breach, ...]
    """Standing rules that the segment breaks."""


class Conversation:
    """State of one connection. The switchboard finds it for each frame, the author's `Peer` drives it."""

    __slots__ = ("_kernel_iss", "_last_of", "address", "bases", "endpoint", "ends", "flow", "inbox", "number", "port")

    def __init__(self, address: str, port: int, config: Config) -> None:
        """Address and port are the peer's."""
        self.address = address
        self.port = port
        self.ends: Endpoints | None = None
        """Ends of the kernel's segments; None until the kernel's end is known."""
        self.number = -1
        """Index into `Recording.connections`; -1 until the kernel's end is known."""
        self.endpoint = Endpoint(config)
        """The model of the peer's side."""
        self.flow = Flow(config.default_mss)
        """Segments of both sides so far, for the standing rules."""
        self.bases = Bases(Seq(0), config.iss)
        self.inbox: list[int] = []
        """The kernel's frames that no expectation has consumed yet, as indices into the recording's events."""
        self._kernel_iss: Seq | None = None
        self._last_of: dict[Seq, tuple[int, int]] = {}
        """By sequence number: time in ns and control bits of the kernel's last segment with it."""

    @property
    def kernel_port(self) -> int:
        """The kernel's port, 0 until it is known."""
        return self.ends.source_port if self.ends is not None else 0

    def frame_seen(self, time_ns: int, data: bytes, segment: Segment | None, *, from_peer: bool) -> FrameSeen:
        """The event of a frame of this connection."""
        return FrameSeen(time_ns, from_peer, data, segment, self.number, bases=self.bases)

    def sent(self, segment: Segment, now: float) -> None:
        """Record a segment that the peer sends; `now` is in seconds."""
        self.flow.sent(segment)
        segment_leaves(self.endpoint, segment, now)

    def judge(self, segment: Segment, time_ns: int) -> Judgement:
        """Judge a segment that the kernel has sent, whether or not it reaches the peer."""
        again = bool(segment.payload or segment.flags & (SYN | FIN)) and self._is_retransmission(segment, time_ns)
        return Judgement(again, judge(self.flow, segment))

    def receive(self, segment: Segment, now: float) -> None:
        """Pass a segment that has reached the peer to the model; `now` is in seconds."""
        if not segment.faults:  # a malformed segment is discarded (RFC 9293 MUST-3)
            segment_arrives(self.endpoint, segment, now)

    def _is_retransmission(self, segment: Segment, time_ns: int) -> bool:
        syn = segment.flags & SYN
        again = False
        if self.flow.is_retransmission(segment):
            last_ns, last_flags = self._last_of.get(segment.seq, (0, 0))
            # A SYN+ACK after a SYN is new, though it has the same sequence number. A SYN that differs only in the
            # ECN bits is a retransmission: RFC 3168 6.1.1.1 lets a retransmission leave them out.
            same = not syn or not (segment.flags ^ last_flags) & ACK
            again = time_ns - last_ns >= _SOONEST_TIMER_NS and same
        self._last_of[segment.seq] = time_ns, segment.flags
        if syn and segment.seq != self._kernel_iss:
            self._kernel_iss = segment.seq
            self.bases = Bases(segment.seq, self.bases.peer)
        return again
