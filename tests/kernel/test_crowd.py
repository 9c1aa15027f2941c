"""Crowds: every segment of every member is compared, little of it is recorded, and nothing is left behind."""

from __future__ import annotations

import itertools
import os
import re
import resource
import threading
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from lab.author.lab import Lab
from lab.author.peer import Peer
from lab.crowd import crowd
from lab.host import sockets, sysctls
from lab.host.addresses import AddressPool
from lab.host.sockets import ManySockets, limited_port_ranges
from lab.host.tracepoint import StateTracer
from lab.record.events import CallMade, FrameSeen, StateSeen
from lab.report.screen import Screen
from lab.report.verdicts import difference_lines
from lab.session.errors import Inconclusive, KernelDiffers, ScenarioError
from lab.tcp.state import State
from lab.wire.crafting import load_scapy, packet_of
from lab.wire.faults import Action, Fault

RANGE = "net.ipv4.ip_local_port_range"
DIFFERS = "the kernel does not treat all connections alike"


def opened(lab: Lab) -> Peer:
    """An example that the kernel opens and closes: four segments of the kernel, S, A, FA and A."""
    peer = lab.peer(port=80)
    lab.kernel.connect(to=peer)
    connection = peer.open()
    connection.close()
    peer.expect("FA")
    peer.send("FA")
    peer.expect("A")
    return peer


def half_open(lab: Lab, backlog: int = 100) -> Peer:
    return lab.peer(to=lab.kernel.listen(port=80, backlog=backlog)).syn_received()


def closed_by_peer(lab: Lab) -> Peer:
    """Two segments of the kernel: SA, and A of the FIN."""
    peer = lab.peer(to=lab.kernel.listen(port=80, backlog=1000))
    peer.open()
    return peer.close_wait()


def events(lab: Lab, kind: type) -> list[Any]:
    return [event for event in lab.recording.events if isinstance(event, kind)]


def first_frames(lab: Lab, connection: int) -> list[FrameSeen]:
    """The frames of a connection that were not sent again: on a busy machine the kernel's timers can be due."""
    frames: list[FrameSeen] = events(lab, FrameSeen)
    return [seen for seen in frames if seen.connection == connection and not seen.retransmission]


def told(lab: Lab, raised: KernelDiffers) -> str:
    return "\n".join(difference_lines(lab.recording, raised.check, Screen(200)))


@pytest.mark.parametrize("count", [1, crowd.GROUP_SIZE, 2 * crowd.GROUP_SIZE + 1])
@pytest.mark.parametrize("example", [opened, half_open, closed_by_peer])
def test_all_do_what_one_has_done(lab: Lab, example: Callable[[Lab], Peer], count: int) -> None:
    lab.kernel.sysctl("net.core.somaxconn", 1000)
    peer = example(lab) if example is not half_open else half_open(lab, backlog=1000)
    state = lab.kernel.inet_diag(peer).state
    lab.crowd(like=peer, count=count)
    assert lab.kernel.count(state) == count + 1
    lab.finish()


def test_the_last_one_is_recorded_like_the_example(lab: Lab) -> None:
    example = opened(lab)
    lab.crowd(like=example, count=300)
    shown = [
        [(seen.from_peer, seen.segment.letters, seen.peer_state) for seen in first_frames(lab, n) if seen.segment]
        for n in (0, 1)
    ]
    assert shown[0] == shown[1]
    assert len(shown[1]) == 6
    states = [
        seen.state for seen in sorted(events(lab, StateSeen), key=lambda seen: seen.time_ns) if seen.connection == 1
    ]
    assert (states[0], states[-1]) == (State.SYN_SENT, State.TIME_WAIT)
    first, last = lab.recording.connections
    assert (first.peer_port, first.kernel_address) == (last.peer_port, last.kernel_address)
    assert first.kernel_port != last.kernel_port
    calls = [(str(call), call.result) for call in events(lab, CallMade)]
    assert ("300 x connect(80)", "EINPROGRESS") in calls
    assert ("300 x close()", "0") in calls


def test_a_recording_does_not_grow_with_the_crowd(lab: Lab) -> None:
    example = half_open(lab, backlog=2000)
    for count in (10, 1000):
        lab.crowd(like=example, count=count)
    assert [len(first_frames(lab, connection)) for connection in range(4)] == [2, 2, 2, 0]
    assert len(lab.recording.events) < 100


def altered(field: str, value: Callable[[Any], Any]) -> Any:
    def alter(frame: bytes, _: object) -> bytes:
        packet = packet_of(frame)
        tcp = packet[load_scapy().TCP]
        setattr(tcp, field, value(tcp))
        if field != "chksum":
            del tcp.chksum
        del tcp.dataofs
        packet.payload.delfieldval("len" if packet.payload.version == 4 else "plen")
        return bytes(packet)

    return alter


LIES: dict[str, tuple[str, Callable[[Any], Any], str]] = {
    # field of Scapy, what becomes of it, which row differs
    "flags": ("flags", lambda tcp: int(tcp.flags) ^ 8, "flags"),
    "seq": ("seq", lambda tcp: (tcp.seq + 1) % 2**32, "seq"),
    "ack": ("ack", lambda tcp: (tcp.ack + 1) % 2**32, "ack"),
    "ack of another member": ("ack", lambda tcp: (tcp.ack + 0x10001) % 2**32, "ack"),
    "checksum": ("chksum", lambda tcp: tcp.chksum ^ 1, "frame"),
    "reserved": ("reserved", lambda _: 1, "frame"),
    "urgent": ("urgptr", lambda _: 5, "urgent"),
    "options": ("options", lambda _: [("NOP", None)] * 4, "options"),
}


SECOND_SYN_ACK, SECOND_ACK = 2, 7
CASES = [(lie, nth) for lie in LIES for nth in (SECOND_SYN_ACK, SECOND_ACK)]
CASES.remove(("seq", SECOND_SYN_ACK))  # it may begin with any number


@pytest.mark.parametrize(("lie", "nth"), CASES)
def test_a_kernel_that_lies_to_one_member_is_found_out(lab: Lab, lie: str, nth: int) -> None:
    """Five members, and each hears SA, then the A of its FIN."""
    field, change, row = LIES[lie]
    example = closed_by_peer(lab)
    lab.disturb(1, mutations=[Fault(Action.ALTER, nth=nth, alter=altered(field, change))])
    with pytest.raises(KernelDiffers, match=DIFFERS) as raised:
        lab.crowd(like=example, count=5)
    differing = [each.field for each in lab.recording.rows(raised.value.check) if not each.agrees]
    assert differing == [row]
    assert told(lab, raised.value).count("<-- here") == 1


def test_the_next_connection_of_the_same_four_elements(lab: Lab) -> None:
    """What is closed makes way: a peer that waits gets the SYN."""
    lab.kernel.sysctl("net.ipv4.ip_local_port_range", "45000 45000")
    lab.kernel.sysctl("net.ipv4.tcp_max_tw_buckets", 0)
    first = opened(lab)
    again = lab.peer(port=80)
    lab.kernel.connect(to=again)
    again.open()
    assert (first.kernel_port, first.port) == (again.kernel_port, again.port)
    assert (first.conversation.number, again.conversation.number) == (0, 1)
    assert (first.state, again.state) == (State.CLOSED, State.ESTABLISHED)
    lab.finish()


@pytest.mark.parametrize("lie", ["flags", "ack", "checksum", "options"])
def test_a_wrong_syn_is_found_out(lab: Lab, lie: str) -> None:
    """Of a member that nobody knows yet."""
    field, change, row = LIES[lie]
    example = opened(lab)
    lab.disturb(1, mutations=[Fault(Action.ALTER, nth=3, alter=altered(field, change))])
    with pytest.raises(KernelDiffers, match=DIFFERS) as raised:
        lab.crowd(like=example, count=5)
    differing = [each.field for each in lab.recording.rows(raised.value.check) if not each.agrees]
    assert (raised.value.check.subject, differing) == ("S", ["frame" if lie == "ack" else row])


def test_what_is_told_of_a_member_that_differs(lab4: Lab) -> None:
    example = half_open(lab4)
    wrong = Fault(Action.ALTER, nth=2, alter=altered("ack", lambda tcp: (tcp.ack + 7) % 2**32))
    lab4.disturb(1, mutations=[wrong])
    with pytest.raises(KernelDiffers) as raised:
        lab4.crowd(like=example, count=3)
    text = told(lab4, raised.value)
    assert "ack    1 (absolute " in text
    assert re.search(r"\[1025\] 0:0\(0\) ack 8 win \d+ <mss 1460>  <-- here", text)
    assert "the kernel is in SYN-RECEIVED" in text


def test_an_answer_that_does_not_come_is_missed(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crowd, "DEADLINE_S", 0.2)
    example = half_open(lab)
    lab.disturb(1, mutations=[Fault(Action.DROP, nth=3)])
    with pytest.raises(KernelDiffers, match=DIFFERS) as raised:
        lab.crowd(like=example, count=5)
    (row,) = lab.recording.rows(raised.value.check)
    assert (raised.value.check.subject, row.expected, row.got) == ("SA", "5", "4")


def test_what_was_as_it_should_be_is_told_before_what_was_not(lab4: Lab) -> None:
    example = opened(lab4)
    before = len(lab4.recording.checks)
    lab4.disturb(1, mutations=[Fault(Action.ALTER, nth=12, alter=altered("ack", lambda tcp: tcp.ack ^ 1))])
    with pytest.raises(KernelDiffers):
        lab4.crowd(like=example, count=5)
    told = [(check.passed, check.subject, check.rows[0].got) for check in lab4.recording.checks[before:]]
    assert told[:2] == [(True, "S", "5"), (True, "A", "5")]
    assert [each[:2] for each in told[2:]] == [(False, "FA")]


def test_a_segment_too_much_is_none_of_a_retransmission(lab: Lab) -> None:
    """An acknowledgment is never sent again; a SYN+ACK may be, and a second one is passed over."""
    example = closed_by_peer(lab)
    lab.disturb(1, mutations=[Fault(Action.DUPLICATE, nth=1), Fault(Action.DUPLICATE, nth=8)])

    def all_of_it() -> None:
        lab.crowd(like=example, count=5)
        lab.finish()

    with pytest.raises(KernelDiffers, match=DIFFERS) as raised:
        all_of_it()
    assert raised.value.check.subject == "silence"
    assert "segment  none      A" in told(lab, raised.value)


def test_a_retransmission_that_comes_late_is_no_difference(lab: Lab) -> None:
    lab.kernel.sysctl("net.ipv4.tcp_synack_retries", 1)
    example = half_open(lab)
    lab.crowd(like=example, count=20)
    example.skip_until("SA")
    example.expect_silence(during=0.3)
    lab.finish()
    assert len(first_frames(lab, 1)) == 2


@pytest.mark.parametrize("answered", [10, 12])
def test_the_number_of_the_answered_is_exact(lab: Lab, answered: int) -> None:
    lab.kernel.sysctl("net.ipv4.tcp_syncookies", 0)
    lab.kernel.sysctl("net.ipv4.tcp_max_syn_backlog", 14)  # room for 14 - 14 // 4 + 1 = 12
    example = half_open(lab)
    with pytest.raises(KernelDiffers, match=DIFFERS) as raised:
        lab.crowd(like=example, count=300, answered=answered)
    (row,) = lab.recording.rows(raised.value.check)
    assert (raised.value.check.subject, row.expected, row.got) == ("answered", str(answered), "11")


def test_those_that_are_not_answered_are_left_alone(lab: Lab) -> None:
    lab.kernel.sysctl("net.ipv4.tcp_syncookies", 0)
    lab.kernel.sysctl("net.ipv4.tcp_max_syn_backlog", 14)
    example = lab.peer(to=lab.kernel.listen(port=80, backlog=1000)).syn_received()
    lab.crowd(like=example, count=300, answered=11)
    lab.finish()


def test_more_connections_than_ports_are_missed(lab: Lab) -> None:
    lab.kernel.sysctl(RANGE, "45000 45009")
    example = opened(lab)
    with pytest.raises(KernelDiffers) as raised:
        lab.crowd(like=example, count=10)
    (row,) = lab.recording.rows(raised.value.check)
    assert (raised.value.check.subject, row.expected, row.got) == ("begun", "10", "9")
    assert lab.kernel.sysctl(RANGE) == "45000 45009"
    lab.kernel.connect(to=lab.peer(port=80), error="EADDRNOTAVAIL")


def test_the_range_of_ports_is_whole_again_however_it_ends(lab: Lab) -> None:
    before = lab.kernel.sysctl(RANGE)
    example = opened(lab)
    lab.crowd(like=example, count=250)
    assert lab.kernel.sysctl(RANGE) == before
    lab.disturb(1, mutations=[Fault(Action.ALTER, nth=250, alter=altered("urgptr", lambda _: 1))])
    with pytest.raises(KernelDiffers):
        lab.crowd(like=example, count=250)
    assert lab.kernel.sysctl(RANGE) == before


def test_a_range_in_parts(lab: Lab) -> None:
    lab.kernel.sysctl(RANGE, "45000 45010")
    with closing(limited_port_ranges(lab.network.kernel, 4)) as parts:
        seen = [(part, sysctls.read(lab.network.kernel, [RANGE])[RANGE]) for part in parts]
    assert [text for _, text in seen] == ["45000 45003", "45004 45007", "45008 45010"]
    assert [port for part, _ in seen for port in part] == list(range(45000, 45011))
    assert lab.kernel.sysctl(RANGE) == "45000 45010"


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208  # names are enough


def test_no_socket_is_left_open(family: int, pool: AddressPool, tracer: StateTracer) -> None:
    before = descriptors()
    with Lab(family, pool=pool, tracer=tracer) as lab:
        example = closed_by_peer(lab)
        lab.crowd(like=example, count=50)
        assert descriptors() >= before + 50
    assert descriptors() == before


@pytest.mark.parametrize("example", [opened, closed_by_peer], ids=["connect", "accept"])
def test_too_few_descriptors_are_no_fault_of_the_kernel(lab: Lab, example: Callable[[Lab], Peer]) -> None:
    peer = example(lab)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken = {int(name) for name in os.listdir("/proc/self/fd")}  # noqa: PTH208  # names are enough
    free = (number for number in itertools.count() if number not in taken)
    resource.setrlimit(resource.RLIMIT_NOFILE, (next(itertools.islice(free, 20, None)), hard))
    try:
        with pytest.raises(ScenarioError, match=re.escape("raise the hard limit of descriptors, ulimit -Hn")):
            lab.crowd(like=peer, count=100)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_no_socket_is_closed_while_a_new_process_has_copies(lab4: Lab) -> None:
    """Otherwise that process would close it last, and the FIN would come when it pleases."""
    many = ManySockets(lab4.network.kernel, 4)
    assert many.connect(lab4.peer(port=80).address, 80, 3).value == 3
    with sockets.fork_lock:
        closer = threading.Thread(target=many.close)
        closer.start()
        closer.join(0.1)
        assert closer.is_alive()
    closer.join()


def with_timestamps(lab: Lab) -> Peer:
    peer = lab.peer(to=lab.kernel.listen(port=80), timestamps=True)
    return peer.syn_received()


def reading(lab: Lab) -> Peer:
    peer = lab.peer(to=lab.kernel.listen(port=80))
    peer.open().recv(error="EAGAIN")
    return peer


def idle(lab: Lab) -> Peer:
    return lab.peer(to=lab.kernel.listen(port=80))


WRONG: dict[str, tuple[Callable[[Lab], Peer], int, str]] = {
    "timestamps": (with_timestamps, 5, "a crowd cannot repeat malformed segments, nor timestamps of the peer"),
    "other calls": (reading, 5, "a crowd can only open and close() connections, but its example has called recv()"),
    "nothing to do": (idle, 5, "a crowd repeats its example, and the example has not sent or received a segment yet"),
    "too many": (half_open, 50_000, "a crowd has at most 38977 clients, each on a port of its own"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_a_crowd_cannot_do_is_an_error_of_the_scenario(lab4: Lab, name: str) -> None:
    example, count, message = WRONG[name]
    peer = example(lab4)
    with pytest.raises(ScenarioError, match=re.escape(message)):
        lab4.crowd(like=peer, count=count)


def test_a_crowd_is_on_a_plain_wire(lab4: Lab) -> None:
    example = half_open(lab4)
    with lab4.crossing(), pytest.raises(ScenarioError, match="a crowd needs a plain wire"):
        lab4.crowd(like=example, count=5)
    lab4.disturb(1, from_kernel=[Fault(Action.DROP)])
    with pytest.raises(ScenarioError, match="a crowd needs a plain wire"):
        lab4.crowd(like=example, count=5)
    lab4.disturb(1)
    lab4.crowd(like=example, count=5)


def test_clients_run_out_of_ports(lab4: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crowd, "CLIENT_PORTS", range(1024, 1034))
    example = half_open(lab4)
    lab4.crowd(like=example, count=10)
    with pytest.raises(ScenarioError, match="earlier crowds of this scenario have used up the ports"):
        lab4.crowd(like=example, count=1)


def test_a_crowd_that_took_longer_than_its_timers_cannot_be_counted(lab4: Lab) -> None:
    """The first are gone when the last come, as where opening 28,232 connections takes longer than TIME-WAIT."""
    lab4.kernel.sysctl("net.ipv4.tcp_synack_retries", 0)
    peer = lab4.peer(to=lab4.kernel.listen(port=80)).syn_received()
    peer.expect_silence(during=1)
    lab4.crowd(like=peer, count=3)
    for count in lab4.kernel.count, lab4.kernel.timers:
        with pytest.raises(Inconclusive, match="timers of 1 s may have ended some of the connections"):
            count("SYN-RECEIVED")
    assert lab4.kernel.count("ESTABLISHED") == 0
