"""The standing rules: what every segment must obey, whatever a scenario expects of it.

A rule looks at one segment of the checked side ("theirs") and at what both sides have sent before. A correct stack must
keep it even when our side sends invalid segments; within that limit each rule is as strict as possible. A rule is one
function, with its id and section, the segments it concerns, its sentence, and how a segment breaks it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from lab.tcp.deviations import Deviation, deviation_of
from lab.tcp.flags import ACK, FIN, NS, RST, SYN, URG, letters
from lab.tcp.flow import Flow, asks_for_accurate_ecn
from lab.tcp.options import MAX_SHIFT, has, padded, timestamp, value_of
from lab.tcp.segment import Segment
from lab.tcp.sequence import Seq

_LINUX_LEAST_MSS = 48
_COOKIE_TSVALS = 64
_CONTROLS = SYN | FIN | RST
_SYN_OPTIONS = ("MSS", "WScale", "SAckOK", "TFO")


class Shape(NamedTuple):
    """Properties of a segment that decide which rules concern it."""

    flags: int
    options: tuple[str | int, ...]
    """Names of its options."""
    text: bool
    """It has a payload."""
    untidy: bool
    """It has a malformed header, a reserved bit or an urgent pointer, as no ordinary segment has."""


Check = Callable[[Flow, Segment], str | None]


class Rule(NamedTuple):
    """A rule: its sections of the documents, its sentence, the segments it concerns, and its check."""

    id: str
    section: str
    sentence: str
    concerns: Callable[[Shape], bool]
    check: Check
    """How the segment breaks the rule, in words and numbers; None: it does not."""


class Breach(NamedTuple):
    """A segment that breaks a rule, and how."""

    rule: Rule
    segment: Segment
    message: str
    deviation: Deviation | None = None
    """The documented deviation of Linux that explains it, if there is one."""


_rules: list[Rule] = []


def rule(name: str, section: str, *, concerns: Callable[[Shape], bool]) -> Callable[[Check], Check]:
    """Decorator: adds a check to the rules. Its docstring is the rule's sentence."""

    def add(check: Check) -> Check:
        _rules.append(Rule(name, section, check.__doc__ or "", concerns, check))
        return check

    return add


def _syn(shape: Shape) -> bool:
    return shape.flags & (SYN | RST) == SYN


def _not_syn(shape: Shape) -> bool:
    return not shape.flags & (SYN | RST)


def _ack(shape: Shape) -> bool:
    return shape.flags & (ACK | RST) == ACK


def _text(shape: Shape) -> bool:
    return shape.text and not shape.flags & RST


def _options(shape: Shape) -> bool:
    """Whether it has options. A SYN with only an MSS does not count: that breaks no rule."""
    return bool(shape.options) and not (shape.options == ("MSS",) and shape.flags & SYN)


def _unusual_options(shape: Shape) -> bool:
    return _options(shape) and shape.options != ("NOP", "NOP", "Timestamp")


@rule("well-formed", "RFC 9293 3.1", concerns=lambda shape: shape.untidy)
def well_formed(_flow: Flow, segment: Segment) -> str | None:
    """The checksum is right, the data offset lies within the segment, and each option has a valid length."""
    return "; ".join(segment.faults) or None


@rule("reserved-bits", "RFC 9293 3.1", concerns=lambda shape: shape.untidy)
def reserved_zero(flow: Flow, segment: Segment) -> str | None:
    """The reserved bits are zero."""
    accurate = flow.ours.accurate_ecn or (segment.flags & SYN and asks_for_accurate_ecn(segment.flags))
    if segment.reserved or (segment.flags & NS and not accurate):
        return f"the reserved bits are {segment.reserved << 1 | segment.flags >> 8:04b}"
    return None


@rule("one-control", "RFC 9293 3.10.7", concerns=lambda shape: shape.flags & _CONTROLS not in (0, SYN, FIN, RST))
def one_control(_flow: Flow, segment: Segment) -> str | None:
    """At most one of SYN, FIN and RST is set."""
    return f"flags {letters(segment.flags)} ask for two of open, close and reset at once"


@rule("ack-bit", "RFC 9293 3.1", concerns=lambda shape: not shape.flags & (ACK | RST))
def ack_flag(flow: Flow, segment: Segment) -> str | None:
    """Once a connection is established the ACK bit is set; only a first SYN and a RST may do without."""
    if not segment.flags & SYN:
        return f"flags {letters(segment.flags) or 'none'}: the ACK bit is clear"
    if flow.theirs.synchronized or (flow.theirs.iss is not None and not flow.theirs.active):
        return "a SYN without ACK, though the other SYN has been acknowledged already"
    return None


@rule("ack-field", "RFC 9293 3.1", concerns=lambda shape: not shape.flags & ACK)
def ack_field_zero(_flow: Flow, segment: Segment) -> str | None:
    """Without the ACK bit the acknowledgment field means nothing and is sent as zero."""
    return f"the acknowledgment field is {segment.ack:d} and the ACK bit is clear" if segment.ack else None


@rule("urgent-field", "RFC 9293 3.1", concerns=lambda shape: shape.untidy and not shape.flags & URG)
def urgent_zero(_flow: Flow, segment: Segment) -> str | None:
    """Without the URG bit the urgent pointer means nothing and is sent as zero."""
    return f"the urgent pointer is {segment.urgent} and the URG bit is clear" if segment.urgent else None


@rule("option-once", "RFC 9293 3.1", concerns=_unusual_options)
def options_once(_flow: Flow, segment: Segment) -> str | None:
    """No option but NOP occurs twice."""
    names = [name for name, _ in segment.options if name != "NOP"]
    if len(set(names)) == len(names):
        return None
    return f"more than once: {', '.join(sorted({str(name) for name in names if names.count(name) > 1}))}"


@rule(
    "syn-options",
    "RFC 9293 3.2, RFC 7323 2.2, RFC 2018 2, RFC 7413 4.1.1",
    concerns=lambda shape: _unusual_options(shape) and not shape.flags & SYN,
)
def syn_options(_flow: Flow, segment: Segment) -> str | None:
    """MSS, window scale, SACK-permitted and the Fast Open cookie occur in SYN segments only."""
    names = [name for name in _SYN_OPTIONS if has(segment.options, name)]
    return f"{', '.join(names)} in a segment without SYN" if names else None


@rule("window-scale", "RFC 7323 2.3", concerns=lambda shape: _unusual_options(shape) and _syn(shape))
def shift_in_range(_flow: Flow, segment: Segment) -> str | None:
    """The window scale is at most 14."""
    shift = value_of(segment.options, "WScale")
    return f"window scale {shift} is larger than 14" if isinstance(shift, int) and shift > MAX_SHIFT else None


@rule("offered", "RFC 7323 1.3, RFC 2018 2", concerns=lambda shape: _options(shape) and _syn(shape) and _ack(shape))
def only_offered(flow: Flow, segment: Segment) -> str | None:
    """A SYN,ACK has window scale, SACK-permitted and timestamps only if the SYN had them."""
    if flow.theirs.active:
        return None  # a simultaneous open: these options are its own offer, made before it knew ours
    offer = flow.ours.offer
    offered = {"WScale": offer.shift is not None, "SAckOK": offer.sack_permitted, "Timestamp": offer.tsval is not None}
    names = [name for name, was_offered in offered.items() if not was_offered and has(segment.options, name)]
    return f"{', '.join(names)} in the SYN,ACK, though the SYN did not offer it" if names else None


@rule("timestamp-present", "RFC 7323 3.2", concerns=_not_syn)
def timestamp_present(flow: Flow, segment: Segment) -> str | None:
    """When both SYNs had timestamps every segment has them, except that a RST may go without."""
    if not flow.timestamps or timestamp(segment.options) is not None:
        return None
    if flow.ours.unstamped_syn:
        return None  # it can be the SYN that was taken
    if 0 in flow.ours.tsvals:
        return None  # Linux's SYN-RECEIVED and TIME-WAIT take TS.Recent 0 for "no timestamps"
    return "no timestamps option, though both SYNs had one"


@rule("timestamp-absent", "RFC 7323 3.2", concerns=lambda shape: _options(shape) and not shape.flags & SYN)
def timestamp_absent(flow: Flow, segment: Segment) -> str | None:
    """When not both SYNs had timestamps no segment has them."""
    if flow.timestamps or timestamp(segment.options) is None:
        return None
    return "a timestamps option, though not both SYNs had one"


@rule("tsecr", "RFC 7323 3.2", concerns=_options)
def tsecr_echoes(flow: Flow, segment: Segment) -> str | None:
    """TSecr repeats a TSval that we have sent; without the ACK bit it is zero."""
    stamp = timestamp(segment.options)
    if stamp is None or stamp[1] in flow.ours.tsvals:
        return None
    own_offer = segment.flags & SYN and flow.theirs.active  # in a simultaneous open it may be made before ours is known
    if stamp[1] == 0 and (not segment.flags & ACK or segment.flags & RST or own_offer):
        return None
    if segment.flags & ACK and flow.ours.offer.tsval is None:
        return None  # nothing could be echoed; another rule forbids the option
    return f"TSecr {stamp[1]} is not a TSval that was ever sent"


@rule("tsval", "RFC 7323 3.2, 5.4", concerns=_options)
def tsval_advances(flow: Flow, segment: Segment) -> str | None:
    """TSval never goes back."""
    stamp, last = timestamp(segment.options), flow.theirs.tsval
    if stamp is None or last is None or Seq(stamp[0]) - last >= 0:
        return None
    if segment.flags & SYN and Seq(stamp[0]) - last > -_COOKIE_TSVALS:
        return None  # a SYN cookie keeps options in the low bits of its TSval (cookie_init_timestamp)
    return f"TSval {stamp[0]} is older than the last one, {last}"


@rule("iss", "RFC 9293 3.4.1, 3.8.1", concerns=_syn)
def iss_constant(flow: Flow, segment: Segment) -> str | None:
    """A SYN sent again has the same sequence number."""
    iss = flow.theirs.iss
    if iss is None or segment.seq == iss:
        return None
    return f"a SYN with sequence number {segment.seq:d} on a connection whose ISS is {iss:d}"


@rule("syn-ack", "RFC 9293 3.5", concerns=lambda shape: _syn(shape) and _ack(shape))
def syn_acknowledged(flow: Flow, segment: Segment) -> str | None:
    """A SYN,ACK acknowledges our SYN."""
    iss = flow.ours.iss
    if iss is None or segment.ack > iss:
        return None
    return f"the SYN,ACK has ack {segment.ack:d} and does not cover our SYN {iss:d}"


@rule("syn-text", "RFC 9293 3.4, RFC 7413 4", concerns=lambda shape: _text(shape) and _syn(shape))
def syn_without_text(flow: Flow, segment: Segment) -> str | None:
    """A SYN carries data only with TCP Fast Open."""
    if has(segment.options, "TFO") or flow.ours.offer.fast_open:
        return None
    return f"{len(segment.payload)} bytes of data in a SYN without TCP Fast Open"


@rule("sequence", "RFC 9293 3.4, 3.8.4, 3.8.6.1", concerns=_not_syn)
def seq_continuous(flow: Flow, segment: Segment) -> str | None:
    """A segment starts where the last one ended, or repeats; an empty one stands at SND.NXT, or before it to probe."""
    theirs, seq = flow.theirs, segment.seq
    nxt = theirs.nxt
    if seq == nxt or nxt is None:
        return None
    if theirs.iss is not None and seq < theirs.iss:
        return f"seq {seq:d} lies {theirs.iss - seq} before the ISS"
    if seq > nxt:
        return f"seq {seq:d} leaves a gap of {seq - nxt} after the last number sent"
    if segment.length or nxt - seq == 1:
        return None  # a retransmission, a keep-alive or a window probe
    ours = flow.ours
    if seq in ours.acks or seq + 1 in ours.acks:
        return None  # Linux probes at SND.UNA - 1
    if any(seq + -window in ours.acks for window in ours.windows):
        return None  # it stays inside a window that has shrunk (tcp_acceptable_seq)
    return f"an empty segment at seq {seq:d}, {nxt - seq} before SND.NXT"


@rule("same-text", "RFC 9293 3.8.1", concerns=_text)
def same_text(flow: Flow, segment: Segment) -> str | None:
    """What is sent again has the same bytes."""
    theirs = flow.theirs
    start = segment.text_start
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


@rule("behind-fin", "RFC 9293 3.6", concerns=_not_syn)
def nothing_behind_fin(flow: Flow, segment: Segment) -> str | None:
    """Nothing follows the FIN."""
    fin_end = flow.theirs.fin_end
    if fin_end is None or segment.end <= fin_end:
        return None
    return f"{segment.end - fin_end} sequence numbers after the FIN"


@rule("fin", "RFC 9293 3.6", concerns=lambda shape: shape.flags & _CONTROLS == FIN)
def fin_in_place(flow: Flow, segment: Segment) -> str | None:
    """The FIN is the last of all that was sent."""
    nxt = flow.theirs.nxt
    if nxt is None or segment.end >= nxt:
        return None
    return f"a FIN that ends at {segment.end:d}, {nxt - segment.end} before the last number sent"


@rule("ack-sent", "RFC 9293 3.4", concerns=_ack)
def ack_of_sent(flow: Flow, segment: Segment) -> str | None:
    """Only what was sent is acknowledged."""
    ack, nxt = segment.ack, flow.ours.nxt
    if ack == nxt or ack in flow.ours.ends:
        return None
    if nxt is None:
        return f"ack {ack:d}, though nothing was sent"
    if ack > nxt:
        return f"ack {ack:d} acknowledges {ack - nxt} bytes that were never sent (highest sent: {nxt:d})"
    return None


@rule("ack-back", "RFC 9293 3.4", concerns=_ack)
def ack_advances(flow: Flow, segment: Segment) -> str | None:
    """The acknowledgment number never goes back."""
    ack, last = segment.ack, flow.theirs.ack
    if ack == last or last is None or ack > last:
        return None
    return f"ack {ack:d} goes back by {last - ack} from {last:d}"


@rule(
    "window-edge",
    "RFC 9293 3.8.6 SHLD-14, RFC 7323 2.4",
    concerns=lambda shape: _ack(shape) and not shape.flags & SYN,
)
def edge_stays(flow: Flow, segment: Segment) -> str | None:
    """After the SYN the right edge of the window is not pulled back, but for rounding to the window scale."""
    theirs = flow.theirs
    if theirs.edge is None or (segment.ack == theirs.ack and segment.window == theirs.window):
        return None
    lost = (theirs.edge - segment.ack) - (segment.window << theirs.shift)
    if lost < 1 << theirs.shift:
        return None  # the field counts in units of the scale, so the edge may seem to move by less than one
    return f"the window's right edge goes back by {lost} bytes"


@rule("in-window", "RFC 9293 3.4, 3.8.6", concerns=_text)
def text_in_window(flow: Flow, segment: Segment) -> str | None:
    """Data lie within the window that we announced, but for a probe of one byte."""
    edge, size = flow.ours.edge, len(segment.payload)
    if edge is None or size <= 1:
        return None  # one byte may be a zero-window probe
    beyond = (segment.seq + size) - edge
    return f"the last {beyond} of {size} bytes lie beyond the window that we announced" if beyond > 0 else None


@rule("mss", "RFC 9293 3.7.1", concerns=_text)
def text_fits_mss(flow: Flow, segment: Segment) -> str | None:
    """Data and options together are no longer than our MSS."""
    mss = max(flow.ours.offer.mss or flow.default_mss, _LINUX_LEAST_MSS)
    taken = len(padded(segment.options)) if segment.options else 0
    if len(segment.payload) + taken <= mss:
        return None
    return f"{len(segment.payload)} bytes of data and {taken} of options, but our MSS is {mss}"


@rule("sack-permitted", "RFC 2018 2", concerns=_unusual_options)
def sack_permitted(flow: Flow, segment: Segment) -> str | None:
    """SACK is used only if our SYN permitted it."""
    if flow.ours.offer.sack_permitted or not has(segment.options, "SAck"):
        return None
    return "a SACK option, though our SYN did not permit it"


@rule("sack-blocks", "RFC 2018 3, 4, RFC 2883 4", concerns=lambda shape: _unusual_options(shape) and _ack(shape))
def sack_in_range(flow: Flow, segment: Segment) -> str | None:
    """SACK blocks report what we have sent beyond the acknowledgment number; only the first may lie before it."""
    blocks, ends, ack = value_of(segment.options, "SAck"), flow.ours.ends, segment.ack
    if not isinstance(blocks, tuple):
        return None
    for index in range(0, len(blocks), 2):
        left, right = Seq(blocks[index]), Seq(blocks[index + 1])
        # The first block can report any segment that was not new, also one before our ISS, up to what is acknowledged.
        sent = right in ends or (index == 0 and right == ack)
        if not (right - left > 0 and sent and (left > ack or index == 0)):
            return f"SACK block {left:d}..{right:d} with ack {ack:d}: no segment of ours ended at {right:d}"
    return None


@rule("after-reset", "RFC 9293 3.5.2, 3.10.5", concerns=_not_syn)
def silent_after_reset(flow: Flow, _segment: Segment) -> str | None:
    """After its RST the connection is gone: only a RST or a new SYN may follow."""
    return "a segment after this side's own RST" if flow.theirs.was_reset else None


@rule("reset", "RFC 9293 3.5.2, 3.10.7.1, 3.10.5", concerns=lambda shape: bool(shape.flags & RST))
def reset_in_our_numbers(flow: Flow, segment: Segment) -> str | None:
    """A RST stands at SND.NXT or answers a segment in its own numbers."""
    theirs, ours, seq = flow.theirs, flow.ours, segment.seq
    has_ack = segment.flags & ACK
    if seq == 0 and has_ack and seq != theirs.nxt:
        return None if segment.ack in ours.ends else f"RST,ACK with ack {segment.ack:d}, where no segment of ours ended"
    if seq == theirs.nxt or seq in ours.acks:
        return None
    if not has_ack:
        return f"RST with seq {seq:d}, which nothing that we sent has acknowledged"
    if theirs.iss is not None and theirs.nxt is not None and theirs.iss <= seq < theirs.nxt:
        return None  # a window that has shrunk (tcp_acceptable_seq)
    return f"RST,ACK with seq {seq:d}, neither SND.NXT nor 0"


RULES = tuple(_rules)
"""All rules, in the order of the documentation."""


def rules_for(segment: Segment) -> tuple[Rule, ...]:
    """The rules that can concern this segment."""
    names = tuple([name for name, _ in segment.options])
    untidy = bool(segment.faults or segment.reserved or segment.urgent or segment.flags & NS)
    return _rules_for(Shape(segment.flags, names, bool(segment.payload), untidy))


@lru_cache(maxsize=1024)
def _rules_for(shape: Shape) -> tuple[Rule, ...]:
    return tuple([each for each in RULES if each.concerns(shape)])


def judge(flow: Flow, segment: Segment) -> tuple[Breach, ...]:
    """The rules that a segment of the checked side breaks, () if none. Also accounts for the segment in `flow`."""
    flow.recognise(segment)
    checked = [(each, each.check(flow, segment)) for each in rules_for(segment)]
    flow.received(segment)
    broken = [(each, message) for each, message in checked if message is not None]
    return tuple([Breach(each, segment, message, deviation_of(each.id, flow, segment)) for each, message in broken])
