"""Each public word used wrongly: an error of the scenario, never a verdict on the kernel, and a message that helps."""

# ruff: noqa: ARG005  # all words are called alike

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.author.lab import Lab
from lab.author.peer import Peer
from lab.host.addresses import AddressPool
from lab.session.errors import KernelDiffers, ScenarioError
from lab.wire.crafting import load_scapy

Words = Callable[[Lab, Peer], object]


def crossing_twice(lab: Lab, _: Peer) -> None:
    with lab.crossing(), lab.crossing():
        pass


def second_waiter(lab: Lab, _: Peer) -> None:
    lab.peer(port=81)
    lab.peer(port=81)


def send_beside_the_model(_: Lab, peer: Peer) -> None:
    peer.answer_by_itself()
    peer.send("S")


def connect_twice(_: Lab, peer: Peer) -> None:
    application = peer.answer_by_itself()
    application.connect()
    application.connect()


NO_CONNECTION = (
    "the peer on port 81 has no connection yet: let the kernel connect to it and expect its SYN,"
    " or make the peer with lab.peer(to=listener)"
)
WRONG: dict[str, tuple[Words, str]] = {
    "send beside a peer that answers by itself": (
        send_beside_the_model,
        "this peer answers by itself: its application can connect, send, close and abort",
    ),
    "let a peer connect twice": (connect_twice, "the peer is in SYN-SENT: connection already exists"),
    "let a peer send before it is connected": (
        lambda lab, peer: peer.answer_by_itself().send("x"),
        "the peer is in CLOSED: connection does not exist",
    ),
    "send an unknown flag": (
        lambda lab, peer: peer.send("SX"),
        "'SX': 'X' is not a TCP flag, use letters of FSRPAUECN",
    ),
    "send a flag twice": (lambda lab, peer: peer.send("SAS"), "'SAS': 'S' is repeated"),
    "expect an unknown flag": (lambda lab, peer: peer.expect("sa"), "'sa': 's' is not a TCP flag"),
    "expect an unknown field": (
        lambda lab, peer: peer.expect("SA", akc=1),  # type: ignore[call-arg]  # the point of the test
        "expect() got an unexpected keyword argument 'akc'",
    ),
    "expect an unknown option": (
        lambda lab, peer: peer.expect("SA", options=[("Mss", 1460)]),
        "('Mss', 1460) is not a TCP option, write a number or one of EOL, MSS, NOP, SAck, SAckOK, TFO, Timestamp,",
    ),
    "expect half an option": (
        lambda lab, peer: peer.expect("SA", options=["NOP"]),  # type: ignore[list-item]  # the point of the test
        "'NOP' is not a TCP option, write a number or one of EOL, ",
    ),
    "send an unknown option": (
        lambda lab, peer: peer.send("S", options=[("XYZ", 1)]),
        "('XYZ', 1) is not a TCP option",
    ),
    "send an option too large": (
        lambda lab, peer: peer.send("S", options=[("MSS", 65536)]),
        "option 'MSS' cannot carry 65536",
    ),
    "send too many options": (
        lambda lab, peer: peer.send("S", options=[(99, bytes(20))] * 2),
        "these options take 44 bytes, a header has room for 40",
    ),
    "send a window too large": (
        lambda lab, peer: peer.send("A", window=65536),
        "window 65536 does not fit into 16 bits",
    ),
    "send a number": (
        lambda lab, peer: peer.send(18),
        "send() takes control bits such as 'SA' or a Scapy packet, not 18",
    ),
    "an unknown state": (
        lambda lab, peer: lab.kernel.expect_state(peer, "SYN-RECV"),
        "'SYN-RECV' is not a state, use one of CLOSED, LISTEN, SYN-SENT, SYN-RECEIVED, ESTABLISHED, FIN-WAIT-1,",
    ),
    "read timers of an unknown state": (lambda lab, peer: lab.kernel.timers(""), "'' is not a state, use one of "),
    "count an unknown state": (
        lambda lab, peer: lab.kernel.count("TIMEWAIT"),
        "'TIMEWAIT' is not a state, use one of ",
    ),
    "expect before a connection": (lambda lab, peer: lab.peer(port=81).expect("S"), NO_CONNECTION),
    "skip before a connection": (lambda lab, peer: lab.peer(port=81).skip_until("S"), NO_CONNECTION),
    "silence before a connection": (lambda lab, peer: lab.peer(port=81).expect_silence(), NO_CONNECTION),
    "send before a connection": (lambda lab, peer: lab.peer(port=81).send("S"), NO_CONNECTION),
    "a packet before a connection": (lambda lab, peer: lab.peer(port=81).send(load_scapy().TCP()), NO_CONNECTION),
    "a state before a connection": (
        lambda lab, peer: lab.kernel.expect_state(lab.peer(port=81), "CLOSED"),
        "the peer on port 81 has no connection yet, so the kernel has no state for it",
    ),
    "details before a connection": (
        lambda lab, peer: lab.kernel.inet_diag(lab.peer(port=81)),
        "the peer on port 81 has no connection yet, so the kernel has no state for it",
    ),
    "two peers on a port": (
        lambda lab, peer: lab.peer(to=80, port=peer.port),
        "a peer on port 40001 already has a connection to the kernel's port 80",
    ),
    "two peers waiting on a port": (second_waiter, "another peer listens on port 81 already"),
    "close before open": (
        lambda lab, peer: peer.last_ack(),
        "the kernel has no socket for this connection yet: open() it, or accept() it",
    ),
    "a close before the open": (
        lambda lab, peer: peer.close_wait(),
        "close_wait() starts from an open connection, and this peer is in CLOSED; open() it",
    ),
    "the kernel's close before the open": (
        lambda lab, peer: peer.fin_wait_2(),
        "fin_wait_1() starts from an open connection, and this peer is in CLOSED; open() it",
    ),
    "an unknown rule": (
        lambda lab, peer: lab.deviation("window-edges", "whatever"),
        "unknown standing rule 'window-edges', use one of ",
    ),
    "crossing inside crossing": (crossing_twice, "crossing() cannot be nested"),
    "reading an unknown sysctl": (
        lambda lab, peer: lab.kernel.sysctl("net.ipv4.tcp_sakc"),
        "this kernel has no sysctl net.ipv4.tcp_sakc",
    ),
    "setting an unknown sysctl": (
        lambda lab, peer: lab.kernel.sysctl("net.ipv4.tcp_sakc", 1),
        "this kernel has no sysctl net.ipv4.tcp_sakc",
    ),
    "an impossible value": (
        lambda lab, peer: lab.kernel.sysctl("net.ipv4.tcp_sack", "maybe"),
        "sysctl net.ipv4.tcp_sack = 'maybe': Invalid argument",
    ),
    "a sysctl of the host": (
        lambda lab, peer: lab.kernel.sysctl("kernel.domainname", "changed"),
        "sysctl kernel.domainname belongs to the whole machine, only net.* to a namespace",
    ),
    "an unknown socket option": (
        lambda lab, peer: lab.kernel.connect(to=lab.peer(port=81)).set_option("TCP_NODELAYED", 1),
        "unknown socket option 'TCP_NODELAYED'",
    ),
    "an unknown direction": (
        lambda lab, peer: lab.kernel.connect(to=lab.peer(port=81)).shutdown("sideways"),
        "'sideways' is not a direction of shutdown(), use one of read, write, both",
    ),
}


@pytest.mark.parametrize("words", WRONG)
def test_a_wrong_word_is_an_error_of_the_scenario(lab4: Lab, words: str) -> None:
    speak, message = WRONG[words]
    peer = lab4.peer(to=lab4.kernel.listen(port=80))
    with pytest.raises((ScenarioError, ValueError, TypeError), match=re.escape(message)):
        speak(lab4, peer)


def test_a_family_that_there_is_not() -> None:
    with pytest.raises(ValueError, match="family must be 4 or 6, not 5"):
        Lab(5)


def test_an_impossible_setting_of_a_scenario_is_its_error() -> None:
    with pytest.raises(ScenarioError, match=re.escape("sysctl net.ipv4.tcp_sack = 'maybe': Invalid argument")):
        Lab(4, sysctls={"net.ipv4.tcp_sack": "maybe"}).__enter__()


def test_a_deviation_that_does_not_show_is_a_difference(lab4: Lab) -> None:
    lab4.peer(to=lab4.kernel.listen(port=80)).open()
    with (
        pytest.raises(KernelDiffers, match="the kernel does not show the documented deviation of Linux") as told,
        lab4.deviation("window-edge", "Linux is said to shrink windows"),
    ):
        pass
    (row,) = told.value.check.rows
    assert row == ("window-edge", "broken", "obeyed", False)
    assert told.value.check.difference is not None
    assert told.value.check.difference.why == "Linux is said to shrink windows"


def test_accept_with_nobody_there(lab4: Lab) -> None:
    lab4.kernel.listen(port=80).accept(error="EAGAIN")
    lab4.finish()


def test_a_system_call_that_ends_otherwise_is_a_difference(lab4: Lab) -> None:
    connection = lab4.peer(to=lab4.kernel.listen(port=80)).open()
    with pytest.raises(KernelDiffers, match=re.escape("send(b'x') ended with success")):
        connection.send("x", error="EPIPE")
    with pytest.raises(KernelDiffers, match=re.escape("recv(65536) ended with EAGAIN")):
        connection.recv(within=0.0)


def test_poll_and_what_it_should_have_said(lab4: Lab) -> None:
    connection = lab4.peer(to=lab4.kernel.listen(port=80)).open()
    connection.expect_poll("POLLOUT")
    with pytest.raises(KernelDiffers, match=re.escape("poll(2) reports other events")) as told:
        connection.expect_poll("POLLOUT POLLIN")
    assert told.value.check.rows == (("events", "POLLIN POLLOUT", "POLLOUT", False),)


def test_a_process_that_was_handed_a_connection_ends_with_the_lab(pool: AddressPool) -> None:
    with Lab(4, pool=pool) as ended:
        process = ended.peer(to=ended.kernel.listen(port=80)).open().move_to_process()
        pid = process.pid
        assert Path(f"/proc/{pid}").exists()
    assert not Path(f"/proc/{pid}").exists()


def test_a_peer_knows_when_it_spoke_and_when_it_heard(lab4: Lab) -> None:
    peer = lab4.peer(to=lab4.kernel.listen(port=80))
    assert (peer.sent_at, peer.received_at) == (0, 0)
    before = time.monotonic()
    peer.send("S")
    answered = time.monotonic()
    peer.expect("SA")
    assert before <= peer.sent_at <= answered
    inexact = 0.01  # frames are stamped by another clock
    assert before - inexact < peer.received_at < answered + inexact, "the kernel answers while the peer still sends"
    peer.send(load_scapy().IP(dst="198.18.0.1") / load_scapy().TCP(dport=80))
    assert answered < peer.sent_at <= time.monotonic()


def test_a_connect_that_fails_leaves_the_peer_its_socket(lab4: Lab) -> None:
    shared = {"SO_REUSEADDR": 1}
    peer = lab4.peer(port=80)
    first = lab4.kernel.connect(to=peer, port=5000, options=shared)
    peer.open()
    lab4.kernel.connect(to=peer, port=5000, options=shared, error="EADDRNOTAVAIL")
    assert peer.socket is first
    lab4.finish()
