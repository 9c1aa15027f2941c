"""Links, addresses and routes of a namespace by rtnetlink(7): pyroute2 says what is wanted, one message carries it.

pyroute2 takes a millisecond for each request, a lab a dozen of them, and a run hundreds of labs: so what is wanted is
written once, with a place in it for what each lab has of its own, and sent as it is.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pyroute2 import IPBatch

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


def warm_up() -> None:
    """Import pyroute2 now, instead of in a thread: one that ends there for want of memory keeps the import's lock."""
    import pyroute2
    import pyroute2.netlink.rtnl.rtmsg  # noqa: F401


def compiled(ask: Callable[[IPBatch], None]) -> bytes:
    """What pyroute2 would send for the calls that are made in `ask`; no answer to them is known there."""
    from pyroute2 import IPBatch

    with IPBatch() as route:
        ask(route)
        return bytes(route.asyncore.batch)


def stamped(requests: bytes, values: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Each of these values replaced by another of its length; ValueError for one that is not there."""
    for pattern, value in values:
        if pattern not in requests or len(pattern) != len(value):
            raise ValueError(f"{pattern.hex()} cannot become {value.hex()}")
        requests = requests.replace(pattern, value)
    return requests


def packed(address: str) -> bytes:
    """An address as messages have it."""
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


def carry_out(requests: bytes) -> None:
    """Send it all in the calling thread's namespace; OSError for the first request that was refused."""
    asked = sum(1 for _ in messages(requests))
    with opened() as route:
        route.send(requests)
        answered = 0
        while answered < asked:
            # The kernel has answered before it returns from the sending.
            for kind, message in messages(route.recv(_ENOUGH, socket.MSG_DONTWAIT)):
                if kind == _ERROR:
                    answered += 1
                    (code,) = struct.unpack_from("=i", message)
                    if code:
                        raise OSError(-code, os.strerror(-code))


def links() -> list[Link]:
    """The interfaces of the calling thread's namespace."""
    found = []
    with opened() as route:
        ask_for_all(route, GET_LINK, bytes(LINK_HEADER))
        kind = None
        while kind != _DONE:
            for kind, message in messages(route.recv(_ENOUGH, socket.MSG_DONTWAIT)):
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


def _link(told: dict[int, bytes]) -> Link:
    number = told.get(IFLA_LINK_NETNSID)
    there = struct.unpack("=i", number)[0] if number is not None else None
    return Link(text(told[IFLA_IFNAME]), text(told.get(IFLA_IFALIAS, b"")), there)
