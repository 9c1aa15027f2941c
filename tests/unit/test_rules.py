"""Each rule has a segment that keeps it and one that breaks it and nothing else; none misfires on Linux."""

from __future__ import annotations

import re
from typing import NamedTuple

import pytest

from lab.tcp.deviations import DEVIATIONS
from lab.tcp.flags import bits
from lab.tcp.flow import Flow
from lab.tcp.options import Option, Options
from lab.tcp.rules import RULES, Breach, judge
from lab.tcp.segment import Segment
from lab.tcp.sequence import Seq

OURS, THEIRS = Seq(2**32 - 2), Seq(2**32 - 7)
WINDOW = 1000


class Said(NamedTuple):
    ours: bool
    segment: Segment


def ours(flags: str, seq: int, ack: int | None = None, text: bytes = b"", /, **fields: object) -> Said:
    """Our segment, in numbers relative to both ISS."""
    there = Seq(0) if ack is None else THEIRS + ack
    segment = Segment(OURS + seq, there, bits(flags), WINDOW, payload=text)
    return Said(True, segment._replace(**fields))  # type: ignore[arg-type]


def theirs(flags: str, seq: int, ack: int | None = None, text: bytes = b"", /, **fields: object) -> Said:
    """A segment of the checked side, likewise."""
    there = Seq(0) if ack is None else OURS + ack
    segment = Segment(THEIRS + seq, there, bits(flags), WINDOW, payload=text)
    return Said(False, segment._replace(**fields))  # type: ignore[arg-type]


def hear(flow: Flow, said: Said) -> tuple[Breach, ...]:
    if said.ours:
        flow.sent(said.segment)
        return ()
    return judge(flow, said.segment)


def stamp(tsval: int, tsecr: int) -> Options:
    return (("NOP", None), ("NOP", None), ("Timestamp", (tsval, tsecr)))


def mss_and(*options: Option) -> Options:
    return (("MSS", 1460), *options)


OPENED = (ours("S", 0), theirs("SA", 0, 1), ours("A", 1, 1))
STAMPED = (
    ours("S", 0, options=stamp(50, 0)),
    theirs("SA", 0, 1, options=stamp(900, 50)),
    ours("A", 1, 1, options=stamp(51, 900)),
)
SCALED = (
    ours("S", 0, options=mss_and(("WScale", 2), ("SAckOK", b""))),
    theirs("SA", 0, 1, options=mss_and(("WScale", 3), ("SAckOK", b""))),
    ours("A", 1, 1),
)
SPOKEN = (*OPENED, ours("PA", 1, 1, b"12345"), theirs("A", 1, 6), theirs("PA", 1, 6, b"abcde"), ours("A", 6, 6))
WITH_GAP = (*SCALED, ours("A", 1, 1, b"12345"), theirs("A", 1, 6), ours("A", 10, 1, b"0123456789"))


class Case(NamedTuple):
    rule: str
    story: tuple[Said, ...]
    good: Said
    bad: Said


CASES = (
    Case("well-formed", OPENED, theirs("A", 1, 1), theirs("A", 1, 1, faults=("checksum 0x1234 instead of 0x4321",))),
    Case("reserved-bits", OPENED, theirs("A", 1, 1), theirs("A", 1, 1, reserved=1)),
    Case("reserved-bits", OPENED, theirs("A", 1, 1), theirs("AN", 1, 1)),
    Case("one-control", OPENED, theirs("FA", 1, 1), theirs("FRA", 1, 1)),
    Case("one-control", OPENED[:1], theirs("SA", 0, 1), theirs("SFA", 0, 1)),
    Case("ack-bit", OPENED, theirs("PA", 1, 1, b"x"), theirs("P", 1, None, b"x")),
    Case("ack-bit", OPENED, theirs("SA", 0, 1), theirs("S", 0)),
    Case("ack-field", (), theirs("S", 0), theirs("S", 0, 1)),
    Case("urgent-field", OPENED, theirs("UA", 1, 1, urgent=5), theirs("A", 1, 1, urgent=5)),
    Case("option-once", OPENED[:1], theirs("SA", 0, 1, options=mss_and(("NOP", None), ("NOP", None))),
         theirs("SA", 0, 1, options=mss_and(("MSS", 1460)))),
    Case("syn-options", OPENED, theirs("A", 1, 1), theirs("A", 1, 1, options=mss_and())),
    Case("syn-options", OPENED, theirs("A", 1, 1), theirs("A", 1, 1, options=(("TFO", b"12345678"),))),
    Case("window-scale", (), theirs("S", 0, options=(("WScale", 14),)), theirs("S", 0, options=(("WScale", 15),))),
    Case("offered", SCALED[:1], theirs("SA", 0, 1, options=(("WScale", 3),)),
         theirs("SA", 0, 1, options=(("Timestamp", (9, 0)),))),
    Case("offered", OPENED[:1], theirs("SA", 0, 1), theirs("SA", 0, 1, options=(("SAckOK", b""), ("WScale", 1)))),
    Case("timestamp-present", STAMPED, theirs("A", 1, 1, options=stamp(901, 51)), theirs("A", 1, 1)),
    Case("timestamp-absent", OPENED, theirs("A", 1, 1), theirs("A", 1, 1, options=stamp(901, 51))),
    Case("tsecr", STAMPED, theirs("A", 1, 1, options=stamp(901, 50)), theirs("A", 1, 1, options=stamp(901, 52))),
    Case("tsecr", (), theirs("S", 0, options=stamp(7, 0)), theirs("S", 0, options=stamp(7, 1))),
    Case("tsval", STAMPED, theirs("A", 1, 1, options=stamp(900, 51)), theirs("A", 1, 1, options=stamp(899, 51))),
    Case("iss", OPENED[:2], theirs("SA", 0, 1), theirs("SA", -9, 1)),
    Case("iss", (theirs("S", 0),), theirs("S", 0), theirs("S", 1)),
    Case("iss", (theirs("S", 0), ours("S", 0)), theirs("SA", 0, 1), theirs("SA", 9, 1)),
    Case("syn-ack", OPENED[:1], theirs("SA", 0, 1), theirs("SA", 0, 0)),
    Case("syn-text", (), theirs("S", 0, None, b"x", options=(("TFO", b"12345678"),)), theirs("S", 0, None, b"x")),
    Case("sequence", SPOKEN, theirs("PA", 6, 6, b"fgh"), theirs("PA", 7, 6, b"gh")),
    Case("sequence", SPOKEN, theirs("PA", 4, 6, b"def"), theirs("A", -1, 6)),
    Case("sequence", SPOKEN, theirs("A", 5, 6), theirs("A", 3, 6)),
    Case("same-text", SPOKEN, theirs("PA", 3, 6, b"cdef"), theirs("PA", 3, 6, b"cXef")),
    Case("same-text", (*SPOKEN, theirs("PA", 6, 6, b"fgh")), theirs("PA", 1, 6, b"abcdefgh"),
         theirs("PA", 1, 6, b"Xbcdefgh")),
    Case("behind-fin", (*OPENED, theirs("FA", 1, 1)), theirs("A", 2, 1), theirs("PA", 2, 1, b"x")),
    Case("fin", SPOKEN, theirs("FA", 6, 6), theirs("FA", 3, 6)),
    Case("ack-sent", SPOKEN, theirs("A", 6, 6), theirs("A", 6, 8)),
    Case("ack-sent", (), theirs("S", 0), theirs("SA", 0, 1)),
    Case("ack-back", SPOKEN, theirs("A", 6, 6), theirs("A", 6, 5, window=WINDOW + 1)),
    Case("window-edge", SPOKEN, theirs("A", 6, 6, window=WINDOW), theirs("A", 6, 6, window=WINDOW - 1)),
    Case("window-edge", (*SPOKEN, ours("PA", 6, 6, b"67890"), theirs("A", 6, 11)), theirs("A", 6, 11),
         theirs("A", 6, 11, window=WINDOW - 1)),
    Case("window-edge", (*SCALED, theirs("A", 1, 1, window=500)), theirs("A", 1, 1, window=500),
         theirs("A", 1, 1, window=499)),
    Case("in-window", (*OPENED[:2], ours("A", 1, 1, window=5)), theirs("PA", 1, 1, b"abcde"),
         theirs("PA", 1, 1, b"abcdef")),
    Case("in-window", (*SCALED[:2], ours("A", 1, 1, window=300)), theirs("PA", 1, 1, bytes(1200)),
         theirs("PA", 1, 1, bytes(1201))),
    Case("in-window", (*OPENED[:2], ours("A", 1, 1, window=5), ours("A", 1, 0, window=8), ours("A", 1, 1, window=8)),
         theirs("PA", 1, 1, b"abcdefgh"), theirs("PA", 1, 1, b"abcdefghi")),
    Case("in-window", (*OPENED[:2], ours("A", 1, 1, window=5), theirs("PA", 1, 1, b"abcde"), ours("A", 1, 6, window=5)),
         theirs("PA", 6, 1, b"fghij"), theirs("PA", 6, 1, b"fghijk")),
    Case("mss", OPENED, theirs("PA", 1, 1, bytes(536)), theirs("PA", 1, 1, bytes(537))),
    Case("mss", (ours("S", 0, options=(("MSS", 100), *stamp(50, 0))), *STAMPED[1:]),
         theirs("PA", 1, 1, bytes(88), options=stamp(901, 51)), theirs("PA", 1, 1, bytes(89), options=stamp(901, 51))),
    Case("sack-permitted", (*OPENED, ours("A", 5, 1, b"later")), theirs("A", 1, 1),
         theirs("A", 1, 1, options=(("SAck", (OURS + 5, OURS + 10)),))),
    Case("sack-blocks", WITH_GAP, theirs("A", 1, 6, options=(("SAck", (OURS + 10, OURS + 20)),)),
         theirs("A", 1, 6, options=(("SAck", (OURS + 10, OURS + 21)),))),
    Case("sack-blocks", WITH_GAP, theirs("A", 1, 6, options=(("SAck", (OURS + 1, OURS + 6, OURS + 10, OURS + 20)),)),
         theirs("A", 1, 6, options=(("SAck", (OURS + 10, OURS + 20, OURS + 1, OURS + 6)),))),
    Case("sack-blocks", WITH_GAP, theirs("A", 1, 6), theirs("A", 1, 6, options=(("SAck", (OURS + 12, OURS + 11)),))),
    Case("sack-blocks", WITH_GAP, theirs("A", 1, 6), theirs("A", 1, 6, options=(("SAck", (OURS + 12, OURS + 12)),))),
    Case("sack-blocks", WITH_GAP, theirs("A", 1, 6, options=(("SAck", (OURS + 1, OURS + 6)),)),
         theirs("A", 1, 6, options=(("SAck", (OURS, OURS + 3)),))),
    Case("after-reset", (*SPOKEN, theirs("RA", 6, 6)), theirs("R", 6), theirs("A", 6, 6)),
    Case("reset", SPOKEN, theirs("R", 6), theirs("R", 3)),
    Case("reset", SPOKEN, theirs("RA", 6, 6), theirs("RA", 60, 6)),
    Case("reset", (ours("PA", 1, None, b"abc"),), theirs("RA", 7, 4), theirs("RA", 7, 3)),
)  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.rule)
def test_a_rule_is_kept_and_broken(case: Case) -> None:
    for last, expected in ((case.good, []), (case.bad, [case.rule])):
        flow = Flow()
        assert [hear(flow, said) for said in case.story] == [()] * len(case.story)
        breaches = hear(flow, last)
        assert [breach.rule.id for breach in breaches] == expected
        for breach in breaches:
            assert breach.segment is last.segment
            assert breach.message


BY_COOKIE = STAMPED[:2]
ALLOWED: dict[str, tuple[tuple[Said, ...], Said]] = {
    "the SYN without timestamps was taken": (
        (ours("S", 0, options=stamp(50, 0)), ours("S", 0), theirs("SA", 0, 1, options=stamp(900, 50))),
        theirs("A", 1, 1),
    ),
    "a SYN cookie keeps options in its TSval": (BY_COOKIE, theirs("SA", 0, 1, options=stamp(840, 50))),
    "a window that has shrunk": (
        (*OPENED, theirs("PA", 1, 1, b"0123456789"), ours("A", 10, 5, b"later", window=3), theirs("A", 11, 1)),
        theirs("A", 8, 1),
    ),
    "by cookie, with another MSS": ((*OPENED[:2], ours("A", 1, 3)), theirs("A", 3, 1)),
    "by cookie, from an ACK without timestamps": ((*BY_COOKIE, ours("A", 1, 1)), theirs("A", 1, 1)),
    "by cookie, from an ACK with timestamps": (
        (*OPENED[:2], ours("A", 1, 1, options=stamp(51, 900))),
        theirs("A", 1, 1, options=stamp(901, 51)),
    ),
    "by cookie, the window is another one": ((*OPENED[:2], ours("A", 1, 1)), theirs("A", 1, 1, window=WINDOW - 9)),
    "by cookie, a SYN that differs is answered too": (
        (ours("S", 0), ours("S", 2), theirs("SA", 0, 1)),
        theirs("SA", 5, 3),
    ),
    "a SYN,ACK that was refused offers nothing": (
        (theirs("S", 0), ours("SA", 0, 9, options=(("WScale", 3),)), ours("S", 0), theirs("SA", 0, 1)),
        theirs("A", 1, 1, window=WINDOW),
    ),
    "the SYN,ACK with another number was taken": (
        (
            theirs("S", 0, options=(*stamp(900, 0), ("WScale", 7))),
            ours("SA", 0, 9),
            theirs("R", 9, window=0),
            ours("SA", 700, 9),
            ours("SA", 700, 1, options=(*stamp(50, 900), ("WScale", 3))),
        ),
        theirs("A", 1, 701, options=stamp(901, 50), window=WINDOW >> 7),
    ),
    "a refused SYN,ACK with the same number offers nothing": (
        (
            theirs("S", 0, options=(("WScale", 7),)),
            ours("SA", 0, 9),
            ours("SA", 700, 9, options=(("WScale", 3),)),
            ours("SA", 700, 1),
            theirs("A", 1, 701, window=100),
            ours("A", 701, 1, bytes(100)),
        ),
        theirs("A", 1, 801, window=0),
    ),
    "a window probe before an ACK for its number was read": (
        (*OPENED[:2], ours("A", 1, 1, window=0), ours("A", 1, 0), theirs("A", 0, 1)),
        theirs("A", 1, 1),
    ),
    "by cookie, for the number of a window probe": (
        (*OPENED[:2], ours("A", 1, 0), theirs("A", 0, 1), theirs("PA", 0, 1, b"x"), theirs("PA", 1, 1, b"y")),
        theirs("FA", 2, 1),
    ),
    "by cookie, for an earlier number of ours": ((*OPENED[:2], ours("A", -5, 1, b"x")), theirs("A", 1, -4)),
    "the first of two equal SYNs was taken": (
        (ours("S", 0), theirs("SA", 0, 1), ours("S", 2), ours("S", 2, options=(("WScale", 0),)), ours("S", 2)),
        theirs("SA", 5, 3, options=(("WScale", 7),)),
    ),
    "an abort before the window opens": (
        (theirs("S", 0), ours("S", 0, window=0), theirs("SA", 0, 1)),
        theirs("RA", 0, 1),
    ),
    "the second of two timestamps was taken": (
        (*STAMPED, ours("A", 1, 1, options=(("Timestamp", (60, 0)), ("Timestamp", (70, 0))))),
        theirs("A", 1, 1, options=stamp(901, 70)),
    ),
    "accurate ECN": ((ours("SECN", 0), theirs("SACE", 0, 1), ours("A", 1, 1)), theirs("AN", 1, 1)),
}


@pytest.mark.parametrize("what", ALLOWED)
def test_a_kernel_in_the_right_is_not_accused(what: str) -> None:
    flow = Flow()
    story, last = ALLOWED[what]
    assert [hear(flow, said) for said in (*story, last)] == [()] * (len(story) + 1)


def test_a_documented_deviation_is_named() -> None:
    flow = Flow()
    scaled = (("WScale", 7),)
    for said in (theirs("S", 0, options=scaled), ours("S", 0), theirs("SA", 0, 1, options=scaled), ours("A", 1, 1)):
        assert hear(flow, said) == ()
    [breach] = hear(flow, theirs("A", 1, 1, window=WINDOW >> 7))
    assert breach.rule.id == "window-edge"
    assert breach.deviation in DEVIATIONS


def test_unread_data_shrink_the_window_of_time_wait() -> None:
    flow = Flow()
    closed = ours("FA", 1, 2, b"text"), theirs("A", 2, 6)
    for said in (*OPENED, theirs("FA", 1, 1), *closed):
        assert hear(flow, said) == ()
    [breach] = hear(flow, theirs("A", 2, 6, window=9))
    assert breach.deviation in DEVIATIONS


def test_a_connection_by_cookie_has_the_scale_of_the_timestamp() -> None:
    flow = Flow()
    for said in (*OPENED, theirs("A", 1, 1)):
        assert hear(flow, said) == ()
    flow.theirs.by_cookie = True
    [breach] = hear(flow, theirs("A", 1, 1, window=9))
    assert breach.deviation in DEVIATIONS


def test_the_connection_after_one_by_cookie_has_no_excuse() -> None:
    flow = Flow()
    for said in OPENED:
        hear(flow, said)
    flow.theirs.by_cookie = True
    reopened = ours("S", 500), theirs("SA", 70_000, 501), ours("A", 501, 70_001), theirs("A", 70_001, 501)
    for said in (ours("R", 1), *reopened):
        assert hear(flow, said) == ()
    [breach] = hear(flow, theirs("A", 70_001, 501, window=9))
    assert breach.deviation is None


def test_a_cookie_forgets_a_small_mss() -> None:
    flow = Flow()
    for said in (ours("S", 0, options=(("MSS", 100),)), theirs("SA", 0, 1), ours("A", 1, 1)):
        assert hear(flow, said) == ()
    [breach] = hear(flow, theirs("PA", 1, 1, bytes(101), window=WINDOW - 9))
    assert breach.deviation in DEVIATIONS
    [breach] = hear(flow, theirs("PA", 102, 1, bytes(537), window=WINDOW - 9))
    assert breach.deviation is None, "more than any cookie holds"


def test_every_rule_has_a_case_and_a_source() -> None:
    assert {case.rule for case in CASES} == {rule.id for rule in RULES}
    assert len({rule.id for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert re.search(r"RFC \d+ \d", rule.section)
        assert rule.sentence.endswith(".")


def test_messages_count() -> None:
    flow = Flow()
    for said in OPENED:
        hear(flow, said)
    (breach,) = hear(flow, theirs("A", 1, 3))
    assert breach.message == "ack 1 acknowledges 2 bytes that were never sent (highest sent: 4294967295)"


SILENT_RESET = theirs("R", 78, None, seq=Seq(78), window=0)


@pytest.mark.parametrize(
    "story",
    [
        (ours("A", 0, None, ack=Seq(78)), SILENT_RESET, *OPENED),
        (*OPENED, ours("S", 400), theirs("A", 1, 1), ours("PA", 1, 1, b"x"), theirs("A", 1, 2)),
        (*OPENED[:2], ours("A", 1, 5), theirs("R", 5, window=0), *OPENED[2:], theirs("A", 1, 1)),
        (*OPENED[:2], ours("R", 1), ours("S", 500), theirs("SA", 70_000, 501), ours("A", 501, 70_001),
         theirs("FA", 70_001, 501)),
        (*OPENED, ours("FA", 1, 1), theirs("FA", 1, 2), ours("A", 2, 2), ours("S", 900), theirs("SA", 66_000, 901)),
        (*OPENED, theirs("RA", 1, 1), theirs("S", 9_000), ours("SA", 400, 9_001), theirs("A", 9_001, 401)),
        (ours("S", 0), ours("S", 50), theirs("SA", 0, 51), ours("A", 51, 1), theirs("FA", 1, 51)),
        (ours("S", 0), ours("S", 50), ours("S", 90), theirs("SA", 0, 51), ours("A", 51, 1), theirs("FA", 1, 51)),
        (theirs("S", 0), ours("RA", 0, 1), theirs("S", 5_000), theirs("S", 5_000)),
        (theirs("S", 0), ours("RA", 0, 1), ours("S", 600), theirs("SA", 8_000, 601)),
        (theirs("S", 0, options=mss_and(("WScale", 7))), ours("S", 0),
         theirs("SA", 0, 1, options=mss_and(("WScale", 7)))),
        (ours("S", 0, options=stamp(0, 0)), theirs("SA", 0, 1, options=stamp(9, 0)), theirs("A", 1, 1)),
        (*STAMPED, theirs("R", 1), theirs("RA", 1, 1, options=stamp(999, 0))),
        (*OPENED[:2], ours("A", 1, 1, window=3), theirs("PA", 1, 1, b"abc"), theirs("PA", 4, 1, b"d"),
         ours("A", 1, 4, window=0), theirs("A", 4, 1)),
        (*SPOKEN, theirs("PA", 6, 6, b"more"), ours("A", 6, 7), theirs("A", 7, 6), theirs("A", 6, 6)),
        (*SPOKEN, theirs("PA", 6, 6, b"more"), theirs("RA", 8, 6)),
        (ours("S", 0, options=(("TFO", b""),)), theirs("SA", 0, 1, b"text")),
        (ours("S", 0, options=(("MSS", 0),)), *OPENED[1:], theirs("PA", 1, 1, bytes(536))),
        (ours("S", 0, options=(("MSS", 8),)), *OPENED[1:], theirs("PA", 1, 1, bytes(48))),
        (*OPENED[:2], ours("S", 0), theirs("SA", 4_000, 1)),
        (*OPENED[:2], ours("S", 0), theirs("SA", 0, 1)),
        (theirs("S", 0, options=stamp(900, 0)), ours("S", 99, options=stamp(50, 0)), ours("SA", 44, 5_000),
         theirs("S", 0, options=stamp(902, 0)), theirs("SA", 0, 100, options=stamp(903, 50)),
         theirs("A", 0, 100, options=stamp(904, 50))),
    ],
    ids=[
        "ACK to a closed port, then a connection", "SYN in ESTABLISHED", "wrong ACK in SYN-RECEIVED",
        "RST, then a new SYN", "SYN in TIME-WAIT", "its RST, then its connect()", "two SYNs, the second answered",
        "three SYNs, the second answered", "refused twice", "refused, then ours",
        "simultaneous open with its own options", "TSval 0",
        "RST without stamps", "window probe", "keep-alive at SND.UNA - 1", "RST inside a shrunk window", "Fast Open",
        "MSS 0", "MSS below Linux's least", "SYN cookies", "SYN repeated", "its SYN again, read late",
    ],
)  # fmt: skip
def test_no_rule_misfires(story: tuple[Said, ...]) -> None:
    flow = Flow()
    assert [breach.message for said in story for breach in hear(flow, said)] == []


def test_a_new_connection_starts_new_books() -> None:
    flow = Flow()
    for said in (*SCALED, ours("R", 1), ours("S", 700), theirs("SA", 9_000, 701)):
        assert hear(flow, said) == ()
    assert (flow.ours.iss, flow.theirs.iss) == (OURS + 700, THEIRS + 9_000)
    assert flow.theirs.shift == 0
    assert flow.theirs.ack == OURS + 701


@pytest.mark.parametrize(
    ("story", "said", "repeats"),
    [
        ((), theirs("S", 0), False),
        ((theirs("S", 0),), theirs("S", 0), True),
        ((theirs("S", 0),), theirs("S", 1), False),
        (SPOKEN, theirs("PA", 1, 6, b"abcde"), True),
        (SPOKEN, theirs("PA", 3, 6, b"cdef"), False),
        (SPOKEN, theirs("A", 6, 6), False),
        (SPOKEN, theirs("R", 1), False),
        ((*OPENED, theirs("FA", 1, 1)), theirs("FA", 1, 1), True),
        ((theirs("PA", 1, 1, b"abc"),), theirs("PA", 1, 1, b"abc"), True),
    ],
)
def test_a_retransmission_is_recognised(story: tuple[Said, ...], said: Said, repeats: bool) -> None:
    flow = Flow()
    for earlier in story:
        hear(flow, earlier)
    assert flow.is_retransmission(said.segment) is repeats


def test_old_text_is_forgotten_after_a_mebibyte() -> None:
    flow = Flow()
    for said in OPENED:
        hear(flow, said)
    chunk = bytes(500)
    for index in range(2200):
        at = 1 + 500 * index
        hear(flow, ours("A", 1, at))
        assert hear(flow, theirs("A", at, 1, chunk)) == ()
    assert len(flow.theirs.text) <= 1 << 20
    (breach,) = hear(flow, theirs("A", at, 1, b"x" * 500))
    assert breach.rule.id == "same-text"
    assert hear(flow, theirs("A", 1, 1, b"x" * 500)) == ()  # too long ago to compare
