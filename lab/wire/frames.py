"""Ethernet frames to segments: the reading half of the codec. `stamps` is the writing half."""

from __future__ import annotations

import socket
import struct
from typing import NamedTuple

from lab.tcp import options
from lab.tcp.segment import Segment
from lab.tcp.sequence import Seq

ETHERNET = 14
_TCP = 6
_IPV4_AND_TCP = struct.Struct("!14xBxHxxHxB2x4s4sHHIIHHHH")
_IPV6_AND_TCP = struct.Struct("!14x4xHBx16s16sHHIIHHHH")
_IPV4_HEADER, _IPV6_HEADER = 20, 40
_from_bytes = int.from_bytes
# What the classes' own constructors come down to, at half the time: every frame passes here.
_number = int.__new__
_make = tuple.__new__


class Endpoints(NamedTuple):
    """Who sends to whom; addresses packed as in the header (4 or 16 bytes)."""

    source: bytes
    source_port: int
    destination: bytes
    destination_port: int

    def reversed(self) -> Endpoints:
        """The other direction."""
        return Endpoints(self.destination, self.destination_port, self.source, self.source_port)

    def __str__(self) -> str:
        return f"{_text(self.source)} port {self.source_port} to {_text(self.destination)} port {self.destination_port}"


class Received(NamedTuple):
    """A frame that carries TCP: who to whom, and the segment with what is wrong with it in `segment.faults`."""

    ends: Endpoints
    segment: Segment


def decode(frame: bytes) -> Received | None:
    """The TCP segment in an Ethernet frame, None when there is none that could be told from other traffic.

    Never raises. Frames with VLAN tags, IPv4 fragments and IPv6 extension headers are none of a veth's TCP: None.
    """
    kind = frame[12:14]
    if kind == b"\x08\x00":
        return _decode_ipv4(frame)
    if kind == b"\x86\xdd":
        return _decode_ipv6(frame)
    return None


def _decode_ipv4(frame: bytes) -> Received | None:
    if len(frame) < ETHERNET + _IPV4_HEADER + 20:
        return None
    first = frame[ETHERNET]
    faults: tuple[str, ...] = ()
    if first != 0x45:
        # Options between the header and TCP: drop them, after the checksum that covers them, and read on.
        start = ETHERNET + (first & 15) * 4
        if first >> 4 != 4 or start < ETHERNET + _IPV4_HEADER or len(frame) < start + 20:
            return None
        faults = _faults_of_ipv4(frame[ETHERNET:start])
        total = int.from_bytes(frame[16:18], "big") - (start - ETHERNET - _IPV4_HEADER)
        if total < 0:
            return None
        frame = frame[:ETHERNET] + b"\x45\0" + total.to_bytes(2, "big") + frame[18:34] + frame[start:]
    elif _from_bytes(frame[ETHERNET:34], "big") % 0xFFFF:
        faults = _faults_of_ipv4(frame[ETHERNET:34])
    fields = _IPV4_AND_TCP.unpack_from(frame)
    _, total, fragment, protocol, source, destination = fields[:6]
    if protocol != _TCP or fragment & 0x3FFF or total < _IPV4_HEADER + 20 or ETHERNET + total > len(frame):
        return None
    # Addresses and TCP are neighbours, so one sum covers the pseudo header's addresses and the segment.
    return _decode_tcp(frame[34 : ETHERNET + total], fields[6:], source, destination, frame[26:34], faults)


def _decode_ipv6(frame: bytes) -> Received | None:
    if len(frame) < ETHERNET + _IPV6_HEADER + 20:
        return None
    fields = _IPV6_AND_TCP.unpack_from(frame)
    length, protocol, source, destination = fields[:4]
    if protocol != _TCP or length < 20 or 54 + length > len(frame):
        return None
    return _decode_tcp(frame[54 : 54 + length], fields[4:], source, destination, frame[22:54], ())


def _decode_tcp(
    data: bytes, fields: tuple[int, ...], source: bytes, destination: bytes, addresses: bytes, faults: tuple[str, ...]
) -> Received:
    source_port, destination_port, seq, ack, bits, window, checksum, urgent = fields
    size = len(data)
    if (_from_bytes(addresses + data + b"\0" if size & 1 else addresses + data, "big") + _TCP + size) % 0xFFFF:
        faults += (f"the TCP checksum {checksum:#06x} is wrong",)
    header = bits >> 12 << 2
    if header == 20:
        listed: options.Options = ()
        payload = data[20:]
    elif 20 < header <= size:
        listed, malformed = options.decode(data[20:header])
        payload = data[header:]
        if malformed:
            faults += (malformed,)
    else:
        listed, payload = (), b""
        faults += (f"the data offset {header // 4} points outside the segment",)
    number = _number
    segment = _make(
        Segment,
        (number(Seq, seq), number(Seq, ack), bits & 0x1FF, window, listed, payload, urgent, bits >> 9 & 7, faults),
    )
    return _make(Received, (_make(Endpoints, (source, source_port, destination, destination_port)), segment))


def _faults_of_ipv4(header: bytes) -> tuple[str, ...]:
    return ("the IPv4 header checksum is wrong",) if _from_bytes(header, "big") % 0xFFFF else ()


def _text(address: bytes) -> str:
    return socket.inet_ntop(socket.AF_INET6 if len(address) == 16 else socket.AF_INET, address)
