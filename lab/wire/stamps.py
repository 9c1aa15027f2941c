"""Segments to Ethernet frames: Scapy builds each shape of frame once, then only what varies is stamped in.

A shape is a family, control bits, an option list (timestamps left open) and a payload length. Building one costs Scapy
half a millisecond, stamping it a few microseconds; tests prove the two equal byte for byte.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import NamedTuple

from lab.tcp import options
from lab.tcp.segment import Segment
from lab.wire import crafting
from lab.wire.frames import ETHERNET

_HEADER = struct.Struct("!HHIIHHHH")
_TIMES = struct.Struct("!II")
_OPEN: options.Option = ("Timestamp", (0, 0))
_MOST_OPTIONS = 40
_from_bytes = int.from_bytes


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


class Stamper:
    """Makes the frames that one host sends to another, whatever the ports."""

    __slots__ = ("_destination", "_link", "_shapes", "_source")

    def __init__(self, source: bytes, destination: bytes, source_mac: str, destination_mac: str) -> None:
        """Addresses packed as in the header: 4 or 16 bytes."""
        self._source, self._destination = source, destination
        self._link = link_header(source_mac, destination_mac)
        self._shapes: dict[tuple[options.Options, int], _Shape] = {}

    def frame(self, source_port: int, destination_port: int, segment: Segment) -> bytes:
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
            header = _HEADER.pack(source_port, destination_port, seq, ack, bits, window, -total % 0xFFFF, urgent)
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


_MOST_SHAPES = 256


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
    return (*listed[:at], _OPEN, *listed[at + 1 :])


def _why_not(segment: Segment) -> str:
    """What it is that the header has no room for."""
    options.encode(segment.options)  # names an option whose value does not fit
    for name, value in ("window", segment.window), ("urgent", segment.urgent):
        if not 0 <= value <= 0xFFFF:
            return f"{name} {value} does not fit into 16 bits"
    return f"this segment does not fit into a frame: {segment}"
