"""Many frames at once: the same frames, times and order as one by one."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest

from lab.host.addresses import AddressPool
from lab.host.network import KERNEL_INTERFACE, PEER_INTERFACE, Network
from lab.wire.bursts import AT_ONCE
from lab.wire.faults import Action, Fault, FaultyLink
from lab.wire.link import Frame, Link, PacketLink, receive_all, send_all

HEADER = bytes.fromhex("020000000001 020000000002 88b5")  # an EtherType for experiments: the kernel ignores it
DEADLINE_S = 20


@pytest.fixture
def links(pool: AddressPool) -> Iterator[tuple[PacketLink, PacketLink]]:
    addresses = pool.acquire()
    with ExitStack() as undo:
        network = undo.enter_context(closing(Network(addresses)))
        undo.callback(pool.release, addresses)
        with network.peer.entered():
            peer = undo.enter_context(closing(PacketLink(PEER_INTERFACE)))
        with network.kernel.entered():
            kernel = undo.enter_context(closing(PacketLink(KERNEL_INTERFACE)))
        yield kernel, peer


def frames(count: int) -> list[bytes]:
    return [HEADER + number.to_bytes(4, "big") + bytes(number * 7 % 1400) for number in range(count)]


def received(link: Link, count: int) -> list[Frame]:
    found: list[Frame] = []
    until = time.monotonic_ns() + DEADLINE_S * 1_000_000_000
    while len(found) < count:
        got = receive_all(link, until)
        assert got, f"{len(found)} of {count} frames came"
        found += [frame for frame in got if frame.data.startswith(HEADER)]
    return found


def test_all_arrive_in_their_order(links: tuple[PacketLink, PacketLink]) -> None:
    kernel, peer = links
    for count in (1, AT_ONCE, 2 * AT_ONCE + 3):
        sent = frames(count)
        before = time.monotonic_ns()
        sent_ns = send_all(kernel, sent)
        arrived = received(peer, count)
        after = time.monotonic_ns()
        assert [frame.data for frame in arrived] == sent
        times = [frame.time_ns for frame in arrived]
        assert times == sorted(times)
        assert before <= sent_ns <= times[0] + 1_000_000, "two clocks are compared"
        assert times[-1] <= after


def test_they_are_the_frames_that_come_one_by_one(links: tuple[PacketLink, PacketLink]) -> None:
    kernel, peer = links
    sent = frames(50)
    for each in sent[:25]:
        kernel.send(each)
    kernel.send_all(sent[25:])
    arrived = received(peer, 20)
    while len(arrived) < 50:
        frame = peer.receive(time.monotonic_ns() + DEADLINE_S * 1_000_000_000)
        assert frame is not None
        arrived += [frame] if frame.data.startswith(HEADER) else []
    assert [frame.data for frame in arrived] == sent


def test_without_frames_it_waits_until_the_deadline(links: tuple[PacketLink, PacketLink]) -> None:
    """What comes meanwhile the kernel says on its own account: when it joins groups (RFC 9777) chance decides."""
    _, peer = links
    for wait_ns in (0, 30_000_000):
        until = time.monotonic_ns() + wait_ns
        while said := peer.receive_all(until):
            assert not any(frame.data.startswith(HEADER) for frame in said)
            until = time.monotonic_ns() + wait_ns
        assert time.monotonic_ns() >= until


def test_a_link_with_faults_takes_them_one_by_one(links: tuple[PacketLink, PacketLink]) -> None:
    kernel, peer = links
    second = Fault(Action.DROP, nth=2, matches=lambda frame: frame.startswith(HEADER))
    sent = frames(5)
    send_all(FaultyLink(kernel, 1, sending=[second]), sent)
    assert [frame.data for frame in received(peer, 4)] == [sent[0], *sent[2:]]
    send_all(kernel, sent)
    faulty = FaultyLink(peer, 1, receiving=[second])
    assert [frame.data for frame in received(faulty, 4)] == [sent[0], *sent[2:]]


def test_frames_that_no_wire_carries(links: tuple[PacketLink, PacketLink]) -> None:
    kernel, _ = links
    with pytest.raises(ValueError, match=re.escape("9 frames take 2700000 bytes, there is room for ")):
        kernel.send_all([bytes(300_000)] * 9)
    with pytest.raises(OSError, match="too long"):
        kernel.send_all([bytes(4000)])
