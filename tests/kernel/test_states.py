"""The kernel's state and its two witnesses, held against a third that the lab does not ask: /proc/net/tcp."""

from __future__ import annotations

import os
import re
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest

from lab.author.lab import Lab
from lab.author.peer import Peer
from lab.host.addresses import AddressPool
from lab.host.inet_diag import InetDiag
from lab.host.tracepoint import StateTracer
from lab.record.events import StateSeen
from lab.record.kernel_state import BY_NUMBER, CLOSED
from lab.tcp.state import State

MOVEMENTS = {
    "syn_received": State.SYN_RECEIVED,
    "established": State.ESTABLISHED,
    "close_wait": State.CLOSE_WAIT,
    "last_ack": State.LAST_ACK,
    "fin_wait_1": State.FIN_WAIT_1,
    "fin_wait_2": State.FIN_WAIT_2,
    "closing": State.CLOSING,
    "time_wait": State.TIME_WAIT,
}


def brought_to(lab: Lab, movement: str) -> Peer:
    """A peer whose connection was opened and then moved by that word."""
    peer = lab.peer(to=lab.kernel.listen(port=80))
    if movement not in {"syn_received", "established"}:
        peer.open()
    moved: Peer = getattr(peer, movement)()
    assert moved is peer
    return peer


def proc_net_tcp(lab: Lab) -> dict[tuple[int, int], State]:
    """(kernel's port, peer's port) to state, as /proc/net/tcp says: (port, 0) is a listener."""
    with lab.network.kernel.entered():
        lines = Path("/proc/thread-self/net", "tcp6" if lab.family == 6 else "tcp").read_text().splitlines()[1:]
    rows = [line.split() for line in lines]
    ports = [[int(end.rpartition(":")[2], 16) for end in row[1:3]] for row in rows]
    return {(own, other): BY_NUMBER[int(row[3], 16)] for (own, other), row in zip(ports, rows, strict=True)}


def timeline(lab: Lab, witness: str) -> list[State]:
    lab.catch_up()
    seen = [each for each in lab.recording.events if isinstance(each, StateSeen) and each.connection is not None]
    states = [each.state for each in sorted(seen, key=lambda each: each.time_ns) if each.witness == witness]
    return [state for at, state in enumerate(states) if at == 0 or states[at - 1] is not state]


RELEASE = tuple(map(int, re.findall(r"\d+", os.uname().release)[:2]))
TRACED_REQUEST = [State.SYN_RECEIVED] if RELEASE >= (6, 15) else []
"""Before Linux 6.15 the tracepoint told SYN-RECEIVED of nobody: the new socket had no ends then."""


@pytest.mark.parametrize("movement", MOVEMENTS)
def test_each_movement_brings_the_kernel_into_the_state_it_names(lab: Lab, movement: str) -> None:
    peer = brought_to(lab, movement)
    assert lab.kernel.inet_diag(peer).state is MOVEMENTS[movement]
    assert proc_net_tcp(lab)[80, peer.port] is MOVEMENTS[movement]
    lab.finish()


def test_open_and_close_leave_both_sides_at_rest(lab: Lab) -> None:
    peer = lab.peer(to=lab.kernel.listen(port=80))
    peer.open()
    peer.close()
    assert (lab.kernel.inet_diag(peer).state, peer.state) == (State.CLOSED, State.TIME_WAIT), "who closes first waits"
    assert proc_net_tcp(lab) == {(80, 0): State.LISTEN}


def test_a_state_is_counted(lab: Lab) -> None:
    server = lab.kernel.listen(port=80, backlog=100)
    for movement in MOVEMENTS:
        for _ in range(1 + list(MOVEMENTS).index(movement)):
            peer = lab.peer(to=server)
            if movement not in {"syn_received", "established"}:
                peer.open()
            getattr(peer, movement)()
    there = list(proc_net_tcp(lab).values())
    assert {state: lab.kernel.count(state) for state in State} == {state: there.count(state) for state in State}
    assert [lab.kernel.count(state) for state in MOVEMENTS.values()] == [1, 2, 3, 4, 5, 6, 7, 8]


def test_a_count_goes_over_many_messages_of_the_kernel(lab: Lab) -> None:
    server = lab.kernel.listen(port=80, backlog=1500)
    for _ in range(600):  # with SYN+ACKs of more than a thousand to repeat at once, a veth loses some of them
        lab.peer(to=server).send("S")
    assert lab.kernel.count("SYN-RECEIVED") == list(proc_net_tcp(lab).values()).count(State.SYN_RECEIVED) == 600
    assert lab.kernel.count("TIME-WAIT") == 0


def test_the_timers_of_all_in_a_state(lab: Lab) -> None:
    server = lab.kernel.listen(port=80)
    assert lab.kernel.timers("CLOSE-WAIT") == set()
    peers = [lab.peer(to=server) for _ in range(2)]
    for peer in peers:
        peer.open()
        peer.close_wait()
    assert lab.kernel.timers("CLOSE-WAIT") == {""}
    peers[0].socket.send("never acknowledged")  # type: ignore[union-attr]  # open() has set it
    assert lab.kernel.timers("CLOSE-WAIT") == {"", "retransmission"}


def test_looking_away(lab: Lab) -> None:
    """What the tracepoint sees in the block is not kept, what it sees before and behind it is."""
    server = lab.kernel.listen(port=80)
    peer = lab.peer(to=server)
    peer.open()
    with lab.switchboard.kernel_states.paused():
        peer.fin_wait_2()
    peer.time_wait()
    assert timeline(lab, "tracepoint") == [*TRACED_REQUEST, State.ESTABLISHED, State.CLOSED]
    assert State.FIN_WAIT_2 in timeline(lab, "inet_diag")


def test_close_follows_the_kernel_that_closed_first(lab: Lab) -> None:
    peer = lab.peer(to=lab.kernel.listen(port=80))
    peer.open()
    peer.fin_wait_2().close()
    assert (lab.kernel.inet_diag(peer).state, peer.state) == (State.TIME_WAIT, State.CLOSED)


def test_a_peer_opens_from_the_kernels_side_too(lab: Lab) -> None:
    peer = lab.peer(port=80)
    client = lab.kernel.connect(to=peer)
    assert peer.open() is client
    assert lab.kernel.inet_diag(peer).state is State.ESTABLISHED
    peer.close()
    lab.finish()


def test_the_lookup_is_exact(lab: Lab) -> None:
    peer = lab.peer(to=lab.kernel.listen(port=80))
    peer.open()
    pair = lab.network.addresses.of(lab.family)
    kernel, address, other = pair.kernel, pair.peer, pair.second_peer
    with closing(InetDiag(lab.network.kernel)) as lookup:
        assert lookup.of(lab.family, kernel, 80, address, peer.port).state is State.ESTABLISHED
        assert lookup.of(lab.family, kernel, 80, address, peer.port + 1) == CLOSED
        assert lookup.of(lab.family, kernel, 81, address, peer.port) == CLOSED
        assert lookup.of(lab.family, kernel, 80, other, peer.port) == CLOSED
        assert lookup.of(lab.family, kernel, 80, "::" if pair.family == 6 else "0.0.0.0", 0).state is State.LISTEN


def test_details_tell_queues_timers_and_descriptors(lab: Lab) -> None:
    peer = lab.peer(to=lab.kernel.listen(port=80))
    connection = peer.open()
    quiet = lab.kernel.inet_diag(peer)
    assert (quiet.timer, quiet.receive_queue, quiet.send_queue) == ("", 0, 0)
    assert quiet.inode > 0
    connection.send("hello")
    peer.expect("PA", payload="hello")
    assert (lab.kernel.inet_diag(peer).timer, lab.kernel.inet_diag(peer).send_queue) == ("retransmission", 5)
    peer.send("PA", payload="abc")
    peer.expect("A", ack=4)
    assert (lab.kernel.inet_diag(peer).timer, lab.kernel.inet_diag(peer).receive_queue) == ("", 3)
    connection.expect_data("abc")
    peer.time_wait()
    waiting = lab.kernel.inet_diag(peer)
    assert (waiting.timer, waiting.inode) == ("time-wait", 0)
    assert 59_000 < waiting.expires_ms <= 60_000 + 1_000


def test_both_witnesses_tell_the_same_story(lab: Lab) -> None:
    peer = lab.peer(to=lab.kernel.listen(port=80))
    peer.open()
    peer.close()
    closing_down = [State.ESTABLISHED, State.CLOSE_WAIT, State.LAST_ACK, State.CLOSED]
    assert timeline(lab, "tracepoint") == [*TRACED_REQUEST, *closing_down]
    assert [state for state in timeline(lab, "inet_diag") if state not in closing_down] == [State.SYN_RECEIVED]
    seen = timeline(lab, "inet_diag")
    assert [state for state in [State.SYN_RECEIVED, *closing_down] if state in seen] == seen


def test_without_a_tracepoint_inet_diag_still_sees_every_state(family: int, pool: AddressPool) -> None:
    with Lab(family, pool=pool) as lab:
        assert lab.recording.witnesses == ("inet_diag",)
        peer = lab.peer(to=lab.kernel.listen(port=80))
        peer.open()
        peer.close()
        expected = [State.SYN_RECEIVED, State.ESTABLISHED, State.CLOSE_WAIT, State.LAST_ACK, State.CLOSED]
        assert timeline(lab, "inet_diag") == expected
        assert timeline(lab, "tracepoint") == []


def test_the_tracepoint_tells_only_of_the_watched_address(pool: AddressPool, tracer: StateTracer) -> None:
    with Lab(4, pool=pool, tracer=tracer) as watched, Lab(4, pool=pool) as other:
        others = other.network.addresses.ipv4.kernel
        other.peer(to=other.kernel.listen(port=80)).open()
        watched.peer(to=watched.kernel.listen(port=90)).open()
        assert tracer.take(others) == []
        watched.catch_up()
        seen = [
            each for each in watched.recording.events if isinstance(each, StateSeen) and each.witness == "tracepoint"
        ]
        assert {State.LISTEN, State.ESTABLISHED} <= {each.state for each in seen}
        tracer.watch(others)
        other.kernel.listen(port=91)
        assert [(each.local_port, each.old, each.new) for each in tracer.take(others)] == [
            (91, State.CLOSED, State.LISTEN)
        ]
        tracer.forget(others)
        other.kernel.listen(port=92)
        assert tracer.take(others) == []


def test_what_an_earlier_run_left_is_not_told(family: int, pool: AddressPool, tracer: StateTracer) -> None:
    """A connection that was open before somebody watches may close between the very ends of his own."""
    with Lab(family, pool=pool) as earlier:
        address = earlier.network.addresses.of(family).kernel
        server = earlier.kernel.listen(port=80)
        left = earlier.peer(to=server)
        left.open()
        tracer.watch(address)
        left.fin_wait_2()
        new = earlier.peer(to=server)
        new.open().close()
        seen = tracer.take(address)
        tracer.forget(address)
    assert [each.new for each in seen if each.remote_port == new.port][-1] is State.FIN_WAIT_1
    assert [each for each in seen if each.remote_port == left.port] == []


def test_transitions_come_in_order_each_from_where_the_last_one_led(pool: AddressPool, tracer: StateTracer) -> None:
    with Lab(6, pool=pool) as lab:
        address = lab.network.addresses.ipv6.kernel
        tracer.watch(address)
        tracer.take(address)  # what went by since another test has looked, and perhaps got lost
        lost_before = tracer.lost
        peer = lab.peer(port=80)
        lab.kernel.connect(to=peer, port=5000)
        peer.open()
        peer.fin_wait_2()
        seen = tracer.take(address)
        tracer.forget(address)
    assert [each.new for each in seen][:4] == [State.SYN_SENT, State.ESTABLISHED, State.FIN_WAIT_1, State.FIN_WAIT_2]
    assert all(before.new is after.old for before, after in pairwise(seen))
    assert [each.time_ns for each in seen] == sorted(each.time_ns for each in seen)
    assert {(each.local_port, each.remote_port) for each in seen} == {(5000, 80)}
    assert tracer.lost == lost_before


@pytest.mark.parametrize("ours", [0, 2, 14])
def test_tcp_info_scales_are_those_on_the_wire(lab: Lab, ours: int) -> None:
    server = lab.kernel.listen(port=80)
    peer = lab.peer(to=server, window_scale=ours, timestamps=True, sack_permitted=True)
    peer.send("S")
    answer = peer.expect("SA")
    peer.send("A")
    info = server.accept().tcp_info()
    theirs = dict(answer.options)["WScale"]
    assert theirs == lab.kernel.window_scale == 7  # 6291456 >> 7 is the first that fits 16 bits
    assert (info["snd_wscale"], info["rcv_wscale"]) == (ours, theirs)
    assert (info["timestamps"], info["sack"], info["wscale"]) == (1, 1, 1)
