"""One connection between a peer and the kernel: its ends, the model, the rules' state, and the inbox."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from lab.record.events import FrameSeen
from lab.record.expectation import Bases
from lab.session.engine import Engine, ModelEngine
from lab.session.timers import settings_of, soonest_retransmission
from lab.tcp.endpoint import Config, Endpoint
from lab.tcp.flags import ACK, SYN
from lab.tcp.flow import Flow
from lab.tcp.input import segment_arrives
from lab.tcp.output import segment_leaves
from lab.tcp.rules import Breach, judge
from lab.tcp.segment import Segment
from lab.tcp.sequence import Seq
from lab.wire.frames import Endpoints

_ANSWER_NS = 50_000_000
"""Longest time from a segment of the peer to the kernel's answer. Linux answers while it processes the segment, which
takes microseconds, unless a busy machine postpones that."""

_CLOCKS_NS = 100_000
"""Largest difference between the clocks of frames received and frames sent."""
_DUE = 0.5
"""Share of a timer's least length after which it may be due. Answers come at once, and a busy machine counts its
jiffies late, so that a timer can be shorter than it should be; `RetransmissionWatch` measures timers exactly."""


class Transmission(NamedTuple):
    """A segment of the kernel that occupies sequence numbers."""

    seq: Seq
    end: Seq
    flags: int
    timer_ns: int
    """The earliest time at which its retransmission timer can have been set, in ns of CLOCK_MONOTONIC."""


class Judgement(NamedTuple):
    """Judgement of a segment of the kernel, independent of any expectation."""

    retransmission: bool
    breaches: tuple[Breach, ...]
    """Standing rules that the segment breaks."""


class Conversation:
    """State of one connection. The switchboard finds it for each frame, the author's `Peer` drives it."""

    __slots__ = (
        "_asked_ns", "_hurried", "_kernel_iss", "_transmissions", "address", "bases", "endpoint", "ends", "engine",
        "flow", "inbox", "number", "options", "port",
    )  # fmt: skip

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
        self.engine: Engine | None = None
        """What decides which segments the peer sends; None: the scenario does."""
        self.flow = Flow(config.default_mss)
        """Segments of both sides so far, for the standing rules."""
        self.bases = Bases(Seq(0), config.iss)
        self.inbox: list[int] = []
        """The kernel's frames that no expectation has consumed yet, as indices into the recording's events."""
        self.options: Mapping[str, object] = {}
        """Socket options that the scenario has set on the kernel's socket, or on its listener before accept(2)."""
        self._kernel_iss: Seq | None = None
        self._transmissions: list[Transmission] = []
        """All of them, in order: an acknowledgment of the peer may not have reached the kernel."""
        self._hurried = False
        """The kernel has shortened the timer of its SYN."""
        self._asked_ns: dict[bool, list[int]] = {True: [], False: []}
        """When the peer sent segments after which the kernel may repeat at once its SYN (True), or text or its FIN
        (False)."""

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
        if not self._model_decides:
            segment_leaves(self.endpoint, segment, now)

    def reaches_kernel(self, segment: Segment | None, time_ns: int) -> None:
        """Note when a frame of the peer goes to the kernel; None stands for one without a TCP segment (ICMP)."""
        if segment is None or segment.flags & (SYN | ACK) == SYN:
            self._asked_ns[True].append(time_ns)
        if segment is None or (segment.flags & ACK and not segment.payload):
            self._asked_ns[False].append(time_ns)
        theirs = self.flow.theirs
        if segment is not None and segment.flags & ACK and theirs.active and not theirs.synchronized:
            # tcp_rcv_synsent_state_process() sends the SYN again soon after an acknowledgment of something else.
            self._hurried |= theirs.iss is not None and segment.ack != theirs.iss + 1

    def judge(self, segment: Segment, time_ns: int, settings: Mapping[str, str], answered_ns: int) -> Judgement:
        """Judge a segment that the kernel has sent at `time_ns`, whether or not it reaches the peer.

        `settings` are the kernel's sysctls. The kernel has answered all that was sent to it before `answered_ns`.
        """
        again = bool(segment.length) and self._is_retransmission(segment, time_ns, settings, answered_ns)
        breaches = judge(self.flow, segment)
        if settings.get("net.ipv4.tcp_syncookies") == "2" and segment.flags & (SYN | ACK) == SYN | ACK:
            self.flow.theirs.by_cookie |= not self.flow.theirs.active
        return Judgement(again, breaches)

    def receive(self, segment: Segment, now: float) -> None:
        """Pass a segment that has reached the peer to the model, and to the engine; `now` is in seconds."""
        if segment.faults:  # a malformed segment is discarded (RFC 9293 MUST-3)
            return
        if not self._model_decides:
            segment_arrives(self.endpoint, segment, now)
        if self.engine is not None:
            self.engine.receive(segment, now)

    @property
    def _model_decides(self) -> bool:
        """Whether the engine is the model itself, which accounts for its segments before they are sent."""
        return isinstance(self.engine, ModelEngine)

    def _is_retransmission(self, segment: Segment, time_ns: int, settings: Mapping[str, str], answered_ns: int) -> bool:
        """Whether a timer of the kernel caused this segment: one was due, and no segment of the peer triggered it."""
        syn = bool(segment.flags & SYN)
        timer_ns, again = time_ns, False
        if self.flow.is_retransmission(segment) and (before := self._last_with(segment.seq)):
            # A SYN+ACK after a SYN is new, though it has the same sequence number, and the SYN's timer goes on. A SYN
            # that differs in the ECN bits only is a retransmission, which leaves them out (RFC 3168 6.1.1.1).
            if syn and (segment.flags ^ before.flags) & ACK:
                timer_ns = before.timer_ns
            else:
                soon = self._hurried if syn else self._probes
                soonest_ns = (
                    _DUE * 1e9 * soonest_retransmission(settings_of(settings, self.options), syn=syn, soon=soon)
                )
                # A lab that is held up reads a segment after it has sent others, which have not asked for it.
                possible_ns = range(max(answered_ns, time_ns - _ANSWER_NS) + 1, time_ns + _CLOCKS_NS)
                asked = any(asked_ns in possible_ns for asked_ns in self._asked_ns[syn])
                again = time_ns - before.timer_ns >= soonest_ns and not asked
                again |= self._hurried and segment.flags & (SYN | ACK) == SYN  # no segment asks for a SYN alone
        self._transmissions.append(Transmission(segment.seq, segment.end, segment.flags, timer_ns))
        if syn and segment.seq != self._kernel_iss:
            self._kernel_iss = segment.seq
            self.bases = Bases(segment.seq, self.bases.peer)
        return again

    @property
    def _probes(self) -> bool:
        """Whether a tail loss probe can replace the first retransmission (RFC 8985 7.2)."""
        return self.flow.ours.offer.sack_permitted and self.flow.theirs.offer.sack_permitted

    def _last_with(self, seq: Seq) -> Transmission | None:
        """The last transmission of the octet or control with this sequence number."""
        return next((each for each in reversed(self._transmissions) if each.seq <= seq < each.end), None)
