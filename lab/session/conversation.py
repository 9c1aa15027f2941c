"""One connection between a peer and the kernel: its ends, the model, the rules' state, and what has arrived."""

from __future__ import annotations

from typing import NamedTuple

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
"""No retransmission timer of Linux is shorter (tail loss probes take 2 jiffies): what repeats sooner is an answer."""


class Judgement(NamedTuple):
    """What a segment of the kernel is by itself, before any expectation."""

    retransmission: bool
    breaches: tuple[Breach, ...]
    """The standing rules that it breaks."""


class Conversation:
    """What is known of one connection. The switchboard finds it for each frame, the author's `Peer` drives it."""

    __slots__ = ("_kernel_iss", "_last_of", "address", "bases", "endpoint", "ends", "flow", "inbox", "number", "port")

    def __init__(self, address: str, port: int, config: Config) -> None:
        """Address and port are the peer's."""
        self.address = address
        self.port = port
        self.ends: Endpoints | None = None
        """The ends of what the kernel sends; None until the kernel's end is known."""
        self.number = -1
        """Index into `Recording.connections`; -1 until the kernel's end is known."""
        self.endpoint = Endpoint(config)
        """The model of the peer's side."""
        self.flow = Flow(config.default_mss)
        """What both sides have sent, for the standing rules."""
        self.bases = Bases(Seq(0), config.iss)
        self.inbox: list[int] = []
        """The kernel's frames that no expectation has taken yet, as indices into the recording's events."""
        self._kernel_iss: Seq | None = None
        self._last_of: dict[Seq, tuple[int, int]] = {}
        """By sequence number: when the kernel sent it last, and with which control bits."""

    @property
    def kernel_port(self) -> int:
        """The kernel's port, 0 until it is known."""
        return self.ends.source_port if self.ends is not None else 0

    def sent(self, segment: Segment, now: float) -> None:
        """The peer has sent this."""
        self.flow.sent(segment)
        segment_leaves(self.endpoint, segment, now)

    def judge(self, segment: Segment, time_ns: int) -> Judgement:
        """The kernel has sent this: account for it, whether it ever gets to the peer or not."""
        again = bool(segment.payload or segment.flags & (SYN | FIN)) and self._is_retransmission(segment, time_ns)
        return Judgement(again, judge(self.flow, segment))

    def receive(self, segment: Segment, now: float) -> None:
        """The segment has got to the peer."""
        if not segment.faults:  # what is malformed is discarded unread (RFC 9293 MUST-3)
            segment_arrives(self.endpoint, segment, now)

    def _is_retransmission(self, segment: Segment, time_ns: int) -> bool:
        syn = segment.flags & SYN
        again = False
        if self.flow.is_retransmission(segment):
            last_ns, last_flags = self._last_of.get(segment.seq, (0, 0))
            # A SYN+ACK after a SYN says something new, though it has the same sequence number. Without the bits that
            # asked for ECN it does not: a retransmission leaves them out (RFC 3168 6.1.1.1).
            same = not syn or not (segment.flags ^ last_flags) & ACK
            again = time_ns - last_ns >= _SOONEST_TIMER_NS and same
        self._last_of[segment.seq] = time_ns, segment.flags
        if syn and segment.seq != self._kernel_iss:
            self._kernel_iss = segment.seq
            self.bases = Bases(segment.seq, self.bases.peer)
        return again
