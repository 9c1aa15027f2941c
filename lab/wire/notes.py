"""What a frame is that carries no segment: a few words for each, so that nothing is dropped without a reason."""

from __future__ import annotations

from lab.wire.frames import ETHERNET

_TCP, _IPV6_HEADER, _LEAST_TCP = 6, 40, 20
_PROTOCOLS = {1: "ICMP", 2: "IGMP", 17: "UDP", 58: "ICMPv6"}
_EXTENSIONS = frozenset({0, 43, 44, 50, 51, 60, 135, 139, 140})  # RFC 7045 and IANA's list
_ETHER_TYPES = {0x0806: "ARP", 0x8100: "a VLAN tag", 0x88A8: "a VLAN tag"}


def why_no_segment(frame: bytes) -> str:
    """Why `frames.decode` finds no segment in this frame: "an IPv4 fragment", "ARP", "IPv4 says 60 bytes, 52 came"."""
    kind = int.from_bytes(frame[12:14], "big")
    if len(frame) < ETHERNET:
        return f"{len(frame)} bytes are no Ethernet header"
    if kind == 0x0800:
        return _in_ipv4(frame[ETHERNET:])
    if kind == 0x86DD:
        return _in_ipv6(frame[ETHERNET:])
    return _ETHER_TYPES.get(kind, f"EtherType {kind:#06x}")


def _in_ipv4(packet: bytes) -> str:
    if len(packet) < 20:
        return f"{len(packet)} bytes are no IPv4 header"
    version, words = packet[0] >> 4, packet[0] & 15
    total = int.from_bytes(packet[2:4], "big")
    if version != 4 or words < 5:
        return f"an IPv4 header of version {version} with {words} words"
    if total > len(packet):
        return f"IPv4 says {total} bytes, {len(packet)} came"
    if int.from_bytes(packet[6:8], "big") & 0x3FFF:
        return "an IPv4 fragment"
    return _carried(packet[9], total - 4 * words)


def _in_ipv6(packet: bytes) -> str:
    if len(packet) < _IPV6_HEADER:
        return f"{len(packet)} bytes are no IPv6 header"
    length, following = int.from_bytes(packet[4:6], "big"), packet[6]
    if length > len(packet) - _IPV6_HEADER:
        return f"IPv6 says {length} bytes, {len(packet) - _IPV6_HEADER} came"
    if following in _EXTENSIONS:
        return f"IPv6 extension header {following}"
    return _carried(following, length)


def _carried(protocol: int, size: int) -> str:
    if protocol != _TCP:
        return _PROTOCOLS.get(protocol, f"IP protocol {protocol}")
    return f"{max(size, 0)} bytes are no TCP header" if size < _LEAST_TCP else "TCP of an unknown shape"
