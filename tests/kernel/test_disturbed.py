"""The wire between a peer and the real kernel loses, doubles and alters frames, and a kernel that lies is found out."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from lab.author.lab import Lab
from lab.author.peer import Peer
from lab.record.events import CrossingOver, FrameSeen
from lab.session.errors import KernelDiffers
from lab.tcp.rules import RULES
from lab.wire.crafting import load_scapy, packet_of
from lab.wire.faults import Action, Fault
from tests.kernel.helpers import kernels_frames

Alter = Callable[[Any], None]


def listening(lab: Lab, **offer: Any) -> Peer:
    return lab.peer(to=lab.kernel.listen(port=80), **offer)


def test_a_lost_syn_ack_comes_again(lab: Lab) -> None:
    peer = listening(lab)
    lab.disturb(1, from_kernel=[Fault(Action.DROP, nth=1)])
    peer.send("S")
    peer.expect("SA", seq=0, ack=1)
    assert lab.kernel.inet_diag(peer).retransmits == 1
    peer.send("A")
    lab.kernel.expect_state(peer, "ESTABLISHED")
    lab.finish()


def test_a_repeated_syn_ack_is_recognised_as_a_retransmission(lab: Lab) -> None:
    peer = listening(lab)
    peer.syn_received()
    lab.disturb(1, to_kernel=[Fault(Action.DROP, nth=1)])
    peer.send("A")
    peer.expect("SA", seq=0, ack=1)
    assert [each.retransmission for each in kernels_frames(lab)] == [False, True]
    peers = [each for each in lab.recording.events if isinstance(each, FrameSeen) and each.from_peer]
    assert [each.lost for each in peers] == [False, True], "the ACK never reached the kernel, and the recording says so"


def test_a_syn_that_gives_up_on_ecn_is_a_retransmission_too(lab: Lab) -> None:
    lab.kernel.sysctl("net.ipv4.tcp_ecn", 1)
    peer = lab.peer(port=80)
    lab.kernel.connect(to=peer)
    peer.expect("SEC")
    peer.expect("S", seq=0)
    assert [each.retransmission for each in kernels_frames(lab)] == [False, True]


def test_the_recording_knows_which_of_the_crossing_segments_got_lost(lab: Lab) -> None:
    peer = listening(lab)
    lab.disturb(1, to_kernel=[Fault(Action.DROP, nth=2)])
    with lab.crossing():
        peer.send("S")
        peer.send("S", seq=0)
    peer.expect("SA")
    events = lab.recording.events
    [crossing] = [each for each in events if isinstance(each, CrossingOver)]
    sent = [events[at] for at in crossing.frames]
    assert [each.lost for each in sent if isinstance(each, FrameSeen) and each.from_peer] == [False, True]


def test_a_retransmission_breaks_no_silence(lab: Lab) -> None:
    peer = listening(lab)
    connection = peer.open()
    connection.send("first")
    peer.expect("PA", payload="first")
    began = time.monotonic()
    peer.expect_silence(during=0.7)
    assert time.monotonic() - began >= 0.7  # nor does it end with the first of them
    again = [each.segment for each in kernels_frames(lab) if each.retransmission]
    assert {segment.payload for segment in again if segment} == {b"first"}


def test_a_segment_of_the_kernel_that_comes_twice_is_a_difference(lab: Lab) -> None:
    peer = listening(lab)
    lab.disturb(1, mutations=[Fault(Action.DUPLICATE, nth=1)])
    peer.send("S")
    peer.expect("SA")
    with pytest.raises(KernelDiffers) as told:
        peer.expect_silence()
    assert told.value.check.rows == (("segment", "none", "SA", False),)


def test_what_the_wire_loses_doubles_and_holds_back_is_not_held_against_the_kernel(lab: Lab) -> None:
    peer = listening(lab)
    connection = peer.open()
    lab.disturb(1, from_kernel=[Fault(Action.DROP, nth=1), Fault(Action.DUPLICATE, nth=2)])
    connection.set_option("TCP_NODELAY", 1)
    connection.send("lost")
    connection.send("twice")
    peer.expect("PA", seq=5, payload="twice")
    assert [each.peer_state is None for each in kernels_frames(lab)[-2:]] == [True, False]
    peer.skip_until("PA", seq=1, payload=None)  # Linux may join the two when it repeats them
    peer.send("A", ack=10)
    lab.finish()


def test_the_kernel_acknowledges_a_doubled_segment_twice(lab: Lab) -> None:
    peer = listening(lab)
    peer.open()
    lab.disturb(1, to_kernel=[Fault(Action.DUPLICATE, nth=1)])
    peer.send("PA", payload="hello")
    peer.expect("A", ack=6)
    peer.expect("A", ack=6)
    lab.finish()


@pytest.mark.parametrize("seed", range(5))
def test_the_kernel_ignores_what_a_flipped_bit_has_spoilt(lab4: Lab, seed: int) -> None:
    peer = listening(lab4)
    lab4.disturb(seed, to_kernel=[Fault(Action.ALTER)])
    peer.send("S")
    peer.expect_silence()


def lying(change: Alter) -> Callable[[bytes, object], bytes]:
    """What makes the change to the TCP header of a frame; the checksum is right again, unless it was the change."""

    def alter(frame: bytes, _: object) -> bytes:
        packet = packet_of(frame)
        tcp = packet[load_scapy().TCP]
        del tcp.chksum, tcp.dataofs
        change(tcp)
        below = tcp.underlayer
        for field in "len", "chksum", "plen":  # of IPv4, or of IPv6
            if field in below.fields:
                delattr(below, field)
        return bytes(packet)

    return alter


def plus(field: str, difference: int) -> Alter:
    return lambda tcp: setattr(tcp, field, (getattr(tcp, field) + difference) % 2**32)


def to(field: str, value: Any) -> Alter:
    return lambda tcp: setattr(tcp, field, value)


def options(*more: Any, keep: bool = True) -> Alter:
    def change(tcp: Any) -> None:
        tcp.options = ([*tcp.options] if keep else []) + list(more)

    return change


NOPS = [("NOP", None)] * 2


def times(later: int, echoed_later: int) -> Alter:
    """Both times of the timestamps option moved."""

    def change(tcp: Any) -> None:
        tsval, tsecr = dict(tcp.options)["Timestamp"]
        tcp.options = [*NOPS, ("Timestamp", ((tsval + later) % 2**32, (tsecr + echoed_later) % 2**32))]

    return change


# What is altered in the kernel's SYN+ACK, and the standing rule that must say so.
SYN_ACK_LIES: list[tuple[str, Alter]] = [
    ("well-formed", to("chksum", 0)),
    ("well-formed", to("dataofs", 15)),
    ("reserved-bits", to("reserved", 2)),
    ("one-control", to("flags", "SFA")),
    ("urgent-field", to("urgptr", 7)),
    ("option-once", options(("MSS", 1400))),
    ("window-scale", options(*NOPS[:1], ("WScale", 15))),
    ("offered", options(("SAckOK", b""))),
    ("ack-sent", plus("ack", 1)),
    ("syn-ack", plus("ack", -1)),
    ("syn-text", lambda tcp: tcp.add_payload(b"text")),
]
# The same in its ACK of some data of ours.
ACK_LIES: list[tuple[str, Alter]] = [
    ("ack-bit", to("flags", 0)),
    ("ack-field", to("flags", 0)),
    ("syn-options", options(("MSS", 1460))),
    ("timestamp-present", options(keep=False)),
    ("tsval", times(-100_000, 0)),
    ("tsecr", times(0, 100_000)),
    ("sequence", plus("seq", 1)),
    ("ack-back", plus("ack", -6)),
    ("ack-sent", plus("ack", 1)),
    ("window-edge", to("window", 0)),
    ("sack-permitted", options(*NOPS, ("SAck", (1, 2)))),
]


def broken_rules(told: pytest.ExceptionInfo[KernelDiffers]) -> set[str]:
    return {row.field for row in told.value.check.rows}


@pytest.mark.parametrize(("rule", "lie"), SYN_ACK_LIES, ids=[rule for rule, _ in SYN_ACK_LIES])
def test_a_lie_in_the_syn_ack_breaks_its_rule(lab4: Lab, rule: str, lie: Alter) -> None:
    peer = listening(lab4)
    lab4.disturb(1, mutations=[Fault(Action.ALTER, nth=1, alter=lying(lie))])
    peer.send("S")
    with pytest.raises(KernelDiffers, match="the kernel broke a rule that holds for every segment") as told:
        peer.expect("SA")
    assert rule in broken_rules(told)


@pytest.mark.parametrize(("rule", "lie"), ACK_LIES, ids=[rule for rule, _ in ACK_LIES])
def test_a_lie_in_an_ack_breaks_its_rule(lab4: Lab, rule: str, lie: Alter) -> None:
    peer = listening(lab4, timestamps=True)
    peer.open()
    lab4.disturb(1, mutations=[Fault(Action.ALTER, nth=1, alter=lying(lie))])
    peer.send("PA", payload="hello")
    with pytest.raises(KernelDiffers, match="the kernel broke a rule that holds for every segment") as told:
        peer.expect("A")
    assert rule in broken_rules(told)


def test_the_lies_name_rules_that_there_are() -> None:
    assert {rule for rule, _ in SYN_ACK_LIES + ACK_LIES} <= {rule.id for rule in RULES}


def test_an_alteration_that_changes_nothing_breaks_nothing(lab: Lab) -> None:
    peer = listening(lab, timestamps=True, window_scale=3, sack_permitted=True)
    lab.disturb(1, mutations=[Fault(Action.ALTER, alter=lying(plus("seq", 0)))])
    peer.open()
    peer.close()
    lab.finish()
