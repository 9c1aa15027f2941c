"""Waiting for what the kernel does in its own time: a link comes up, an IPv6 address becomes usable.

Both happen in work queues after the calls that ask for them have returned. Until then the kernel drops what it would
send, and binding to the address fails.
"""

from __future__ import annotations

import select
import socket
import struct
import time
from collections.abc import Iterable, Iterator

from lab.host.errors import MachineError

_GROUP_LINK, _GROUP_IPV6_ROUTE = 0x1, 0x400
_NEW_LINK, _NEW_ROUTE = 16, 24
_OPERSTATE, _OPERSTATE_UP, _LINK_HEADER = 16, 6, 16
_DESTINATION, _LOCAL, _ROUTE_HEADER = 1, 2, 12
_DEADLINE_S = 10.0


class Readiness:
    """Hears what becomes ready in the calling thread's namespace from now on (rtnetlink(7))."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
        self._socket.bind((0, _GROUP_LINK | _GROUP_IPV6_ROUTE))

    def wait(self, ipv6_addresses: Iterable[str] = ()) -> None:
        """Return once the link is up and these addresses are usable; MachineError when that takes too long."""
        wanted: set[object] = {"link", *(socket.inet_pton(socket.AF_INET6, each) for each in ipv6_addresses)}
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        deadline = time.monotonic() + _DEADLINE_S
        while wanted:
            if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
                raise MachineError(f"the veth is not ready after {_DEADLINE_S:g} s", "see what keeps the kernel busy")
            wanted -= set(_ready(self._socket.recv(65536)))

    def close(self) -> None:
        """Stop listening."""
        self._socket.close()


def _ready(data: bytes) -> Iterator[object]:
    """What these messages say is ready now: "link", or an address."""
    while len(data) >= 16:
        size, kind = struct.unpack_from("=IH", data)
        message, data = data[16:size], data[-(-size // 4) * 4 :]
        if kind == _NEW_LINK and dict(_attributes(message[_LINK_HEADER:])).get(_OPERSTATE) == bytes([_OPERSTATE_UP]):
            yield "link"
        elif kind == _NEW_ROUTE and message[7] == _LOCAL:
            yield dict(_attributes(message[_ROUTE_HEADER:])).get(_DESTINATION)


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= 4:
        size, kind = struct.unpack_from("=HH", data)
        yield kind, data[4:size]
        data = data[-(-size // 4) * 4 :]
