"""What an expectation means: fields that are not there, wildcards, two names of a number, misspelt names, time-outs."""

# ruff: noqa: ARG005  # all words are called alike

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab import ANY, ZERO
from lab.author import registry
from lab.author.lab import Lab
from lab.author.peer import Peer
from lab.host.addresses import AddressPool
from lab.host.sockets import CallResult
from lab.record.results import Outcome, Run
from lab.report.screen import Screen
from lab.report.verdicts import listing_lines, result_lines
from lab.session.errors import KernelDiffers, ScenarioError
from lab.session.readings import Readings
from lab.wire.crafting import load_scapy
from tests.kernel.helpers import result_of, scenario_file

Words = Callable[[Lab, Peer], object]


def peer_of(lab: Lab) -> Peer:
    return lab.peer(to=lab.kernel.listen(port=80))


@pytest.mark.parametrize("ack", [0, 2], ids=["zero on the wire", "as its distance from the ISS"])
def test_a_syn_carries_no_acknowledgment_number(lab4: Lab, ack: int) -> None:
    peer = lab4.peer(port=80, iss=0 if ack == 0 else 2**32 - 2)  # with it the field is this number
    lab4.kernel.connect(to=peer)
    with pytest.raises(KernelDiffers) as told:
        peer.expect("S", seq=0, ack=ack)
    rows = [row for row in lab4.recording.rows(told.value.check) if not row.agrees]
    assert rows == [("ack", str(ack), "no ACK", False)]
    assert told.value.check.difference is not None
    assert told.value.check.difference.why == "without ACK the acknowledgment number means nothing   RFC 9293 3.1"


def test_a_reset_without_ack_carries_no_acknowledgment_number(lab4: Lab) -> None:
    peer = lab4.peer(to=81)
    peer.send("A", seq=0, ack=100)
    with pytest.raises(KernelDiffers):
        peer.expect("R", seq=100, ack=2)


def test_a_field_that_is_zero_has_a_word_of_its_own(lab4: Lab) -> None:
    peer = lab4.peer(port=80)
    lab4.kernel.connect(to=peer)
    peer.expect("S", seq=0, ack=ZERO, urgent=ZERO)
    peer.send("SA")
    with pytest.raises(KernelDiffers) as told:
        peer.expect("A", ack=ZERO)
    assert [row for row in lab4.recording.rows(told.value.check) if not row.agrees] == [
        ("ack", "zero", "absolute 4294967295", False)
    ]


def test_any_equals_everything_everywhere(lab4: Lab) -> None:
    peer = lab4.peer(port=80)
    client = lab4.kernel.connect(to=peer)
    peer.expect(ANY, seq=ANY, ack=ANY, window=ANY, options=ANY, payload=ANY, urgent=ANY)
    peer.send("SA")
    peer.skip_until("A", seq=ANY, ack=1, options=ANY, payload=ANY)
    client.expect_connected(error=ANY)
    client.send("question", error=ANY)
    peer.expect("PA", seq=1, payload=ANY)
    peer = lab4.peer(port=81)
    lab4.kernel.connect(to=peer)
    peer.expect("S", options=[ANY, ANY, (ANY, (ANY, 0)), ("NOP", ANY), ("WScale", ANY)])
    lab4.finish()


def test_a_run_with_wildcards_is_printed(tmp_path: Path) -> None:
    words = "payload=ANY, seq=ANY, ack=ANY, urgent=ANY, window=ANY"
    file = scenario_file(
        tmp_path, f"peer = lab.peer(to=81)\npeer.send('S')\npeer.expect(ANY, options=ANY, {words})\n"
        f"peer.send('S')\npeer.expect('SA', options=[ANY], {words})",
    )  # fmt: skip
    result = result_of(file)
    assert result.outcome is Outcome.FAIL
    text = "\n".join(result_lines(result, Screen(width=200)))
    assert "options  ANY       none" in text
    assert "\n    payload" not in text


class Waits(Readings):
    """Notes for how many seconds the lab is willing to wait."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def timeout(self, seconds: float) -> float:
        self.seconds.append(seconds)
        return seconds


@pytest.mark.parametrize("name", ["EWOULDBLOCK", "EAGAIN"])
def test_two_names_of_one_errno_are_equal_and_nobody_waits(pool: AddressPool, name: str) -> None:
    waits = Waits()
    with Lab(4, pool=pool, readings=waits) as lab:
        listener = lab.kernel.listen(port=80)
        connection = lab.peer(to=listener).open()
        waits.seconds.clear()
        listener.accept(error=name)
        connection.recv(error=name)
        assert waits.seconds == [0, 0]
        with pytest.raises(KernelDiffers) as told:
            listener.accept(error="EINVAL", within=0)
        assert told.value.check.rows == (("result", "EINVAL", "EAGAIN", False),)


@pytest.mark.parametrize("name", ["EOPNOTSUPP", "ENOTSUP"])
def test_a_call_that_is_not_supported_has_two_names(lab4: Lab, name: str) -> None:
    listener = lab4.kernel.listen(port=80)
    listener.call("nothing", CallResult(error="ENOTSUP"), error=name)


MISSPELT: dict[str, tuple[Words, str]] = {
    "an errno": (
        lambda lab, peer: peer.open().send("x", error="EPIEP"),
        "'EPIEP' is not the name of an errno; did you mean EPIPE?",
    ),
    "an errno of accept": (
        lambda lab, peer: lab.kernel.listen(port=81).accept(error="EAGIAN", within=60),
        "'EAGIAN' is not the name of an errno; did you mean EAGAIN?",
    ),
    "an errno of another kind": (
        lambda lab, peer: lab.kernel.listen(port=81).accept(error="errorcode"),
        "'errorcode' is not the name of an errno",
    ),
    "a poll event": (
        lambda lab, peer: peer.open().expect_poll("POLLOUT POLLN"),
        "'POLLN' is not an event of poll(2), use POLLIN, POLLPRI, POLLOUT, POLLRDHUP, POLLERR, POLLHUP; did you mean",
    ),
    "a timer": (
        lambda lab, peer: lab.kernel.expect_timer(peer.established(), "keep-alive", 1),
        "timer, use one of retransmission, keepalive, time-wait, zero-window probe; did you mean keepalive?",
    ),
    "a counter": (lambda lab, peer: lab.kernel.counter("TcpExtListenDrop"), "; did you mean TcpExtListenDrops?"),
    "a state": (lambda lab, peer: lab.kernel.count("ESTABLISHD"), "; did you mean ESTABLISHED?"),
    "a state that is compared": (
        lambda lab, peer: lab.verify("the peer", "FIN-WAIT1", peer.state),
        "'FIN-WAIT1' is not a state, use one of ",
    ),
    "a setting": (
        lambda lab, peer: lab.kernel.sysctl("net.ipv4.tcp_sakc"),
        "no sysctl net.ipv4.tcp_sakc; did you mean net.ipv4.tcp_sack?",
    ),
    "a value": (
        lambda lab, peer: lab.kernel.sysctl("net.ipv4.tcp_congestion_control", "rneo"),
        "sysctl net.ipv4.tcp_congestion_control = 'rneo': the kernel has no 'rneo'; did you mean reno?",
    ),
}  # fmt: skip


@pytest.mark.parametrize("words", MISSPELT)
def test_a_misspelt_name_is_the_authors_error_with_the_nearest_one(lab4: Lab, words: str) -> None:
    speak, message = MISSPELT[words]
    with pytest.raises(ScenarioError, match=re.escape(message)):
        speak(lab4, peer_of(lab4))


def test_a_value_that_the_kernel_lacks_is_an_error_of_a_scenarios_settings() -> None:
    with pytest.raises(ScenarioError, match="the kernel has no 'nosuch'"):
        Lab(4, sysctls={"net.ipv4.tcp_congestion_control": "nosuch"}).__enter__()


@pytest.mark.parametrize(
    ("line", "nearest"),
    [
        ("peer.expect('SA', sequence=0)", "seq"),
        ("peer.sendd('S')", "send"),
        ("lab.kernel.expect_stat(peer, 'LISTEN')", "expect_state"),
        ("lab.steps('title')", "step"),
        ("peer.open().expect_dat('x')", "expect_data"),
    ],
)
def test_a_misspelt_word_names_the_nearest(tmp_path: Path, line: str, nearest: str) -> None:
    result = result_of(scenario_file(tmp_path, f"peer = lab.peer(to=lab.kernel.listen(port=80))\n{line}"))
    assert result.outcome is Outcome.ERROR
    assert result.message.endswith(f"; did you mean {nearest}?")


@pytest.mark.parametrize(
    ("head", "nearest"),
    [("from lab import Labb\n", "Lab"), ("@scenario(sectoin='x')\ndef second(lab): pass\n", "section")],
    ids=["an import", "an argument of the decorator"],
)
def test_a_misspelt_word_at_the_top_of_a_file_names_the_nearest(tmp_path: Path, head: str, nearest: str) -> None:
    file = scenario_file(tmp_path, "pass", prologue=head)
    (broken,) = registry.find([str(file)]).broken
    assert broken.why.endswith(f"; did you mean {nearest}?")


def test_an_attribute_of_the_authors_own_value_has_no_hint(tmp_path: Path) -> None:
    result = result_of(scenario_file(tmp_path, "'text'.splitt()"))
    assert result.message == "AttributeError: 'str' object has no attribute 'splitt'"


def whole(lab: Lab, peer: Peer) -> Any:
    scapy = load_scapy()
    return scapy.IP(src=peer.address, dst=lab.kernel.address) / scapy.TCP(sport=peer.port, dport=80, flags="R")


NO_PACKET: dict[str, Words] = {
    "TCP": lambda lab, peer: load_scapy().TCP(dport=80),
    "TCP above Ethernet": lambda lab, peer: load_scapy().Ether() / load_scapy().TCP(),
    "data": lambda lab, peer: load_scapy().Raw(b"data"),
    "ICMP": lambda lab, peer: load_scapy().ICMP(),
    "an empty frame": lambda lab, peer: load_scapy().Ether(),
    "Ethernet inside": lambda lab, peer: load_scapy().TCP() / load_scapy().Ether() / whole(lab, peer),
}


@pytest.mark.parametrize("words", NO_PACKET)
def test_layers_that_are_no_whole_packet_are_never_sent(lab4: Lab, words: str) -> None:
    peer = peer_of(lab4)
    with pytest.raises(ValueError, match=r"is no whole packet: put IP or IPv6 before it"):
        peer.send(NO_PACKET[words](lab4, peer))
    assert not lab4.switchboard.history.new_frames(peer.conversation.number)


def test_a_packet_of_the_other_family_is_never_sent(lab: Lab) -> None:
    """The kernel has no address of that family: it would be silent, whatever the packet is."""
    scapy, peer = load_scapy(), peer_of(lab)
    other = scapy.IPv6(src="fe80::1", dst="fe80::2") if lab.family == 4 else scapy.IP(src="10.0.0.1", dst="10.0.0.2")
    with pytest.raises(ScenarioError, match=f"over IPv{lab.family}, so an IPv{10 - lab.family} packet would not reach"):
        peer.send(other / scapy.TCP(dport=80))


@pytest.mark.parametrize("above_ethernet", [False, True], ids=["IP", "Ethernet"])
def test_a_whole_packet_is_sent(lab4: Lab, above_ethernet: bool) -> None:
    peer = peer_of(lab4)
    packet = whole(lab4, peer)
    peer.send(load_scapy().Ether() / packet if above_ethernet else packet)
    peer.expect_silence()


@pytest.mark.parametrize(
    ("size", "message"),
    [
        (1461, "a frame of 1515 bytes is too long for the link, whose MTU is 1500"),
        (70_000, "70000 bytes of payload do not fit into an IP packet"),
    ],
)
def test_a_segment_too_long_is_the_authors_error(lab4: Lab, size: int, message: str) -> None:
    peer = peer_of(lab4).established()
    with pytest.raises(ValueError, match=message):
        peer.send("PA", payload=b"x" * size)
    peer.send("PA", payload=b"x" * 1460)
    peer.expect("A")


@pytest.mark.parametrize(
    ("body", "summary"),
    [
        ("peer.expect('FA', within=0.05)", "waited 0.05 s for FA, and the kernel sent no such segment"),
        ("lab.kernel.expect_state(peer, 'CLOSED', within=0.05)", "after waiting 0.05 s for CLOSED"),
        ("peer.socket.recv(within=0.05)", "recv(65536) ended with EAGAIN after waiting 0.05 s for data"),
        ("peer.listener.accept(within=0.05)", "accept() ended with EAGAIN after waiting 0.05 s for a connection"),
    ],
)
def test_a_time_out_says_how_long_it_waited_and_for_what(tmp_path: Path, body: str, summary: str) -> None:
    result = result_of(scenario_file(tmp_path, f"peer = lab.peer(to=lab.kernel.listen(port=80))\npeer.open()\n{body}"))
    assert result.summary.endswith(summary)


def test_what_is_left_at_the_end_has_no_line(tmp_path: Path) -> None:
    result = result_of(scenario_file(tmp_path, "lab.peer(to=lab.kernel.listen(port=80)).send('S')"))
    assert "  at the end\n    the kernel sent a segment" in "\n".join(result_lines(result, Screen()))
    listed = "\n".join(listing_lines(Run([result]), Screen()))
    assert "      at the end: the kernel sent a segment where the scenario expects none" in listed


def test_icmp_shows_type_code_and_what_it_quotes(tmp_path: Path) -> None:
    result = result_of(
        scenario_file(
            tmp_path, "peer = lab.peer(to=lab.kernel.listen(port=80))\npeer.send('S')\npeer.expect('SA')\n"
            "peer.send_icmp('host unreachable')",
        )
    )  # fmt: skip
    text = "\n".join(result_lines(result, Screen(width=200), verbose=True))
    assert re.search(r"ICMP─►.* host unreachable \(type 3, code 1\) about port 80 > 40001, seq \d+\n", text)
    assert re.search(
        r"  frame \d+  peer > kernel  \d+ bytes  ICMP host unreachable \(type 3, code 1\) about port", text
    )
