"""Frame template for a crowd; ports and numbers vary per connection."""

from __future__ import annotations

import struct

from lab.tcp import options
from lab.wire import ip
from lab.wire.frames import with_checksum

_NUMBERS = struct.Struct("!HHII")


class FrameTemplate:
    """Frames like an example, with other ports, sequence numbers, windows, timestamps, IP identification and checksums.

    The example carries TCP over IPv4 or IPv6 without IP options or extension headers. Sequence numbers are absolute.
    """

    def __init__(self, example: bytes) -> None:
        packet = ip.packet_in(example)
        assert not isinstance(packet, str)  # an example carries a segment
        start, self._end = packet.start, packet.end
        self._start = start
        self._is_ipv4 = ip.family_of(packet.source) == 4
        self._example = example
        self._addresses = packet.source + packet.destination
        mask = bytearray(b"\xff" * len(example))
        if not self._is_ipv4:
            mask[15] = 0xF0  # the flow label is chosen for each connection
            mask[16:18] = bytes(2)
        else:
            mask[18:20] = mask[24:26] = bytes(2)  # identification and header checksum
        mask[start : start + 12] = bytes(12)
        mask[start + 14 : start + 18] = bytes(4)
        first = start + 20
        listed, _ = options.decode(example[first : start + 4 * (example[start + 12] >> 4)])
        for index, (name, _) in enumerate(listed):
            if name == "Timestamp":
                at = first + len(options.encode(listed[:index])) + 2
                mask[at : at + 8] = bytes(8)
        self._mask = int.from_bytes(mask, "big")

    def make(self, source_port: int, destination_port: int, seq: int, ack: int) -> bytes:
        """The example with these ports and numbers."""
        start, example = self._start, self._example
        numbers = _NUMBERS.pack(source_port, destination_port, seq, ack)
        tcp = numbers + example[start + 12 : start + 16] + bytes(2) + example[start + 18 :]
        return example[:start] + with_checksum(self._addresses, tcp)

    def read(self, frame: bytes) -> tuple[int, int, int, int] | None:
        """Ports, seq and ack of a frame; None unless it is like the example and its checksums are correct.

        The order is source port, destination port, seq, ack.
        """
        different = int.from_bytes(frame, "big") ^ int.from_bytes(self._example, "big")
        if len(frame) != len(self._example) or different & self._mask:
            return None
        # Only the checksums can still be wrong.
        start, tcp = self._start, frame[self._start : self._end]
        if self._is_ipv4 and ip.checksum(frame[ip.ETHERNET : start]):
            return None
        return None if ip.checksum(self._addresses + tcp, ip.TCP + len(tcp)) else _NUMBERS.unpack_from(tcp)
