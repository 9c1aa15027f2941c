"""Talking rtnetlink(7) with a namespace: `requests` carried out, its links listed. Nothing here can wait for ever."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from typing import NamedTuple

NEW_LINK, GET_LINK = 16, 18
LINK_HEADER = 16
IFLA_IFNAME, IFLA_OPERSTATE, IFLA_IFALIAS, IFLA_LINK_NETNSID = 3, 16, 20, 37
_HEADER = struct.Struct("=IHHII")  # struct nlmsghdr of linux/netlink.h
_ERROR, _DONE = 2, 3
_REQUEST, _DUMP = 0x1, 0x300
_ENOUGH = 1 << 16


class Link(NamedTuple):
    """An interface of a namespace."""

    name: str
    alias: str
    """"" where it has none."""
    namespace_at_the_other_end: int | None
    """Its number in this namespace (ip-netns(8)), where it leads out of it."""


def carry_out(*requests: bytes) -> None:
    """Send them together in the calling thread's namespace; OSError for the first that was refused.

    Those behind it are carried out all the same.
    """
    answered = 0
    with opened() as route:
        route.send(b"".join(requests))
        while answered < len(requests):
            for kind, message in _answers(route):
                _raise_error(kind, message)
                answered += 1


def links() -> list[Link]:
    """The interfaces of the calling thread's namespace; OSError when they cannot be listed."""
    found = []
    with opened() as route:
        ask_for_all(route, GET_LINK, bytes(LINK_HEADER))
        kind = None
        while kind != _DONE:
            for kind, message in _answers(route):
                _raise_error(kind, message)
                if kind == NEW_LINK:
                    found.append(_link(dict(attributes(message[LINK_HEADER:]))))
    return found


def opened(groups: int = 0) -> socket.socket:
    """A socket that belongs to the calling thread's namespace, and hears what these groups are told."""
    made = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
    made.bind((0, groups))
    return made


def ask_for_all(route: socket.socket, kind: int, body: bytes) -> None:
    """Ask for everything of a kind."""
    route.send(_HEADER.pack(_HEADER.size + len(body), kind, _REQUEST | _DUMP, 0, 0) + body)


def messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Type and body of each message."""
    while len(data) >= _HEADER.size:
        size, kind, *_ = _HEADER.unpack_from(data)
        yield kind, data[_HEADER.size : size]
        data = data[-(-size // 4) * 4 :]


def attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Type and value of each attribute."""
    while len(data) >= 4:
        size, kind = struct.unpack_from("=HH", data)
        yield kind, data[4:size]
        data = data[-(-size // 4) * 4 :]


def text(value: bytes) -> str:
    """What a string among the attributes says."""
    return value.rstrip(b"\0").decode(errors="surrogateescape")


def _answers(route: socket.socket) -> Iterator[tuple[int, bytes]]:
    # The kernel has answered before it returns from the sending, or from the receiving of what came before.
    return messages(route.recv(_ENOUGH, socket.MSG_DONTWAIT))


def _raise_error(kind: int, message: bytes) -> None:
    """Both begin with a code, 0 when all is well."""
    if kind in (_ERROR, _DONE):
        (code,) = struct.unpack_from("=i", message)
        if code:
            raise OSError(-code, os.strerror(-code))


def _link(told: dict[int, bytes]) -> Link:
    number = told.get(IFLA_LINK_NETNSID)
    there = struct.unpack("=i", number)[0] if number is not None else None
    return Link(text(told[IFLA_IFNAME]), text(told.get(IFLA_IFALIAS, b"")), there)
