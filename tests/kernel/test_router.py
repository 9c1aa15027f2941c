"""The router in the middle: it forwards, is deleted and replaced, knows nothing, and any change to a segment shows."""

from __future__ import annotations

import os
import random
import select
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from lab.author.lab import Lab
from lab.author.peer import Peer
from lab.host import router, rtnetlink
from lab.host.addresses import KERNEL_MAC, PEER_MAC, AddressPool
from lab.host.errors import MachineError
from lab.host.namespace import Namespace
from lab.host.network import KERNEL_INTERFACE, PEER_INTERFACE, Network
from lab.host.tracepoint import StateTracer
from lab.record.events import FrameSeen
from lab.record.results import Outcome
from lab.session.errors import KernelDiffers, ScenarioError
from lab.tcp.flags import SYN
from lab.tcp.segment import Segment
from lab.tcp.sequence import Seq
from lab.wire import icmp
from lab.wire.crafting import load_scapy, packet_of
from lab.wire.faults import Action, Fault
from lab.wire.frames import Encoder, decode
from lab.wire.icmp import Echo
from lab.wire.ip import hop_limit, packed
from lab.wire.link import PacketLink
from tests.kernel.helpers import result_of


@pytest.fixture
def routed(family: int, pool: AddressPool, tracer: StateTracer) -> Iterator[Lab]:
    with Lab(family, pool=pool, tracer=tracer, router=True) as ready:
        yield ready


@pytest.fixture
def routed4(pool: AddressPool, tracer: StateTracer) -> Iterator[Lab]:
    with Lab(4, pool=pool, tracer=tracer, router=True) as ready:
        yield ready


def opened(lab: Lab) -> Peer:
    return lab.peer(to=lab.kernel.listen(port=80)).established()


def router_of(lab: Lab) -> router.Router:
    made = lab.network.router
    assert made is not None
    return made


def frames(lab: Lab) -> list[FrameSeen]:
    return [each for each in lab.recording.events if isinstance(each, FrameSeen) and each.segment is not None]


def test_a_connection_opens_and_closes_across_it(routed: Lab) -> None:
    peer = opened(routed)
    peer.close()
    assert {hop_limit(each.data) for each in frames(routed) if not each.from_peer} == {63}
    assert routed.router.expect_only_hop_limit_changed() == len(frames(routed))
    routed.finish()


def test_all_addresses_of_both_families_pass(routed: Lab) -> None:
    for at_the_kernel in False, True:
        server = routed.kernel.listen(port=80, second_address=at_the_kernel)
        for at_the_peer in False, True:
            routed.peer(to=server, second_address=at_the_peer).open()
    assert routed.router.expect_only_hop_limit_changed() == 4 * 3


@pytest.mark.parametrize("family", [4, 6])
def test_ten_thousand_times_no_answer_is_overtaken_by_the_fence(pool: AddressPool, family: int) -> None:
    """A reset and the echo reply behind it, over four wires each: both in the queues of one CPU all the way."""
    cpus = os.sched_getaffinity(0)
    addresses = pool.acquire()
    pair = addresses.of(family)
    encoder = Encoder(packed(pair.peer), packed(pair.kernel), PEER_MAC, KERNEL_MAC)
    echo = Echo(family, pair.peer, pair.kernel, (PEER_MAC, KERNEL_MAC))
    syns = [encoder.encode(port, 81, Segment(Seq(port), Seq(0), SYN, 1000)) for port in range(40000, 45000)]
    try:
        os.sched_setaffinity(0, {min(cpus)})
        with closing(Network(addresses, routed=True)) as network:
            with network.peer.entered():
                link = PacketLink(PEER_INTERFACE)
            with closing(link):
                for number, syn in enumerate(syns):
                    link.send(syn)
                    link.send(echo.request())
                    assert what_comes_before_the_reply(link, echo) == ["RA"], number
    finally:
        os.sched_setaffinity(0, cpus)
        pool.release(addresses)


def what_comes_before_the_reply(link: PacketLink, echo: Echo) -> list[str]:
    """The control bits of all segments before the answer to the fence."""
    seen: list[str] = []
    while True:
        frame = link.receive(time.monotonic_ns() + 30_000_000_000)
        assert frame is not None
        if echo.answered_by(frame.data):
            return seen
        if received := decode(frame.data):
            seen.append(received.segment.letters)


def test_a_connection_outlives_router_after_router(routed: Lab) -> None:
    peer = opened(routed)
    assert peer.socket is not None
    for number in range(3):
        routed.router.remove()
        routed.router.rebuild()
        peer.send("PA", payload=f"number {number}")
        peer.expect("A", ack=9 + 8 * number)
        peer.socket.expect_data(f"number {number}")
        routed.router.expect_only_hop_limit_changed()
    assert routed.kernel.count("ESTABLISHED") == 1
    peer.close()
    routed.finish()


def wait_until_down(namespace: Namespace, interface: str) -> None:
    """Return once the namespace has noticed that the cable is out."""
    from pyroute2 import IPRoute

    def state() -> object:
        with IPRoute() as route:
            (link,) = route.link("get", ifname=interface)
            return link.get_attr("IFLA_OPERSTATE")

    with namespace.entered(), socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as news:
        news.bind((0, 1))
        deadline = time.monotonic() + 10
        while state() == "UP":
            assert select.select([news], [], [], max(0.0, deadline - time.monotonic()))[0]
            news.recv(65536)


def test_a_kernel_that_has_noticed_the_missing_cable_is_waited_for(
    routed4: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    def move_slowly(old: Namespace, new: Namespace) -> None:
        move(old, new)
        wait_until_down(routed4.network.kernel, KERNEL_INTERFACE)

    move = router.move_interfaces
    monkeypatch.setattr(router, "move_interfaces", move_slowly)
    peer = opened(routed4)
    routed4.router.remove()
    routed4.router.rebuild()
    assert peer.socket is not None
    peer.socket.send("at once")
    peer.expect("PA", payload="at once")
    assert not any(each.retransmission for each in frames(routed4))


def test_without_a_router_everything_is_lost_and_nobody_answers(routed: Lab) -> None:
    peer = opened(routed)
    connection = peer.socket
    assert connection is not None
    routed.router.remove()
    before = len(frames(routed))
    peer.send("PA", payload="lost")
    with routed.crossing():
        peer.send("PA", payload="lost as well")
    connection.send("lost too")
    routed.router.rebuild()
    lost = frames(routed)[before:]
    assert [(each.from_peer, each.lost, each.peer_state is None) for each in lost[:2]] == [(True, True, False)] * 2
    kernels = [each for each in lost if not each.from_peer]
    assert kernels, "what the kernel sent to nowhere is on record"
    assert all(each.segment and each.segment.payload == b"lost too" for each in kernels)
    assert all(each.peer_state is None and each.connection == peer.conversation.number for each in kernels)
    peer.expect("PA", payload="lost too", seq=1, ack=1, within=60)
    routed.router.expect_only_hop_limit_changed()
    seen = [each.data for each in routed.recording.events if isinstance(each, FrameSeen)]
    assert not any(map(icmp.error_in, seen)), "nobody has said that the other is out of reach"


def test_the_old_namespace_is_gone_when_it_is_said_to_be(pool: AddressPool, monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as somebody holds it, the router is not removed."""
    with Lab(4, pool=pool, router=True) as lab:
        assert lab.network.router is not None
        held = os.dup(lab.network.router.namespace.fileno())
        monkeypatch.setattr(rtnetlink, "DEADLINE_S", 0.3)
        with pytest.raises(MachineError, match=r"the namespace of the router still exists after 0\.3 s"):
            lab.router.remove()
        os.close(held)


def test_a_namespace_that_lives_on_is_not_taken_for_one_that_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rtnetlink, "DEADLINE_S", 0.0)
    with (
        closing(Namespace()) as living,
        pytest.raises(MachineError, match="the namespace of the router still exists after 0 s"),
        rtnetlink.until_router_gone(living),
    ):
        pass


def test_a_removed_router_leaves_no_namespace(pool: AddressPool) -> None:
    def held() -> set[str]:
        links = (str(each.readlink()) for each in Path("/proc/self/fd").iterdir() if each.is_symlink())
        return {link for link in links if link.startswith("net:[")}

    before = held()
    with Lab(4, pool=pool, router=True) as lab:
        assert len(held() - before) == 3
        lab.router.remove()
        assert len(held() - before) == 3, "the kernel's, the peer's and the next router's"
        lab.router.rebuild()
    assert held() == before


def test_what_it_counts_is_what_is_in_its_own_namespace(routed: Lab) -> None:
    opened(routed)
    assert (routed.router.count(), routed.kernel.count()) == (0, 1)
    kind = socket.AF_INET6 if routed.family == 6 else socket.AF_INET
    assert routed.network.router is not None
    with routed.network.router.namespace.entered(), socket.socket(kind) as listener:
        listener.bind(("::" if routed.family == 6 else "0.0.0.0", 0))
        listener.listen()
        assert routed.router.count() == 1


def test_the_kernel_counts_requests_and_time_wait_but_no_listener(lab: Lab) -> None:
    server = lab.kernel.listen(port=80)
    assert lab.kernel.count() == 0
    lab.peer(to=server).syn_received()
    assert (lab.kernel.count(), lab.kernel.count("SYN-RECEIVED")) == (1, 1)
    peer = lab.peer(to=lab.kernel.listen(port=81)).established()
    peer.time_wait()
    assert (lab.kernel.count(), lab.kernel.count("TIME-WAIT")) == (2, 1)


Lie = Callable[[bytes, random.Random], bytes]


def lying(**fields: object) -> Lie:
    """What changes these fields of the TCP header; all checksums are right again."""

    def alter(frame: bytes, _: random.Random) -> bytes:
        packet = packet_of(frame)
        tcp = packet[load_scapy().TCP]
        for name, value in fields.items():
            setattr(tcp, name, value)
        del tcp.chksum, tcp.dataofs
        return bytes(packet)

    return alter


def no_hop(frame: bytes, _: random.Random) -> bytes:
    """The hop limit as it was before the router."""
    packet = packet_of(frame)
    below = packet.payload
    if "ttl" in below.fields:
        below.ttl += 1
        del below.chksum
    else:
        below.hlim += 1
    return bytes(packet)


@pytest.mark.parametrize(
    ("lie", "field", "got"),
    [
        (lying(options=[("MSS", 1000)]), "options", "mss 1000"),
        (lying(window=7), "window", "7"),
        (lying(urgptr=9), "urgent", "9"),
        (no_hop, "hop limit", "64"),
    ],
    ids=["a clamped MSS", "a smaller window", "an urgent pointer", "no hop"],
)
def test_a_router_that_changes_something_else_is_found_out(routed: Lab, lie: Lie, field: str, got: str) -> None:
    """What the wire does to a segment behind the point of capture is as if the router had done it."""
    peer = routed.peer(to=routed.kernel.listen(port=80))
    routed.disturb(1, mutations=[Fault(Action.ALTER, nth=1, alter=lie)])
    routed.deviation("urgent-field", "not Linux, the router").__enter__()
    peer.send("S")
    peer.expect("SA")
    with pytest.raises(KernelDiffers, match="the router does not forward every segment unchanged") as told:
        routed.router.expect_only_hop_limit_changed()
    (row,) = [row for row in told.value.check.rows if not row.agrees]
    assert (row.field, row.got) == (field, got)


def test_a_router_that_loses_or_doubles_a_segment_is_found_out(routed4: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.author.router.DEADLINE_S", 0.1)
    peer = opened(routed4)
    routed4.disturb(1, mutations=[Fault(Action.DROP, nth=1), Fault(Action.DUPLICATE, nth=2)])
    for _ in range(2):
        peer.send("PA", payload="x")
    with pytest.raises(KernelDiffers) as told:
        routed4.router.expect_only_hop_limit_changed()
    rows = {row.field: row for row in told.value.check.rows}
    first, second = (str(int(peer.conversation.bases.peer + ack)) for ack in (2, 3))
    assert rows["ack"] == ("ack", first, second, False), "one is missing, another is there twice"
    routed4.disturb(1, mutations=[Fault(Action.DROP, nth=1)])
    peer.send("PA", payload="x")
    with pytest.raises(KernelDiffers) as told:
        routed4.router.expect_only_hop_limit_changed()
    assert ("from the kernel", "A", "none", False) in told.value.check.rows


def removed_twice(lab: Lab) -> None:
    lab.router.remove()
    lab.router.remove()


def silence_without_it(lab: Lab) -> None:
    peer = opened(lab)
    lab.router.remove()
    peer.expect_silence()


def counted_without_it(lab: Lab) -> None:
    lab.router.remove()
    lab.router.count()


def ended_without_it(lab: Lab) -> None:
    lab.router.remove()
    lab.finish()


@pytest.mark.parametrize(
    ("speak", "message"),
    [
        (removed_twice, "the router has been removed: rebuild() it first"),
        (counted_without_it, "the router has been removed: rebuild() it first"),
        (silence_without_it, "the router is removed, so the kernel cannot reply: rebuild() it first"),
        (ended_without_it, "the router is removed, so the kernel cannot reply: rebuild() it first"),
        (lambda lab: lab.router.rebuild(), "the router has not been removed: remove() it first"),
        (lambda lab: lab.router.expect_only_hop_limit_changed(), "no segment has reached this router yet"),
    ],
    ids=["remove twice", "count", "silence", "finish", "rebuild", "compare nothing"],
)  # fmt: skip
def test_a_word_out_of_place_is_an_error_of_the_scenario(
    routed4: Lab, speak: Callable[[Lab], object], message: str
) -> None:
    with pytest.raises(ScenarioError, match=message.replace("(", r"\(").replace(")", r"\)")):
        speak(routed4)


def test_another_state_than_expected_is_told_at_once_without_a_router(routed4: Lab) -> None:
    peer = opened(routed4)
    routed4.router.remove()
    with pytest.raises(KernelDiffers, match="the kernel is in state ESTABLISHED"):
        routed4.kernel.expect_state(peer, "CLOSED")


def test_a_lab_without_a_router_says_how_to_get_one(lab4: Lab) -> None:
    with pytest.raises(ScenarioError, match="this lab has no router: mark its scenario with"):
        _ = lab4.router


def test_a_scenario_gets_the_router_that_it_is_marked_for(tmp_path: Path) -> None:
    file = tmp_path / "marked.py"
    file.write_text(
        "from lab import Lab, scenario\n\n"
        "@scenario(section='RFC 1812', router=True)\n"
        "def marked(lab: Lab) -> None:\n"
        "    lab.peer(to=lab.kernel.listen(port=80)).open()\n"
        "    lab.router.expect_only_hop_limit_changed()\n"
    )
    assert result_of(file).outcome is Outcome.PASS
