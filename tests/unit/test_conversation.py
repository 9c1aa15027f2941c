"""A segment that the kernel repeats is a retransmission if a timer was due and nothing of the peer asked for it."""

from __future__ import annotations

import pytest

from lab.session.conversation import Conversation
from lab.tcp.endpoint import Config
from lab.tcp.flags import bits
from lab.tcp.options import Options
from lab.tcp.segment import Segment
from lab.tcp.sequence import Seq

SACK: Options = (("SAckOK", b""),)
SETTINGS = {"net.ipv4.tcp_rto_min_us": "300000"}
MS = 1_000_000
PEER, KERNEL = Seq(2**32 - 2), Seq(2**32 - 1)


class Exchange:
    """A conversation of which the test sets the clock, in ms."""

    def __init__(self) -> None:
        self._conversation = Conversation("192.0.2.1", 40001, Config(iss=PEER))
        self._answered_ms = 0

    def peer(self, at_ms: int, letters: str, seq: int, ack: int | None = None, options: Options = ()) -> None:
        number = Seq(0) if ack is None else KERNEL + ack
        segment = Segment(PEER + seq, number, bits(letters), 1000, options=options)
        self._conversation.sent(segment, at_ms / 1000)
        self._conversation.reaches_kernel(segment, at_ms * MS)

    def icmp(self, at_ms: int) -> None:
        self._conversation.reaches_kernel(None, at_ms * MS)

    def fence(self, at_ms: int) -> None:
        self._answered_ms = at_ms

    def kernel(
        self, at_ms: int, letters: str, seq: int, ack: int | None = None, text: bytes = b"", options: Options = ()
    ) -> bool:
        number = Seq(0) if ack is None else PEER + ack
        segment = Segment(KERNEL + seq, number, bits(letters), 1000, options=options, payload=text)
        judged = self._conversation.judge(segment, at_ms * MS, SETTINGS, self._answered_ms * MS)
        return judged.retransmission


@pytest.mark.parametrize(("letters", "excused"), [("SA", True), ("S", False)], ids=["listener", "client"])
def test_only_a_listener_makes_connections_from_cookies(letters: str, excused: bool) -> None:
    conversation = Conversation("192.0.2.1", 40001, Config(iss=PEER))

    def kernel(letters: str, seq: int, window: int) -> list[bool]:
        segment = Segment(KERNEL + seq, PEER + 1 if "A" in letters else Seq(0), bits(letters), window)
        judged = conversation.judge(segment, MS, {"net.ipv4.tcp_syncookies": "2"}, 0)
        return [breach.deviation is not None for breach in judged.breaches]

    if letters == "SA":
        conversation.sent(Segment(PEER, Seq(0), bits("S"), 1000), 0)
    assert kernel(letters, 0, 1000) == []
    conversation.sent(Segment(PEER + (letters == "SA"), KERNEL + 1, bits("A" if letters == "SA" else "SA"), 1000), 0)
    assert kernel("A", 1, 1000) == []
    assert kernel("A", 1, 9) == [excused]


@pytest.fixture
def exchange() -> Exchange:
    return Exchange()


def opened(exchange: Exchange, options: Options = ()) -> Exchange:
    exchange.peer(1, "S", 0, options=options)
    assert not exchange.kernel(2, "SA", 0, 1, options=options)
    exchange.peer(3, "A", 1, 1)
    exchange.fence(4)
    return exchange


@pytest.mark.parametrize(("at_ms", "retransmission"), [(400, False), (1002, True)])
def test_a_syn_ack_is_due_after_a_second(exchange: Exchange, at_ms: int, retransmission: bool) -> None:
    exchange.peer(1, "S", 0)
    assert not exchange.kernel(2, "SA", 0, 1)
    assert exchange.kernel(at_ms, "SA", 0, 1) is retransmission


@pytest.mark.parametrize(("at_ms", "retransmission"), [(110, False), (310, True)])
def test_text_is_due_after_the_least_timeout(exchange: Exchange, at_ms: int, retransmission: bool) -> None:
    opened(exchange)
    assert not exchange.kernel(10, "PA", 1, 1, b"hello")
    assert exchange.kernel(at_ms, "PA", 1, 1, b"hello") is retransmission


@pytest.mark.parametrize(("options", "retransmission"), [((), False), (SACK, True)], ids=["without SACK", "with SACK"])
def test_a_tail_loss_probe_comes_earlier(exchange: Exchange, options: Options, retransmission: bool) -> None:
    opened(exchange, options)
    assert not exchange.kernel(10, "PA", 1, 1, b"hello")
    assert exchange.kernel(30, "PA", 1, 1, b"hello") is retransmission


@pytest.mark.parametrize(("asked_ms", "retransmission"), [(1990, False), (1900, True)])
def test_an_answer_follows_at_once(exchange: Exchange, asked_ms: int, retransmission: bool) -> None:
    exchange.peer(1, "S", 0)
    exchange.kernel(2, "SA", 0, 1)
    exchange.peer(asked_ms, "S", 0)
    assert exchange.kernel(2000, "SA", 0, 1) is retransmission


@pytest.mark.parametrize(("first_ms", "again"), [(1, True), (1990, False)], ids=["by a timer", "as an answer"])
def test_what_the_peer_sends_later_has_not_asked_for_it(exchange: Exchange, first_ms: int, again: bool) -> None:
    """A lab that was held up has sent a segment before it reads what had come."""
    exchange.peer(1, "S", 0)
    exchange.kernel(2, "SA", 0, 1)
    exchange.peer(first_ms, "S", 0)
    exchange.peer(2010, "S", 0)
    assert exchange.kernel(2000, "SA", 0, 1) is again


def test_a_fence_separates_answers_from_timers(exchange: Exchange) -> None:
    exchange.peer(1, "S", 0)
    exchange.kernel(2, "SA", 0, 1)
    exchange.peer(1990, "S", 0)
    exchange.fence(1995)
    assert exchange.kernel(2000, "SA", 0, 1)


@pytest.mark.parametrize("what", ["an ACK", "ICMP"])
def test_an_acknowledgment_or_icmp_asks_for_text(exchange: Exchange, what: str) -> None:
    opened(exchange)
    exchange.kernel(10, "PA", 1, 1, b"hello")
    if what == "ICMP":
        exchange.icmp(499)
    else:
        exchange.peer(499, "A", 1, 1)
    assert not exchange.kernel(500, "PA", 1, 1, b"hello")


def test_text_of_the_peer_does_not_ask_for_a_syn_ack(exchange: Exchange) -> None:
    exchange.peer(1, "S", 0)
    exchange.kernel(2, "SA", 0, 1)
    exchange.peer(1000, "A", 1, 1)
    assert exchange.kernel(1010, "SA", 0, 1)


def test_after_crossing_syns_the_timer_of_the_syn_goes_on(exchange: Exchange) -> None:
    assert not exchange.kernel(1, "S", 0)
    exchange.peer(900, "S", 0)
    assert not exchange.kernel(901, "SA", 0, 1), "new, though its number is that of the SYN"
    assert exchange.kernel(1001, "SA", 0, 1), "a second after the SYN"
    assert not exchange.kernel(1401, "SA", 0, 1), "and not due again so soon"


def test_a_part_of_a_segment_is_due_with_the_whole(exchange: Exchange) -> None:
    opened(exchange)
    exchange.kernel(10, "PA", 1, 1, b"hello")
    assert not exchange.kernel(50, "PA", 3, 1, b"llo")
    assert exchange.kernel(400, "PA", 3, 1, b"llo")


def test_an_acknowledgment_is_never_a_retransmission(exchange: Exchange) -> None:
    opened(exchange)
    assert not exchange.kernel(10, "A", 1, 1)
    assert not exchange.kernel(5000, "A", 1, 1)


@pytest.mark.parametrize(("ack", "retransmission"), [(2, True), (1, False)])
def test_an_acknowledgment_of_something_else_shortens_the_timer_of_a_syn(
    exchange: Exchange, ack: int, retransmission: bool
) -> None:
    exchange.kernel(1, "S", 0)
    exchange.peer(2, "RA", 0, ack)
    assert exchange.kernel(10, "S", 0) is retransmission


def test_a_segment_that_was_sent_after_the_frame_did_not_ask_for_it(exchange: Exchange) -> None:
    opened(exchange)
    exchange.kernel(10, "PA", 1, 1, b"hello")
    exchange.peer(420, "A", 1, 6)
    assert exchange.kernel(410, "PA", 1, 1, b"hello"), "it was read later"


def test_a_syn_ack_does_not_ask_for_a_syn(exchange: Exchange) -> None:
    exchange.kernel(1, "S", 0)
    exchange.peer(1000, "SA", 0, 9)
    assert exchange.kernel(1010, "S", 0)
