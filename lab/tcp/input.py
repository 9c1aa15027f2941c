"""SEGMENT ARRIVES (RFC 9293 3.10.7), with RFC 5961 against blind attacks, RFC 7323 timestamps and RFC 6191.

Nothing is sent here: the endpoint only records which segments it owes in response.
"""

from __future__ import annotations

from lab.tcp.diagram import Event
from lab.tcp.endpoint import Endpoint
from lab.tcp.flags import ACK, FIN, RST, SYN, URG
from lab.tcp.options import Offer, timestamp
from lab.tcp.segment import Segment
from lab.tcp.sequence import Seq
from lab.tcp.state import State

_TS_RECENT_LIFETIME_S = 24 * 86400.0
_WITH_FIN = {
    None: Event.FIN,
    Event.ACK_OF_SYN: Event.FIN_AND_ACK_OF_SYN,
    Event.ACK_OF_FIN: Event.FIN_AND_ACK_OF_FIN,
}
_FIN_IN_FLIGHT = (State.FIN_WAIT_1, State.CLOSING, State.LAST_ACK)
_RECEIVING = (State.ESTABLISHED, State.SYN_RECEIVED, State.FIN_WAIT_1, State.FIN_WAIT_2)


def segment_arrives(endpoint: Endpoint, segment: Segment, now: float) -> None:
    """Process one segment of the other side; `now` in seconds."""
    state, flags = endpoint.state, segment.flags
    if state is State.SYN_SENT:
        _syn_sent(endpoint, segment, now)
    elif state is not State.CLOSED and state is not State.LISTEN:
        _otherwise(endpoint, segment, now)
    elif flags & RST:
        return
    elif flags & ACK or state is State.CLOSED:
        _reset(endpoint, segment)
    elif flags & SYN:
        _passive_open(endpoint, segment, Event.SYN, now)


def _reset(endpoint: Endpoint, segment: Segment) -> None:
    """Owe a RST with numbers taken from `segment`, so that its sender accepts the RST (3.10.7.1)."""
    if segment.flags & ACK:
        endpoint.replies.append(Segment(segment.ack, Seq(0), RST))
    else:
        endpoint.replies.append(Segment(Seq(0), segment.end, RST | ACK))


def _passive_open(endpoint: Endpoint, segment: Segment, event: Event, now: float) -> None:
    endpoint.begin(endpoint.next_iss, passive=True)
    _learn_from_syn(endpoint, segment, now)
    endpoint.obey(event, now)


def _learn_from_syn(endpoint: Endpoint, segment: Segment, now: float) -> None:
    """Take IRS, options and window from a SYN; keep text and FIN until ESTABLISHED (3.10.7.2, 3.10.7.3)."""
    endpoint.irs = segment.seq
    endpoint.rcv_nxt = endpoint.rcv_up = segment.seq + 1
    endpoint.their_offer = offer = Offer.of(segment.options)
    if offer.tsval is not None:
        endpoint.ts_recent, endpoint.ts_recent_at = offer.tsval, now
    endpoint.snd_wnd = endpoint.max_snd_wnd = segment.window
    endpoint.snd_wl1, endpoint.snd_wl2 = segment.seq, segment.ack if segment.flags & ACK else endpoint.iss
    _keep(endpoint, endpoint.rcv_nxt, segment.payload, segment.flags & FIN)


def _syn_sent(endpoint: Endpoint, segment: Segment, now: float) -> None:
    flags, ack = segment.flags, segment.ack
    acceptable = flags & ACK and endpoint.iss < ack <= endpoint.snd_nxt
    if flags & ACK and not acceptable:
        if not flags & RST:
            _reset(endpoint, segment)
    elif flags & RST:
        if acceptable:
            endpoint.error = "connection reset"
            endpoint.obey(Event.RST, now)
    elif flags & SYN:
        _learn_from_syn(endpoint, segment, now)
        endpoint.negotiate()
        if not acceptable:
            endpoint.obey(Event.SYN, now)
            return
        _syn_acknowledged(endpoint, ack, now)
        fin_came = _deliver(endpoint)
        endpoint.obey(Event.SYN_FIN_AND_ACK_OF_SYN if fin_came else Event.SYN_AND_ACK_OF_SYN, now)


def _syn_acknowledged(endpoint: Endpoint, ack: Seq, now: float) -> None:
    if endpoint.syn_owed:
        # Simultaneous open: the other SYN,ACK came before ours was sent, so an ACK is enough.
        endpoint.syn_owed, endpoint.ack_owed = False, True
    endpoint.rto.syn_acknowledged()
    endpoint.acknowledge(ack, now)


def _otherwise(endpoint: Endpoint, segment: Segment, now: float) -> None:
    """All other states (3.10.7.4). Comments give the numbers of its eight steps; step 3, security, is left out."""
    seq, flags, payload = segment.seq, segment.flags, segment.payload
    if flags & SYN:
        if endpoint.state is State.TIME_WAIT and _opens_again(endpoint, segment):
            _passive_open(endpoint, segment, Event.SYN_OF_NEW_CONNECTION, now)
            return
        if _crosses_ours(endpoint, segment):
            seq, flags = seq + 1, flags & ~SYN
    if endpoint.ts_ok and not flags & RST and not _timestamp_passes(endpoint, segment, seq, now):
        return
    if not _acceptable(endpoint, seq, payload, flags):  # 1
        if seq != endpoint.rcv_nxt:
            _refuse(endpoint, segment, now)
            return
        # RST, ACK and URG are processed even if the window is zero (3.4, MUST-66).
        endpoint.ack_owed, payload, flags = True, b"", flags & ~FIN
    if flags & (RST | SYN):  # 2, 4
        _reset_or_syn(endpoint, seq, flags, now)
    elif flags & ACK:  # 5
        before = endpoint.state
        if _acknowledgment_passes(endpoint, segment, seq, now):
            _progress(endpoint, before, segment, seq, payload, flags, now)


def _progress(
    endpoint: Endpoint, before: State, segment: Segment, seq: Seq, payload: bytes, flags: int, now: float
) -> None:
    """Process ACK, text and FIN of a segment together: they take at most one edge of the diagram."""
    event: Event | None = None
    if before is State.SYN_RECEIVED:
        event = Event.ACK_OF_SYN
    elif before in _FIN_IN_FLIGHT and endpoint.snd_una == endpoint.fin_end:
        event = Event.ACK_OF_FIN
    if before in _RECEIVING:
        if flags & URG:  # 6
            endpoint.rcv_up = max(endpoint.rcv_up, seq + segment.urgent)
        kept = before is State.SYN_RECEIVED and endpoint.reassembly  # text or FIN of the SYN
        if payload or flags & FIN or kept:  # 7, 8
            endpoint.ack_owed = True
            _keep(endpoint, seq, payload, flags & FIN)
            if _deliver(endpoint):
                event = _WITH_FIN[event]
    if event is not None:
        endpoint.obey(event, now)


def _crosses_ours(endpoint: Endpoint, segment: Segment) -> bool:
    """Whether it is the SYN,ACK of a simultaneous open. Figure 7 accepts it as an ACK of our SYN, step 1 would not."""
    if endpoint.state is not State.SYN_RECEIVED or endpoint.passive:
        return False
    return segment.flags & (ACK | RST) == ACK and segment.seq == endpoint.irs


def _opens_again(endpoint: Endpoint, segment: Segment) -> bool:
    """Whether a SYN in TIME-WAIT is certainly newer than the old connection (RFC 6191 2, RFC 9293 3.6.1 MAY-2)."""
    if segment.flags & (ACK | RST) or not endpoint.passive:
        return False
    stamp = timestamp(segment.options)
    if stamp is None:
        return segment.seq > endpoint.rcv_nxt
    if not endpoint.ts_ok:
        return True
    age = Seq(stamp[0]) - endpoint.ts_recent
    return age > 0 or (age == 0 and segment.seq > endpoint.rcv_nxt)


def _timestamp_passes(endpoint: Endpoint, segment: Segment, seq: Seq, now: float) -> bool:
    """PAWS check. A segment that covers the left edge of the window updates TS.Recent (RFC 7323 3.2, 4.3 and 5.3)."""
    stamp = timestamp(segment.options)
    if stamp is None:
        return False
    older = Seq(stamp[0]) - endpoint.ts_recent < 0
    if older and now - endpoint.ts_recent_at < _TS_RECENT_LIFETIME_S:
        endpoint.ack_owed = True
        return False
    if seq <= endpoint.last_ack_sent and (seq == endpoint.rcv_nxt or segment.end > endpoint.rcv_nxt):
        endpoint.ts_recent, endpoint.ts_recent_at = stamp[0], now
    return True


def _acceptable(endpoint: Endpoint, seq: Seq, payload: bytes, flags: int) -> bool:
    """Step 1: whether the segment touches the receive window (3.4, table 6)."""
    length = len(payload) + bool(flags & FIN) + bool(flags & SYN)
    if not endpoint.rcv_wnd:
        return length == 0 and seq == endpoint.rcv_nxt
    if seq.within(endpoint.rcv_nxt, endpoint.rcv_wnd):
        return True
    return length > 0 and (seq + (length - 1)).within(endpoint.rcv_nxt, endpoint.rcv_wnd)


def _refuse(endpoint: Endpoint, segment: Segment, now: float) -> None:
    """Answer a segment outside the window, unless it is a RST."""
    flags = segment.flags
    if flags & RST:
        return
    endpoint.ack_owed = True
    if endpoint.state is State.TIME_WAIT and flags & FIN and segment.end == endpoint.rcv_nxt:
        endpoint.obey(Event.FIN, now)  # retransmitted as our ACK was lost: meant for steps 5 and 8, stopped by step 1


def _reset_or_syn(endpoint: Endpoint, seq: Seq, flags: int, now: float) -> None:
    """Steps 2 and 4: a RST at RCV.NXT resets, other RSTs and SYNs get a challenge ACK (RFC 5961 3.2 and 4.2)."""
    before = endpoint.state
    if flags & RST and seq == endpoint.rcv_nxt:
        if before is State.SYN_RECEIVED and endpoint.passive:
            endpoint.obey(Event.RST_AFTER_PASSIVE_OPEN, now)
            return
        if before not in (State.CLOSING, State.LAST_ACK, State.TIME_WAIT):
            endpoint.error = "connection refused" if before is State.SYN_RECEIVED else "connection reset"
        endpoint.obey(Event.RST, now)
    elif not flags & RST and before is State.SYN_RECEIVED and endpoint.passive:
        endpoint.obey(Event.SYN_AFTER_PASSIVE_OPEN, now)
    else:
        endpoint.ack_owed = True


def _acknowledgment_passes(endpoint: Endpoint, segment: Segment, seq: Seq, now: float) -> bool:
    """Step 5: check the ACK, and update the send side. False: the segment must be dropped (RFC 5961 5.2)."""
    ack = segment.ack
    if endpoint.state is State.SYN_RECEIVED:
        if not endpoint.snd_una < ack <= endpoint.snd_nxt:
            _reset(endpoint, segment)
            return False
        _syn_acknowledged(endpoint, ack, now)
    elif ack != endpoint.snd_una:
        if ack > endpoint.snd_nxt or endpoint.snd_una - ack > endpoint.max_snd_wnd:
            endpoint.ack_owed = True
            return False
        if ack < endpoint.snd_una:
            return True
        endpoint.acknowledge(ack, now)
    window = segment.window << endpoint.snd_shift
    if not window:
        endpoint.rto.timeouts = 0  # no timeout while the peer still answers with a zero window (3.8.6.1, MUST-37)
    if seq > endpoint.snd_wl1 or (seq == endpoint.snd_wl1 and ack >= endpoint.snd_wl2):
        endpoint.update_window(seq, ack, window)
    return True


def _keep(endpoint: Endpoint, seq: Seq, payload: bytes, fin: int) -> None:
    """Keep the part of the text, and the FIN, that lie in the window, for reassembly."""
    old = max(0, endpoint.rcv_nxt - seq)
    room = endpoint.rcv_nxt + endpoint.rcv_wnd - seq
    if fin and len(payload) < room:
        endpoint.reassembly.fin = seq + len(payload)
    endpoint.reassembly.add(seq + old, payload[old:room])


def _deliver(endpoint: Endpoint) -> bool:
    """Move the text that is in order to `received`; True when the FIN has been reached."""
    text = endpoint.reassembly.take(endpoint.rcv_nxt)
    if text:
        endpoint.received += text
        endpoint.rcv_nxt += len(text)
        endpoint.rcv_wnd -= len(text)
    if endpoint.reassembly.fin != endpoint.rcv_nxt:
        return False
    endpoint.reassembly.fin = None
    endpoint.rcv_nxt += 1
    return True
