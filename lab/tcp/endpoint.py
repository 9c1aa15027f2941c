"""One side of a connection without any I/O: segments and user calls go in, segments and states come out.

An endpoint is driven in one of two ways, or in both. Automatically: user calls, `receive`, `segments_to_send` and the
timer. Scripted: somebody else decides what leaves and tells the endpoint with `sent`; `segment` proposes. Nothing
leaves by itself: `receive` and the user calls only note what is owed. Time is an argument, in seconds on any monotonic
clock.

Left out: congestion control, fast retransmit and the sender's side of SACK (RFC 5681, 6675), Nagle and delayed ACKs,
keep-alives, urgent data on the way out, the throttling of challenge ACKs.
"""

from __future__ import annotations

from lab.tcp.diagram import (
    CLOSED,
    CLOSING,
    ESTABLISHED,
    FIN_WAIT_1,
    FIN_WAIT_2,
    LAST_ACK,
    LISTEN,
    SYN_RECEIVED,
    SYN_SENT,
    TIME_WAIT,
    Event,
    edge,
)
from lab.tcp.flags import RST
from lab.tcp.input import segment_arrives
from lab.tcp.output import due_retransmission, next_segment, segment_leaves, segments_owed
from lab.tcp.segment import Segment
from lab.tcp.tcb import Config, Tcb

__all__ = ["Config", "Endpoint", "UserCallError"]

_CLOSING_STATES = (FIN_WAIT_1, FIN_WAIT_2, CLOSING, LAST_ACK, TIME_WAIT)


class UserCallError(Exception):
    """A user call that RFC 9293 3.10 answers with an error; the message is the RFC's."""


class Endpoint(Tcb):
    """A TCP endpoint: the TCB, the user calls, SEGMENT ARRIVES, the timers (RFC 9293 3.10)."""

    __slots__ = ()

    def __init__(self, config: Config | None = None) -> None:
        super().__init__(config or Config())

    def listen(self) -> None:
        """Passive OPEN (3.10.1); UserCallError unless CLOSED."""
        if self.state is not CLOSED:
            raise UserCallError("connection already exists")
        self.obey(Event.PASSIVE_OPEN, 0.0)

    def connect(self, now: float) -> None:
        """Active OPEN (3.10.1), also from LISTEN; UserCallError when a connection exists."""
        if edge(self.state, Event.ACTIVE_OPEN) is None:
            raise UserCallError("connection already exists")
        self._open(Event.ACTIVE_OPEN, now)

    def send(self, data: bytes, now: float) -> None:
        """SEND (3.10.2): queue `data`, in LISTEN open actively first; UserCallError when closed or closing."""
        if self.state is CLOSED:
            raise UserCallError("connection does not exist")
        if self.fin_owed or self.state in _CLOSING_STATES:
            raise UserCallError("connection closing")
        if self.state is LISTEN:
            self._open(Event.SEND, now)
        self.outgoing += data

    def close(self, now: float) -> None:
        """CLOSE (3.10.4): no more SENDs, receiving goes on; UserCallError when closed or closing."""
        if self.state is CLOSED:
            raise UserCallError("connection does not exist")
        if self.fin_owed or self.state in _CLOSING_STATES:
            raise UserCallError("connection closing")
        if self.state is LISTEN or self.state is SYN_SENT:
            self.obey(Event.CLOSE, now)
            return
        self.fin_owed = True
        if self.state is ESTABLISHED:
            self.obey(Event.CLOSE, now)  # elsewhere the state follows when the FIN leaves

    def abort(self, now: float) -> None:
        """ABORT (3.10.5): forget everything, with a RST where the diagram has one; UserCallError when CLOSED."""
        step = edge(self.state, Event.ABORT)
        if step is None:
            raise UserCallError("connection does not exist")
        if step.sends is not None:
            self.replies.append(self.segment(RST, now=now))
        self.obey(Event.ABORT, now)

    def read(self) -> bytes:
        """RECEIVE (3.10.3) without waiting: the text that arrived in order since the last call."""
        data = bytes(self.received)
        self.received.clear()
        room = self.config.window - self.rcv_wnd
        if room and room >= min(self.config.window // 2, self.config.mss or self.config.default_mss):
            self.rcv_wnd += room  # in large steps only, against silly windows (3.8.6.2.2, MUST-39)
            self.ack_owed = self.state in (ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2)
        return data

    def receive(self, segment: Segment, now: float) -> None:
        """SEGMENT ARRIVES (3.10.7)."""
        segment_arrives(self, segment, now)

    def segment(self, flags: int, payload: bytes = b"", now: float = 0.0) -> Segment:
        """The segment that this endpoint would send with these flags: numbers, window and options filled in."""
        return next_segment(self, flags, payload, now)

    def sent(self, segment: Segment, now: float) -> None:
        """A segment has left that `segments_to_send` did not make; nonsense is welcome and changes nothing."""
        segment_leaves(self, segment, now)

    def segments_to_send(self, now: float) -> list[Segment]:
        """The segments that are owed; they count as sent."""
        return segments_owed(self, now)

    def retransmission(self, now: float) -> Segment | None:
        """The segment that a retransmission timeout would repeat, None when everything is acknowledged."""
        return due_retransmission(self, now) if self.unacknowledged else None

    def next_timeout(self) -> float | None:
        """When `handle_timeout` wants to be called; None: nothing is waited for."""
        return self.time_wait_until if self.time_wait_until is not None else self.retransmit_at

    def handle_timeout(self, now: float) -> None:
        """Let every timer that has run out by `now` have its effect (3.10.8); calling too early does nothing."""
        if self.time_wait_until is not None and now >= self.time_wait_until:
            self.obey(Event.TIME_WAIT_TIMEOUT, now)
        if self.retransmit_at is None or now < self.retransmit_at:
            return
        if self.unacknowledged and self.rto.timeouts >= self._retries():
            self.error = "user timeout"
            self.obey(Event.USER_TIMEOUT, now)
            return
        self.rto.expire()
        self.retransmit_at = now + self.rto.value
        if self.unacknowledged:
            self.retransmission_owed = True
        else:
            self.probe_owed = True

    def _retries(self) -> int:
        if self.state is SYN_SENT:
            return self.config.syn_retries
        return self.config.synack_retries if self.state is SYN_RECEIVED else self.config.retries

    def _open(self, event: Event, now: float) -> None:
        self.begin(self.next_iss, passive=False)
        self.syn_owed = True
        self.obey(event, now)
