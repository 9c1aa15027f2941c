"""netlink(7), the part that rtnetlink and inet_diag have in common: sockets, messages, attributes, errors."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator

DONE = 3
"""Type of the message that ends a list."""
REQUEST, ACK, REPLACE, EXCLUSIVE, DUMP, CREATE = 0x1, 0x4, 0x100, 0x200, 0x300, 0x400
"""NLM_F_* of linux/netlink.h."""
ENOUGH = 1 << 16
"""Bytes for whatever comes in one reading."""
_ERROR = 2
_HEADER = struct.Struct("=IHHII")  # struct nlmsghdr: size, type, flags, sequence number, port
_ATTRIBUTE = struct.Struct("=HH")  # struct nlattr: size, type


def opened(protocol: int, groups: int = 0) -> socket.socket:
    """A socket that belongs to the calling thread's namespace, and hears what these groups are told."""
    made = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol)
    made.bind((0, groups))
    return made


def message(kind: int, flags: int, *parts: bytes) -> bytes:
    """A message of this type: its fields, then attributes."""
    body = b"".join(parts)
    return _HEADER.pack(_HEADER.size + len(body), kind, flags, 0, 0) + body


def attribute(kind: int, value: bytes) -> bytes:
    """One attribute, padded to four bytes."""
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), kind) + value + bytes(-len(value) % 4)


def messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Type and body of each message that was received together."""
    return _parts(_HEADER, data)


def attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Type and value of each attribute."""
    return _parts(_ATTRIBUTE, data)


def error_number(kind: int, body: bytes) -> int:
    """The errno in a message that refuses or breaks off; 0 when all is well."""
    return -int(struct.unpack_from("=i", body)[0]) if kind in (_ERROR, DONE) else 0


def _parts(header: struct.Struct, data: bytes) -> Iterator[tuple[int, bytes]]:
    """What follows each header that begins with size and type; the next one begins at a multiple of four bytes."""
    while len(data) >= header.size:
        size, kind, *_ = header.unpack_from(data)
        yield kind, data[header.size : size]
        data = data[-(-size // 4) * 4 :]
