"""Captures can be read by Scapy, and each frame has its expectation as comment."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from typing import Any

import pytest
from scapy.utils import RawPcapNgReader

from lab.record.events import FrameSeen, Recording
from lab.record.results import Run
from lab.report.captures import capture, captures
from lab.wire import pcapng
from lab.wire.icmp import Echo, reply_in
from tests.unit import sample_run


def read(data: bytes) -> list[tuple[bytes, Any]]:
    """Frames with their metadata."""
    return list(RawPcapNgReader(io.BytesIO(data)))  # type: ignore[arg-type]  # it takes files, too


def captured(run: Run, number: int = 0) -> list[tuple[bytes, Any]]:
    return read(b"".join(capture(run, run.results[number])))


def comments(run: Run) -> list[list[str]]:
    return [re.sub(r"run\.py:\d+", "run.py:N", meta.comments[0].decode()).split("\n") for _, meta in captured(run)]


def test_frames_come_with_their_time_interface_direction_and_comment() -> None:
    data = pcapng.section("the lab", "Linux", "about") + pcapng.interface("kernel", "k") + pcapng.interface("peer", "p")
    data += pcapng.packet(1, 1_795_389_617_733_734_875, b"odd", "Ümläut\n第二") + pcapng.packet(0, 2**32, b"even", "")
    (first, one), (second, two) = read(data)
    assert (first, one.ifname, one.tsresol, one.direction) == (b"odd", b"peer", 10**9, 2)
    assert (one.tshigh << 32) + one.tslow == 1_795_389_617_733_734_875
    assert [comment.decode() for comment in one.comments] == ["Ümläut\n第二"]
    assert (second, two.ifname, two.comments, (two.tshigh, two.tslow)) == (b"even", b"kernel", None, (1, 0))


@pytest.mark.parametrize("size", range(9))
def test_every_length_is_padded(size: int) -> None:
    data = pcapng.section("a" * size, "", "") + pcapng.interface("b" * size, "")
    data += pcapng.packet(0, 5, b"c" * size, "d" * size) + pcapng.packet(0, 6, b"next", "")
    assert len(data) % 4 == 0
    assert [frame for frame, _ in read(data)] == [b"c" * size, b"next"]


def test_a_comment_that_is_too_long_is_cut_between_characters() -> None:
    data = pcapng.section("", "", "") + pcapng.interface("kernel", "") + pcapng.packet(0, 5, b"x", "第" * 40_000)
    [(_, meta)] = read(data)
    assert meta.comments[0].decode() == "第" * 21844
    with_surrogate = pcapng.packet(0, 5, b"x", "\ud800")
    assert b"?" in with_surrogate


def test_a_capture_has_the_frames_of_the_recording_in_its_order_on_the_wall_clock() -> None:
    run = sample_run.run()
    frames = [event for event in sample_run.recording().events if isinstance(event, FrameSeen)]
    found = captured(run)
    assert [frame for frame, _ in found] == [event.data for event in frames]
    assert [(meta.tshigh << 32) + meta.tslow for _, meta in found] == [
        event.time_ns + run.wall_clock_offset_ns for event in frames
    ]
    assert [meta.ifname for _, meta in found] == [b"peer" if event.from_peer else b"kernel" for event in frames]


def test_comments_have_step_expectation_and_verdict() -> None:
    step, compared = "step: First \N{LEFTWARDS ARROW} 第一", "expected S, seq 0 (absolute 7000), options TS"
    assert comments(sample_run.run()) == [
        [
            step,
            "a retransmission",
            "the wire lost it",
            f"ok: {compared}   sample.py:12",
            f"FAIL: {compared}, more a; got seq -7002 (absolute 4294967294), options none, more b   sample.py:12",
        ],
        [step, "it carries no segment: an IPv4 header of version 0 with 0 words"],
        [step, "wrong: the TCP checksum 0x0001 is wrong"],
        [step, "it carries no segment: TCP of an unknown shape", "ok: expected state LISTEN   sample_run.py:N"],
    ]


def test_the_section_header_describes_the_capture() -> None:
    run = sample_run.run()
    section = b"".join(capture(run, run.results[0]))[:400]
    for text in (
        "TCP packet lab 0.1.0",
        "Linux 6.18.0",
        "sample.one over IPv6: an expectation did not hold",
        "What it",
    ):
        assert text.encode() in section


def test_without_frames_there_is_no_capture() -> None:
    run = sample_run.run()
    assert [len(list(capture(run, result))) for result in run.results] == [7, 0, 0, 0]


def test_a_capture_is_named_by_its_scenario() -> None:
    run = sample_run.run()
    [failed, *_] = run.results
    names = ["closing.half_close", "../../etc/pass wd.\N{LATIN SMALL LETTER U WITH DIAERESIS}", "a b", "a_b", "c" * 300]
    run.results = [replace(failed, scenario=replace(failed.scenario, id=name)) for name in names]
    assert [name for name, _ in captures(run)] == [
        f"{name}.pcapng"
        for name in ("closing.half_close-IPv6", "_.._etc_pass_wd._-IPv6", "a_b-IPv6", "a_b-IPv6-2", "c" * 150 + "-IPv6")
    ]


@pytest.mark.parametrize("family", [4, 6])
def test_the_reply_to_the_labs_echo_request_is_recognized(family: int) -> None:
    addresses = ("198.18.0.2", "198.18.0.1") if family == 4 else ("2001:db8::2", "2001:db8::1")
    request = Echo(family, *addresses, ("02:00:00:00:00:02", "02:00:00:00:00:01")).request()
    at = 34 if family == 4 else 54
    reply = request[:at] + bytes([0 if family == 4 else 129]) + request[at + 1 :]
    assert reply_in(reply)
    others = [request, reply[:at], reply[: at + 4] + b"\xff\xff" + reply[at + 6 :], sample_run.SYN, b""]
    assert not any(map(reply_in, others))


def test_a_name_of_a_recording_without_events_is_no_capture() -> None:
    run = sample_run.run()
    run.results[0].recording = Recording(4, 0)
    assert list(capture(run, run.results[0])) == []
