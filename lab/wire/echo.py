"""The fence: an echo request that the kernel answers after everything sent before it, and its recognition.

Requests and segments pass through the same veth and the same softirq, first in, first out. Once the answer is there,
everything that the kernel had to say at once to an earlier segment is there too.
"""

from __future__ import annotations

import struct

from lab.wire import crafting, ip

_FIELDS = struct.Struct("!HH")  # identifier and sequence number, the same place in ICMP and ICMPv6
_IDENTIFIER = 0x7CB
_REPLY = {4: 0, 6: 129}
"""Type of a reply, by family."""


class Echo:
    """Echo requests from one address to another, numbered."""

    def __init__(self, family: int, source: str, destination: str, macs: tuple[str, str]) -> None:
        """`macs` are those of source and destination."""
        frame = crafting.build_echo_request(family)
        addresses = ip.packed(source), ip.packed(destination)
        self._headers = ip.with_addresses(frame, ip.link_header(*macs), *addresses)
        message = frame[len(self._headers) :]
        self._kind = message[:2]
        # ICMPv6 counts the pseudo header in (RFC 4443 2.3).
        self._summed = b"".join(addresses) + bytes([0, len(message), 0, 58]) if family == 6 else b""
        self._family = family
        self._number = 0

    def request(self) -> bytes:
        """The next request."""
        self._number = (self._number + 1) & 0xFFFF
        fields = _FIELDS.pack(_IDENTIFIER, self._number)
        checksum = ip.checksum(self._summed + self._kind + fields)
        return self._headers + self._kind + checksum.to_bytes(2, "big") + fields

    def answered_by(self, frame: bytes) -> bool:
        """Whether `frame` is the reply to the last request."""
        return reply_in(frame) == (self._family, self._number)


def reply_in(frame: bytes) -> tuple[int, int] | None:
    """Family and number of the reply to any of our requests, None when the frame carries none."""
    family, message = ip.icmp_message_in(frame)
    if not message or message[0] != _REPLY[family]:
        return None
    identifier, number = _FIELDS.unpack_from(message, 4)
    return (family, number) if identifier == _IDENTIFIER else None
