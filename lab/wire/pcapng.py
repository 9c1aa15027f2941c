"""Captures in the pcapng format of Wireshark: encoding of the few block types and options that a recording needs.

Scapy's writer does not write nanoseconds, interface, direction and comment of a frame, so the blocks are encoded
here. Numbers are little-endian, each block has its length at both ends, and everything is padded to 32 bits
(draft-ietf-opsawg-pcapng 3.1, 3.5).
"""

from __future__ import annotations

import struct

_SECTION, _INTERFACE, _PACKET = 0x0A0D0D0A, 1, 6
_ETHERNET = 1
_END, _COMMENT = 0, 1  # options of any block
_OS, _APPLICATION = 3, 4  # of a section
_NAME, _DESCRIPTION, _RESOLUTION = 2, 3, 9  # of an interface
_FLAGS = 2  # of a packet
_NANOSECONDS = b"\x09"
_OUTBOUND = struct.pack("<I", 2)
_LONGEST_OPTION = 0xFFFC
_TWO_WORDS, _OPTION = struct.Struct("<II"), struct.Struct("<HH")
_PACKET_HEADER = struct.Struct("<IIIII")


def section(application: str, system: str, comment: str) -> bytes:
    """Section header of a capture: the program that wrote it, the system, and a comment on the whole."""
    body = struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)
    options = ((_COMMENT, _text(comment)), (_OS, _text(system)), (_APPLICATION, _text(application)))
    return _block(_SECTION, body + _options(options))


def interface(name: str, description: str) -> bytes:
    """Description of an Ethernet interface, with times in ns. Interfaces are numbered from 0 in file order."""
    body = struct.pack("<HHI", _ETHERNET, 0, 0)
    options = ((_NAME, _text(name)), (_DESCRIPTION, _text(description)), (_RESOLUTION, _NANOSECONDS))
    return _block(_INTERFACE, body + _options(options))


def packet(number: int, time_ns: int, frame: bytes, comment: str = "") -> bytes:
    """A frame sent through interface `number`; `time_ns` is in nanoseconds since 1970."""
    size = len(frame)
    header = _PACKET_HEADER.pack(number, time_ns >> 32, time_ns & 0xFFFF_FFFF, size, size)
    options = ((_COMMENT, _text(comment)), (_FLAGS, _OUTBOUND)) if comment else ((_FLAGS, _OUTBOUND),)
    return _block(_PACKET, header + _padded(frame) + _options(options))


def _block(kind: int, body: bytes) -> bytes:
    size = len(body) + 12
    return _TWO_WORDS.pack(kind, size) + body + size.to_bytes(4, "little")


def _options(listed: tuple[tuple[int, bytes], ...]) -> bytes:
    return b"".join(_OPTION.pack(kind, len(value)) + _padded(value) for kind, value in (*listed, (_END, b"")))


def _text(text: str) -> bytes:
    """The text in UTF-8, truncated between two characters if it is too long for an option."""
    data = text.encode(errors="replace")
    return data if len(data) <= _LONGEST_OPTION else data[:_LONGEST_OPTION].decode(errors="ignore").encode()


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
