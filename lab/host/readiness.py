"""Waiting for what the kernel does in its own time: a link comes up, an IPv6 address becomes usable, a namespace ends.

All of it happens in work queues after the calls that ask for it have returned. Until a link is up the kernel drops what
it would send, and until an address is usable binding to it fails.
"""

from __future__ import annotations

import select
import socket
import struct
import time
from collections.abc import Iterable, Iterator

from lab.host.errors import MachineError

_GROUP_LINK, _GROUP_IPV6_ROUTE, _GROUP_NAMESPACE_NUMBERS = 1 << 0, 1 << 10, 1 << 27
_NEW_LINK, _GET_LINK, _NEW_ROUTE, _DELETE_NAMESPACE_NUMBER = 16, 18, 24, 89
_NLM_F_REQUEST, _NLM_F_DUMP = 0x1, 0x300
_NAME, _OPERSTATE, _OPERSTATE_UP, _LINK_HEADER = 3, 16, 6, 16
_DESTINATION, _LOCAL, _ROUTE_HEADER = 1, 2, 12
_NUMBER, _NAMESPACE_HEADER = 1, 4
_DEADLINE_S = 10.0
_ENDING_DEADLINE_S = 60.0
"""The kernel dismantles all namespaces one after another, and other programs' are among them."""


class _Events:
    """What the kernel tells of the calling thread's namespace from now on (rtnetlink(7))."""

    def __init__(self, groups: int) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
        self._socket.bind((0, groups))

    def close(self) -> None:
        """Stop listening."""
        self._socket.close()

    def ask(self, kind: int, body: bytes) -> None:
        """Ask for everything of a kind: the answers come among the other messages."""
        self._socket.send(struct.pack("=IHHII", 16 + len(body), kind, _NLM_F_REQUEST | _NLM_F_DUMP, 0, 0) + body)

    def messages(self, awaited: str, deadline_s: float) -> Iterator[tuple[int, bytes]]:
        """Type and body of each message, until the caller has heard enough; MachineError when that takes too long."""
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        deadline = time.monotonic() + deadline_s
        while poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
            data = self._socket.recv(65536)
            while len(data) >= 16:
                size, kind = struct.unpack_from("=IH", data)
                message, data = data[16:size], data[-(-size // 4) * 4 :]
                yield kind, message
        raise MachineError(f"{awaited} after {deadline_s:g} s", "see what keeps the kernel busy")


class Readiness:
    """Hears what becomes ready in the calling thread's namespace from now on."""

    def __init__(self) -> None:
        self._events = _Events(_GROUP_LINK | _GROUP_IPV6_ROUTE)

    def ask_for_links(self) -> None:
        """What is up already counts as well."""
        self._events.ask(_GET_LINK, bytes(_LINK_HEADER))

    def wait(self, links: Iterable[str], ipv6_addresses: Iterable[str] = ()) -> None:
        """Return once these links are up and these addresses usable; MachineError when that takes too long."""
        wanted: set[object] = {*links, *(socket.inet_pton(socket.AF_INET6, each) for each in ipv6_addresses)}
        for kind, message in self._events.messages("the veth is not ready", _DEADLINE_S):
            wanted.discard(_ready(kind, message))
            if not wanted:
                return

    def close(self) -> None:
        """Stop listening."""
        self._events.close()


class Ending:
    """Hears the end of a namespace that the calling thread's namespace knows by this number (ip-netns(8))."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._events = _Events(_GROUP_NAMESPACE_NUMBERS)

    def wait(self) -> None:
        """Return once the kernel has begun to dismantle it: nobody can enter it any more. MachineError as above."""
        for kind, message in self._events.messages("a namespace is still there", _ENDING_DEADLINE_S):
            if kind == _DELETE_NAMESPACE_NUMBER:
                (number,) = struct.unpack("=i", dict(_attributes(message[_NAMESPACE_HEADER:]))[_NUMBER])
                if number == self._number:
                    return

    def close(self) -> None:
        """Stop listening."""
        self._events.close()


def _ready(kind: int, message: bytes) -> object:
    """What this message says is ready now: the name of a link, or an address."""
    if kind == _NEW_LINK:
        link = dict(_attributes(message[_LINK_HEADER:]))
        return link[_NAME].rstrip(b"\0").decode() if link.get(_OPERSTATE) == bytes([_OPERSTATE_UP]) else None
    if kind == _NEW_ROUTE and message[7] == _LOCAL:
        return dict(_attributes(message[_ROUTE_HEADER:])).get(_DESTINATION)
    return None


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= 4:
        size, kind = struct.unpack_from("=HH", data)
        yield kind, data[4:size]
        data = data[-(-size // 4) * 4 :]
