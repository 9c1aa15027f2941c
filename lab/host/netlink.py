"""netlink(7) encoding shared by rtnetlink and inet_diag: sockets, messages, attributes, errors."""

from __future__ import annotations

import socket
import struct

DONE = 3
"""NLMSG_DONE: type of the message that ends a dump."""
REQUEST, ACK, REPLACE, EXCLUSIVE, DUMP, CREATE = 0x1, 0x4, 0x100, 0x200, 0x300, 0x400
"""NLM_F_* of linux/netlink.h."""
RECEIVE_BYTES = 1 << 16
"""Buffer size for one recv(2), larger than any datagram."""
_ERROR = 2
_HEADER = struct.Struct("=IHHII")  # struct nlmsghdr: size, type, flags, sequence number, port
_ATTRIBUTE = struct.Struct("=HH")  # struct nlattr: size, type


def open_socket(protocol: int, groups: int = 0) -> socket.socket:
    """A socket in the calling thread's namespace, subscribed to these multicast groups (a bit mask)."""
    made = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol)
    made.bind((0, groups))
    return made


def message(kind: int, flags: int, *parts: bytes) -> bytes:
    """Encode a message: header, then fields and attributes."""
    body = b"".join(parts)
    return _HEADER.pack(_HEADER.size + len(body), kind, flags, 0, 0) + body


def attribute(kind: int, value: bytes) -> bytes:
    """Encode an attribute, padded to four bytes."""
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), kind) + value + bytes(-len(value) % 4)


def messages(data: bytes) -> list[tuple[int, bytes]]:
    """Type and body of each message in a datagram."""
    return _parts(_HEADER, data)


def attributes(data: bytes) -> list[tuple[int, bytes]]:
    """Type and value of each attribute."""
    return _parts(_ATTRIBUTE, data)


def error_number(kind: int, body: bytes) -> int:
    """The errno of an NLMSG_ERROR or NLMSG_DONE message; 0 for success and for other types."""
    return -int(struct.unpack_from("=i", body)[0]) if kind in (_ERROR, DONE) else 0


def _parts(header: struct.Struct, data: bytes) -> list[tuple[int, bytes]]:
    """Type and contents of each part; its header begins with size and type, and is aligned to four bytes."""
    parts, at = [], 0
    while len(data) - at >= header.size:
        size, kind, *_ = header.unpack_from(data, at)
        parts.append((kind, data[at + header.size : at + size]))
        at += -(-size // 4) * 4
    return parts
