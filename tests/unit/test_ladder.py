"""Ladder as a value: the data of each rung, independent of drawings."""

from __future__ import annotations

import sys
from dataclasses import fields
from types import FrameType
from typing import TYPE_CHECKING

import pytest
from scapy.layers.inet import ICMP, IP
from scapy.layers.l2 import Ether

from lab.record.events import CheckKind, Connection, Recording
from lab.record.expectation import Expected
from lab.report.ladder import ladder_of
from lab.report.ladder_model import Kind, Ladder, Rung, Sides
from lab.report.screen import Screen
from lab.report.text import ladder_lines
from lab.tcp.flags import SYN
from lab.tcp.segment import Segment
from lab.tcp.state import State
from tests.unit.crafted import packet
from tests.unit.stories import ISS, Story, a_long_one

if TYPE_CHECKING:
    from _typeshed import TraceFunction

S = State


def rungs_of(story: Story, *kinds: Kind) -> list[Rung]:
    return [rung for rung in ladder_of(story.recording).rungs if not kinds or rung.kind in kinds]


def segments_of(story: Story) -> list[Rung]:
    return rungs_of(story, Kind.SEGMENT)


def test_each_side_has_a_state_before_and_after_each_segment() -> None:
    story = Story()
    story.handshake()
    assert [(rung.letters, rung.before, rung.after) for rung in segments_of(story)] == [
        ("S", Sides(S.CLOSED, S.LISTEN), Sides(S.SYN_SENT, S.SYN_RECEIVED)),
        ("SA", Sides(S.SYN_SENT, S.SYN_RECEIVED), Sides(S.ESTABLISHED, S.SYN_RECEIVED)),
        ("A", Sides(S.ESTABLISHED, S.SYN_RECEIVED), Sides(S.ESTABLISHED, S.ESTABLISHED)),
    ]


def test_a_mini_socket_that_takes_over_does_not_close_the_connection() -> None:
    story = Story()
    story.handshake()
    story.kernel("FA", S.CLOSE_WAIT, seq=1, ack=1)
    story.state(S.FIN_WAIT_1)
    story.peer("A", S.CLOSE_WAIT, seq=1, ack=2)
    story.state(S.FIN_WAIT_2)
    story.state(S.CLOSED)  # the tracepoint: the full socket has gone
    story.peer("FA", S.LAST_ACK, seq=1, ack=2)
    story.state(S.TIME_WAIT, timer=3)  # inet_diag
    assert [rung.after.kernel for rung in segments_of(story)[-2:]] == [S.FIN_WAIT_2, S.TIME_WAIT]


def test_a_state_that_was_not_seen_is_none() -> None:
    story = Story()
    story.peer("S", S.SYN_SENT)
    assert [rung.after for rung in segments_of(story)] == [Sides(S.SYN_SENT, None)]


def test_segments_are_paired_with_their_acknowledgments() -> None:
    story = Story()
    story.handshake()
    story.peer("PA", S.ESTABLISHED, seq=1, ack=1, payload=b"hello")
    story.peer("PA", S.ESTABLISHED, seq=6, ack=1, payload=b"you")
    story.kernel("A", S.ESTABLISHED, seq=1, ack=9)
    story.kernel("A", S.ESTABLISHED, seq=1, ack=9)
    segments = segments_of(story)
    rungs = ladder_of(story.recording).rungs
    number = {rung.event: at for at, rung in enumerate(rungs)}
    at = [number[rung.event] for rung in segments]
    assert [rung.acknowledges for rung in segments] == [(), (at[0],), (at[1],), (), (), (at[3], at[4]), ()]
    assert [rung.acknowledged for rung in segments] == [at[1], at[2], None, at[5], at[5], None, None]


@pytest.mark.parametrize(
    ("acknowledgement", "why"),
    [
        ({"ack": 0}, "it is older"),
        ({"ack": 7}, "nothing that far was sent"),
        ({"ack": 6, "lost": True}, "it never came"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_no_pair_where_nothing_is_acknowledged(acknowledgement: dict[str, int], why: str) -> None:
    story = Story()
    story.handshake()
    story.peer("PA", S.ESTABLISHED, seq=1, ack=1, payload=b"hello")
    story.kernel("A", None if "lost" in acknowledgement else S.ESTABLISHED, seq=1, **acknowledgement)
    assert segments_of(story)[-1].acknowledges == (), why


def test_a_new_connection_between_the_same_ports_is_paired_with_itself_only() -> None:
    story = Story()
    story.handshake()
    story.peer("PA", S.ESTABLISHED, seq=1, ack=1, payload=b"never acknowledged")
    story.peer("S", S.SYN_SENT, seq=70000)
    story.kernel("SA", S.ESTABLISHED, ack=70001)
    *_, data, syn, answer = segments_of(story)
    assert (data.acknowledged, len(answer.acknowledges)) == (None, 1)
    assert syn.acknowledged is not None


def test_a_delayed_segment_refers_to_its_arrival() -> None:
    story = Story()
    syn = story.peer("S", S.SYN_SENT)
    story.kernel("S", S.SYN_RECEIVED)
    story.state(S.SYN_SENT)
    story.crossing_over(syn)
    story.state(S.SYN_RECEIVED)
    rungs = ladder_of(story.recording).rungs
    assert [rung.kind for rung in rungs] == [Kind.SEGMENT, Kind.SEGMENT, Kind.ARRIVAL]
    assert [rung.arrival for rung in rungs] == [2, None, None]
    assert (rungs[2].before.kernel, rungs[2].after.kernel) == (S.SYN_SENT, S.SYN_RECEIVED)


def test_a_wait_is_a_rung_of_its_own_and_names_the_timer() -> None:
    story = Story()
    story.handshake()
    story.kernel("PA", S.ESTABLISHED, seq=1, ack=1, payload=b"x")
    story.wait(99)
    story.kernel("PA", S.ESTABLISHED, seq=1, ack=1, payload=b"x", retransmission=True)
    story.wait(204)
    story.kernel("PA", S.ESTABLISHED, seq=1, ack=1, payload=b"x", retransmission=True)
    story.step("Somebody thinks about it")
    story.wait(5000)
    story.peer("A", S.ESTABLISHED, seq=1, ack=2)
    waits = [(rung.waited_ns // 10**6, rung.timer) for rung in rungs_of(story, Kind.WAIT)]
    assert waits == [(204, "retransmission"), (5000, "")]
    *_, title, wait, _ = rungs_of(story)
    assert (title.kind, wait.kind) == (Kind.STEP, Kind.WAIT), "the wait stands where it happened"


def test_a_timer_that_inet_diag_saw_running_is_named() -> None:
    story = Story()
    story.handshake()
    story.peer("FA", S.TIME_WAIT, seq=1, ack=1)
    story.state(S.TIME_WAIT, timer=3)
    story.wait(60_000)
    story.state(S.CLOSED)
    wait, gone = rungs_of(story)[-2:]
    assert (wait.kind, wait.timer, gone.kind) == (Kind.WAIT, "time-wait", Kind.STATE)
    assert (gone.before.kernel, gone.after.kernel) == (S.TIME_WAIT, S.CLOSED)
    assert segments_of(story)[-1].after.kernel is S.TIME_WAIT, "it was the timer that closed it, not the segment"


def test_a_state_that_a_segment_ends_immediately_belongs_to_that_segment() -> None:
    story = Story()
    story.handshake()
    story.peer("R", S.CLOSED, seq=1)
    story.state(S.CLOSED)
    assert rungs_of(story, Kind.STATE, Kind.WAIT) == []
    assert segments_of(story)[-1].after == Sides(S.CLOSED, S.CLOSED)


def test_checks_belong_to_their_segment_or_to_the_last_event() -> None:
    story = Story()
    story.handshake()
    at = story.kernel("A", S.ESTABLISHED, seq=1, ack=1)
    story.agrees("state", kind=CheckKind.STATE)
    story.step("A title is no happening")
    story.agrees("silence", kind=CheckKind.SILENCE)
    story.differs(at, Expected(0x10, ack=2))
    told = {rung.event: rung for rung in rungs_of(story)}
    assert [check.subject for check in told[at].checks] == ["state", "silence", "SA"]
    assert [rung.event for rung in told.values() if rung.broke] == [at]


def test_a_frame_that_is_no_segment_is_shown_when_a_peer_sent_it_and_an_echo_request_is_not() -> None:
    story = Story()
    story.frame(bytes(Ether() / IP(src="198.18.1.2", dst="198.18.1.1") / ICMP()), connection=None)
    story.frame(bytes(packet(4, Segment(ISS[True], ISS[False], SYN), flags="MF")))
    [rung] = rungs_of(story)
    assert (rung.kind, rung.letters, rung.text) == (Kind.FRAME, "?", "an IPv4 fragment")


def test_connections_are_named_by_what_differs() -> None:
    recording = Story().recording

    def names(*connections: Connection) -> list[str]:
        recording.connections[:] = connections
        return Ladder([], recording).names

    assert names(Connection(4, 80, 40001)) == [""]
    assert names(Connection(4, 80, 40001), Connection(4, 80, 40002)) == ["40001", "40002"]
    server, other = Connection(4, 5000, 80), Connection(4, 5001, 80)
    assert names(server, other) == ["5000", "5001"]
    assert names(server, other, Connection(4, 5000, 81)) == ["80>5000", "80>5001", "81>5000"]
    first = Connection(6, 5000, 80, "2001:db8::1", "2001:db8::2")
    second = Connection(6, 5000, 80, "2001:db8::3", "2001:db8::2")
    third = Connection(4, 5000, 80, "198.18.0.1", "198.18.0.12")
    assert names(first, second, third) == ["2.80>1.5000", "2.80>3.5000", "12.80>1.5000"]


def fields_of(rungs: list[Rung]) -> list[dict[str, object]]:
    """All fields except indices of other rungs."""
    names = [field.name for field in fields(Rung) if field.name not in {"acknowledges", "acknowledged", "arrival"}]
    return [{name: getattr(rung, name) for name in names} for rung in rungs]


def counted(rungs: list[Rung], *but: Kind) -> int:
    return sum(rung.kind not in but for rung in rungs)


def varied() -> Story:
    """A story with everything that affects later rungs, some of it twice."""
    story = Story()
    story.handshake()
    story.agrees("SA", 4, Expected(SYN))
    for _ in range(2):
        story.step("A step")
        story.wait(200)
        story.call("send", b"x", value=1)
        lost = story.kernel("PA", seq=1, ack=1, payload=b"x", lost=True)
        story.wait(200)
        story.step("Another")
        story.agrees("PA", lost, Expected(SYN))
        story.call("close")
        story.state(S.FIN_WAIT_1)
        story.kernel("FA", S.CLOSE_WAIT, seq=2, ack=1)
        story.agrees("silence", kind=CheckKind.SILENCE)
        story.agrees("SA", 4, Expected(SYN))
        story.wait(300)
        story.state(S.CLOSED)
        story.wait(300)
        story.call("bind", 81)
        story.call("listen", 16)
        ends = len(story.recording.connections)
        story.recording.connections.append(Connection(4, 81, 40001 + ends))
        syn = story.peer("S", S.SYN_SENT, connection=ends)
        story.agrees("SA", 4, Expected(SYN))
        story.crossing_over(syn)
        story.step("A step without anything but a check")
        story.agrees("silence", kind=CheckKind.SILENCE)
    return story


def test_a_shortened_ladder_is_a_part_of_the_whole_wherever_the_gap_is() -> None:
    """States, packet numbers, waits, listening ports and checks are the same after the gap."""
    story = varied()
    whole = ladder_of(story.recording).rungs
    most = counted(whole, Kind.WAIT, Kind.STATE)
    assert most > 20
    assert counted(whole, Kind.WAIT) > 8
    assert Kind.STATE in {rung.kind for rung in whole}
    for kept in range(1, most):
        ladder = ladder_of(story.recording, kept)
        front, behind = ladder.rungs[: ladder.gap], ladder.rungs[ladder.gap :]
        assert ladder.gap is not None
        assert fields_of(front) == fields_of(whole[: len(front)])
        assert fields_of(behind) == fields_of(whole[len(whole) - len(behind) :])
        assert counted(ladder.rungs, Kind.WAIT, Kind.STATE) == kept
        assert ladder.omitted == counted(whole, Kind.WAIT) - counted(ladder.rungs, Kind.WAIT)


def test_a_shortened_ladder_keeps_its_pairs() -> None:
    ladder = ladder_of(a_long_one(1000), 100)
    assert (len(ladder.rungs), ladder.gap) == (100, 50)
    for at, rung in enumerate(ladder.rungs):
        assert all(ladder.rungs[each].acknowledged == at for each in rung.acknowledges)
        assert rung.acknowledged is None or at in ladder.rungs[rung.acknowledged].acknowledges
    assert sum(rung.acknowledged is not None for rung in ladder.rungs) > 40


def test_a_short_ladder_is_complete() -> None:
    ladder = ladder_of(a_long_one(10))
    assert ladder_of(a_long_one(10), 100) == ladder


def test_a_ladder_takes_linear_time() -> None:
    once, twice = lines_executed(a_long_one(300)), lines_executed(a_long_one(600))
    assert 1.9 * once < twice < 2.1 * once


def lines_executed(recording: Recording) -> int:
    """Number of Python lines executed to build the ladder; loops in C are not counted."""
    count = 0

    def trace(_: FrameType, event: str, __: object) -> TraceFunction:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        list(ladder_lines(ladder_of(recording), Screen()))
    finally:
        sys.settrace(before)
    return count


def read_late() -> Story:
    """The peer sends twice before it reads the answer to the first."""
    story = Story()
    story.peer("S", S.SYN_SENT)
    story.wait(300)
    story.peer("S", S.SYN_SENT)
    story.wait(-100)
    at = story.kernel("SA", S.ESTABLISHED, ack=1)
    story.agrees("SA", at)
    story.wait(200)
    story.peer("A", S.ESTABLISHED, seq=1, ack=1)
    return story


def test_rungs_stand_in_the_order_in_which_things_happened() -> None:
    story = read_late()
    rungs = segments_of(story)
    assert [rung.letters for rung in rungs] == ["S", "SA", "S", "A"]
    assert [rung.time_ns for rung in rungs] == sorted(rung.time_ns for rung in rungs)
    assert [rung.packet for rung in rungs] == [1, 2, 3, 4]
    assert [len(rung.checks) for rung in rungs] == [0, 1, 0, 0]


def test_the_peer_keeps_its_state_until_it_has_read() -> None:
    assert [rung.after.peer for rung in segments_of(read_late())] == [
        S.SYN_SENT,
        S.SYN_SENT,
        S.ESTABLISHED,
        S.ESTABLISHED,
    ]


def test_a_step_begins_before_what_is_read_in_it() -> None:
    story = Story()
    story.handshake()
    story.peer("FA", S.FIN_WAIT_1, seq=1, ack=1)
    story.step("The answer")
    story.wait(-0.15)
    story.kernel("A", S.FIN_WAIT_2, seq=1, ack=2)
    rungs = rungs_of(story, Kind.SEGMENT, Kind.STEP)
    assert [rung.letters or rung.text for rung in rungs][-3:] == ["FA", "The answer", "A"]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (b"hello", "b'hello'"),
        (b"." * 37, f"b'{'.' * 37}'"),
        (b"." * 38, "b'........'..."),
        (bytes(range(60)), r"b'\x00\x01\x02\x03\x04\x05\x06\x07'..."),
        ("x" * 60, "'" + "x" * 36 + "..."),
    ],
    ids=["short", "just short", "long", "escapes", "text"],
)
def test_long_bytes_of_a_call_are_shown_as_a_beginning(value: object, shown: str) -> None:
    story = Story()
    story.call("recv", 60, value=value)
    [rung] = rungs_of(story, Kind.CALL)
    assert rung.text == f"recv(60) = {shown}"
