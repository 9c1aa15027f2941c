"""SEGMENT ARRIVES (RFC 9293 3.10.7), with RFC 5961 against blind attacks, RFC 7323 timestamps and RFC 6191.

Nothing is sent here: what the segment calls for becomes a debt of the TCB.
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
)
from lab.tcp.flags import ACK, FIN, RST, SYN, URG
from lab.tcp.options import timestamp
from lab.tcp.segment import Segment
from lab.tcp.sequence import Seq
from lab.tcp.state import State
from lab.tcp.tcb import Offer, Tcb

_TS_RECENT_LIFETIME_S = 24 * 86400.0
_HALF, _MASK = 0x8000_0000, 0xFFFF_FFFF
_ACK_OF_SYN, _ACK_OF_FIN = Event.ACK_OF_SYN, Event.ACK_OF_FIN
_WITH_FIN = {None: Event.FIN, _ACK_OF_SYN: Event.FIN_AND_ACK_OF_SYN, _ACK_OF_FIN: Event.FIN_AND_ACK_OF_FIN}
_FIN_IN_FLIGHT = (FIN_WAIT_1, CLOSING, LAST_ACK)
_RECEIVING = (ESTABLISHED, SYN_RECEIVED, FIN_WAIT_1, FIN_WAIT_2)


def segment_arrives(tcb: Tcb, segment: Segment, now: float) -> None:
    """Process one segment of the other side; `now` in seconds."""
    state = tcb.state
    if state is LISTEN:
        _listen(tcb, segment, now)
    elif state is SYN_SENT:
        _syn_sent(tcb, segment, now)
    elif state is CLOSED:
        if not segment.flags & RST:
            _reset(tcb, segment)
    else:
        _otherwise(tcb, segment, now)


def _reset(tcb: Tcb, segment: Segment) -> None:
    """Owe the RST that makes the sender believe it: in its own numbers (3.10.7.1)."""
    if segment.flags & ACK:
        tcb.replies.append(Segment(segment.ack, Seq(0), RST))
    else:
        tcb.replies.append(Segment(Seq(0), segment.end, RST | ACK))


def _listen(tcb: Tcb, segment: Segment, now: float) -> None:
    flags = segment.flags
    if flags & RST:
        return
    if flags & ACK:
        _reset(tcb, segment)
    elif flags & SYN:
        _passive_open(tcb, segment, Event.SYN, now)


def _passive_open(tcb: Tcb, segment: Segment, event: Event, now: float) -> None:
    tcb.begin(tcb.next_iss, passive=True)
    _learn_from_syn(tcb, segment, now)
    tcb.syn_owed = True
    tcb.obey(event, now)


def _learn_from_syn(tcb: Tcb, segment: Segment, now: float) -> None:
    """IRS, the options and the window; text and FIN wait until the connection is established (3.10.7.2, 3.10.7.3)."""
    tcb.irs = segment.seq
    tcb.rcv_nxt = tcb.rcv_up = segment.seq + 1
    tcb.their_offer = offer = Offer.of(segment.options)
    if offer.tsval is not None:
        tcb.ts_recent, tcb.ts_recent_at = offer.tsval, now
    tcb.snd_wnd = tcb.max_snd_wnd = segment.window
    tcb.snd_wl1, tcb.snd_wl2 = segment.seq, segment.ack if segment.flags & ACK else tcb.iss
    if segment.payload or segment.flags & FIN:
        _keep(tcb, tcb.rcv_nxt, segment.payload, segment.flags & FIN)


def _syn_sent(tcb: Tcb, segment: Segment, now: float) -> None:
    flags, ack = segment.flags, segment.ack
    acceptable = flags & ACK and tcb.iss < ack <= tcb.snd_nxt
    if flags & ACK and not acceptable:
        if not flags & RST:
            _reset(tcb, segment)
    elif flags & RST:
        if acceptable:
            tcb.error = "connection reset"
            tcb.obey(Event.RST, now)
    elif flags & SYN:
        _learn_from_syn(tcb, segment, now)
        tcb.negotiate()
        if not acceptable:
            tcb.syn_owed = True
            tcb.obey(Event.SYN, now)
            return
        _syn_acknowledged(tcb, ack, now)
        tcb.ack_owed = True
        fin = bool(tcb.reassembly) and _deliver(tcb)
        tcb.obey(Event.SYN_FIN_AND_ACK_OF_SYN if fin else Event.SYN_AND_ACK_OF_SYN, now)


def _syn_acknowledged(tcb: Tcb, ack: Seq, now: float) -> None:
    if tcb.syn_owed:
        tcb.syn_owed, tcb.ack_owed = False, True  # the crossing SYN,ACK came before ours had left: an ACK will do
    tcb.rto.syn_acknowledged()
    tcb.acknowledge(ack, now)


def _otherwise(tcb: Tcb, segment: Segment, now: float) -> None:
    """3.10.7.4, whose eight steps are numbered here; the third was about security and is gone."""
    seq, flags, payload = segment.seq, segment.flags, segment.payload
    if flags & SYN:
        if tcb.state is TIME_WAIT and _opens_again(tcb, segment):
            _passive_open(tcb, segment, Event.SYN_OF_NEW_CONNECTION, now)
            return
        if _crosses_ours(tcb, segment):
            seq, flags = seq + 1, flags & ~SYN
    if tcb.ts_ok and not flags & RST and not _timestamp_passes(tcb, segment, seq, now):
        return
    if (seq != tcb.rcv_nxt or not tcb.rcv_wnd) and not _acceptable(tcb, seq, payload, flags):  # 1
        if seq != tcb.rcv_nxt:
            _refuse(tcb, segment, now)
            return
        tcb.ack_owed, payload, flags = True, b"", flags & ~FIN  # RST, ACK and URG pass a shut window (3.4, MUST-66)
    if flags & (RST | SYN):  # 2, 4
        _reset_or_syn(tcb, seq, flags, now)
    elif flags & ACK:  # 5
        before = tcb.state
        if _acknowledgment_passes(tcb, segment, seq, now):
            _progress(tcb, before, segment, seq, payload, flags, now)


def _progress(tcb: Tcb, before: State, segment: Segment, seq: Seq, payload: bytes, flags: int, now: float) -> None:
    """What the segment means in all, its ACK, text and FIN together: at most one edge of the diagram."""
    event: Event | None = None
    if before is SYN_RECEIVED:
        event = _ACK_OF_SYN
    elif before in _FIN_IN_FLIGHT and tcb.snd_una == tcb.fin_end:
        event = _ACK_OF_FIN
    if before in _RECEIVING:
        if flags & URG:  # 6
            tcb.rcv_up = max(tcb.rcv_up, seq + segment.urgent)
        kept = before is SYN_RECEIVED and tcb.reassembly  # it came with the SYN
        if (payload or flags & FIN or kept) and _text(tcb, seq, payload, flags & FIN):  # 7, 8
            event = _WITH_FIN[event]
    if event is not None:
        tcb.obey(event, now)


def _crosses_ours(tcb: Tcb, segment: Segment) -> bool:
    """A SYN,ACK after a simultaneous open: figure 7 takes it as the ACK of our SYN, where step 1 would refuse it."""
    if tcb.state is not SYN_RECEIVED or tcb.passive:
        return False
    return segment.flags & (ACK | RST) == ACK and segment.seq == tcb.irs


def _opens_again(tcb: Tcb, segment: Segment) -> bool:
    """Whether a SYN in TIME-WAIT is surely newer than the old connection (RFC 6191 2, RFC 9293 3.6.1 MAY-2)."""
    if segment.flags & (ACK | RST) or not tcb.passive:
        return False
    stamp = timestamp(segment.options)
    if stamp is None:
        return segment.seq > tcb.rcv_nxt
    if not tcb.ts_ok:
        return True
    age = (stamp[0] - tcb.ts_recent) & _MASK
    return 0 < age < _HALF or (age == 0 and segment.seq > tcb.rcv_nxt)


def _timestamp_passes(tcb: Tcb, segment: Segment, seq: Seq, now: float) -> bool:
    """PAWS, and TS.Recent from what also touches the left edge of the window (RFC 7323 3.2, 4.3 and 5.3)."""
    stamp = timestamp(segment.options)
    if stamp is None:
        return False
    tsval = stamp[0]
    if tsval != tcb.ts_recent:
        older = (tsval - tcb.ts_recent) & _MASK >= _HALF
        if older and now - tcb.ts_recent_at < _TS_RECENT_LIFETIME_S:
            tcb.ack_owed = True
            return False
    if seq <= tcb.last_ack_sent and (seq == tcb.rcv_nxt or segment.end > tcb.rcv_nxt):
        tcb.ts_recent, tcb.ts_recent_at = tsval, now
    return True


def _acceptable(tcb: Tcb, seq: Seq, payload: bytes, flags: int) -> bool:
    """Step 1: whether the segment touches the receive window (3.4, table 6)."""
    length = len(payload) + (flags & FIN) + (flags >> 1 & 1)
    if not tcb.rcv_wnd:
        return length == 0 and seq == tcb.rcv_nxt
    if seq.within(tcb.rcv_nxt, tcb.rcv_wnd):
        return True
    return length > 0 and (seq + (length - 1)).within(tcb.rcv_nxt, tcb.rcv_wnd)


def _refuse(tcb: Tcb, segment: Segment, now: float) -> None:
    """Answer a segment outside the window, unless it is a RST."""
    flags = segment.flags
    if flags & RST:
        return
    tcb.ack_owed = True
    if tcb.state is TIME_WAIT and flags & FIN and segment.end == tcb.rcv_nxt:
        tcb.obey(Event.FIN, now)  # sent again because our ACK got lost: steps 5 and 8 mean it, but step 1 stops it


def _reset_or_syn(tcb: Tcb, seq: Seq, flags: int, now: float) -> None:
    """Steps 2 and 4: only the exact number resets, all else in the window is asked about (RFC 5961 3.2 and 4.2)."""
    before = tcb.state
    if flags & RST and seq == tcb.rcv_nxt:
        if before is SYN_RECEIVED and tcb.passive:
            tcb.obey(Event.RST_AFTER_PASSIVE_OPEN, now)
            return
        if before not in (CLOSING, LAST_ACK, TIME_WAIT):
            tcb.error = "connection refused" if before is SYN_RECEIVED else "connection reset"
        tcb.obey(Event.RST, now)
    elif not flags & RST and before is SYN_RECEIVED and tcb.passive:
        tcb.obey(Event.SYN_AFTER_PASSIVE_OPEN, now)
    else:
        tcb.ack_owed = True


def _acknowledgment_passes(tcb: Tcb, segment: Segment, seq: Seq, now: float) -> bool:
    """Step 5, its check and what it does to the send side; False: the segment is dropped (RFC 5961 5.2)."""
    ack = segment.ack
    if tcb.state is SYN_RECEIVED:
        if not tcb.snd_una < ack <= tcb.snd_nxt:
            _reset(tcb, segment)
            return False
        _syn_acknowledged(tcb, ack, now)
    elif ack != tcb.snd_una:
        if ack > tcb.snd_nxt or tcb.snd_una - ack > tcb.max_snd_wnd:
            tcb.ack_owed = True
            return False
        if ack < tcb.snd_una:
            return True
        tcb.acknowledge(ack, now)
    window = segment.window << tcb.snd_shift
    if not window:
        tcb.rto.timeouts = (
            0  # its window is shut, but somebody answers: that is no reason to give up (3.8.6.1, MUST-37)
        )
    if seq > tcb.snd_wl1 or (seq == tcb.snd_wl1 and ack >= tcb.snd_wl2):
        tcb.update_window(seq, ack, window)
    return True


def _text(tcb: Tcb, seq: Seq, payload: bytes, fin: int) -> bool:
    """Steps 7 and 8: take what is in order, keep what is ahead; True when the FIN has been reached."""
    tcb.ack_owed = True
    if payload or fin:
        _keep(tcb, seq, payload, fin)
    return _deliver(tcb)


def _keep(tcb: Tcb, seq: Seq, payload: bytes, fin: int) -> None:
    """Put what lies in the window into the queue."""
    old = max(0, tcb.rcv_nxt - seq)
    room = tcb.rcv_nxt + tcb.rcv_wnd - seq
    if fin and len(payload) < room:
        tcb.reassembly.fin = seq + len(payload)
    tcb.reassembly.add(seq + old, payload[old:room])


def _deliver(tcb: Tcb) -> bool:
    text = tcb.reassembly.take(tcb.rcv_nxt)
    if text:
        tcb.received += text
        tcb.rcv_nxt += len(text)
        tcb.rcv_wnd -= len(text)
    if tcb.reassembly.fin != tcb.rcv_nxt:
        return False
    tcb.reassembly.fin = None
    tcb.rcv_nxt += 1
    return True
