"""Ethernet, IPv4 and IPv6 headers: reading them, and what a router changes in them (RFC 791 3.1, RFC 8200 3)."""

from __future__ import annotations

import socket
import struct
from typing import NamedTuple

ETHERNET = 14
TCP = 6
_IPV4, _IPV6 = b"\x08\x00", b"\x86\xdd"
_IPV4_HEADER = struct.Struct("!BxHxxHxBxx4s4s")
_IPV6_HEADER = struct.Struct("!4xHBx16s16s")
_PROTOCOL_AT = {_IPV4: 23, _IPV6: 20}
_EXTENSIONS = frozenset({0, 43, 44, 50, 51, 60, 135, 139, 140})  # RFC 7045 and IANA's list
_ETHER_TYPES = {0x0806: "ARP", 0x8100: "a VLAN tag", 0x88A8: "a VLAN tag"}


class Packet(NamedTuple):
    """An IP packet in a frame. Its payload is `frame[start:end]`; addresses are packed as in the header."""

    source: bytes
    destination: bytes
    protocol: int
    start: int
    end: int
    faults: tuple[str, ...] = ()
    """Faults of the header."""


def packet_in(frame: bytes) -> Packet | str:
    """The IP packet in a frame, or why there is none: "ARP", "an IPv4 fragment", "IPv4 says 60 bytes, 52 came".

    Never raises. Frames with VLAN tags or IPv6 extension headers are not decoded: the kernel's TCP uses neither here.
    """
    kind = frame[12:ETHERNET]
    if kind == _IPV4:
        return _ipv4_packet_in(frame)
    if kind == _IPV6:
        return _ipv6_packet_in(frame)
    if len(frame) < ETHERNET:
        return f"{len(frame)} bytes are too short for an Ethernet header"
    number = int.from_bytes(kind, "big")
    return _ETHER_TYPES.get(number, f"EtherType {number:#06x}")


def family_in(frame: bytes) -> int | None:
    """4 or 6 by the frame's EtherType; None for neither."""
    return {_IPV4: 4, _IPV6: 6}.get(frame[12:14])


def _ipv4_packet_in(frame: bytes) -> Packet | str:
    came = len(frame) - ETHERNET
    if came < _IPV4_HEADER.size:
        return f"{came} bytes are too short for an IPv4 header"
    first, total, fragment, protocol, source, destination = _IPV4_HEADER.unpack_from(frame, ETHERNET)
    version, words = first >> 4, first & 15
    if version != 4 or words < 5:
        return f"an IPv4 header of version {version} with {words} words"
    if total > came:
        return f"IPv4 says {total} bytes, {came} came"
    if fragment & 0x3FFF:
        return "an IPv4 fragment"
    start = ETHERNET + 4 * words
    faults = ("the IPv4 header checksum is wrong",) if checksum(frame[ETHERNET:start]) else ()
    return Packet(source, destination, protocol, start, ETHERNET + total, faults)


def _ipv6_packet_in(frame: bytes) -> Packet | str:
    start = ETHERNET + _IPV6_HEADER.size
    if len(frame) < start:
        return f"{len(frame) - ETHERNET} bytes are too short for an IPv6 header"
    length, protocol, source, destination = _IPV6_HEADER.unpack_from(frame, ETHERNET)
    if start + length > len(frame):
        return f"IPv6 says {length} bytes, {len(frame) - start} came"
    if protocol in _EXTENSIONS:
        return f"IPv6 extension header {protocol}"
    return Packet(source, destination, protocol, start, start + length)


def carries_tcp(frame: bytes) -> bool:
    """Whether the frame carries TCP over IPv4 or IPv6; nothing but the protocol field is checked."""
    at = _PROTOCOL_AT.get(frame[12:ETHERNET])
    return at is not None and frame[at : at + 1] == bytes([TCP])


def checksum(data: bytes, more: int = 0) -> int:
    """RFC 1071's checksum over `data` and the number `more`; 0 if `data` contains its correct checksum."""
    # 2**16 is 1 modulo 0xffff, so one modulo of the whole as a big-endian number adds all its 16-bit words.
    return -(int.from_bytes(data + bytes(len(data) & 1), "big") + more) % 0xFFFF


def family_of(address: bytes) -> int:
    """The family, 4 or 6, of a packed address."""
    return 6 if len(address) == 16 else 4


def packed(address: str) -> bytes:
    """An address in text form, packed as in a header."""
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


def written(address: bytes) -> str:
    """A packed address in text form."""
    return socket.inet_ntop(socket.AF_INET6 if family_of(address) == 6 else socket.AF_INET, address)


def headers_with(frame: bytes, macs: tuple[str, str], source: bytes, destination: bytes) -> bytes:
    """The headers of a frame (no IP options) before TCP or ICMP, with these addresses; `macs`: source, destination."""
    link = bytes.fromhex("".join(reversed(macs)).replace(":", ""))
    if family_of(source) == 6:
        return link + frame[12:22] + source + destination
    return link + frame[12:ETHERNET] + _with_checksum(frame[ETHERNET:26] + source + destination)


def hop_limit(frame: bytes) -> int:
    """IPv4's time to live, or IPv6's hop limit."""
    return frame[_hop_limit_at(frame)]


def forwarded(frame: bytes) -> bytes:
    """The frame of an IPv4 or IPv6 packet as the router forwards it: hop limit decremented, header checksum updated.

    MAC addresses are unchanged: the lab's router uses the same ones on both links.
    """
    at = _hop_limit_at(frame)
    changed = frame[:at] + bytes([frame[at] - 1]) + frame[at + 1 :]
    if frame[12:ETHERNET] != _IPV4:
        return changed
    end = ETHERNET + (frame[ETHERNET] & 15) * 4
    return frame[:ETHERNET] + _with_checksum(changed[ETHERNET:end]) + frame[end:]


def _hop_limit_at(frame: bytes) -> int:
    return ETHERNET + (8 if frame[12:ETHERNET] == _IPV4 else 7)


def _with_checksum(header: bytes) -> bytes:
    """The IPv4 header with its correct checksum."""
    return header[:10] + checksum(header[:10] + header[12:]).to_bytes(2, "big") + header[12:]
