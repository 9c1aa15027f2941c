"""The table of the standing rules, and which of them can concern a segment.

A rule looks at one segment of the checked side ("theirs") and at what both sides have sent before. It must hold for a
correct stack also when our side sends nonsense, so each is as strict as that allows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lab.tcp import checks
from lab.tcp.flags import ACK, FIN, NS, RST, SYN, URG

if TYPE_CHECKING:
    from collections.abc import Callable

    from lab.tcp.flow import Flow
    from lab.tcp.segment import Segment


class Shape(NamedTuple):
    """What decides which rules can concern a segment at all."""

    flags: int
    options: bool
    """It has options."""
    unusual: bool
    """... other than exactly NOP, NOP, Timestamp."""
    text: bool
    untidy: bool
    """A malformed header, a reserved bit or an urgent pointer: nothing that an ordinary segment has."""


class Rule(NamedTuple):
    """One demand: where it stands, what it says, which segments it concerns, and how it is checked."""

    id: str
    section: str
    sentence: str
    concerns: Callable[[Shape], bool]
    check: Callable[[Flow, Segment], str | None]
    """How the segment breaks the rule, in words and numbers; None: it does not."""


class Breach(NamedTuple):
    """A segment that breaks a rule, and how."""

    rule: Rule
    segment: Segment
    message: str


def _untidy(shape: Shape) -> bool:
    return shape.untidy


def _syn(shape: Shape) -> bool:
    return shape.flags & (SYN | RST) == SYN


def _not_syn(shape: Shape) -> bool:
    return not shape.flags & (SYN | RST)


def _reset(shape: Shape) -> bool:
    return bool(shape.flags & RST)


def _without_ack(shape: Shape) -> bool:
    return not shape.flags & ACK


def _ack(shape: Shape) -> bool:
    return shape.flags & (ACK | RST) == ACK


def _ack_after_syn(shape: Shape) -> bool:
    return shape.flags & (ACK | RST | SYN) == ACK


def _text(shape: Shape) -> bool:
    return shape.text and not shape.flags & RST


RULES = (
    Rule(
        "well-formed", "RFC 9293 3.1",
        "The checksum is right, and header length and options are what they say.",
        _untidy, checks.well_formed,
    ),
    Rule(
        "reserved-bits", "RFC 9293 3.1",
        "The reserved bits are zero.",
        _untidy, checks.reserved_zero,
    ),
    Rule(
        "one-control", "RFC 9293 3.10.7",
        "At most one of SYN, FIN and RST is set.",
        lambda shape: (shape.flags & (SYN | FIN | RST)) not in (0, SYN, FIN, RST), checks.one_control,
    ),
    Rule(
        "ack-bit", "RFC 9293 3.1",
        "Once a connection is established the ACK bit is set; only a first SYN and a RST may do without.",
        lambda shape: not shape.flags & (ACK | RST), checks.ack_flag,
    ),
    Rule(
        "ack-field", "RFC 9293 3.1",
        "Without the ACK bit the acknowledgment field means nothing and is sent as zero.",
        _without_ack, checks.ack_field_zero,
    ),
    Rule(
        "urgent-field", "RFC 9293 3.1",
        "Without the URG bit the urgent pointer means nothing and is sent as zero.",
        lambda shape: shape.untidy and not shape.flags & URG, checks.urgent_zero,
    ),
    Rule(
        "option-once", "RFC 9293 3.1",
        "No option but NOP occurs twice.",
        lambda shape: shape.unusual, checks.options_once,
    ),
    Rule(
        "syn-options", "RFC 9293 3.2, RFC 7323 2.2, RFC 2018 2, RFC 7413 4.1.1",
        "MSS, window scale, SACK-permitted and the Fast Open cookie occur in SYN segments only.",
        lambda shape: shape.unusual and not shape.flags & SYN, checks.syn_options,
    ),
    Rule(
        "window-scale", "RFC 7323 2.3",
        "The window scale is at most 14.",
        lambda shape: shape.unusual and _syn(shape), checks.shift_in_range,
    ),
    Rule(
        "offered", "RFC 7323 1.3, RFC 2018 2",
        "A SYN,ACK has window scale, SACK-permitted and timestamps only if the SYN had them.",
        lambda shape: shape.options and _syn(shape) and _ack(shape), checks.only_offered,
    ),
    Rule(
        "timestamp-present", "RFC 7323 3.2",
        "When both SYNs had timestamps every segment has them, except that a RST may go without.",
        _not_syn, checks.timestamp_present,
    ),
    Rule(
        "timestamp-absent", "RFC 7323 3.2",
        "When not both SYNs had timestamps no segment has them.",
        lambda shape: shape.options and not shape.flags & SYN, checks.timestamp_absent,
    ),
    Rule(
        "tsecr", "RFC 7323 3.2",
        "TSecr repeats a TSval that we have sent; without the ACK bit it is zero.",
        lambda shape: shape.options, checks.tsecr_echoes,
    ),
    Rule(
        "tsval", "RFC 7323 3.2, 5.4",
        "TSval never goes back.",
        lambda shape: shape.options, checks.tsval_advances,
    ),
    Rule(
        "iss", "RFC 9293 3.4.1, 3.8.1",
        "A SYN sent again has the same sequence number.",
        _syn, checks.iss_constant,
    ),
    Rule(
        "syn-ack", "RFC 9293 3.5",
        "A SYN,ACK acknowledges our SYN.",
        lambda shape: _syn(shape) and _ack(shape), checks.syn_acknowledged,
    ),
    Rule(
        "syn-text", "RFC 9293 3.4, RFC 7413 4",
        "A SYN carries data only with TCP Fast Open.",
        lambda shape: shape.text and _syn(shape), checks.syn_without_text,
    ),
    Rule(
        "sequence", "RFC 9293 3.4, 3.8.4, 3.8.6.1",
        "A segment starts where the last one ended, or repeats; an empty one stands at SND.NXT, or before it to probe.",
        _not_syn, checks.seq_continuous,
    ),
    Rule(
        "same-text", "RFC 9293 3.8.1",
        "What is sent again has the same bytes.",
        _text, checks.same_text,
    ),
    Rule(
        "behind-fin", "RFC 9293 3.6",
        "Nothing follows the FIN.",
        _not_syn, checks.nothing_behind_fin,
    ),
    Rule(
        "fin", "RFC 9293 3.6",
        "The FIN is the last of all that was sent.",
        lambda shape: shape.flags & (SYN | FIN | RST) == FIN, checks.fin_in_place,
    ),
    Rule(
        "ack-sent", "RFC 9293 3.4",
        "Only what was sent is acknowledged.",
        _ack, checks.ack_of_sent,
    ),
    Rule(
        "ack-back", "RFC 9293 3.4",
        "The acknowledgment number never goes back.",
        _ack, checks.ack_advances,
    ),
    Rule(
        "window-edge", "RFC 9293 3.8.6 SHLD-14, RFC 7323 2.4",
        "After the SYN the right edge of the window is not pulled back, but for rounding to the window scale.",
        _ack_after_syn, checks.edge_stays,
    ),
    Rule(
        "in-window", "RFC 9293 3.4, 3.8.6",
        "Data lie within the window that we announced, but for a probe of one byte.",
        _text, checks.text_in_window,
    ),
    Rule(
        "mss", "RFC 9293 3.7.1",
        "Data and options together are no longer than our MSS.",
        _text, checks.text_fits_mss,
    ),
    Rule(
        "sack-permitted", "RFC 2018 2",
        "SACK is used only if our SYN permitted it.",
        lambda shape: shape.unusual, checks.sack_permitted,
    ),
    Rule(
        "sack-blocks", "RFC 2018 3, 4, RFC 2883 4",
        "SACK blocks report what we have sent beyond the acknowledgment number; only the first may lie before it.",
        lambda shape: shape.unusual and _ack(shape), checks.sack_in_range,
    ),
    Rule(
        "after-reset", "RFC 9293 3.5.2, 3.10.5",
        "After its RST the connection is gone: only a RST or a new SYN may follow.",
        _not_syn, checks.silent_after_reset,
    ),
    Rule(
        "reset", "RFC 9293 3.5.2, 3.10.7.1, 3.10.5",
        "A RST stands at SND.NXT or answers a segment in its own numbers.",
        _reset, checks.reset_in_our_numbers,
    ),
)  # fmt: skip
"""All of them, as the documentation lists them."""

_chosen: dict[int, tuple[Rule, ...]] = {}


def rules_for(segment: Segment) -> tuple[Rule, ...]:
    """The rules that can concern this segment: looked up by its shape, so that an ordinary one is judged quickly."""
    flags, options = segment.flags, segment.options
    key = flags
    if segment.payload:
        key |= 1 << 9
    if options and not (flags & SYN and len(options) == 1 and options[0][0] == "MSS"):  # that alone breaks no rule
        key |= 1 << 10
        if len(options) != 3 or not options[0][0] == options[1][0] == "NOP" or options[2][0] != "Timestamp":
            key |= 1 << 11
    if segment.faults or segment.reserved or segment.urgent or flags & NS:
        key |= 1 << 12
    rules = _chosen.get(key)
    if rules is None:
        shape = Shape(flags, *(bool(key >> bit & 1) for bit in (10, 11, 9, 12)))
        rules = _chosen[key] = tuple(rule for rule in RULES if rule.concerns(shape))
    return rules
