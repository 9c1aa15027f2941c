"""Segments and Ethernet frames: `decode` makes the one from the other, an `Encoder` the other from the one.

Scapy builds each shape of frame once, then the encoder puts in only what varies. A shape is a family, control bits, an
option list (timestamps left open) and a payload length. Building one costs Scapy half a millisecond, encoding with it a
few microseconds; tests prove the two equal byte for byte.
"""

from __future__ import annotations

import socket
import struct
from functools import lru_cache
from typing import NamedTuple

from lab.tcp import options
from lab.tcp.segment import Segment
from lab.tcp.sequence import Seq
from lab.wire import crafting

ETHERNET = 14
_IPV4_AND_TCP = struct.Struct("!16xHxxHxB2x4s4sHHIIHHHH")
_IPV6_AND_TCP = struct.Struct("!18xHBx16s16sHHIIHHHH")
_TCP_HEADER = struct.Struct("!HHIIHHHH")
_TIMES = struct.Struct("!II")
_IPV4, _IPV6 = b"\x08\x00", b"\x86\xdd"
_TCP, _IPV6_HEADER, _LEAST_TCP_HEADER = 6, 40, 20
_MOST_OPTIONS = 40
_MOST_SHAPES = 256
_OPEN_TIMESTAMP: options.Option = ("Timestamp", (0, 0))
_WRONG_HEADER = "the IPv4 header checksum is wrong"
_PROTOCOLS = {1: "ICMP", 2: "IGMP", 17: "UDP", 58: "ICMPv6"}
_EXTENSIONS = frozenset({0, 43, 44, 50, 51, 60, 135, 139, 140})  # RFC 7045 and IANA's list
_ETHER_TYPES = {0x0806: "ARP", 0x8100: "a VLAN tag", 0x88A8: "a VLAN tag"}
_from_bytes = int.from_bytes


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


@lru_cache(maxsize=1024)
def packed(address: str) -> bytes:
    """An address as it stands in a header."""
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


@lru_cache(maxsize=1024)
def written(address: bytes) -> str:
    """An address as one writes it."""
    return socket.inet_ntop(socket.AF_INET6 if len(address) == 16 else socket.AF_INET, address)


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
    if protocol != _TCP or end > len(frame) or end - start < _LEAST_TCP_HEADER:
        return None
    return _parts(frame, start, end, source, destination, fields, faults)


def _parts(
    frame: bytes, start: int, end: int, source: bytes, destination: bytes, fields: list[int], faults: tuple[str, ...]
) -> Received:
    """The segment in `frame[start:end]`, of which `fields` are the header's."""
    source_port, destination_port, seq, ack, bits, window, checksum, urgent = fields
    # The addresses stand right before TCP in both families, so one sum covers the pseudo header and the segment.
    summed = frame[start - 2 * len(source) : end]
    if (_from_bytes(summed + b"\0" if len(summed) & 1 else summed, "big") + _TCP + end - start) % 0xFFFF:
        faults += (f"the TCP checksum {checksum:#06x} is wrong",)
    text = start + (bits >> 12 << 2)
    listed: options.Options = ()
    if not start + _LEAST_TCP_HEADER <= text <= end:
        faults += (f"the data offset {bits >> 12} points outside the segment",)
        text = end
    elif text > start + _LEAST_TCP_HEADER:
        listed, malformed = options.decode(frame[start + _LEAST_TCP_HEADER : text])
        if malformed:
            faults += (malformed,)
    segment = Segment(
        Seq(seq),
        Seq(ack),
        bits & 0x1FF,
        window=window,
        options=listed,
        payload=frame[text:end],
        urgent=urgent,
        reserved=bits >> 9 & 7,
        faults=faults,
    )
    return Received(Endpoints(source, source_port, destination, destination_port), segment)


def _without_ip_options(frame: bytes) -> tuple[bytes, tuple[str, ...]]:
    """The frame as if its IPv4 header had no options, and what is wrong with the header; b"" if it is none."""
    start = ETHERNET + (frame[ETHERNET] & 15) * 4 if len(frame) > ETHERNET else 0
    total = int.from_bytes(frame[16:18], "big") - (start - 34)
    if start < 34 or frame[ETHERNET] >> 4 != 4 or total < 0:
        return b"", ()
    faults = (_WRONG_HEADER,) if _from_bytes(frame[ETHERNET:start], "big") % 0xFFFF else ()
    return frame[:16] + total.to_bytes(2, "big") + frame[18:34] + frame[start:], faults


def why_no_segment(frame: bytes) -> str:
    """Why `decode` finds no segment in this frame: "an IPv4 fragment", "ARP", "IPv4 says 60 bytes, 52 came"."""
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
    return f"{max(size, 0)} bytes are no TCP header" if size < _LEAST_TCP_HEADER else "TCP of an unknown shape"


class _Shape(NamedTuple):
    before: bytes
    """The frame up to the TCP header."""
    after: bytes
    """The options, times left zero."""
    total: int
    """What all that does not vary adds to the TCP checksum."""
    offset: int
    """The data offset in its place beside the control bits."""
    times_at: int
    """Where TSval stands in `after`, -1 without a timestamps option."""


class Encoder:
    """Encodes the segments that one host sends to another, whatever the ports."""

    __slots__ = ("_destination", "_link", "_shapes", "_source")

    def __init__(self, source: bytes, destination: bytes, source_mac: str, destination_mac: str) -> None:
        """Addresses packed as in the header: 4 or 16 bytes."""
        self._source, self._destination = source, destination
        self._link = link_header(source_mac, destination_mac)
        self._shapes: dict[tuple[options.Options, int], _Shape] = {}

    def encode(self, source_port: int, destination_port: int, segment: Segment) -> bytes:
        """The segment on the wire, with right lengths and checksums; ValueError names a field that does not fit."""
        seq, ack, flags, window, listed, payload, urgent, reserved, _ = segment
        times = options.timestamp(listed) if listed else None
        if times is not None:
            listed = _without_times(listed)
        shape = self._shapes.get((listed, len(payload)))
        if shape is None:
            shape = self._prepare(listed, len(payload))
        before, after, total, bits, times_at = shape
        bits |= reserved << 9 | flags
        # From the left, starting with a plain integer: the sum of two Seq alone would wrap.
        total = total + source_port + destination_port + seq + ack + bits + window + urgent
        if times is not None:
            try:
                after = after[:times_at] + _TIMES.pack(*times) + after[times_at + 8 :]
            except struct.error:
                raise ValueError(_why_not(segment)) from None
            # At an odd place every byte of the times counts for the other half of a 16-bit word.
            total += (times[0] + times[1]) * (256 if times_at & 1 else 1)
        if payload:
            total += _from_bytes(payload + b"\0" if len(payload) & 1 else payload, "big")
        # RFC 1071's checksum of big-endian numbers: 2**16 is 1 modulo 0xffff, so one modulo adds all words.
        try:
            header = _TCP_HEADER.pack(source_port, destination_port, seq, ack, bits, window, -total % 0xFFFF, urgent)
        except struct.error:
            raise ValueError(_why_not(segment)) from None
        return before + header + after + payload

    def _prepare(self, listed: options.Options, payload_length: int) -> _Shape:
        family = 6 if len(self._source) == 16 else 4
        frame = bytearray(_scapys(family, listed, payload_length))
        at = put_addresses(frame, self._link, self._source, self._destination)
        (bits,) = struct.unpack_from("!H", frame, at + 12)
        after = bytes(frame[at + 20 : len(frame) - payload_length])
        total = _from_bytes(self._source + self._destination, "big") + 6 + len(frame) - at + _from_bytes(after, "big")
        shape = _Shape(bytes(frame[:at]), after, total, bits & 0xF000, _times_position(listed))
        if len(self._shapes) >= _MOST_SHAPES:
            self._shapes.clear()
        self._shapes[listed, payload_length] = shape
        return shape


def link_header(source_mac: str, destination_mac: str) -> bytes:
    """The addresses of an Ethernet header."""
    return bytes.fromhex((destination_mac + source_mac).replace(":", ""))


def put_addresses(frame: bytearray, link: bytes, source: bytes, destination: bytes) -> int:
    """Say in a frame without IP options who sends to whom; where the IP header ends.

    The checksum of an IPv4 header follows, that of what is behind it does not.
    """
    frame[0:12] = link
    if len(source) == 16:
        frame[22:54] = source + destination
        return 54
    frame[26:34] = source + destination
    frame[24:26] = b"\0\0"
    frame[24:26] = (-_from_bytes(frame[ETHERNET:34], "big") % 0xFFFF).to_bytes(2, "big")
    return 34


@lru_cache(maxsize=_MOST_SHAPES)
def _scapys(family: int, listed: options.Options, payload_length: int) -> bytes:
    size = len(options.padded(listed))
    if size > _MOST_OPTIONS:
        raise ValueError(f"these options take {size} bytes, a header has room for {_MOST_OPTIONS}")
    return crafting.build_shape(family, listed, payload_length)


def _times_position(listed: options.Options) -> int:
    for index, (name, _) in enumerate(listed):
        if name == "Timestamp":
            return len(options.encode(listed[:index])) + 2
    return -1


def _without_times(listed: options.Options) -> options.Options:
    """With the first timestamps left open, the ones that `options.timestamp` finds."""
    at = 0
    while listed[at][0] != "Timestamp":
        at += 1
    return (*listed[:at], _OPEN_TIMESTAMP, *listed[at + 1 :])


def _why_not(segment: Segment) -> str:
    """What it is that the header has no room for."""
    options.encode(segment.options)  # names an option whose value does not fit
    for name, value in ("window", segment.window), ("urgent", segment.urgent):
        if not 0 <= value <= 0xFFFF:
            return f"{name} {value} does not fit into 16 bits"
    return f"this segment does not fit into a frame: {segment}"
