"""A sample run with every kind of event, written by hand."""

from __future__ import annotations

import sys
from pathlib import Path

from lab.record.events import (
    A_SOCKET,
    CallMade,
    CheckKind,
    CheckMade,
    Concluded,
    Connection,
    CrossingOver,
    Difference,
    Executed,
    FrameSeen,
    Measured,
    Place,
    Recording,
    StateSeen,
    StepBegun,
    Where,
)
from lab.record.expectation import ANY, Bases, Expected, Row
from lab.record.kernel_state import KernelState
from lab.record.results import BrokenFile, Outcome, Result, Run, Scenario
from lab.tcp import flags
from lab.tcp.segment import Segment
from lab.tcp.sequence import Seq
from lab.tcp.state import State

START = 5_000_000_000_123
HERE = Place("scenarios/sample.py", 12, "peer.send('S')")
BASES = Bases(Seq(7000), Seq(2**32 - 2))
SYN = bytes.fromhex(
    "020000000001020000000002080045000028000040004006aea8c6120002c61200019c410050fffffffe0000000050020200852a0000"
)
"""A SYN without options from 198.18.0.2 port 40001 to 198.18.0.1 port 80, made with Scapy."""
PLAIN_SYN = Segment(Seq(2**32 - 2), Seq(0), flags.SYN, 512)
ECHO = bytes.fromhex("0200000000010200000000020800") + bytes(30)
ODD = Segment(
    Seq(1), Seq(2), flags.ACK | flags.URG, 3, (("MSS", 1460), ("SAck", (1, 2)), (77, b"\x01"), ("NOP", None)), b"data",
    4, 5, ("the TCP checksum 0x0001 is wrong",),
)  # fmt: skip


def executing() -> Where:
    """The line of the caller, as the recorder stores it."""
    frame = sys._getframe(1)  # noqa: SLF001  # the interpreter has no other name for it
    return Executed(frame.f_code, frame.f_lasti)


def recording() -> Recording:
    """Every kind of event; each field has at least once a value that is not its default."""
    made = Recording(
        6, START, segments_judged=3, sysctls={"net.ipv4.tcp_sack": "0"}, transitions_lost=2,
        witnesses=("inet_diag", "tracepoint"),
    )  # fmt: skip
    made.connections = [Connection(6, 80, 40001, "2001:db8::1", "2001:db8::2")]
    detail = KernelState(State.FIN_WAIT_2, 3, 60_000, 1, 2, 3, 4711)
    expected = Expected(flags.SYN, seq=0, options=(("Timestamp", ANY),))
    made.events = [
        StepBegun(START + 1, "First \N{LEFTWARDS ARROW} 第一", ("C1", "C2"), HERE),
        FrameSeen(START + 2, True, SYN, PLAIN_SYN, 0, State.SYN_SENT, True, BASES, True),
        FrameSeen(START + 3, False, ECHO),
        FrameSeen(START + 4, False, SYN, ODD, None, None, False, Bases(Seq(0), Seq(1))),
        FrameSeen(START + 5, False, SYN, None),
        CrossingOver(START + 6, (1,)),
        StateSeen(START - 7, 0, State.FIN_WAIT_2, "inet_diag", detail),
        StateSeen(START + 8, None, State.LISTEN, "tracepoint"),
        CallMade(START + 9, "accept", (), A_SOCKET, "", None, executing()),
        CallMade(START + 10, "send", (b"\x00data", "text", 5, None, 1.5), 5, "EPIPE", 0, None),
        CallMade(START + 11, "recv", (1,), b"\xff", "", 0, HERE),
        Measured(START + 12, "C40", "1.0 s", HERE),
        Concluded(START + 12, "C40", "it waits", HERE),
        CheckMade(START + 13, True, CheckKind.SEGMENT, "S", HERE, 0, 1, expected),
        CheckMade(
            START + 14, True, CheckKind.STATE, "state", executing(), -1, rows=(Row("state", "LISTEN", "LISTEN", True),)
        ),
        CheckMade(
            START + 15, False, CheckKind.SEGMENT, "S", HERE, 0, 1, expected, (Row("more", "a", "b", False),),
            Difference("it is different", "because", State.CLOSED),
        ),
    ]  # fmt: skip
    return made


def run() -> Run:
    """Every outcome, a broken file and an unknown pattern."""
    scenario = Scenario(
        "sample.one", "What it shows", "RFC 9293 3.5", (4, 6), {"net.ipv4.tcp_sack": "0"}, {"net.x": "1"}, waits=True,
        router=True, file=Path("scenarios/sample.py"), line=10,
    )  # fmt: skip
    other = Scenario("sample.two", "Another", "RFC 6298", (4,), {}, {}, False, False, Path("scenarios/sample.py"), 20)
    made = recording()
    differing = made.events[-1]
    assert isinstance(differing, CheckMade)
    return Run(
        results=[
            Result(scenario, 6, Outcome.FAIL, 1.25, made, differing),
            Result(other, 4, Outcome.ERROR, 0.5, Recording(4, START), message="RuntimeError: no", where=HERE),
            Result(other, 6, Outcome.SKIP, 0.0, None, message="the scenario is for the other address family"),
            Result(scenario, 4, Outcome.PASS, 0.25, Recording(4, START)),
        ],
        broken=[BrokenFile(Path("scenarios/broken.py"), 3, "SyntaxError: no")],
        unknown=["nothing"],
        environment={"kernel": "6.18.0", "sysctls": {"net.ipv4.tcp_sack": "1"}},
        version="0.1.0",
        began="2026-11-22T22:19:33+00:00",
        wall_clock_offset_ns=1_790_000_000_000_000_000,
        seconds=2.5,
        full=True,
        interrupted=True,
    )
