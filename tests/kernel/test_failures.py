"""Scenarios that are wrong on purpose: what is said of each difference, to the letter."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lab.report import verdicts
from tests.kernel.helpers import failure_of, scenario_file

LIES = """
from typing import Any

from lab.wire.crafting import load_scapy, packet_of
from lab.wire.faults import Action, Fault


def lie(field: str, value: Any) -> Any:
    def alter(frame: bytes, chance: object) -> bytes:
        packet = packet_of(frame)
        tcp = packet[load_scapy().TCP]
        setattr(tcp, field, value(tcp))
        del tcp.chksum
        return bytes(packet)

    return alter
"""
LISTENING = """
server = lab.kernel.listen(port=80)
peer = lab.peer(to=server)
"""
WINDOW = 65535 // 1460 * 1460  # the most that fits 16 bits, in whole segments
CALLS = """\
         ms  peer                  kernel        seq:end(len) ack, window, options
T                        bind(80) = 0
T                        listen(16) = 0, now LISTEN"""
SYN = f"""{CALLS}
T  SYN-SENT     S────►   SYN-RECEIVED  0:0(0) win 65535 <mss 1460>"""
SYN_ACK = f"""{SYN}
T  ESTABLISHED  ◄───SA   SYN-RECEIVED  0:0(0) ack 1 win {WINDOW} <mss 1460>"""
OPEN = f"""{SYN_ACK}
T  ESTABLISHED  A────►   ESTABLISHED   1:1(0) ack 1 win 65535
T                        accept() = a connection"""

ACK_LIE = "lab.disturb(1, mutations=[Fault(Action.ALTER, alter=lie('ack', lambda tcp: (tcp.ack + 7) % 2**32))])"
CASES = {
    "wrong ack and options": (
        LISTENING + "peer.send('S', options=[('MSS', 1460)])",
        "peer.expect('SA', seq=0, ack=2, options=[('MSS', 1400)])",
        f"""\
    the expectation did not hold: the kernel sent a different segment

    field    expected        got
    ack      2 (absolute 0)  1 (absolute 4294967295)
    options  mss 1400        mss 1460

    why    a SYN takes up one sequence number, so its answer has ack = its seq + 1   RFC 9293 3.4
    state  the kernel is in SYN-RECEIVED (ss: SYN-RECV)

{SYN_ACK}  <-- here""",
    ),
    "wrong flags, window and payload": (
        LISTENING + "peer.send('S')",
        "peer.expect('RA', window=1, payload='x')",
        f"""\
    the expectation did not hold: the kernel sent a different segment

    field    expected     got
    flags    RA           SA
    window   1            {WINDOW}
    payload  1 bytes 'x'  none

    why    a listener answers a SYN with SYN and ACK in one segment   RFC 9293 3.10.7.2
    state  the kernel is in SYN-RECEIVED (ss: SYN-RECV)

{SYN_ACK}  <-- here""",
    ),
    "no silence": (
        LISTENING + "peer.send('S')",
        "peer.expect_silence()",
        f"""\
    the kernel sent a segment where the scenario expects none

    field    expected  got
    segment  none      SA

    state  the kernel is in SYN-RECEIVED (ss: SYN-RECV)

{SYN_ACK}  <-- here""",
    ),
    "nothing but silence": (
        LISTENING + "peer.send('R')",
        "peer.expect('RA', within=0.0)",
        f"""\
    waited 0 s for RA, and the kernel sent no such segment

    field    expected  got
    segment  RA        none

    state  the kernel is in CLOSED (ss: UNCONN)

{CALLS}
T  CLOSED       R────►   CLOSED        0:0(0) win 65535""",
    ),
    "another state": (
        LISTENING + "peer.send('S')\npeer.expect('SA')",
        "lab.kernel.expect_state(peer, 'ESTABLISHED')",
        f"""\
    the kernel is in state SYN-RECEIVED (ss: SYN-RECV)

    field  expected     got
    state  ESTABLISHED  SYN-RECEIVED

    state  the kernel is in SYN-RECEIVED (ss: SYN-RECV)

{SYN_ACK}""",
    ),
    "a segment that nobody asked for": (
        LISTENING + "peer.send('S')",
        "",
        f"""\
    the kernel sent a segment where the scenario expects none

    field    expected  got
    segment  none      SA

    state  the kernel is in SYN-RECEIVED (ss: SYN-RECV)

{SYN_ACK}  <-- here""",
    ),
    "a stray segment": (
        LISTENING + "lab.kernel.sysctl('net.ipv4.tcp_timestamps', 0)\n"
        "lab.kernel.connect(to=lab.peer(to=5000, port=99), port=6000)",
        "peer.expect_silence()",
        f"""\
    the kernel sent a segment that belongs to no connection of this scenario

    field    expected  got
    segment  none      S from KERNEL port 6000 to PEER port 99

{CALLS}
T                        sysctl('net.ipv4.tcp_timestamps', 0) = 0
T                        bind(6000) = 0
T                        connect(99) = EINPROGRESS
T               ◄────S                 ISS:ISS(0) win {WINDOW} <mss 1460,nop,nop,sackOK,nop,wscale 7>  <-- here""",
    ),
    "a kernel that lies": (
        LISTENING + ACK_LIE + "\npeer.send('S')",
        "peer.expect('SA')",
        f"""\
    the kernel broke a rule that holds for every segment

    field     expected  got
    ack-sent  obeyed    ack 6 acknowledges 7 bytes that were never sent (highest sent: 4294967295)

    why    Only what was sent is acknowledged.   RFC 9293 3.4
    state  the kernel is in SYN-RECEIVED (ss: SYN-RECV)

{SYN}
T  SYN-SENT     ◄───SA   SYN-RECEIVED  0:0(0) ack 8 win {WINDOW} <mss 1460>  <-- here""",
    ),
    "another end of a call": (
        LISTENING + "connection = peer.open()",
        "connection.send('hello', error='EPIPE')",
        f"""\
    send(b'hello') ended with success

    field   expected  got
    result  EPIPE     success

{OPEN}
T                        send(b'hello') = 5""",
    ),
    "other data": (
        LISTENING + "connection = peer.open()\npeer.send('PA', payload='hello')\npeer.expect('A')",
        "connection.expect_data('jello')",
        f"""\
    the application reads other bytes than were sent

    field  expected  got
    data   b'jello'  b'hello'

    why    bytes arrive once, in order and unchanged   RFC 9293 3.4

{OPEN}
T  ESTABLISHED  PA───►   ESTABLISHED   1:6(5) ack 1 win 65535
T  ESTABLISHED  ◄────A   ESTABLISHED   1:1(0) ack 6 win {WINDOW - 5}
T                        recv(5) = b'hello'""",
    ),
    "a deviation that does not show": (
        LISTENING + "peer.open()",
        "with lab.deviation('window-edge', 'Linux is said to shrink windows'): pass",
        f"""\
    the kernel does not show the documented deviation of Linux

    field        expected  got
    window-edge  broken    obeyed

    why    Linux is said to shrink windows

{OPEN}""",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_failure_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    body, last, expected = CASES[name]
    monkeypatch.setattr(verdicts, "started_in", tmp_path)
    file = scenario_file(tmp_path, f"{body}\n{last}", prologue=LIES)
    told = failure_of(file)
    where = f"wrong.py:{len(file.read_text().splitlines())}\n    > {last}" if last else "the end"
    expected = f"  at {where}\n{expected}"
    told = re.sub(
        r"198\.1[89]\.\d+\.\d+", lambda found: "PEER" if int(found[0].split(".")[3]) % 8 == 2 else "KERNEL", told
    )
    assert re.sub(r"\d{2,}:\d+\(0\)", "ISS:ISS(0)", told) == expected
