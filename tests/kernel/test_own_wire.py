"""What the lab sends goes over its own wire, whose both ends are in its own namespaces, and nowhere else."""

from __future__ import annotations

import select
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing

import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from lab.author.lab import Lab
from lab.host.addresses import KERNEL_MAC, PEER_MAC, AddressPool
from lab.host.namespace import Namespace
from lab.host.network import KERNEL_INTERFACE, PEER_INTERFACE, Network
from lab.wire.link import PacketLink

MARKER = b"this frame was made by the lab and must not leave it"
BROADCAST = "ff:ff:ff:ff:ff:ff"
FLOOD = 500
_SO_RCVBUFFORCE = 33
ALL_PROTOCOLS = socket.htons(0x0003)


@pytest.fixture
def network() -> Iterator[Network]:
    with closing(AddressPool()) as pool, closing(Network(pool.acquire())) as made:
        yield made


def refused(interface: str) -> str:
    with pytest.raises(PermissionError) as raised:
        PacketLink(interface)
    return str(raised.value)


def test_every_interface_of_the_host_is_refused() -> None:
    interfaces = [name for _, name in socket.if_nameindex()]
    assert "lo" in interfaces
    for interface in interfaces:
        assert f"{interface} (" in refused(interface)
        assert "is not a veth of the lab; the lab uses no other interface" in refused(interface)


def test_a_name_makes_no_wire_of_the_lab() -> None:
    """Somebody else's veth is refused, under whatever name; the hardware address is the one thing that is the lab's."""
    with closing(Namespace()) as elsewhere, elsewhere.entered():
        for address, is_taken in (("0a:00:00:00:00:02", False), (PEER_MAC, True)):
            make = ["ip", "link", "add", PEER_INTERFACE, "address", address, "type", "veth"]
            subprocess.run(make, check=True, timeout=20)
            if is_taken:
                PacketLink(PEER_INTERFACE).close()
            else:
                assert f"peer0 (veth, {address})" in refused(PEER_INTERFACE)
            subprocess.run(["ip", "link", "del", PEER_INTERFACE], check=True, timeout=20)


def test_both_ends_of_its_wire_are_taken(network: Network) -> None:
    for namespace, interface in ((network.peer, PEER_INTERFACE), (network.kernel, KERNEL_INTERFACE)):
        with namespace.entered():
            PacketLink(interface).close()


def test_there_is_no_way_out(network: Network) -> None:
    """No uplink: besides loopback only the wire, whose ends are each other's, and routes to nothing but its nets."""
    from pyroute2 import IPRoute

    ends = {}
    for namespace, interface in ((network.peer, PEER_INTERFACE), (network.kernel, KERNEL_INTERFACE)):
        with namespace.entered(), IPRoute() as route:
            links = {link.get_attr("IFLA_IFNAME"): link for link in route.get_links() if link["flags"] & 1}
            assert links.keys() - {"lo"} == {interface}
            ends[interface] = (links[interface]["index"], links[interface].get_attr("IFLA_LINK"))
            assert not route.get_default_routes()
            gateways = [entry for entry in route.get_routes() if entry.get_attr("RTA_GATEWAY")]
            assert gateways == []
    assert ends[PEER_INTERFACE] == ends[KERNEL_INTERFACE][::-1]


class Witness:
    """Sees every frame on every interface of the namespace that it is made in."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, ALL_PROTOCOLS)
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, 64 << 20)

    def seen(self) -> int:
        """How many of the marked frames it has seen since it was asked last."""
        count = 0
        while select.select([self._socket], [], [], 0)[0]:
            count += MARKER in self._socket.recv(65536)
        return count

    def close(self) -> None:
        self._socket.close()


def test_the_witness_sees_what_is_on_the_host() -> None:
    with closing(Witness()) as host, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(MARKER, ("127.0.0.1", 9))
        assert host.seen() > 0


def test_floods_and_forgeries_stay_inside(lab: Lab) -> None:
    """Forged senders, receivers out in the world, broadcasts: the kernel's namespace has them all, the host none."""
    peer = lab.peer(to=80)
    network = lab.network
    with network.kernel.entered():
        inside = Witness()
    world = ("192.0.2.1", "255.255.255.255") if lab.family == 4 else ("2001:db8:ffff::1", "ff02::1")
    below = IP if lab.family == 4 else IPv6
    with closing(Witness()) as host, closing(inside):
        for number in range(FLOOD):
            mac = BROADCAST if number % 2 else KERNEL_MAC
            carried = (TCP(sport=number, dport=80, flags="S"), UDP(sport=number, dport=53))[number % 3 == 0]
            packet = below(src=world[0], dst=world[number % 2]) / carried / Raw(MARKER)
            peer.send(Ether(src=PEER_MAC, dst=mac) / packet)
        lab.settle()
        assert inside.seen() >= FLOOD
        assert host.seen() == 0
