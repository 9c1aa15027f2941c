"""One side of a connection without any I/O: its variables, the user calls, the timers (RFC 9293 3.3.1, 3.10).

`input.segment_arrives` processes a received segment. An endpoint never sends by itself: received segments, user calls
and timeouts only record which segments are owed. A caller can drive it in two ways, and can mix them. Automatic: the
caller makes user calls, runs the timers and sends what `output.segments_owed` returns. Scripted: the caller chooses
each segment and reports it with `output.segment_leaves`; `output.next_segment` suggests one. Time is an argument, in
seconds on any monotonic clock.

Left out: congestion control, fast retransmit and the sender's side of SACK (RFC 5681, 6675), Nagle and delayed ACKs,
keep-alives, sending urgent data, rate limiting of challenge ACKs.
"""

from __future__ import annotations

from dataclasses import dataclass

from lab.tcp.diagram import Edge, Event, edge
from lab.tcp.options import MAX_SHIFT, Offer
from lab.tcp.reassembly import Reassembly
from lab.tcp.rto import RetransmissionTimeout
from lab.tcp.segment import Segment
from lab.tcp.sequence import Seq
from lab.tcp.state import State

ISS_STEP = 65537
"""Distance from the old SND.NXT to the next ISS, so that no old number is reused (RFC 9293 3.6.1; Linux's step)."""

_ISS = Seq(2**32 - 2)
_CLOSING_STATES = (State.FIN_WAIT_1, State.FIN_WAIT_2, State.CLOSING, State.LAST_ACK, State.TIME_WAIT)


class UserCallError(Exception):
    """A user call that is an error in the current state (RFC 9293 3.10); the message is the RFC's."""


@dataclass(slots=True)
class Config:
    """Offers and timer settings of an endpoint; times in seconds, sizes in bytes."""

    iss: Seq = _ISS
    """The default is 2**32 - 2: sequence numbers wrap after the first byte of data."""
    mss: int | None = 1460
    """The value of the MSS option in a SYN; None: no such option."""
    default_mss: int = 536
    """The MSS of the other side when its SYN has no MSS option: 536 over IPv4, 1220 over IPv6 (RFC 9293 3.7.1)."""
    window: int = 65535
    """The size of the receive buffer."""
    window_scale: int | None = None
    timestamps: bool = False
    timestamp_offset: int = 0
    """Added to the time in milliseconds to give TSval."""
    sack_permitted: bool = False
    rto_initial: float = 1.0
    rto_min: float = 1.0
    rto_max: float = 60.0
    syn_retries: int = 6
    synack_retries: int = 5
    retries: int = 15
    """Number of retransmissions after which the connection is closed (R2 of RFC 9293 3.8.3, as a count)."""
    msl: float = 30.0
    """Maximum segment lifetime, half the time in TIME-WAIT. This is Linux's value; the RFC has two minutes."""


@dataclass(slots=True)
class Unacknowledged:
    """One entry of the retransmission queue."""

    segment: Segment
    sent_at: float
    retransmitted: bool = False


class Endpoint:
    """A TCP endpoint: the variables of RFC 9293 3.3.1 by their names, the queues, and the segments still owed."""

    def __init__(self, config: Config | None = None) -> None:
        self.config = config or Config()
        self.state = State.CLOSED
        self.walked: list[Edge] = []
        """The edges of the diagram that this endpoint has taken, in order."""
        self.error: str | None = None
        """The RFC's message if the connection was reset, refused or timed out; otherwise None."""
        self.replies: list[Segment] = []
        """Resets owed in response to received segments."""
        self.reset_owed: Seq | None = None
        """The sequence number of the RST owed for an aborted connection; None if no such RST is owed."""
        self.begin(self.config.iss, passive=False)

    # The variables, and how they change together.

    @property
    def next_iss(self) -> Seq:
        """The ISS of the next connection: the current ISS until a SYN has used it, then SND.NXT + ISS_STEP."""
        return self.iss if self.our_offer is None else self.snd_nxt + ISS_STEP

    def begin(self, iss: Seq, *, passive: bool) -> None:
        """Reset all variables for a new connection with this ISS. Nothing has been sent on it yet."""
        config = self.config
        self.passive, self.error = passive, None
        self.iss = self.snd_una = self.snd_nxt = self.snd_wl2 = iss
        self.irs = self.rcv_nxt = self.rcv_up = self.snd_wl1 = self.last_ack_sent = Seq(0)
        self.snd_wnd = self.max_snd_wnd = self.snd_shift = self.rcv_shift = 0
        self.snd_mss = config.default_mss
        self.rcv_wnd = config.window
        self.our_offer: Offer | None = None
        self.their_offer: Offer | None = None
        self.sack_ok = self.ts_ok = False
        self.ts_recent, self.ts_recent_at = 0, 0.0
        self.fin_end: Seq | None = None
        """The sequence number after our FIN; None until the FIN is sent."""
        self.ahead: list[Segment] = []
        """Scripted segments sent beyond SND.NXT; the text before them has not been sent yet."""
        self.outgoing, self.received = bytearray(), bytearray()
        self.reassembly = Reassembly()
        self.unacknowledged: list[Unacknowledged] = []
        self.rto = RetransmissionTimeout(config.rto_initial, config.rto_min, config.rto_max)
        self.stop()

    def stop(self) -> None:
        """Stop every timer, and cancel every owed segment except resets."""
        self.ack_owed = self.syn_owed = self.fin_owed = self.probe_owed = self.retransmission_owed = False
        self.retransmit_at: float | None = None
        """When the retransmission timer expires; with nothing in flight, when the persist timer expires."""
        self.time_wait_until: float | None = None

    def obey(self, event: Event, now: float) -> None:
        """Follow the diagram's edge for `event`; the segment it sends is then owed. Without an edge nothing changes."""
        step = edge(self.state, event)
        if step is None:
            return
        self.walked.append(step)
        target = self.state = step.target
        if target is State.TIME_WAIT:
            self.time_wait_until = now + 2 * self.config.msl
        elif target is State.CLOSED or target is State.LISTEN:
            self.stop()
            self.unacknowledged.clear()
            self.outgoing.clear()
        match step.sends:
            case "S" | "SA":
                self.syn_owed = True
            case "A":
                self.ack_owed = True
            case "FA":
                self.fin_owed = True
            case "R":
                self.reset_owed = self.snd_nxt

    def negotiate(self) -> None:
        """Set the negotiated options once both SYNs are known (RFC 7323 2.2 and 3.2, RFC 2018 2, RFC 9293 3.7.1)."""
        ours, theirs = self.our_offer, self.their_offer
        if ours is None or theirs is None:
            return
        self.snd_mss = theirs.mss or self.config.default_mss
        self.sack_ok = ours.sack_permitted and theirs.sack_permitted
        if ours.shift is not None and theirs.shift is not None:
            self.rcv_shift, self.snd_shift = min(ours.shift, MAX_SHIFT), min(theirs.shift, MAX_SHIFT)
        self.ts_ok = ours.tsval is not None and theirs.tsval is not None

    def acknowledge(self, ack: Seq, now: float) -> None:
        """Advance SND.UNA to `ack`: remove what it covers from the queue, measure the round trip, restart the timer."""
        self.snd_una = ack
        queue, rto = self.unacknowledged, self.rto
        newest = None
        while queue and queue[0].segment.end <= ack:
            newest = queue.pop(0)
        if newest is not None and not newest.retransmitted:
            rto.measure(now - newest.sent_at)
        rto.timeouts = 0
        self.retransmission_owed = False
        self.retransmit_at = now + rto.value if queue else None

    def update_window(self, seq: Seq, ack: Seq, window: int) -> None:
        """Set SND.WND to `window` (in bytes), received in a segment with these SEG.SEQ and SEG.ACK (3.10.7.4)."""
        if self.snd_wnd == 0 and window and self.unacknowledged:
            self.retransmission_owed = True  # the window opens again with data in flight: do not wait for the timer
        self.snd_wnd, self.snd_wl1, self.snd_wl2 = window, seq, ack
        self.max_snd_wnd = max(self.max_snd_wnd, window)

    # The user calls (3.10.1 to 3.10.5).

    def listen(self) -> None:
        """Passive OPEN (3.10.1); UserCallError unless CLOSED."""
        if self.state is not State.CLOSED:
            raise UserCallError("connection already exists")
        self.obey(Event.PASSIVE_OPEN, 0.0)

    def connect(self, now: float) -> None:
        """Active OPEN (3.10.1), also from LISTEN; UserCallError when a connection exists."""
        if edge(self.state, Event.ACTIVE_OPEN) is None:
            raise UserCallError("connection already exists")
        self.begin(self.next_iss, passive=False)
        self.obey(Event.ACTIVE_OPEN, now)

    def send(self, data: bytes, now: float) -> None:
        """SEND (3.10.2): queue `data`, in LISTEN open actively first; UserCallError when closed or closing."""
        self._ensure_not_closing()
        if self.state is State.LISTEN:
            self.begin(self.next_iss, passive=False)
            self.obey(Event.SEND, now)
        self.outgoing += data

    def read(self) -> bytes:
        """RECEIVE (3.10.3) without waiting: the text that arrived in order since the last call."""
        data = bytes(self.received)
        self.received.clear()
        room = self.config.window - self.rcv_wnd
        if room and room >= min(self.config.window // 2, self.config.mss or self.config.default_mss):
            self.rcv_wnd += room  # in large steps only, to avoid the silly window syndrome (3.8.6.2.2, MUST-39)
            self.ack_owed = self.state in (State.ESTABLISHED, State.FIN_WAIT_1, State.FIN_WAIT_2)
        return data

    def close(self, now: float) -> None:
        """CLOSE (3.10.4): no more SENDs, receiving goes on; UserCallError when closed or closing."""
        self._ensure_not_closing()
        if self.state in (State.LISTEN, State.SYN_SENT, State.ESTABLISHED):
            self.obey(Event.CLOSE, now)
        else:
            self.fin_owed = True  # the state changes when the FIN is sent

    def abort(self, now: float) -> None:
        """ABORT (3.10.5): drop the connection, and owe a RST if the diagram sends one; UserCallError when CLOSED."""
        if self.state is State.CLOSED:
            raise UserCallError("connection does not exist")
        self.obey(Event.ABORT, now)

    def _ensure_not_closing(self) -> None:
        if self.state is State.CLOSED:
            raise UserCallError("connection does not exist")
        if self.fin_owed or self.state in _CLOSING_STATES:
            raise UserCallError("connection closing")

    # The timers (3.10.8).

    def next_timeout(self) -> float | None:
        """The time at which `handle_timeout` must be called; None: no timer is running."""
        return self.time_wait_until if self.time_wait_until is not None else self.retransmit_at

    def handle_timeout(self, now: float) -> None:
        """Process every timer that has expired by `now` (3.10.8). A call before that has no effect."""
        if self.time_wait_until is not None and now >= self.time_wait_until:
            self.obey(Event.TIME_WAIT_TIMEOUT, now)
        if self.retransmit_at is None or now < self.retransmit_at:
            return
        config = self.config
        retries = {State.SYN_SENT: config.syn_retries, State.SYN_RECEIVED: config.synack_retries}
        if self.unacknowledged and self.rto.timeouts >= retries.get(self.state, config.retries):
            self.error = "user timeout"
            self.obey(Event.USER_TIMEOUT, now)
            return
        self.rto.expire()
        self.retransmit_at = now + self.rto.value
        if self.unacknowledged:
            self.retransmission_owed = True
        else:
            self.probe_owed = True
