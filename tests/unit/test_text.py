"""Ladder as text: widths, signs, marks."""

from __future__ import annotations

import pytest
from rich.cells import cell_len

from lab.record.events import Connection
from lab.record.expectation import Expected
from lab.report.ladder import ladder_of
from lab.report.screen import Screen, printable, wrapped
from lab.report.text import duration, ladder_lines
from lab.report.verdicts import check_lines, frame_lines
from lab.tcp.state import State
from tests.unit.stories import Story

S = State
OPTIONS = (("MSS", 1460), ("SAckOK", b""), ("Timestamp", (4_000_000_000, 4_000_000_001)), ("NOP", None), ("WScale", 7))


def lines_of(story: Story, screen: Screen = Screen()) -> list[str]:  # noqa: B008  # an immutable value
    return list(ladder_lines(ladder_of(story.recording), screen))[1:]


def eventful() -> Story:
    """A story with each kind of rung."""
    story = Story()
    story.step("三次握手的第一个报文段：对端发送 SYN，内核回答 SYN+ACK，然后双方都进入 ESTABLISHED 状态，连接就此建立")
    story.step("A title in English that is long enough to fill more than one line of eighty columns, as some titles do")
    story.call("setsockopt", "TCP_USER_TIMEOUT", 30_000, error="ENOPROTOOPT")
    story.call("send", b"a payload that is cut where it gets too long to be read", value=55)
    syn = story.peer("S", S.SYN_SENT, options=OPTIONS)
    story.kernel("SA", None, ack=1, options=OPTIONS)
    story.crossing_over(syn)
    story.wait(31_000)
    at = story.kernel("SA", S.ESTABLISHED, ack=1, options=OPTIONS, retransmission=True)
    story.differs(at, Expected(0x12, ack=2))
    story.peer("PA", S.ESTABLISHED, seq=1, ack=1, payload=b"x" * 1460, lost=True)
    return story


@pytest.mark.parametrize("width", [80, 100, 160])
@pytest.mark.parametrize("unicode", [True, False], ids=["lines", "ASCII"])
def test_no_line_is_wider_than_the_screen(width: int, unicode: bool) -> None:
    assert max(cell_len(line) for line in lines_of(eventful(), Screen(width, unicode))) <= width


def test_a_wider_screen_needs_fewer_lines() -> None:
    counts = [len(lines_of(eventful(), Screen(width))) for width in (80, 120, 160)]
    assert counts == sorted(counts, reverse=True)
    assert len(set(counts)) == 3


def test_ascii_is_ascii_where_the_scenario_is() -> None:
    story = eventful()
    del story.recording.events[0]
    assert "\n".join(lines_of(story, Screen(unicode=False))).isascii()
    assert not "\n".join(lines_of(story, Screen())).isascii()


def test_options_are_broken_between_options_only() -> None:
    story = Story()
    story.kernel("S", S.SYN_RECEIVED, options=OPTIONS)
    told = [line[47:] for line in lines_of(story, Screen(80))]
    assert told == ["0:0(0) win 64240 <mss 1460,", "sackOK,", "TS val 4000000000 ecr 4000000001,", "nop,wscale 7>"]


def test_marks() -> None:
    story = Story()
    story.handshake()
    at = story.kernel("PA", None, seq=1, ack=1, payload=b"x", retransmission=True)
    story.differs(at, Expected(0x18, seq=2))
    *_, line = lines_of(story, Screen(160))
    assert line.split("  ")[-3:] == ["retransmission", "lost on the way", "<-- here"]
    assert "x───PA" in line


def test_connections_are_named_only_if_there_are_several() -> None:
    story = Story()
    story.peer("S", S.SYN_SENT)
    assert "[40001]" not in lines_of(story)[0]
    story.recording.connections.append(Connection(4, 80, 40002))
    story.peer("S", S.SYN_SENT, connection=1)
    assert [line[47:54] for line in lines_of(story)] == ["[40001]", "[40002]"]


def test_a_call_that_changes_the_state_without_a_segment_shows_the_state() -> None:
    story = Story()
    story.kernel("S", S.SYN_RECEIVED)
    story.state(S.SYN_SENT)
    story.call("close")
    story.state(S.CLOSED)
    assert lines_of(story)[-1].endswith("close() = 0, now CLOSED")


def test_a_call_followed_by_its_segment_shows_no_state() -> None:
    story = Story()
    story.handshake()
    story.call("close")
    story.state(S.FIN_WAIT_1)
    story.kernel("FA", S.CLOSE_WAIT, seq=1, ack=1)
    call, segment = lines_of(story)[-2:]
    assert call.endswith("close() = 0")
    assert "CLOSE-WAIT   ◄───FA   FIN-WAIT-1" in segment


@pytest.mark.parametrize(("milliseconds", "bars"), [(99, 0), (100, 1), (999, 1), (1000, 2), (10_000, 3)])
def test_the_longer_a_wait_the_longer_its_bar(milliseconds: int, bars: int) -> None:
    story = Story()
    story.peer("S", S.SYN_SENT)
    story.wait(milliseconds)
    story.peer("S", S.SYN_SENT)
    assert sum("┊" in line for line in lines_of(story)) == bars


def test_colours_only_where_there_are_any() -> None:
    assert "\033[" not in "".join(lines_of(eventful()))
    assert "\033[31m" in "".join(lines_of(eventful(), Screen(colours=True)))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("握手", "握手"),
        ("bell \a and \x1b[2J", "bell \\x07 and \\x1b[2J"),
        ("right \u202e to left", "right \\u202e to left"),
        ("new\nline", "new\\nline"),
    ],
)
def test_control_characters_are_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown
    story = Story()
    story.step(text)
    assert [line.strip() for line in lines_of(story)] == [shown]


def test_a_chinese_character_takes_two_columns() -> None:
    assert list(wrapped("一二三四五", 4)) == ["一二", "三四", "五"]
    assert list(wrapped("ab 一二 c", 4)) == ["ab", "一二", "c"]
    assert list(wrapped("ab c\N{NO-BREAK SPACE}一二", 7)) == ["ab", "c 一二"], (
        "a no-break space keeps the word after it"
    )


@pytest.mark.parametrize(
    ("nanoseconds", "told"),
    [(204_000_000, "0.204 s"), (1_024_000_000, "1.02 s"), (134_000_000_000, "134 s"), (7_200 * 10**9, "7200 s")],
)
def test_durations(nanoseconds: int, told: str) -> None:
    assert duration(nanoseconds) == told


def test_of_many_checks_and_frames_the_ends_and_the_failures_are_shown() -> None:
    story = Story()
    story.handshake()
    for _ in range(10):
        story.agrees("SA")
    story.differs(4, Expected(flags=0))
    for _ in range(9):
        story.agrees("SA")
    few, all_of_them = Screen(most=2), Screen(most=None)
    assert [line.split()[0] for line in check_lines(story.recording, few)] == ["ok", "(17", "FAIL", "ok"]
    assert [line.split()[0] for line in check_lines(story.recording, all_of_them)] == ["ok"] * 10 + ["FAIL"] + [
        "ok"
    ] * 9
    assert [line.split()[:2] for line in frame_lines(story.recording, few) if line[2] != " "] == [
        ["frame", "1"], ["(1", "lines"], ["frame", "3"],
    ]  # fmt: skip
    assert sum(line.startswith("  frame") for line in frame_lines(story.recording, all_of_them)) == 3
