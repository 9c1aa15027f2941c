"""ICMP and ICMPv6: the echo requests of the fence, and errors about packets, with the same names in both."""

from __future__ import annotations

import struct

from lab.wire import crafting, ip

_ERRORS = {
    # name                   ICMP      ICMPv6     (type, code): RFC 792 and 1122 3.2.2, RFC 4443 3
    "network unreachable": ((3, 0), (1, 0)),
    "host unreachable": ((3, 1), (1, 3)),
    "port unreachable": ((3, 3), (1, 4)),
    "time exceeded": ((11, 0), (3, 0)),
    "parameter problem": ((12, 0), (4, 0)),
}
NAMES = tuple(_ERRORS)
"""The names of all errors."""
_ERROR_TYPES = frozenset({3, 4, 5, 11, 12})  # RFC 792, RFC 1122 3.2.2
_FIRST_INFORMATION = 128  # below it are the errors, RFC 4443 2.1
_PROTOCOL = {4: 1, 6: 58}
_ECHO_REPLY = {4: 0, 6: 129}
_FIELDS = struct.Struct("!HH")  # identifier and sequence number of an echo, at the same offset in both
_QUOTED = struct.Struct("!HHI")  # ports and sequence number
_IDENTIFIER = 0x7CB
_HEADER = 8
_QUOTED_TCP = 8
"""Bytes of a segment that an error quotes: ports and sequence number, the minimum of RFC 792."""


class Echo:
    """The fence: numbered echo requests, which the kernel answers after everything sent before.

    Requests and segments pass through the same veth and the same softirq, first in, first out. When the reply has
    arrived, all immediate responses of the kernel to earlier segments have arrived too.
    """

    def __init__(self, family: int, source: str, destination: str, macs: tuple[str, str]) -> None:
        """`macs` are the MAC addresses of source and destination."""
        frame = crafting.build_echo_request(family)
        addresses = ip.packed(source), ip.packed(destination)
        self._headers = ip.headers_with(frame, macs, *addresses)
        message = frame[len(self._headers) :]
        self._kind = message[:2]
        # ICMPv6 counts the pseudo header in (RFC 4443 2.3).
        self._summed = b"".join(addresses) + bytes([0, len(message), 0, _PROTOCOL[6]]) if family == 6 else b""
        self._family, self._number = family, 0

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
    """Family and number of a reply to one of the lab's echo requests; None for other frames."""
    family, message = _message_in(frame)
    if not message or message[0] != _ECHO_REPLY[family]:
        return None
    identifier, number = _FIELDS.unpack_from(message, 4)
    return (family, number) if identifier == _IDENTIFIER else None


def build_error(name: str, about: bytes) -> bytes:
    """A frame with the ICMP error `name` about the frame `about`: from that frame's destination to its sender.

    Raises ValueError for a name that is not in NAMES.
    """
    if name not in _ERRORS:
        raise ValueError(f"{name!r} is not an ICMP error, use one of {', '.join(NAMES)}")
    packet = ip.packet_in(about)
    assert not isinstance(packet, str)  # errors are built only about IP packets
    quoted = about[ip.ETHERNET : packet.start + _QUOTED_TCP]
    return crafting.build_icmp(about, _ERRORS[name][ip.family_of(packet.source) == 6], quoted)


def error_in(frame: bytes) -> str | None:
    """The ICMP error in a frame, in words; None for other frames.

    "host unreachable (type 3, code 1) about port 80 > 40001, seq 4321": the sequence number is absolute.
    """
    family, message = _message_in(frame)
    if not message or (message[0] not in _ERROR_TYPES if family == 4 else message[0] >= _FIRST_INFORMATION):
        return None
    told = message[0], message[1]
    name = next((name for name, kinds in _ERRORS.items() if told == kinds[family == 6]), "error")
    return f"{name} (type {told[0]}, code {told[1]}) about {_about(message[_HEADER:])}"


def _about(quoted: bytes) -> str:
    """Ports and sequence number of the segment that an error quotes."""
    try:
        version, words = quoted[0] >> 4, quoted[0] & 15
        protocol, start = (quoted[9], 4 * words) if version == 4 else (quoted[6], 40)
        source, destination, seq = _QUOTED.unpack_from(quoted, start)
    except (IndexError, struct.error):
        return "a packet that it does not quote far enough"
    if protocol != ip.TCP:
        return f"a packet of IP protocol {protocol}"
    return f"port {source} > {destination}, seq {seq}"


def _message_in(frame: bytes) -> tuple[int, bytes]:
    """Family and bytes of the ICMP or ICMPv6 message in a frame; (0, b"") for other frames."""
    packet = ip.packet_in(frame)
    if isinstance(packet, str) or packet.end - packet.start < _HEADER:
        return 0, b""
    family = ip.family_of(packet.source)
    return (family, frame[packet.start : packet.end]) if packet.protocol == _PROTOCOL[family] else (0, b"")
