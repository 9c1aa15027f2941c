"""Text and windows: 3.4, 3.8.6, steps 1 and 5 to 7 of 3.10.7.4."""

from __future__ import annotations

import pytest

from lab.tcp.diagram import CLOSED, ESTABLISHED
from lab.tcp.endpoint import Config, Endpoint, UserCallError
from lab.tcp.options import value_of
from lab.tcp.output import segments_owed
from lab.tcp.sequence import Seq
from tests.unit.states import NOW, SYNCHRONIZED, WINDOW, arrive, endpoint_in, established

MSS = (("MSS", 1000),)


def sizes(endpoint: Endpoint, now: float = NOW) -> list[int]:
    return [len(segment.payload) for segment in segments_owed(endpoint, now)]


def test_text_is_cut_into_segments_and_pushed_at_its_end() -> None:
    endpoint = established(options=MSS)
    endpoint.send(bytes(2500), NOW)
    sent = segments_owed(endpoint, NOW)
    assert [(segment.letters, len(segment.payload)) for segment in sent] == [("A", 1000), ("A", 1000), ("PA", 500)]
    assert [segment.seq for segment in sent] == [endpoint.snd_una + offset for offset in (0, 1000, 2000)]


def test_options_take_their_place_from_the_segment() -> None:
    endpoint = established(Config(timestamps=True), options=(*MSS, ("Timestamp", (7, 0))))
    endpoint.send(bytes(1000), NOW)
    assert sizes(endpoint) == [988, 12]


def test_nothing_is_sent_beyond_the_window() -> None:
    endpoint = established(options=(("MSS", WINDOW // 4),))
    endpoint.send(bytes(WINDOW + 5000), NOW)
    assert sum(sizes(endpoint)) == WINDOW
    arrive(endpoint, "A", ack=endpoint.snd_una + 1000, window=WINDOW - 1000)
    assert endpoint.snd_nxt - endpoint.snd_una == WINDOW - 1000
    sent = arrive(endpoint, "A", ack=endpoint.snd_una + 1000, window=WINDOW)
    assert sum(len(segment.payload) for segment in sent) == 2000 // (WINDOW // 4) * (WINDOW // 4)


def test_a_silly_window_is_left_alone_until_the_timer_overrides() -> None:
    endpoint = established(options=MSS)
    arrive(endpoint, "A", window=30)
    endpoint.send(bytes(500), NOW)
    assert sizes(endpoint) == []
    timeout = endpoint.next_timeout()
    assert timeout == NOW + endpoint.rto.value
    endpoint.handle_timeout(timeout)
    assert sizes(endpoint, timeout) == [30]


def test_a_shut_window_is_probed_with_one_octet_for_ever_while_somebody_answers() -> None:
    endpoint = established(Config(retries=3), options=MSS)
    arrive(endpoint, "A", window=0)
    endpoint.send(b"abc", NOW)
    assert sizes(endpoint) == []
    gaps, before = [], NOW
    for _ in range(10):
        now = endpoint.next_timeout()
        assert now is not None
        endpoint.handle_timeout(now)
        (probe,) = segments_owed(endpoint, now)
        assert (probe.seq, probe.payload) == (endpoint.snd_una, b"a")
        arrive(endpoint, "A", ack=endpoint.snd_una, window=0, now=now)
        gaps.append(now - before)
        before = now
    assert gaps == pytest.approx([1, 2, 4, 8, 16, 32, 60, 60, 60, 60])
    sent = arrive(endpoint, "A", ack=endpoint.snd_una, window=10, now=before)
    assert [(segment.payload, segment.seq - endpoint.snd_una) for segment in sent] == [(b"a", 0), (b"bc", 1)]


def test_a_shut_window_that_nobody_speaks_of_any_more_ends_the_connection() -> None:
    endpoint = established(Config(retries=3))
    arrive(endpoint, "A", window=0)
    endpoint.send(b"abc", NOW)
    while (now := endpoint.next_timeout()) is not None or endpoint.outgoing:
        endpoint.handle_timeout(now or NOW)
        segments_owed(endpoint, now or NOW)
    assert (endpoint.state, endpoint.error) == (CLOSED, "user timeout")


def test_a_shut_window_holds_the_fin_back_too() -> None:
    endpoint = established()
    arrive(endpoint, "A", window=0)
    endpoint.close(NOW)
    assert segments_owed(endpoint, NOW) == []
    timeout = endpoint.next_timeout()
    assert timeout is not None
    endpoint.handle_timeout(timeout)
    assert [segment.letters for segment in segments_owed(endpoint, timeout)] == ["FA"]


def test_an_older_segment_does_not_change_the_window() -> None:
    endpoint = established()
    arrive(endpoint, "A", b"abcde", window=500)
    arrive(endpoint, "A", b"x", seq=endpoint.rcv_nxt + 10, window=700)
    arrive(endpoint, "A", seq=endpoint.rcv_nxt, window=9)
    assert endpoint.snd_wnd == 700


def test_text_in_order_is_acknowledged_and_fills_the_window() -> None:
    endpoint = established(Config(window=1000))
    (ack,) = arrive(endpoint, "PA", bytes(700))
    assert (ack.ack, ack.window) == (endpoint.rcv_nxt, 300)
    assert len(endpoint.read()) == 700
    assert segments_owed(endpoint, NOW)[0].window == 1000


def test_a_little_reading_does_not_open_a_silly_window() -> None:
    endpoint = established(Config(window=1000))
    arrive(endpoint, "PA", bytes(100))
    endpoint.read()
    assert endpoint.rcv_wnd == 900
    assert segments_owed(endpoint, NOW) == []


def test_text_behind_a_gap_is_kept_and_reported() -> None:
    endpoint = established(Config(sack_permitted=True), options=(("SAckOK", b""),))
    start = endpoint.rcv_nxt
    (first,) = arrive(endpoint, "A", b"fghij", seq=start + 5)
    (second,) = arrive(endpoint, "FA", b"pq", seq=start + 15)
    assert value_of(first.options, "SAck") == (start + 5, start + 10)
    assert value_of(second.options, "SAck") == (start + 15, start + 17, start + 5, start + 10)
    assert {first.ack, second.ack} == {start}
    (third,) = arrive(endpoint, "A", b"abcde", seq=start)
    assert third.ack == start + 10
    (last,) = arrive(endpoint, "A", b"jKLMNOp", seq=start + 9)
    assert last.ack == start + 18
    assert last.options == ()
    assert endpoint.read() == b"abcdefghijKLMNOpq"


def test_acknowledgments_are_not_acknowledged_not_even_with_a_gap_open() -> None:
    endpoint = established()
    arrive(endpoint, "A", b"later", seq=endpoint.rcv_nxt + 5)
    assert arrive(endpoint, "A") == []


def test_only_a_fin_behind_a_gap_reports_no_block() -> None:
    endpoint = established(Config(sack_permitted=True), options=(("SAckOK", b""),))
    (ack,) = arrive(endpoint, "FA", seq=endpoint.rcv_nxt + 5)
    assert ack.options == ()
    assert endpoint.state is ESTABLISHED


def test_what_lies_outside_the_window_is_cut_off() -> None:
    endpoint = established(Config(window=10))
    start = endpoint.rcv_nxt
    arrive(endpoint, "A", b"0123456789ABC", seq=start)
    assert endpoint.read() == b"0123456789"
    arrive(endpoint, "FA", b"abcdefghij", seq=start + 10)
    assert endpoint.read() == b"abcdefghij"
    assert endpoint.state is ESTABLISHED
    assert endpoint.rcv_nxt == start + 20


@pytest.mark.parametrize(
    ("window", "offset", "text", "acceptable"),
    [(0, 0, b"", True), (0, 0, b"x", False), (0, 1, b"", False), (10, 0, b"", True), (10, 9, b"", True),
     (10, 10, b"", False), (10, -1, b"", False), (10, -3, b"xyz", False), (10, -3, b"wxyz", True),
     (10, 9, b"xyz", True), (10, 10, b"x", False), (10, -1, b"0123456789ab", False)],
)  # fmt: skip
def test_the_four_cases_of_the_acceptability_test(window: int, offset: int, text: bytes, acceptable: bool) -> None:
    endpoint = established(Config(window=window))
    answer = arrive(endpoint, "A", text, seq=endpoint.rcv_nxt + offset, window=777)
    assert bool(endpoint.received or endpoint.reassembly) == (acceptable and text != b"")
    if not text:
        assert [segment.letters for segment in answer] == ([] if acceptable else ["A"])
    if not acceptable and window:
        assert endpoint.snd_wnd == WINDOW


def test_a_shut_window_still_takes_acknowledgments() -> None:
    endpoint = established(Config(window=0))
    endpoint.send(b"abc", NOW)
    segments_owed(endpoint, NOW)
    (answer,) = arrive(endpoint, "FA", b"text", ack=endpoint.snd_nxt)
    assert endpoint.snd_una == endpoint.snd_nxt
    assert (answer.ack, answer.window) == (endpoint.rcv_nxt, 0)
    assert endpoint.read() == b""
    assert endpoint.state is ESTABLISHED


@pytest.mark.parametrize("state", SYNCHRONIZED, ids=str)
@pytest.mark.parametrize("distance", [1, 2**20, -WINDOW - 1000], ids=["next", "far", "too old"])
def test_an_ack_of_what_was_never_sent_or_long_ago_is_answered_and_dropped(state: object, distance: int) -> None:
    endpoint = endpoint_in(state)  # type: ignore[arg-type]
    una, read = endpoint.snd_una, endpoint.rcv_nxt
    base = endpoint.snd_nxt if distance > 0 else una
    (answer,) = arrive(endpoint, "A", b"data", ack=base + distance)
    assert (answer.letters, answer.seq, answer.ack) == ("A", endpoint.snd_nxt, read)
    assert (endpoint.snd_una, endpoint.rcv_nxt, endpoint.state) == (una, read, state)


def test_an_old_ack_is_ignored_but_its_text_is_taken() -> None:
    endpoint = established()
    endpoint.send(b"abc", NOW)
    segments_owed(endpoint, NOW)
    arrive(endpoint, "A")
    una = endpoint.snd_una
    arrive(endpoint, "A", b"text", ack=una + -2, window=1)
    assert (endpoint.snd_una, endpoint.snd_wnd) == (una, WINDOW)
    assert endpoint.read() == b"text"


def test_a_segment_without_ack_is_dropped() -> None:
    endpoint = established()
    assert arrive(endpoint, "P", b"text") == []
    assert endpoint.read() == b""


def test_urgent_data_move_the_urgent_pointer() -> None:
    endpoint = established()
    start = endpoint.rcv_nxt
    arrive(endpoint, "UA", b"abc", urgent=2)
    assert endpoint.rcv_up == start + 2
    arrive(endpoint, "UA", b"abc", urgent=0)
    assert endpoint.rcv_up == start + 3


def test_after_its_fin_the_other_side_has_no_more_text() -> None:
    endpoint = endpoint_in(SYNCHRONIZED[3])
    before = endpoint.rcv_nxt
    assert arrive(endpoint, "A", b"late") == []
    assert (endpoint.rcv_nxt, endpoint.read()) == (before, b"")


@pytest.mark.parametrize("state", [state for state in SYNCHRONIZED if state.value not in ("ESTABLISHED", "CLOSE-WAIT")])
def test_no_text_and_no_second_fin_after_close(state: object) -> None:
    endpoint = endpoint_in(state)  # type: ignore[arg-type]
    with pytest.raises(UserCallError, match="connection closing"):
        endpoint.send(b"x", NOW)
    with pytest.raises(UserCallError, match="connection closing"):
        endpoint.close(NOW)


def test_a_close_that_waits_is_a_close() -> None:
    endpoint = endpoint_in(SYNCHRONIZED[3])
    endpoint.close(NOW)
    with pytest.raises(UserCallError, match="connection closing"):
        endpoint.close(NOW)
    with pytest.raises(UserCallError, match="connection closing"):
        endpoint.send(b"x", NOW)


def test_text_sent_before_close_leaves_before_the_fin() -> None:
    endpoint = established()
    endpoint.send(b"last words", NOW)
    endpoint.close(NOW)
    assert [(segment.letters, segment.payload) for segment in segments_owed(endpoint, NOW)] == [
        ("PA", b"last words"),
        ("FA", b""),
    ]
    assert endpoint.fin_end == Seq(endpoint.snd_nxt)


def test_unread_text_survives_the_end_of_the_connection() -> None:
    endpoint = established()
    arrive(endpoint, "PA", b"text")
    arrive(endpoint, "R")
    assert endpoint.read() == b"text"
    assert segments_owed(endpoint, NOW) == []
