"""Conversion between segments and Ethernet frames: `Encoder` and `decode`.

Scapy builds each shape of frame once, then the encoder fills in the fields that vary. A shape is a family and the
lengths of options and payload. Scapy takes half a millisecond to build a frame, the encoder a few microseconds; tests
prove that both give the same bytes.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from lab.tcp import options
from lab.tcp.segment import Segment
from lab.tcp.sequence import Seq
from lab.wire import crafting, icmp, ip

_TCP_HEADER = struct.Struct("!HHIIHHHH")
_MOST_OPTIONS = 40
_MOST_PAYLOAD = 0xFFFF - 20 - 20 - _MOST_OPTIONS
_PROTOCOLS = {1: "ICMP", 2: "IGMP", 17: "UDP", 58: "ICMPv6"}


class Endpoints(NamedTuple):
    """Source and destination of a segment; addresses packed as in the header (4 or 16 bytes)."""

    source: bytes
    source_port: int
    destination: bytes
    destination_port: int

    @classmethod
    def of(cls, source: str, source_port: int, destination: str, destination_port: int) -> Endpoints:
        """Endpoints from addresses in text form."""
        return cls(ip.packed(source), source_port, ip.packed(destination), destination_port)

    def __str__(self) -> str:
        source, destination = ip.written(self.source), ip.written(self.destination)
        return f"{source} port {self.source_port} to {destination} port {self.destination_port}"


class Received(NamedTuple):
    """A decoded frame: source and destination, and the segment. `segment.faults` lists its errors."""

    ends: Endpoints
    segment: Segment


def decode(frame: bytes) -> Received | None:
    """The TCP segment in an Ethernet frame; None if none can be recognised.

    Never raises. `why_no_segment` gives the reason for None.
    """
    packet = _tcp_packet_in(frame)
    if isinstance(packet, str):
        return None
    source, destination, _, start, end, faults = packet
    source_port, destination_port, seq, ack, bits, window, checksum, urgent = _TCP_HEADER.unpack_from(frame, start)
    if _checksum(source + destination, frame[start:end]):
        faults += (f"the TCP checksum {checksum:#06x} is wrong",)
    text = start + 4 * (bits >> 12)
    listed: options.Options = ()
    if start + _TCP_HEADER.size <= text <= end:
        listed, malformed = options.decode(frame[start + _TCP_HEADER.size : text])
        if malformed:
            faults += (malformed,)
    else:
        faults += (f"the data offset {bits >> 12} points outside the segment",)
        text = end
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


def why_no_segment(frame: bytes) -> str:
    """Why `decode` finds no segment in this frame: "an IPv4 fragment", "ARP", "ICMP time exceeded (type 11, ...)"."""
    if error := icmp.error_in(frame):
        return f"ICMP {error}"
    packet = _tcp_packet_in(frame)
    return packet if isinstance(packet, str) else "TCP of an unknown shape"


def _tcp_packet_in(frame: bytes) -> ip.Packet | str:
    packet = ip.packet_in(frame)
    if isinstance(packet, str):
        return packet
    if packet.protocol != ip.TCP:
        return _PROTOCOLS.get(packet.protocol, f"IP protocol {packet.protocol}")
    size = packet.end - packet.start
    return packet if size >= _TCP_HEADER.size else f"{max(size, 0)} bytes are too short for a TCP header"


class Encoder:
    """Encodes the segments that one host sends to another, from and to any port."""

    def __init__(self, source: bytes, destination: bytes, source_mac: str, destination_mac: str) -> None:
        """Addresses packed as in the header: 4 or 16 bytes."""
        self._source, self._destination = source, destination
        self._macs = source_mac, destination_mac
        self._shapes: dict[tuple[int, int], tuple[bytes, int]] = {}
        """By lengths of options and payload: the headers before TCP, and the data offset as in the TCP header."""

    def encode(self, source_port: int, destination_port: int, segment: Segment) -> bytes:
        """The segment as a frame, with correct lengths and checksums. Raises ValueError for a field out of range."""
        seq, ack, flags, window, listed, payload, urgent, reserved, _ = segment
        after = options.padded(listed)
        shape = len(after), len(payload)
        if shape not in self._shapes:
            self._shapes[shape] = self._prepare(*shape)
        before, offset = self._shapes[shape]
        try:
            header = _TCP_HEADER.pack(
                source_port, destination_port, seq, ack, offset | reserved << 9 | flags, window, 0, urgent
            )
        except struct.error:
            raise ValueError(_why_not(segment)) from None
        return before + with_checksum(self._source + self._destination, header + after + payload)

    def _prepare(self, options_length: int, payload_length: int) -> tuple[bytes, int]:
        if payload_length > _MOST_PAYLOAD:
            raise ValueError(f"{payload_length} bytes of payload do not fit into an IP packet")
        if options_length > _MOST_OPTIONS:
            raise ValueError(f"these options take {options_length} bytes, a header has room for {_MOST_OPTIONS}")
        frame = crafting.build_shape(ip.family_of(self._source), options_length, payload_length)
        before = ip.headers_with(frame, self._macs, self._source, self._destination)
        return before, frame[len(before) + 12] << 8


def with_checksum(addresses: bytes, tcp: bytes) -> bytes:
    """Set the checksum of a TCP header and its payload; the checksum field must be 0."""
    return tcp[:16] + _checksum(addresses, tcp).to_bytes(2, "big") + tcp[18:]


def _checksum(addresses: bytes, tcp: bytes) -> int:
    """The TCP checksum, which includes the pseudo header (RFC 9293 3.1, RFC 8200 8.1)."""
    return ip.checksum(addresses + tcp, ip.TCP + len(tcp))


def _why_not(segment: Segment) -> str:
    """The reason why this segment cannot be encoded."""
    for name, value in ("window", segment.window), ("urgent", segment.urgent):
        if not 0 <= value <= 0xFFFF:
            return f"{name} {value} does not fit into 16 bits"
    return f"this segment does not fit into a frame: {segment}"
