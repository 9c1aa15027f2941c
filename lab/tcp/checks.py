# ruff: noqa: D103  # what each function demands is the sentence of its rule
"""The functions behind the standing rules: each looks at one segment and says in words how it breaks its rule, or None.

`rules.py` says what they demand and asks them only about segments that their rule can concern.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab.tcp.flags import ACK, NS, RST, SYN, letters
from lab.tcp.options import Options, has, padded, timestamp, value_of

if TYPE_CHECKING:
    from lab.tcp.flow import Flow
    from lab.tcp.segment import Segment

_HALF, _MASK = 0x8000_0000, 0xFFFF_FFFF
_LINUX_LEAST_MSS = 48
_SYN_OPTIONS = ("MSS", "WScale", "SAckOK", "TFO")


def well_formed(_flow: Flow, segment: Segment) -> str | None:
    return "; ".join(segment.faults) or None


def reserved_zero(_flow: Flow, segment: Segment) -> str | None:
    if segment.reserved or segment.flags & NS:
        return f"the reserved bits are {segment.reserved << 1 | segment.flags >> 8:04b}"
    return None


def one_control(_flow: Flow, segment: Segment) -> str | None:
    return f"flags {letters(segment.flags)} ask for two of open, close and reset at once"


def ack_flag(flow: Flow, segment: Segment) -> str | None:
    if not segment.flags & SYN:
        return f"flags {letters(segment.flags) or 'none'}: the ACK bit is clear"
    if flow.theirs.synchronized or (flow.theirs.iss is not None and not flow.theirs.active):
        return "a SYN without ACK, though the other SYN has been acknowledged already"
    return None


def ack_field_zero(_flow: Flow, segment: Segment) -> str | None:
    return f"the acknowledgment field is {segment.ack:d} and the ACK bit is clear" if segment.ack else None


def urgent_zero(_flow: Flow, segment: Segment) -> str | None:
    return f"the urgent pointer is {segment.urgent} and the URG bit is clear" if segment.urgent else None


def options_once(_flow: Flow, segment: Segment) -> str | None:
    names = [name for name, _ in segment.options if name != "NOP"]
    if len(set(names)) == len(names):
        return None
    return f"more than once: {', '.join(sorted({str(name) for name in names if names.count(name) > 1}))}"


def syn_options(_flow: Flow, segment: Segment) -> str | None:
    names = [name for name in _SYN_OPTIONS if has(segment.options, name)]
    return f"{', '.join(names)} in a segment without SYN" if names else None


def shift_in_range(_flow: Flow, segment: Segment) -> str | None:
    shift = value_of(segment.options, "WScale")
    return f"window scale {shift} is larger than 14" if isinstance(shift, int) and shift > 14 else None


def only_offered(flow: Flow, segment: Segment) -> str | None:
    if flow.theirs.active:
        return None  # a simultaneous open: these options are its own offer, made before it knew ours
    offer = flow.ours.offer
    offered = {"WScale": offer.shift is not None, "SAckOK": offer.sack_permitted, "Timestamp": offer.tsval is not None}
    names = [name for name, was_offered in offered.items() if not was_offered and has(segment.options, name)]
    return f"{', '.join(names)} in the SYN,ACK, though the SYN did not offer it" if names else None


def timestamp_present(flow: Flow, segment: Segment) -> str | None:
    if not flow.timestamps or timestamp(segment.options) is not None:
        return None
    if 0 in flow.ours.tsvals:
        return None  # Linux's SYN-RECEIVED and TIME-WAIT take TS.Recent 0 for "no timestamps"
    return "no timestamps option, though both SYNs had one"


def timestamp_absent(flow: Flow, segment: Segment) -> str | None:
    if flow.timestamps or timestamp(segment.options) is None:
        return None
    return "a timestamps option, though not both SYNs had one"


def tsecr_echoes(flow: Flow, segment: Segment) -> str | None:
    stamp = timestamp(segment.options)
    if stamp is None or stamp[1] in flow.ours.tsvals:
        return None
    if stamp[1] == 0 and (not segment.flags & ACK or segment.flags & RST):
        return None
    if segment.flags & ACK and flow.ours.offer.tsval is None:
        return None  # nothing could be echoed; another rule forbids the option
    return f"TSecr {stamp[1]} is no TSval that was ever sent"


def tsval_advances(flow: Flow, segment: Segment) -> str | None:
    stamp, last = timestamp(segment.options), flow.theirs.tsval
    if stamp is None or last is None or stamp[0] == last or (stamp[0] - last) & _MASK < _HALF:
        return None
    return f"TSval {stamp[0]} is older than the last one, {last}"


def iss_constant(flow: Flow, segment: Segment) -> str | None:
    iss = flow.theirs.iss
    if iss is None or segment.seq == iss:
        return None
    return f"a SYN with sequence number {segment.seq:d} on a connection whose ISS is {iss:d}"


def syn_acknowledged(flow: Flow, segment: Segment) -> str | None:
    iss = flow.ours.iss
    if iss is None or segment.ack > iss:
        return None
    return f"the SYN,ACK has ack {segment.ack:d} and does not cover our SYN {iss:d}"


def syn_without_text(flow: Flow, segment: Segment) -> str | None:
    if has(segment.options, "TFO") or flow.ours.offer.fast_open:
        return None
    return f"{len(segment.payload)} bytes of data in a SYN without TCP Fast Open"


def seq_continuous(flow: Flow, segment: Segment) -> str | None:
    theirs, seq = flow.theirs, segment.seq
    nxt = theirs.nxt
    if seq == nxt or nxt is None:
        return None
    if theirs.iss is not None and seq < theirs.iss:
        return f"seq {seq:d} lies {theirs.iss - seq} before the ISS"
    if seq > nxt:
        return f"seq {seq:d} leaves a gap of {seq - nxt} behind the last number sent"
    if segment.length or nxt - seq == 1:
        return None  # a retransmission, a keep-alive or a window probe
    ours = flow.ours
    if seq in ours.acks or seq + 1 in ours.acks or seq == ours.edge:
        return None  # Linux probes at SND.UNA - 1, and stays inside a window that has shrunk (tcp_acceptable_seq)
    return f"an empty segment at seq {seq:d}, {nxt - seq} before SND.NXT"


def same_text(flow: Flow, segment: Segment) -> str | None:
    theirs = flow.theirs
    start = segment.seq + (segment.flags >> 1 & 1)
    if start == theirs.nxt:
        return None
    at = start - theirs.text_start
    known = theirs.text[max(at, 0) : max(at + len(segment.payload), 0)]
    again = segment.payload[max(-at, 0) :][: len(known)]
    if known == again:
        return None
    different = next(index for index, (old, new) in enumerate(zip(known, again, strict=True)) if old != new)
    where = theirs.text_start + (max(at, 0) + different)
    return f"the retransmitted byte {where:d} was {known[different]:#04x} and is {again[different]:#04x} now"


def nothing_behind_fin(flow: Flow, segment: Segment) -> str | None:
    fin_end = flow.theirs.fin_end
    if fin_end is None or segment.end <= fin_end:
        return None
    return f"{segment.end - fin_end} sequence numbers behind its FIN"


def fin_in_place(flow: Flow, segment: Segment) -> str | None:
    nxt = flow.theirs.nxt
    if nxt is None or segment.end >= nxt:
        return None
    return f"a FIN that ends at {segment.end:d}, {nxt - segment.end} before the last number sent"


def ack_of_sent(flow: Flow, segment: Segment) -> str | None:
    ack, nxt = segment.ack, flow.ours.nxt
    if ack == nxt:
        return None
    if nxt is None:
        return f"ack {ack:d}, though nothing was sent"
    if ack > nxt:
        return f"ack {ack:d} acknowledges {ack - nxt} bytes that were never sent (highest sent: {nxt:d})"
    return None


def ack_advances(flow: Flow, segment: Segment) -> str | None:
    ack, last = segment.ack, flow.theirs.ack
    if ack == last or last is None or ack > last:
        return None
    return f"ack {ack:d} goes back by {last - ack} from {last:d}"


def edge_stays(flow: Flow, segment: Segment) -> str | None:
    theirs = flow.theirs
    if theirs.edge is None or (segment.ack == theirs.ack and segment.window == theirs.window):
        return None
    lost = (theirs.edge - segment.ack) - (segment.window << theirs.shift)
    if lost < 1 << theirs.shift:
        return None  # the field counts in units of the scale, so the edge may seem to move by less than one
    return f"the window's right edge goes back by {lost} bytes"


def text_in_window(flow: Flow, segment: Segment) -> str | None:
    edge, size = flow.ours.edge, len(segment.payload)
    if edge is None or size <= 1:
        return None  # one byte may be a zero-window probe
    beyond = (segment.seq + size) - edge
    return f"the last {beyond} of {size} bytes lie beyond the window that we announced" if beyond > 0 else None


def text_fits_mss(flow: Flow, segment: Segment) -> str | None:
    mss = max(flow.ours.offer.mss or flow.default_mss, _LINUX_LEAST_MSS)
    taken = _size(segment.options)
    if len(segment.payload) + taken <= mss:
        return None
    return f"{len(segment.payload)} bytes of data and {taken} of options, but our MSS is {mss}"


def _size(options: Options) -> int:
    return len(padded(options)) if options else 0


def sack_permitted(flow: Flow, segment: Segment) -> str | None:
    if flow.ours.offer.sack_permitted or not has(segment.options, "SAck"):
        return None
    return "a SACK option, though our SYN did not permit it"


def sack_in_range(flow: Flow, segment: Segment) -> str | None:
    blocks, ours = value_of(segment.options, "SAck"), flow.ours
    if not isinstance(blocks, tuple) or ours.nxt is None:
        return None
    ack = segment.ack
    for index in range(0, len(blocks), 2):
        left, right = ack + (blocks[index] - ack), ack + (blocks[index + 1] - ack)
        duplicate = index == 0 and right <= ack and (ours.iss is None or left > ours.iss)
        if not left < right or right > ours.nxt or not (left > ack or duplicate):
            return f"SACK block {left:d}..{right:d} with ack {ack:d} and {ours.nxt:d} the highest sent"
    return None


def silent_after_reset(flow: Flow, _segment: Segment) -> str | None:
    return "it has reset this connection before" if flow.theirs.was_reset else None


def reset_in_our_numbers(flow: Flow, segment: Segment) -> str | None:
    theirs, ours, seq = flow.theirs, flow.ours, segment.seq
    if seq == theirs.nxt:
        return None
    if not segment.flags & ACK:
        return None if seq in ours.acks else f"RST with seq {seq:d}, which nothing that we sent has acknowledged"
    if seq == 0:
        return None if segment.ack in ours.ends else f"RST,ACK with ack {segment.ack:d}, where no segment of ours ended"
    if theirs.iss is not None and theirs.nxt is not None and theirs.iss < seq < theirs.nxt:
        return None  # a window that has shrunk (tcp_acceptable_seq)
    return f"RST,ACK with seq {seq:d}, neither SND.NXT nor 0"
