"""`lab exercise make`: the model and a learner's endpoint pass every rung, and each typical mistake gets its text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

from lab.author.runner import Runner
from lab.exercise.catalogue import exercises_folder
from lab.exercise.make.files import skeleton
from lab.exercise.make.rungs import RUNGS
from tests.kernel.making import MODEL, made, shown
from tests.kernel.test_readme import blocks

ENDPOINT = Path(__file__).with_name("made_endpoint.py").read_text(encoding="utf-8")
GIVEN = {
    "R01": "return segment.end",
    "R02": "return Segment(self.iss, syn.seq + 1, SYN | ACK, self.rcv_wnd)",
    "R03": "return Segment(self.snd_nxt, self.rcv_nxt, FIN | ACK, self.rcv_wnd)",
}


@pytest.fixture(scope="module")
def runner() -> Iterator[Runner]:
    with closing(Runner()) as opened:
        yield opened


def filled(rung: str, body: str) -> str:
    """The skeleton of a rung with one function, in which this line is written."""
    return skeleton(RUNGS[rung], "en").replace("raise NotImplementedError", body)


@pytest.mark.parametrize("rung", RUNGS)
def test_the_model_passes(runner: Runner, rung: str, family: int) -> None:
    assert shown(made(runner, rung, MODEL, family)).startswith(f"{rung}  passed")


@pytest.mark.parametrize("rung", [each for each in RUNGS if each not in GIVEN])
def test_a_learners_endpoint_passes(runner: Runner, rung: str) -> None:
    assert shown(made(runner, rung, ENDPOINT)).startswith(f"{rung}  passed")


@pytest.mark.parametrize("rung", GIVEN)
def test_the_right_function_passes(runner: Runner, rung: str) -> None:
    assert shown(made(runner, rung, filled(rung, GIVEN[rung]))).startswith(f"{rung}  passed")


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("rung", RUNGS)
def test_a_skeleton_is_not_written_yet(runner: Runner, rung: str, language: str) -> None:
    checked = made(runner, rung, skeleton(RUNGS[rung], language))
    assert checked.failure is not None
    assert checked.failure.key == "not_written"


class Mistake(NamedTuple):
    rung: str
    right: str
    wrong: str
    why: str
    field: str
    got: str
    """How the value begins that the endpoint had instead."""


MISTAKES = {
    "a SYN counts as nothing": Mistake(
        "R01", "", "return segment.seq + len(segment.payload)", "ack_of_syn", "ack", "0 "
    ),
    "a FIN counts as nothing": Mistake(
        "R01", "", "return segment.seq + len(segment.payload) + bool(segment.flags & 2)", "ack_of_fin", "ack", "6 "
    ),
    "each segment counts as one": Mistake("R01", "", "return segment.seq + 1", "ack_of_data", "ack", "2 "),
    "the SYN+ACK has the SYN's own number": Mistake(
        "R02", "", "return Segment(syn.seq, syn.seq + 1, SYN | ACK, self.rcv_wnd)", "answer_to_syn", "seq", ""
    ),
    "an ACK alone answers a SYN": Mistake(
        "R02", "", "return Segment(self.iss, syn.seq + 1, ACK, self.rcv_wnd)", "answer_to_syn", "flags", "A"
    ),
    "the FIN begins at the ISS": Mistake(
        "R03", "", "return Segment(self.iss, self.rcv_nxt, FIN | ACK, self.rcv_wnd)", "fin", "seq", "0 "
    ),
    "a FIN without ACK": Mistake("R03", "", "return Segment(self.snd_nxt, self.rcv_nxt, FIN)", "fin", "flags", "F"),
    "listen() leaves the state": Mistake("R04", 'self.state = "LISTEN"', "pass", "listen", "state", "CLOSED"),
    "a SYN is not counted": Mistake(
        "R04", "self.rcv_nxt = segment.seq + 1", "self.rcv_nxt = segment.seq", "answer_to_syn", "ack", "0 "
    ),
    "an ACK is answered": Mistake(
        "R05", "        if segment.length:\n", "        if True:\n", "third_segment", "segment", "A"
    ),
    "SYN-RECEIVED for ever": Mistake(
        "R05", 'if self.state == "SYN-RECEIVED"', "if False", "third_segment", "state", "SYN-RECEIVED"
    ),
    "data is not acknowledged": Mistake(
        "R06", "        if segment.length:\n", "        if segment.flags & FIN:\n", "ack_of_data", "segment", "none"
    ),
    "read() returns the same again": Mistake(
        "R06", 'data, self.received = self.received, b""', "data = self.received", "read_once", "data", "b'hello'"
    ),
    "SND.NXT stays": Mistake(
        "R07", "self.snd_nxt = segment.end", "self.snd_nxt = self.iss + 1", "next_text", "seq", "1 "
    ),
    "the FIN is not counted": Mistake(
        "R08",
        "self.rcv_nxt = segment.end",
        "self.rcv_nxt = segment.text_start + len(segment.payload)",
        "ack_of_fin",
        "ack",
        "4 ",
    ),
    "no sending after a FIN": Mistake(
        "R08", '{"ESTABLISHED", "CLOSE-WAIT"}', '{"ESTABLISHED"}', "half_closed", "segment", "none"
    ),
    "LAST-ACK for ever": Mistake("R09", 'elif self.state == "LAST-ACK"', "elif False", "last_ack", "state", "LAST-ACK"),
    "a SYN with ACK": Mistake("R10", "self.transmit(SYN, now)", "self.transmit(SYN | ACK, now)", "syn", "flags", "SA"),
    "the SYN+ACK is not answered": Mistake(
        "R10",
        '            self.state = "ESTABLISHED"\n            self.acknowledge()',
        '            self.state = "ESTABLISHED"',
        "ack_of_syn_ack",
        "segment",
        "none",
    ),
    "FIN-WAIT-2 is left out": Mistake(
        "R11", 'self.state = "FIN-WAIT-2"', 'self.state = "TIME-WAIT"', "ack_of_own_fin", "state", "TIME-WAIT"
    ),
    "TIME-WAIT lasts one MSL": Mistake("R11", "now + 2 * MSL", "now + MSL", "two_msl", "timer", "30.00 s"),
    "a RST with the ISS": Mistake(
        "R12",
        "Segment(Seq(0), segment.end, RST | ACK)",
        "Segment(self.iss, segment.end, RST | ACK)",
        "refuse",
        "seq",
        "absolute",
    ),
    "a RST is answered": Mistake(
        "R13",
        'self.state, self.expires = "CLOSED", None\n        elif',
        'self.state = "CLOSED"; self.acknowledge()\n        elif',
        "reset",
        "segment",
        "A",
    ),
    "a RST leaves the connection": Mistake(
        "R13",
        'self.state, self.expires = "CLOSED", None\n        elif',
        "pass\n        elif",
        "reset",
        "state",
        "ESTABLISHED",
    ),
    "old data is taken again": Mistake(
        "R14", "elif segment.seq != self.rcv_nxt:", "elif False:", "read_once", "data", "b'hellohello'"
    ),
    "old data is dropped in silence": Mistake(
        "R14",
        "elif segment.seq != self.rcv_nxt:\n            self.acknowledge()",
        "elif segment.seq != self.rcv_nxt:\n            pass",
        "ack_again",
        "segment",
        "none",
    ),
    "a gap is skipped": Mistake("R15", "elif segment.seq != self.rcv_nxt:", "elif False:", "gap", "ack", "9 "),
    "no timer": Mistake("R16", "return self.expires", "return None", "first_timeout", "timer", "None"),
    "no backoff": Mistake("R16", "self.rto *= 2", "self.rto *= 1", "backoff", "timer", "1.00 s"),
    "the timer is never stopped": Mistake(
        "R16",
        "self.expires = now + self.rto if self.in_flight else None",
        "self.expires = now + self.rto",
        "no_timer_when_acknowledged",
        "timer",
        "1.00 s",
    ),
    "what does not fit is dropped": Mistake(
        "R17",
        "payload, self.outgoing = self.outgoing[:size], self.outgoing[size:]",
        'payload, self.outgoing = self.outgoing[:size], b""',
        "reads_all",
        "data",
        "1460 bytes",
    ),
    "CLOSING is not known": Mistake(
        "R18", 'self.state = "CLOSING"', 'self.state = "TIME-WAIT"', "crossing_fin", "state", "TIME-WAIT"
    ),
    "CLOSING for ever": Mistake(
        "R18", 'elif self.state == "CLOSING"', "elif False", "ack_of_crossed_fin", "state", "CLOSING"
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_gets_its_text(runner: Runner, name: str) -> None:
    rung, right, wrong, why, field, got = MISTAKES[name]
    source = ENDPOINT.replace(right, wrong) if right else filled(rung, wrong)
    assert source != ENDPOINT
    failure = made(runner, rung, source).failure
    assert failure is not None
    assert failure.why == why
    (row,) = [each for each in failure.rows if each.field == field]
    assert row.got.startswith(got)


def test_each_rung_has_a_mistake() -> None:
    assert {each.rung for each in MISTAKES.values()} == set(RUNGS)


@pytest.mark.parametrize(
    ("rung", "right", "wrong", "rule"),
    [
        ("R17", "size = min(room, self.mss)", "size = min(room, 2000)", "mss"),
        ("R17", "size = min(room, self.mss)", "size = self.mss", "window"),
        (
            "R04",
            "Segment(self.snd_nxt, ack, flags, 65535, (), payload)",
            'Segment(self.snd_nxt, ack, flags, 65535, (("WScale", 15),), payload)',
            "scale",
        ),
    ],
)
def test_the_standing_rules_judge_the_endpoint(runner: Runner, rung: str, right: str, wrong: str, rule: str) -> None:
    failure = made(runner, rung, ENDPOINT.replace(right, wrong)).failure
    assert failure is not None
    assert failure.key == "rule"
    assert failure.breach is not None
    assert rule in failure.breach.rule.id


def test_the_whole_text_of_a_failure(runner: Runner) -> None:
    checked = made(runner, "R04", ENDPOINT.replace("self.rcv_nxt = segment.seq + 1", "self.rcv_nxt = segment.seq"))
    lines = shown(checked).splitlines()
    arrived = next(line for line in lines if line.startswith("  arrived "))
    assert " S 0:0(0) win 64240 <mss 1460" in arrived
    assert lines[:2] == ["R04  not yet", "The endpoint sent something else than it should."]
    assert "  state before  LISTEN" in lines
    assert "  it sent       SA 0:0(0) ack 0 win 65535" in lines
    assert "  state after   SYN-RECEIVED" in lines
    assert next(line for line in lines if line.startswith("  ack ")).split()[:2] == ["ack", "1"]
    assert "  why    A SYN in LISTEN is answered with SYN+ACK: seq is your ISS, ack is the SYN's seq + 1." in "\n".join(
        lines
    )
    assert "  1     listen()   CLOSED -> LISTEN" in lines
    chinese = shown(checked, "zh")
    assert "端点发送的内容与应发送的不同。" in chinese
    assert "在 LISTEN 中以 SYN+ACK 应答 SYN" in chinese


@pytest.mark.parametrize(("page", "language"), [("MAKE.md", "en"), ("MAKE.zh.md", "zh")])
def test_the_failure_on_the_page_is_what_a_learner_sees(runner: Runner, page: str, language: str) -> None:
    source = ENDPOINT.replace("self.rcv_nxt = segment.seq + 1", "self.rcv_nxt = segment.seq")
    (block,) = blocks(exercises_folder() / page, "text")
    lines = shown(made(runner, "R04", source), language).splitlines()
    assert without_numbers("\n".join(lines[: len(block.splitlines())])) == without_numbers(block.rstrip("\n"))


def without_numbers(text: str) -> str:
    """Without timestamps and absolute numbers, which differ each time, and without the spaces that fill columns."""
    return re.sub(" +", " ", re.sub(r"TS val \d+|\d{4,}", "N", text))
