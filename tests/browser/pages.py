"""Pages of runs that were written by hand."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from lab.claims.catalogue import catalogue
from lab.record.events import Recording
from lab.record.expectation import Expected
from lab.record.results import Outcome, Result, Run, Scenario
from lab.report.captures import data_url
from lab.report.html.data import no_capture
from lab.report.html.page import page
from lab.tcp.state import State
from tests.unit.stories import Story
from tests.unit.test_text import eventful

S = State
ENVIRONMENT = {
    "kernel": "6.18.0-test",
    "machine": "x86_64",
    "system": "Linux",
    "python": "3.11",
    "scapy": "2.8",
    "witnesses": ["inet_diag", "tracepoint"],
    "sysctls": {"net.ipv4.tcp_sack": "1"},
}


def result(
    recording: Recording | None, name: str = "made.up", outcome: Outcome = Outcome.PASS, title: str = "A title"
) -> Result:
    described = Scenario(name, title, "RFC 9293 3.5", (4, 6), {}, {}, False, False, Path("made.py"), 3)
    return Result(described, recording.family if recording else 4, outcome, 0.25, recording)


def written(folder: Path, *results: Result, excerpt: bool = False, **more: object) -> Path:
    """The page of a run with these results; an excerpt holds its captures."""
    run = Run(list(results), environment=ENVIRONMENT, version="0.1", began="2026-01-02T03:04:05+00:00", seconds=1.5)
    for field, value in more.items():
        setattr(run, field, value)
    file = folder / "report.html"
    capture = partial(data_url, run) if excerpt else no_capture
    file.write_text(page(run, catalogue(), capture, excerpt=excerpt), encoding="utf-8")
    return file


def conversation(family: int = 4) -> Recording:
    """A connection that opens, carries a word and closes; packet 5 carries the word, 6 acknowledges it."""
    story = Story(family)
    story.call("bind", 80)
    story.call("listen", 16)
    story.step("First: the handshake", "C31")
    story.peer("S", S.SYN_SENT, options=(("MSS", 1460), ("WScale", 3)))
    story.state(S.SYN_RECEIVED)
    at = story.kernel("SA", S.ESTABLISHED, ack=1, options=(("MSS", 1460), ("NOP", None), ("WScale", 7)))
    story.agrees("SA", at, Expected(0x12, seq=0, ack=1))
    story.peer("A", S.ESTABLISHED, seq=1, ack=1)
    story.state(S.ESTABLISHED)
    story.call("accept")
    story.step("Second: a word, and its acknowledgement")
    story.wait(250)
    story.frame(b"\x02" * 12 + b"\x08\x00" + bytes(40), connection=None)
    story.peer("PA", S.ESTABLISHED, seq=1, ack=1, payload=b"hello")
    story.kernel("A", S.ESTABLISHED, seq=1, ack=6)
    story.call("recv", 5, value=b"hello")
    return story.recording


def failing() -> Result:
    """A scenario with some of everything, whose expectation did not hold."""
    failed = result(eventful().recording, "made.to_fail", Outcome.FAIL, "It does not do as documented")
    assert failed.recording is not None
    failed.difference = next(check for check in failed.recording.checks if not check.passed)
    return failed
