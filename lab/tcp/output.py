"""The way out: which segment the TCB would send, what it owes, and what it learns from a segment that has left.

`segments_owed` pays the debts; a scripted endpoint's author decides alone what leaves. Both are accounted for by
`segment_leaves`, so that the two ways of driving an endpoint cannot disagree.
"""

from __future__ import annotations

from lab.tcp.diagram import (
    CLOSE_WAIT,
    CLOSED,
    CLOSING,
    ESTABLISHED,
    FIN_WAIT_1,
    LAST_ACK,
    LISTEN,
    SYN_RECEIVED,
    SYN_SENT,
    Event,
)
from lab.tcp.flags import ACK, FIN, PSH, RST, SYN
from lab.tcp.options import Option, Options
from lab.tcp.segment import Segment
from lab.tcp.sequence import Seq
from lab.tcp.tcb import Offer, Tcb, Unacknowledged
from lab.tcp.values import make

_ZERO = Seq(0)
_NOP: Option = ("NOP", None)
_SENDING = (ESTABLISHED, SYN_RECEIVED, FIN_WAIT_1, CLOSE_WAIT, CLOSING, LAST_ACK)
_MASK = 0xFFFF_FFFF
_MAX_FIELD = 0xFFFF
_TIMESTAMP_SIZE = 12


def next_segment(tcb: Tcb, flags: int, payload: bytes, now: float) -> Segment:
    """The segment that the TCB calls for when these flags are to be sent (3.10.7, 3.4)."""
    ack = tcb.rcv_nxt if flags & ACK else _ZERO
    if flags & SYN:
        return _next_syn(tcb, flags, ack, payload, now)
    window = min(tcb.rcv_wnd >> tcb.rcv_shift, _MAX_FIELD)
    options: Options = (_NOP, _NOP, _timestamp(tcb, flags, now)) if tcb.ts_ok else ()
    if tcb.sack_ok and tcb.reassembly and flags & ACK and not payload:  # full-sized text leaves no room for blocks
        options += _sack(tcb)
    return make(Segment, (tcb.snd_nxt, ack, flags, window, options, payload, 0, 0, ()))


def _next_syn(tcb: Tcb, flags: int, ack: Seq, payload: bytes, now: float) -> Segment:
    state = tcb.state
    if state is CLOSED or state is LISTEN:
        seq, window = tcb.next_iss, tcb.config.window
    else:
        seq, window = (tcb.iss if state in (SYN_SENT, SYN_RECEIVED) else tcb.snd_nxt), tcb.rcv_wnd
    return Segment(seq, ack, flags, min(window, _MAX_FIELD), _syn_options(tcb, flags, now), payload)


def _syn_options(tcb: Tcb, flags: int, now: float) -> Options:
    """Everything configured, in a SYN,ACK as far as the SYN offered it, in Linux's order (RFC 7323 1.3, RFC 2018 2)."""
    config, theirs = tcb.config, tcb.their_offer if flags & ACK else None
    sack = config.sack_permitted and (theirs is None or theirs.sack_permitted)
    options: list[Option] = []
    if config.mss is not None:
        options.append(("MSS", config.mss))
    if config.timestamps and (theirs is None or theirs.tsval is not None):
        options += (("SAckOK", b""),) if sack else (_NOP, _NOP)
        options.append(_timestamp(tcb, flags, now))
    elif sack:
        options += (_NOP, _NOP, ("SAckOK", b""))
    if config.window_scale is not None and (theirs is None or theirs.shift is not None):
        options += (_NOP, ("WScale", config.window_scale))
    return tuple(options)


def _sack(tcb: Tcb) -> Options:
    blocks = tcb.reassembly.sack_blocks()
    return (_NOP, _NOP, ("SAck", blocks)) if blocks else ()


def _timestamp(tcb: Tcb, flags: int, now: float) -> Option:
    tsval = (int(now * 1000) + tcb.config.timestamp_offset) & _MASK
    return "Timestamp", (tsval, tcb.ts_recent if flags & ACK else 0)


def segment_leaves(tcb: Tcb, segment: Segment, now: float) -> None:
    """Account for a segment that was sent, whoever made it; what the RFC would never send changes nothing."""
    flags = segment.flags
    control = flags & (SYN | FIN | RST)
    if flags & ACK and segment.ack == tcb.rcv_nxt and not flags & RST:
        tcb.ack_owed = False
        tcb.last_ack_sent = segment.ack
    if control == SYN:
        _syn_leaves(tcb, segment, now)
    elif control == RST:
        if segment.seq == tcb.snd_nxt and tcb.state is not CLOSED and tcb.state is not LISTEN:
            tcb.obey(Event.ABORT, now)
    elif (control == FIN or (segment.payload and not control)) and flags & ACK and _may_send(tcb):
        _text_leaves(tcb, segment, now)


def _may_send(tcb: Tcb) -> bool:
    return tcb.state in _SENDING and tcb.our_offer is not None


def _syn_leaves(tcb: Tcb, segment: Segment, now: float) -> None:
    state, flags = tcb.state, segment.flags
    if not flags & ACK and (state is CLOSED or state is LISTEN):
        if tcb.iss != segment.seq or tcb.walked:
            tcb.begin(segment.seq, passive=False)
        tcb.obey(Event.ACTIVE_OPEN if state is CLOSED else Event.SEND, now)
    elif state is not (SYN_RECEIVED if flags & ACK else SYN_SENT):
        return
    tcb.syn_owed = False
    if tcb.our_offer is None:
        tcb.iss = tcb.snd_una = segment.seq
        if tcb.their_offer is None:
            tcb.snd_wl2 = segment.seq
        tcb.our_offer = Offer.of(segment.options)
        tcb.negotiate()
        _queue(tcb, segment, now)
        tcb.snd_nxt = segment.end
    elif segment.seq == tcb.iss:
        _repeated(tcb, segment)


def _text_leaves(tcb: Tcb, segment: Segment, now: float) -> None:
    """Text or FIN leaves: at SND.NXT it is new, before it a retransmission, beyond it (scripted) a gap stays open."""
    seq, end = segment.seq, segment.end
    if seq != tcb.snd_nxt:
        if end <= tcb.snd_nxt:
            _repeated(tcb, segment)
            return
        if seq > tcb.snd_nxt:
            if end <= tcb.snd_una + tcb.snd_wnd:
                tcb.ahead.append(segment)
            return
    if tcb.fin_end is not None:
        return
    _queue(tcb, segment, now)
    tcb.snd_nxt = end
    if segment.flags & FIN:
        tcb.fin_end, tcb.fin_owed = end, False
        tcb.obey(Event.CLOSE, now)
    for late in tcb.ahead:
        if late.seq <= end:
            tcb.ahead.remove(late)
            _text_leaves(tcb, late, now)
            return


def _queue(tcb: Tcb, segment: Segment, now: float) -> None:
    if not tcb.unacknowledged:
        tcb.retransmit_at = now + tcb.rto.value
    tcb.unacknowledged.append(Unacknowledged(segment, segment.end, now))


def _repeated(tcb: Tcb, segment: Segment) -> None:
    for entry in tcb.unacknowledged:
        if entry.segment.seq == segment.seq:
            entry.retransmitted = True  # Karn: its acknowledgment will not tell which copy arrived


def segments_owed(tcb: Tcb, now: float) -> list[Segment]:
    """Make the segments that are due, and account for them."""
    segments, tcb.replies = tcb.replies, []

    def send(segment: Segment) -> None:
        segments.append(segment)
        segment_leaves(tcb, segment, now)

    if tcb.syn_owed:
        send(next_segment(tcb, SYN | ACK if tcb.state is SYN_RECEIVED else SYN, b"", now))
    if tcb.retransmission_owed:
        tcb.retransmission_owed = False
        send(due_retransmission(tcb, now))
    if tcb.state in _SENDING:
        while (segment := _next_text(tcb, now)) is not None:
            send(segment)
        waiting = tcb.outgoing or tcb.fin_owed
        if waiting and not tcb.unacknowledged and tcb.retransmit_at is None:
            tcb.retransmit_at = now + tcb.rto.value  # the window is shut: persist (3.8.6.1, SHLD-29)
    if tcb.ack_owed and tcb.state is not SYN_SENT:
        send(next_segment(tcb, ACK, b"", now))
    return segments


def due_retransmission(tcb: Tcb, now: float) -> Segment:
    """The first segment in the retransmission queue, with today's ACK, window and timestamps."""
    first = tcb.unacknowledged[0].segment
    if first.flags & SYN:
        return next_segment(tcb, SYN | ACK if tcb.state is SYN_RECEIVED else SYN, first.payload, now)
    return next_segment(tcb, first.flags, first.payload, now)._replace(seq=first.seq)


def _next_text(tcb: Tcb, now: float) -> Segment | None:
    """The next text or the FIN, if the window lets it out (3.7.1, 3.8.6.2.1); a probe takes one octet anyway."""
    text = len(tcb.outgoing)
    if not text and not tcb.fin_owed:
        return None
    usable = tcb.snd_una + tcb.snd_wnd - tcb.snd_nxt
    if tcb.probe_owed:
        tcb.probe_owed = False
        usable = max(usable, 1)
    elif usable < min(text, tcb.snd_mss, tcb.max_snd_wnd // 2):
        return None  # a small piece into a nearly shut window would be a silly one
    if usable <= 0:
        return None
    if not text:
        return next_segment(tcb, FIN | ACK, b"", now)
    size = min(usable, max(1, tcb.snd_mss - (_TIMESTAMP_SIZE if tcb.ts_ok else 0)))
    payload = bytes(tcb.outgoing[:size])
    del tcb.outgoing[:size]
    return next_segment(tcb, ACK if tcb.outgoing else ACK | PSH, payload, now)
