"""The one door to Scapy: building shapes of frames, taking whole packets from authors, showing any frame as a packet.

Importing Scapy's layers costs a quarter of a second, so it happens at the first use, or with `warm_up`.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from lab.tcp import options

if TYPE_CHECKING:
    from scapy.packet import Packet

_NOBODY = "00:00:00:00:00:00"


@cache
def layers() -> Any:
    """Scapy's modules for Ethernet, IPv4, IPv6, TCP and ICMP as one namespace."""
    with _without_folders_in_the_home():
        import scapy.layers.inet
        import scapy.layers.inet6
        import scapy.layers.l2
        import scapy.packet

    class Layers:
        Ether = scapy.layers.l2.Ether
        IP = scapy.layers.inet.IP
        TCP = scapy.layers.inet.TCP
        ICMP = scapy.layers.inet.ICMP
        IPv6 = scapy.layers.inet6.IPv6
        ICMPv6EchoRequest = scapy.layers.inet6.ICMPv6EchoRequest
        ICMPv6Unknown = scapy.layers.inet6.ICMPv6Unknown
        Raw = scapy.packet.Raw

    return Layers


@contextmanager
def _without_folders_in_the_home() -> Iterator[None]:
    """Scapy makes folders for settings and caches where it is imported; a lab leaves nothing but its output."""
    names = ("XDG_CONFIG_HOME", "XDG_CACHE_HOME")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "/dev/null/nothing"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def warm_up() -> None:
    """Import Scapy's layers now, instead of in the middle of the first exchange."""
    layers()


def build_shape(family: int, listed: options.Options, payload_length: int) -> bytes:
    """A whole frame of this shape with unspecified addresses, ports and numbers."""
    scapy = layers()
    tcp = scapy.TCP(sport=0, dport=0, flags=0, options=to_scapy(listed)) / scapy.Raw(bytes(payload_length))
    return bytes(_ether(_NOBODY, _NOBODY) / _network(family) / tcp)


@cache
def build_echo_request(family: int) -> bytes:
    """A frame with an ICMP or ICMPv6 echo request with unspecified addresses."""
    scapy = layers()
    echo = scapy.ICMP(type=8) if family == 4 else scapy.ICMPv6EchoRequest()
    return bytes(_ether(_NOBODY, _NOBODY) / _network(family, following=socket.IPPROTO_ICMPV6) / echo)


def build_icmp(about: bytes, kind: tuple[int, int], quoted: bytes) -> bytes:
    """A frame with an ICMP or ICMPv6 error of this (type, code) to the sender of `about`, quoting these bytes."""
    scapy, ether = layers(), packet_of(about)
    network = ether.payload
    ipv6 = isinstance(network, scapy.IPv6)
    reply = _ether(ether.dst, ether.src) / _network(
        6 if ipv6 else 4, network.dst, network.src, following=socket.IPPROTO_ICMPV6
    )
    if ipv6:
        return bytes(reply / scapy.ICMPv6Unknown(type=kind[0], code=kind[1], msgbody=bytes(4) + quoted))
    return bytes(reply / scapy.ICMP(type=kind[0], code=kind[1]) / scapy.Raw(quoted))


def frame_of(packet: Packet, source_mac: str, destination_mac: str) -> bytes:
    """The bytes of an author's packet exactly as crafted; an IP packet without Ethernet gets the link's addresses."""
    scapy = layers()
    if not packet.haslayer(scapy.Ether):
        packet = _ether(source_mac, destination_mac) / packet
    return bytes(packet)


def packet_of(frame: bytes) -> Packet:
    """Any frame as the Scapy packet that it is."""
    packet: Packet = layers().Ether(frame)
    return packet


def is_packet(thing: object) -> bool:
    """Whether `thing` is a Scapy packet; does not import Scapy to find out."""
    import sys

    module = sys.modules.get("scapy.packet")
    return module is not None and isinstance(thing, module.Packet)


def to_scapy(listed: options.Options) -> list[tuple[str | int, Any]]:
    """Our option list in the form that Scapy builds the same bytes from."""
    return [(34, value) if name == "TFO" else (name, value) for name, value in listed]


def _ether(source_mac: str, destination_mac: str) -> Any:
    # Both addresses are given: Scapy would otherwise ask for them by ARP, in the wrong namespace.
    return layers().Ether(src=source_mac, dst=destination_mac)


def _network(family: int, source: str = "", destination: str = "", *, following: int = socket.IPPROTO_TCP) -> Any:
    scapy = layers()
    if family == 6:
        return scapy.IPv6(src=source or "::", dst=destination or "::", nh=following)
    return scapy.IP(src=source or "0.0.0.0", dst=destination or "0.0.0.0", flags="DF", id=0)
