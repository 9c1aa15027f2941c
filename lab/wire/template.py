"""Frame template for a crowd; ports and numbers vary per connection."""

from __future__ import annotations

import struct

from lab.tcp import options
from lab.wire.frames import ETHERNET

_NUMBERS = struct.Struct("!HHII")
_HEADER = struct.Struct("!HHII4sH")
_FIXED = 20  # bytes of a TCP header without options
_from_bytes = int.from_bytes


class FrameTemplate:
    """Frames that agree with an example in all but ports, sequence numbers, windows, times, and what follows from them.

    The example carries TCP over IPv4 or IPv6 without options or extensions of IP. Numbers are absolute.
    """

    __slots__ = ("_after", "_before", "_bits", "_mask", "_padded", "_segment", "_size", "_start", "_sum", "_value")

    def __init__(self, example: bytes) -> None:
        version = example[ETHERNET] >> 4
        size = self._size = len(example)
        start = self._start = 54 if version == 6 else 34
        mask = bytearray(b"\xff" * size)
        if version == 6:
            mask[15] = 0xF0  # the flow label is chosen for each connection
            mask[16:18] = bytes(2)
        else:
            mask[18:20] = mask[24:26] = bytes(2)  # identification and header checksum
        mask[start : start + 12] = bytes(12)
        mask[start + 14 : start + 18] = bytes(4)
        for at in _times_in(example, start):
            mask[at : at + 8] = bytes(8)
        self._mask = _from_bytes(mask, "big")
        self._value = _from_bytes(example, "big") & self._mask
        self._before = example[:start]
        self._bits = example[start + 12 : start + 16]
        self._after = example[start + 18 :]
        # The addresses stand right before TCP in both families, so one sum covers the pseudo header and the segment.
        self._segment = (1 << 8 * (size - start + (32 if version == 6 else 8))) - 1
        self._padded = 8 * (size - start & 1)
        own = bytearray(example)
        own[start : start + 12] = bytes(12)
        own[start + 16 : start + 18] = bytes(2)
        self._sum = self._sum_of(_from_bytes(own, "big"))

    def make(self, source_port: int, destination_port: int, seq: int, ack: int) -> bytes:
        """The example with these ports and numbers."""
        # RFC 1071's checksum of big-endian numbers: 2**16 is 1 modulo 0xffff, so one modulo adds all words.
        checksum = -(self._sum + source_port + destination_port + seq + ack) % 0xFFFF
        header = _HEADER.pack(source_port, destination_port, seq, ack, self._bits, checksum)
        return self._before + header + self._after

    def read(self, frame: bytes) -> tuple[int, int, int, int] | None:
        """Source port, destination port, seq and ack of a frame like the example with right checksums, else None."""
        whole = _from_bytes(frame, "big")
        if (
            whole & self._mask != self._value
            or len(frame) != self._size
            or self._sum_of(whole) % 0xFFFF
            or (self._start == 34 and _from_bytes(frame[ETHERNET:34], "big") % 0xFFFF)
        ):
            return None
        return _NUMBERS.unpack_from(frame, self._start)

    def _sum_of(self, whole: int) -> int:
        """What the TCP checksum covers of a frame as a number; it is right if this is a multiple of 0xffff."""
        return ((whole & self._segment) << self._padded) + 6 + self._size - self._start


def _times_in(frame: bytes, start: int) -> list[int]:
    """Where the values of timestamps options stand."""
    end = start + (frame[start + 12] >> 4) * 4
    listed, _ = options.decode(frame[start + _FIXED : end])
    ahead = [len(options.encode(listed[:at])) for at, (name, _) in enumerate(listed) if name == "Timestamp"]
    return [start + _FIXED + length + 2 for length in ahead]
