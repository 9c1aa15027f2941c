"""Output: the next segment an endpoint would send, the segments it owes, and its update after a segment was sent.

`segments_owed` makes the owed segments; in a scripted endpoint the author chooses each segment. `segment_leaves`
accounts for both, so that the two ways of driving an endpoint cannot disagree.
"""

from __future__ import annotations

from lab.tcp.diagram import Event
from lab.tcp.endpoint import Endpoint, Unacknowledged
from lab.tcp.flags import ACK, FIN, PSH, RST, SYN
from lab.tcp.options import Offer, Option, Options
from lab.tcp.segment import Segment
from lab.tcp.sequence import Seq
from lab.tcp.state import State

_NOP: Option = ("NOP", None)
_BEFORE_A_SYN = (State.CLOSED, State.LISTEN)
_SENDING = (State.ESTABLISHED, State.SYN_RECEIVED, State.FIN_WAIT_1, State.CLOSE_WAIT, State.CLOSING, State.LAST_ACK)
_MAX_FIELD = 0xFFFF
_TIMESTAMP_SIZE = 12


def next_segment(endpoint: Endpoint, flags: int, payload: bytes, now: float) -> Segment:
    """The segment that the endpoint would send now with these flags and this payload (3.10.7, 3.4)."""
    ack = endpoint.rcv_nxt if flags & ACK else Seq(0)
    if flags & SYN:
        return _next_syn(endpoint, flags, ack, payload, now)
    window = min(endpoint.rcv_wnd >> endpoint.rcv_shift, _MAX_FIELD)
    options: Options = (_NOP, _NOP, _timestamp(endpoint, flags, now)) if endpoint.ts_ok else ()
    if endpoint.sack_ok and flags & ACK and not payload and (blocks := endpoint.reassembly.sack_blocks()):
        options += (_NOP, _NOP, ("SAck", blocks))  # a full-sized segment of data has no room for them
    return Segment(endpoint.snd_nxt, ack, flags, window, options, payload)


def _next_syn(endpoint: Endpoint, flags: int, ack: Seq, payload: bytes, now: float) -> Segment:
    seq, window = endpoint.snd_nxt, endpoint.rcv_wnd
    if endpoint.state in _BEFORE_A_SYN:
        seq, window = endpoint.next_iss, endpoint.config.window
    elif endpoint.state in (State.SYN_SENT, State.SYN_RECEIVED):
        seq = endpoint.iss
    return Segment(seq, ack, flags, min(window, _MAX_FIELD), _syn_options(endpoint, flags, now), payload)


def _syn_options(endpoint: Endpoint, flags: int, now: float) -> Options:
    """All configured options in Linux's order; in a SYN,ACK, MSS and those offered (RFC 7323 1.3, RFC 2018 2)."""
    config, theirs = endpoint.config, endpoint.their_offer if flags & ACK else None
    sack = config.sack_permitted and (theirs is None or theirs.sack_permitted)
    options: list[Option] = []
    if config.mss is not None:
        options.append(("MSS", config.mss))
    if config.timestamps and (theirs is None or theirs.tsval is not None):
        options += (("SAckOK", b""),) if sack else (_NOP, _NOP)
        options.append(_timestamp(endpoint, flags, now))
    elif sack:
        options += (_NOP, _NOP, ("SAckOK", b""))
    if config.window_scale is not None and (theirs is None or theirs.shift is not None):
        options += (_NOP, ("WScale", config.window_scale))
    return tuple(options)


def _timestamp(endpoint: Endpoint, flags: int, now: float) -> Option:
    tsval = (int(now * 1000) + endpoint.config.timestamp_offset) & 0xFFFF_FFFF
    return "Timestamp", (tsval, endpoint.ts_recent if flags & ACK else 0)


def segment_leaves(endpoint: Endpoint, segment: Segment, now: float) -> None:
    """Account for a sent segment, automatic or scripted. A segment that the RFC would never send changes nothing."""
    flags = segment.flags
    control = flags & (SYN | FIN | RST)
    if flags & ACK and segment.ack == endpoint.rcv_nxt and not flags & RST:
        endpoint.ack_owed = False
        endpoint.last_ack_sent = segment.ack
    if control == SYN:
        _syn_leaves(endpoint, segment, now)
    elif control == RST:
        if segment.seq == endpoint.snd_nxt and endpoint.state not in _BEFORE_A_SYN:
            endpoint.obey(Event.ABORT, now)
            endpoint.reset_owed = None
    elif not flags & ACK or endpoint.state not in _SENDING or endpoint.our_offer is None:
        return
    elif control == FIN or (segment.payload and not control):
        _text_leaves(endpoint, segment, now)


def _syn_leaves(endpoint: Endpoint, segment: Segment, now: float) -> None:
    state, flags = endpoint.state, segment.flags
    if not flags & ACK and state in _BEFORE_A_SYN:
        if endpoint.iss != segment.seq or endpoint.walked:
            endpoint.begin(segment.seq, passive=False)
        endpoint.obey(Event.ACTIVE_OPEN if state is State.CLOSED else Event.SEND, now)
    elif state is not (State.SYN_RECEIVED if flags & ACK else State.SYN_SENT):
        return
    endpoint.syn_owed = False
    if endpoint.our_offer is None:
        endpoint.iss = endpoint.snd_una = segment.seq
        if endpoint.their_offer is None:
            endpoint.snd_wl2 = segment.seq
        endpoint.our_offer = Offer.of(segment.options)
        endpoint.negotiate()
        _queue(endpoint, segment, now)
        endpoint.snd_nxt = segment.end
    elif segment.seq == endpoint.iss:
        _repeated(endpoint, segment)


def _text_leaves(endpoint: Endpoint, segment: Segment, now: float) -> None:
    """Account for text or FIN: at SND.NXT new, before it a retransmission, beyond it (scripted) kept in `ahead`."""
    seq, end = segment.seq, segment.end
    if seq != endpoint.snd_nxt:
        if end <= endpoint.snd_nxt:
            _repeated(endpoint, segment)
            return
        if seq > endpoint.snd_nxt:
            if end <= endpoint.snd_una + endpoint.snd_wnd:
                endpoint.ahead.append(segment)
            return
    if endpoint.fin_end is not None:
        return
    _queue(endpoint, segment, now)
    endpoint.snd_nxt = end
    if segment.flags & FIN:
        endpoint.obey(Event.CLOSE, now)
        endpoint.fin_end, endpoint.fin_owed = end, False
    for late in endpoint.ahead:
        if late.seq <= end:
            endpoint.ahead.remove(late)
            _text_leaves(endpoint, late, now)
            return


def _queue(endpoint: Endpoint, segment: Segment, now: float) -> None:
    if not endpoint.unacknowledged:
        endpoint.retransmit_at = now + endpoint.rto.value
    endpoint.unacknowledged.append(Unacknowledged(segment, now))


def _repeated(endpoint: Endpoint, segment: Segment) -> None:
    for entry in endpoint.unacknowledged:
        if entry.segment.seq == segment.seq:
            entry.retransmitted = True  # Karn's algorithm: an ACK does not tell which transmission arrived


def segments_owed(endpoint: Endpoint, now: float) -> list[Segment]:
    """Make the owed segments, and account for them."""
    segments, endpoint.replies = endpoint.replies, []

    def send(segment: Segment) -> None:
        segments.append(segment)
        segment_leaves(endpoint, segment, now)

    if endpoint.reset_owed is not None:
        segments.append(next_segment(endpoint, RST, b"", now)._replace(seq=endpoint.reset_owed))
        endpoint.reset_owed = None
    if endpoint.syn_owed:
        send(next_segment(endpoint, _syn_flags(endpoint), b"", now))
    if endpoint.retransmission_owed and (again := due_retransmission(endpoint, now)) is not None:
        endpoint.retransmission_owed = False
        send(again)
    if endpoint.state in _SENDING:
        while (segment := _next_text(endpoint, now)) is not None:
            send(segment)
        waiting = endpoint.outgoing or endpoint.fin_owed
        if waiting and not endpoint.unacknowledged and endpoint.retransmit_at is None:
            endpoint.retransmit_at = now + endpoint.rto.value  # the window is shut: persist timer (3.8.6.1, SHLD-29)
    if endpoint.ack_owed and endpoint.state is not State.SYN_SENT:
        send(next_segment(endpoint, ACK, b"", now))
    return segments


def due_retransmission(endpoint: Endpoint, now: float) -> Segment | None:
    """The first segment of the retransmission queue, with current ACK, window and timestamps; None if there is none."""
    if not endpoint.unacknowledged:
        return None
    first = endpoint.unacknowledged[0].segment
    if first.flags & SYN:
        return next_segment(endpoint, _syn_flags(endpoint), first.payload, now)
    return next_segment(endpoint, first.flags, first.payload, now)._replace(seq=first.seq)


def _syn_flags(endpoint: Endpoint) -> int:
    return SYN | ACK if endpoint.state is State.SYN_RECEIVED else SYN


def _next_text(endpoint: Endpoint, now: float) -> Segment | None:
    """The next text or the FIN, if the window allows it (3.7.1, 3.8.6.2.1); a window probe sends one octet anyway."""
    text = len(endpoint.outgoing)
    if not text and not endpoint.fin_owed:
        return None
    usable = endpoint.snd_una + endpoint.snd_wnd - endpoint.snd_nxt
    if endpoint.probe_owed:
        endpoint.probe_owed = False
        usable = max(usable, 1)
    elif usable < min(text, endpoint.snd_mss, endpoint.max_snd_wnd // 2):
        return None  # too small a segment: silly window avoidance
    if usable <= 0:
        return None
    if not text:
        return next_segment(endpoint, FIN | ACK, b"", now)
    size = min(usable, max(1, endpoint.snd_mss - (_TIMESTAMP_SIZE if endpoint.ts_ok else 0)))
    payload = bytes(endpoint.outgoing[:size])
    del endpoint.outgoing[:size]
    return next_segment(endpoint, ACK if endpoint.outgoing else ACK | PSH, payload, now)
