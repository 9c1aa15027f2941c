"""The two namespaces: addresses and neighbours in place, frames as a wire carries them, the sysctl baseline set."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from lab.author.lab import Lab
from lab.host import rtnetlink, sysctls
from lab.host.addresses import KERNEL_MAC, PEER_MAC, AddressPool, Pair
from lab.host.errors import MachineError
from lab.host.namespace import Namespace
from lab.host.network import KERNEL_INTERFACE, PEER_INTERFACE, Network
from lab.record.events import FrameSeen
from lab.wire.frames import decode
from lab.wire.link import PacketLink


@pytest.fixture
def network(pool: AddressPool) -> Iterator[Network]:
    addresses = pool.acquire()
    with closing(Network(addresses)) as made:
        yield made
    pool.release(addresses)


def rows(namespace: Namespace, kind: str) -> list[dict[str, object]]:
    """What pyroute2 lists inside: attributes without their prefix."""
    from pyroute2 import IPRoute

    with namespace.entered(), IPRoute() as route:
        return [
            {name.split("_", 1)[-1].lower(): value for name, value in message["attrs"]}
            | {"state": message.get("state")}
            for message in getattr(route, kind)()
        ]


def test_the_kernel_owns_the_addresses_and_knows_the_peers(network: Network) -> None:
    pairs = network.addresses.ipv4, network.addresses.ipv6
    addresses = {row["address"] for row in rows(network.kernel, "get_addr")}
    assert addresses == {address for pair in pairs for address in (pair.kernel, pair.second_kernel)}
    neighbours = {(row["dst"], row["lladdr"], row["state"]) for row in rows(network.kernel, "get_neighbours")}
    permanent = 0x80
    peers = {address for pair in pairs for address in (pair.peer, pair.second_peer)}
    assert {(address, PEER_MAC, permanent) for address in peers} <= neighbours


def test_the_peer_owns_nothing(network: Network) -> None:
    """And it makes itself no address, which it would do some time after the link came up."""
    assert rows(network.peer, "get_addr") == []
    by_itself = f"net.ipv6.conf.{PEER_INTERFACE}.addr_gen_mode"
    assert sysctls.read(network.peer, [by_itself]) == {by_itself: "1"}
    assert [row["ifname"] for row in rows(network.peer, "get_links")] == ["lo", PEER_INTERFACE]
    assert [row["ifname"] for row in rows(network.kernel, "get_links")] == ["lo", KERNEL_INTERFACE]


def test_the_link_and_all_addresses_are_usable_at_once(network: Network) -> None:
    for row in rows(network.kernel, "get_links"):
        if row["ifname"] == KERNEL_INTERFACE:
            assert (row["operstate"], row["address"]) == ("UP", KERNEL_MAC)
    for pair in (network.addresses.ipv4, network.addresses.ipv6):
        for address in pair.kernel, pair.second_kernel:
            with network.kernel.entered(), socket.create_server((address, 80), family=address_family(pair)) as server:
                assert server.getsockname()[:2] == (address, 80)


def address_family(pair: Pair) -> socket.AddressFamily:
    return socket.AF_INET6 if pair.family == 6 else socket.AF_INET


def test_readiness_has_a_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rtnetlink, "DEADLINE_S", 0.0)
    with (
        closing(Namespace()) as empty,
        pytest.raises(MachineError, match="the veth is not ready: still waiting for 2001:db8::1, kernel0 after 0 s"),
        rtnetlink.until_ready(empty, KERNEL_INTERFACE, ["2001:db8::1"]),
    ):
        pass


def test_the_baseline_is_set_and_nothing_else_is_needed(network: Network) -> None:
    found = sysctls.read(network.kernel, sysctls.BASELINE)
    assert sysctls.BASELINE.keys() - found.keys() <= sysctls.OPTIONAL
    assert {name: found[name] for name in found} == {name: sysctls.BASELINE[name] for name in found}


def test_the_baseline_changes_the_namespace_and_not_the_host(network: Network) -> None:
    path = Path("/proc/sys/net/ipv4/tcp_syn_retries")
    before = path.read_text()
    sysctls.apply(network.kernel, {"net.ipv4.tcp_syn_retries": "9"})
    assert sysctls.read(network.kernel, ["net.ipv4.tcp_syn_retries"]) == {"net.ipv4.tcp_syn_retries": "9"}
    assert path.read_text() == before


@pytest.mark.parametrize("name", ["vm.swappiness", "kernel.hostname", "fs.file-max"])
def test_what_is_the_hosts_is_refused(network: Network, name: str) -> None:
    with pytest.raises(OSError, match=f"sysctl {name} belongs to the whole machine"):
        sysctls.apply(network.kernel, {name: "1"})


def test_a_namespace_ends_with_its_last_descriptor(network: Network) -> None:
    """Its end of the veth goes with it, and so the peer's link goes down: an event to wait for."""
    with network.peer.entered():
        link = PacketLink(PEER_INTERFACE)
        listener = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        listener.bind((0, 1))
    with closing(link), listener:
        network.close()
        delete_link = 17
        deadline = time.monotonic() + 10
        kinds: list[int] = []
        while delete_link not in kinds:
            assert select.select([listener], [], [], max(0.0, deadline - time.monotonic()))[0], kinds
            kinds.append(int.from_bytes(listener.recv(65536)[4:6], "little"))


def test_received_frames_carry_the_kernels_time(lab4: Lab) -> None:
    peer = lab4.peer(to=81)
    before = time.monotonic_ns()
    peer.send("S")
    peer.expect("RA")
    after = time.monotonic_ns()
    frames = [seen for seen in lab4.recording.events if isinstance(seen, FrameSeen)]
    sent, answer = (seen.time_ns for seen in frames if decode(seen.data))
    slack = 200_000  # the two clocks are compared to within a fraction of that
    assert before <= sent <= answer + slack
    assert answer <= after + slack
