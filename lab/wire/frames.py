"""Ethernet frames to segments: the reading half of the codec. `stamps` is the writing half."""

from __future__ import annotations

import socket
import struct
from functools import lru_cache
from typing import NamedTuple

from lab.tcp import options
from lab.tcp.segment import Segment
from lab.tcp.sequence import Seq
from lab.tcp.values import make

ETHERNET = 14
_TCP = 6
_IPV4_AND_TCP = struct.Struct("!16xHxxHxB2x4s4sHHIIHHHH")
_IPV6_AND_TCP = struct.Struct("!18xHBx16s16sHHIIHHHH")
_IPV4, _IPV6 = b"\x08\x00", b"\x86\xdd"
_LEAST_HEADER = 20
_WRONG_HEADER = "the IPv4 header checksum is wrong"
_from_bytes = int.from_bytes
_number = int.__new__


class Endpoints(NamedTuple):
    """Who sends to whom; addresses packed as in the header (4 or 16 bytes)."""

    source: bytes
    source_port: int
    destination: bytes
    destination_port: int

    @classmethod
    def of(cls, source: str, source_port: int, destination: str, destination_port: int) -> Endpoints:
        """From addresses as one writes them."""
        return cls(packed(source), source_port, packed(destination), destination_port)

    def reversed(self) -> Endpoints:
        """The other direction."""
        return Endpoints(self.destination, self.destination_port, self.source, self.source_port)

    def __str__(self) -> str:
        source, destination = written(self.source), written(self.destination)
        return f"{source} port {self.source_port} to {destination} port {self.destination_port}"


class Received(NamedTuple):
    """A frame that carries TCP: who to whom, and the segment with what is wrong with it in `segment.faults`."""

    ends: Endpoints
    segment: Segment


def decode(frame: bytes) -> Received | None:
    """The TCP segment in an Ethernet frame, None when there is none that could be told from other traffic.

    Never raises. Frames with VLAN tags, IPv4 fragments and IPv6 extension headers are none of a veth's TCP: None.
    """
    kind = frame[12:14]
    faults: tuple[str, ...] = ()
    if kind == _IPV4:
        if frame[14:15] != b"\x45":
            frame, faults = _without_ip_options(frame)
        elif _from_bytes(frame[14:34], "big") % 0xFFFF:
            faults = (_WRONG_HEADER,)
        if len(frame) < _IPV4_AND_TCP.size:
            return None
        total, fragment, protocol, source, destination, *fields = _IPV4_AND_TCP.unpack_from(frame)
        start, end = 34, ETHERNET + total
        if fragment & 0x3FFF:
            return None
    elif kind == _IPV6 and len(frame) >= _IPV6_AND_TCP.size:
        length, protocol, source, destination, *fields = _IPV6_AND_TCP.unpack_from(frame)
        start, end = 54, 54 + length
    else:
        return None
    if protocol != _TCP or end > len(frame) or end - start < _LEAST_HEADER:
        return None
    return make(Received, _parts(frame, start, end, source, destination, fields, faults))


def _parts(
    frame: bytes, start: int, end: int, source: bytes, destination: bytes, fields: list[int], faults: tuple[str, ...]
) -> tuple[Endpoints, Segment]:
    """The segment in `frame[start:end]`, of which `fields` are the header's."""
    source_port, destination_port, seq, ack, bits, window, checksum, urgent = fields
    # The addresses stand right before TCP in both families, so one sum covers the pseudo header and the segment.
    summed = frame[start - 2 * len(source) : end]
    if (_from_bytes(summed + b"\0" if len(summed) & 1 else summed, "big") + _TCP + end - start) % 0xFFFF:
        faults += (f"the TCP checksum {checksum:#06x} is wrong",)
    text = start + (bits >> 12 << 2)
    listed: options.Options = ()
    if not start + _LEAST_HEADER <= text <= end:
        faults += (f"the data offset {bits >> 12} points outside the segment",)
        text = end
    elif text > start + _LEAST_HEADER:
        listed, malformed = options.decode(frame[start + _LEAST_HEADER : text])
        if malformed:
            faults += (malformed,)
    number = _number
    flags, reserved, payload = bits & 0x1FF, bits >> 9 & 7, frame[text:end]
    segment = make(
        Segment, (number(Seq, seq), number(Seq, ack), flags, window, listed, payload, urgent, reserved, faults)
    )
    return make(Endpoints, (source, source_port, destination, destination_port)), segment


def _without_ip_options(frame: bytes) -> tuple[bytes, tuple[str, ...]]:
    """The frame as if its IPv4 header had no options, and what is wrong with the header; b"" if it is none."""
    start = ETHERNET + (frame[ETHERNET] & 15) * 4 if len(frame) > ETHERNET else 0
    total = int.from_bytes(frame[16:18], "big") - (start - 34)
    if start < 34 or frame[ETHERNET] >> 4 != 4 or total < 0:
        return b"", ()
    faults = (_WRONG_HEADER,) if _from_bytes(frame[ETHERNET:start], "big") % 0xFFFF else ()
    return frame[:16] + total.to_bytes(2, "big") + frame[18:34] + frame[start:], faults


@lru_cache(maxsize=1024)
def packed(address: str) -> bytes:
    """An address as it stands in a header."""
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


@lru_cache(maxsize=1024)
def written(address: bytes) -> str:
    """An address as one writes it."""
    return socket.inet_ntop(socket.AF_INET6 if len(address) == 16 else socket.AF_INET, address)
