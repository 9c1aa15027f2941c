"""The fence: an echo request that the kernel answers after everything sent before it, and its recognition.

Requests and segments pass through the same veth and the same softirq, first in, first out. Once the answer is there,
everything that the kernel had to say at once to an earlier segment is there too.
"""

from __future__ import annotations

import struct

from lab.wire import crafting
from lab.wire.frames import ETHERNET, link_header, packed, put_addresses

_FIELDS = struct.Struct("!HH")  # identifier and sequence number, the same place in ICMP and ICMPv6
_CHECKSUM = struct.Struct("!H")
_IDENTIFIER = 0x7CB
_REPLIES = {4: (b"\x08\x00", 23, 1, 0), 6: (b"\x86\xdd", 20, 58, 129)}
"""By family: EtherType, where the protocol stands, the protocol, and the type of a reply."""


class Echo:
    """Echo requests from one address to another, numbered."""

    __slots__ = ("_at", "_frame", "_number", "_reply")

    def __init__(self, family: int, source: str, destination: str, macs: tuple[str, str]) -> None:
        """`macs` are those of source and destination."""
        self._frame = bytearray(crafting.build_echo_request(family))
        self._at = put_addresses(self._frame, link_header(*macs), packed(source), packed(destination))
        self._reply = _REPLIES[family]
        self._number = 0
        if family == 6:  # its pseudo header has the addresses
            self._change(bytes(32), packed(source) + packed(destination))

    def request(self) -> bytes:
        """The next request."""
        self._number = (self._number + 1) & 0xFFFF
        fields = slice(self._at + 4, self._at + 8)
        old, self._frame[fields] = bytes(self._frame[fields]), _FIELDS.pack(_IDENTIFIER, self._number)
        self._change(old, bytes(self._frame[fields]))
        return bytes(self._frame)

    def _change(self, old: bytes, new: bytes) -> None:
        """The checksum follows from the difference (RFC 1624)."""
        (checksum,) = _CHECKSUM.unpack_from(self._frame, self._at + 2)
        total = (~checksum & 0xFFFF) - int.from_bytes(old, "big") + int.from_bytes(new, "big")
        _CHECKSUM.pack_into(self._frame, self._at + 2, -total % 0xFFFF)

    def answered_by(self, frame: bytes) -> bool:
        """Whether `frame` is the reply to the last request."""
        kind, protocol_at, protocol, reply = self._reply
        at = self._at
        return (
            len(frame) >= at + 8
            and frame[12:14] == kind
            and frame[protocol_at] == protocol
            and frame[at] == reply
            and _FIELDS.unpack_from(frame, at + 4) == (_IDENTIFIER, self._number)
        )


def is_reply(frame: bytes) -> bool:
    """Whether it is the reply to any of our requests."""
    return any(
        frame[12:14] == kind
        and frame[protocol_at : protocol_at + 1] == bytes([protocol])
        and frame[at : at + 1] == bytes([reply])
        and frame[at + 4 : at + 6] == _IDENTIFIER.to_bytes(2, "big")
        for (kind, protocol_at, protocol, reply), at in ((_REPLIES[4], ETHERNET + 20), (_REPLIES[6], ETHERNET + 40))
    )
