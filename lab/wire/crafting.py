"""The only module that imports Scapy: builds frames, takes whole packets from authors, dissects frames.

Importing Scapy's layers costs a quarter of a second, so it happens at the first call of `load_scapy`.
"""

from __future__ import annotations

import os
from functools import cache, lru_cache
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scapy.packet import Packet


@cache
def load_scapy() -> Any:
    """Scapy's classes for Ethernet, IPv4, IPv6, TCP and ICMP as one namespace."""
    # When imported, Scapy creates folders for settings and caches; the lab must leave nothing but its output.
    names = ("XDG_CONFIG_HOME", "XDG_CACHE_HOME")
    before = {name: os.environ[name] for name in names if name in os.environ}
    os.environ.update(dict.fromkeys(names, "/dev/null/nothing"))
    try:
        from scapy.layers import inet, inet6
    finally:
        for name in names:
            del os.environ[name]
        os.environ.update(before)
    return SimpleNamespace(**{**vars(inet), **vars(inet6)})


@lru_cache(maxsize=256)
def build_shape(family: int, options_length: int, payload_length: int) -> bytes:
    """A frame with room for options and payload of these lengths; addresses, ports and numbers are unspecified."""
    scapy = load_scapy()
    tcp = scapy.TCP(flags=0, dataofs=5 + options_length // 4) / scapy.Raw(bytes(options_length + payload_length))
    return bytes(_ether() / _network(family) / tcp)


@cache
def build_echo_request(family: int) -> bytes:
    """A frame with an ICMP or ICMPv6 echo request; the addresses are unspecified."""
    scapy = load_scapy()
    echo = scapy.ICMP(type=8) if family == 4 else scapy.ICMPv6EchoRequest()
    return bytes(_ether() / _network(family) / echo)


def build_icmp(about: bytes, kind: tuple[int, int], quoted: bytes) -> bytes:
    """A frame with an ICMP or ICMPv6 error of this (type, code) to the sender of `about`, quoting these bytes."""
    scapy, ether = load_scapy(), packet_of(about)
    packet = ether.payload
    if packet.version == 6:
        error = scapy.ICMPv6Unknown(type=kind[0], code=kind[1], msgbody=bytes(4) + quoted)
    else:
        error = scapy.ICMP(type=kind[0], code=kind[1]) / scapy.Raw(quoted)
    network = _network(packet.version, packet.dst, packet.src)
    return bytes(_ether(ether.dst, ether.src) / network / error)


def frame_of(packet: Packet, source_mac: str, destination_mac: str) -> bytes:
    """The bytes of an author's packet exactly as crafted; an IP packet without Ethernet gets the link's addresses.

    Raises ValueError for layers that Ethernet has no type for, such as TCP without IP.
    """
    whole = packet if isinstance(packet, load_scapy().Ether) else _ether(source_mac, destination_mac) / packet
    if "type" not in {**whole.fields, **whole.overloaded_fields}:
        name = whole.payload.name if whole.payload else "Ether without a payload"
        raise ValueError(
            f"{name} is no whole packet: put IP or IPv6 before it, with addresses, as in IP(...) / TCP(...)"
        )
    return bytes(whole)


def packet_of(frame: bytes) -> Packet:
    """The frame, dissected into a Scapy packet."""
    packet: Packet = load_scapy().Ether(frame)
    return packet


def is_packet(thing: object) -> bool:
    """Whether `thing` is a Scapy packet."""
    return isinstance(thing, load_scapy().Packet)


def _ether(source_mac: str = "00:00:00:00:00:00", destination_mac: str = "00:00:00:00:00:00") -> Any:
    # Both addresses are given: Scapy would otherwise ask for them by ARP, in the wrong namespace.
    return load_scapy().Ether(src=source_mac, dst=destination_mac)


def _network(family: int, source: str = "", destination: str = "") -> Any:
    # Both addresses are given: Scapy would otherwise look for a route. It sets the protocol field itself.
    scapy = load_scapy()
    if family == 6:
        return scapy.IPv6(src=source or "::", dst=destination or "::")
    return scapy.IP(src=source or "0.0.0.0", dst=destination or "0.0.0.0", flags="DF", id=0)
