"""The transmission control block: what one side remembers of a connection (RFC 9293 3.3.1)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from lab.tcp.diagram import CLOSED, LISTEN, TIME_WAIT, Edge, Event, edge
from lab.tcp.options import Options
from lab.tcp.reassembly import Reassembly
from lab.tcp.rto import RetransmissionTimeout
from lab.tcp.segment import Segment
from lab.tcp.sequence import Seq

MAX_SHIFT = 14
"""A larger window scale is used as this one (RFC 7323 2.3)."""
ISS_STEP = 65537
"""How far the next ISS lies beyond the old SND.NXT, so that no old number is in use (RFC 9293 3.6.1; Linux's step)."""


_ISS = Seq(2**32 - 2)


@dataclass(slots=True)
class Config:
    """What an endpoint offers and how its timers run; times in seconds, sizes in bytes."""

    iss: Seq = _ISS
    """So close below the wrap that the first bytes behind the SYN cross it."""
    mss: int | None = 1460
    """The MSS option of a SYN; None sends none."""
    default_mss: int = 536
    """What the other side takes when its SYN has no MSS option: 536 over IPv4, 1220 over IPv6 (RFC 9293 3.7.1)."""
    window: int = 65535
    """The receive buffer."""
    window_scale: int | None = None
    timestamps: bool = False
    timestamp_offset: int = 0
    """Added to the milliseconds that TSval counts."""
    sack_permitted: bool = False
    rto_initial: float = 1.0
    rto_min: float = 1.0
    rto_max: float = 60.0
    syn_retries: int = 6
    synack_retries: int = 5
    retries: int = 15
    """Retransmissions until the connection is given up (R2 of RFC 9293 3.8.3, counted)."""
    msl: float = 30.0
    """Half the time in TIME-WAIT: Linux's value, the RFC has two minutes."""


class Offer(NamedTuple):
    """What the options of one SYN offer."""

    mss: int | None = None
    shift: int | None = None
    sack_permitted: bool = False
    tsval: int | None = None
    fast_open: bool = False

    @classmethod
    @lru_cache(maxsize=256)
    def of(cls, options: Options) -> Offer:
        """Read it from a SYN's options; a repeated option counts as its last one."""
        mss = shift = tsval = None
        sack_permitted = fast_open = False
        for name, value in options:
            if name == "MSS":
                mss = value
            elif name == "WScale":
                shift = value
            elif name == "SAckOK":
                sack_permitted = True
            elif name == "Timestamp":
                tsval = value[0]  # type: ignore[index]  # decode() admits no other value under this name
            elif name == "TFO":
                fast_open = True
        return cls(mss, shift, sack_permitted, tsval, fast_open)  # type: ignore[arg-type]  # integers, for the same reason


class Unacknowledged:
    """One entry of the retransmission queue."""

    __slots__ = ("end", "retransmitted", "segment", "sent_at")

    def __init__(self, segment: Segment, end: Seq, sent_at: float) -> None:
        self.segment, self.end, self.sent_at, self.retransmitted = segment, end, sent_at, False


class Tcb:
    """The variables of RFC 9293 3.3.1 under their names, the queues, and what is owed but not sent yet."""

    __slots__ = (
        "ack_owed", "ahead", "config", "error", "fin_end", "fin_owed", "irs", "iss", "last_ack_sent", "max_snd_wnd",
        "our_offer", "outgoing", "passive", "probe_owed", "rcv_nxt", "rcv_shift", "rcv_up", "rcv_wnd",
        "reassembly", "received", "replies", "retransmission_owed", "retransmit_at", "rto", "sack_ok", "snd_mss",
        "snd_nxt", "snd_shift", "snd_una", "snd_wl1", "snd_wl2", "snd_wnd", "state", "syn_owed", "their_offer",
        "time_wait_until", "ts_ok", "ts_recent", "ts_recent_at", "unacknowledged", "walked",
    )  # fmt: skip

    def __init__(self, config: Config) -> None:
        self.config = config
        self.state = CLOSED
        self.walked: list[Edge] = []
        """The edges of the diagram that this endpoint has taken, in order."""
        self.error: str | None = None
        """Why the connection ended, in the RFC's words, when it did not end in order."""
        self.replies: list[Segment] = []
        """Resets that are owed."""
        self.begin(config.iss, passive=False)

    @property
    def next_iss(self) -> Seq:
        """The ISS of the next connection: the configured one, later a number beyond all that are in use."""
        return self.iss if self.our_offer is None else self.snd_nxt + ISS_STEP

    def begin(self, iss: Seq, *, passive: bool) -> None:
        """Fill in the block of a new connection with this ISS, of which nothing is sent yet."""
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
        """The sequence number behind our FIN, once it was sent."""
        self.ahead: list[Segment] = []
        """Segments that left (scripted) before the text in front of them."""
        self.outgoing, self.received = bytearray(), bytearray()
        self.reassembly = Reassembly()
        self.unacknowledged: list[Unacknowledged] = []
        self.rto = RetransmissionTimeout(config.rto_initial, config.rto_min, config.rto_max)
        self.stop()

    def stop(self) -> None:
        """Owe nothing (but resets) and wait for nothing."""
        self.ack_owed = self.syn_owed = self.fin_owed = self.probe_owed = self.retransmission_owed = False
        self.retransmit_at: float | None = None
        """When the retransmission timer, or with nothing in flight the persist timer, runs out."""
        self.time_wait_until: float | None = None

    def obey(self, event: Event, now: float) -> None:
        """Take the edge of the diagram; without one nothing changes."""
        step = edge(self.state, event)
        if step is None:
            return
        self.walked.append(step)
        target = self.state = step.target
        if target is TIME_WAIT:
            self.time_wait_until = now + 2 * self.config.msl
        elif target is CLOSED or target is LISTEN:
            self.stop()
            self.unacknowledged.clear()
            self.outgoing.clear()

    def negotiate(self) -> None:
        """Settle the options: each needs the SYNs of both sides (RFC 7323 2.2 and 3.2, RFC 2018 2, RFC 9293 3.7.1)."""
        ours, theirs = self.our_offer, self.their_offer
        if ours is None or theirs is None:
            return
        self.snd_mss = theirs.mss or self.config.default_mss
        self.sack_ok = ours.sack_permitted and theirs.sack_permitted
        if ours.shift is not None and theirs.shift is not None:
            self.rcv_shift, self.snd_shift = min(ours.shift, MAX_SHIFT), min(theirs.shift, MAX_SHIFT)
        self.ts_ok = ours.tsval is not None and theirs.tsval is not None

    def acknowledge(self, ack: Seq, now: float) -> None:
        """SND.UNA moves to `ack`: drop what it covers from the queue, learn the round trip, restart the timer."""
        self.snd_una = ack
        queue, rto = self.unacknowledged, self.rto
        newest = None
        while queue and queue[0].end <= ack:
            newest = queue.pop(0)
        if newest is not None and not newest.retransmitted:
            rto.measure(now - newest.sent_at)
        rto.timeouts = 0
        self.retransmission_owed = False
        self.retransmit_at = now + rto.value if queue else None

    def update_window(self, seq: Seq, ack: Seq, window: int) -> None:
        """Take `window` (in bytes) as SND.WND, told by the segment with these SEG.SEQ and SEG.ACK (3.10.7.4)."""
        if self.snd_wnd == 0 and window and self.unacknowledged:
            self.retransmission_owed = True  # the window was shut on what is in flight: do not leave it to the timer
        self.snd_wnd, self.snd_wl1, self.snd_wl2 = window, seq, ack
        self.max_snd_wnd = max(self.max_snd_wnd, window)
