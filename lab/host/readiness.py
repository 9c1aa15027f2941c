"""Waiting for what the kernel does in its own time: a link comes up, an IPv6 address becomes usable, a namespace ends.

All of it happens in work queues after the calls that ask for it have returned. Until a link is up the kernel drops what
it would send, and until an address is usable binding to it fails.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable

from lab.host import rtnetlink
from lab.host.errors import MachineError

DEADLINE_S = 60.0
"""All of it waits for a lock that a machine has once (RTNL), and all namespaces are dismantled one after another.

With fifteen busy processes for each CPU half of all set-ups took 0.07 s, one of 400 2.4 s, one of 16,000 over 10 s.
"""
_OPERSTATE_UP = 6
_TYPE_AT = 7
"""Of a route, in its header."""


class Readiness:
    """Hears what becomes ready in the calling thread's namespace from now on."""

    def __init__(self) -> None:
        self._events = rtnetlink.Events(rtnetlink.GROUP_LINK | rtnetlink.GROUP_IPV6_ROUTE)

    def ask_for_links(self) -> None:
        """What is up already counts as well."""
        self._events.ask_for_links()

    def wait(self, links: Iterable[str], ipv6_addresses: Iterable[str] = ()) -> None:
        """Return once these links are up and these addresses usable; MachineError when that takes too long."""
        wanted = {*links, *ipv6_addresses}
        for kind, message in self._events.messages(DEADLINE_S):
            wanted.discard(_ready(kind, message))
            if not wanted:
                return
        raise _too_late(f"the veth is not ready ({', '.join(sorted(wanted))})")

    def close(self) -> None:
        """Stop listening."""
        self._events.close()


class Ending:
    """Hears the end of a namespace that the calling thread's namespace knows by this number (ip-netns(8))."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._events = rtnetlink.Events(rtnetlink.GROUP_NAMESPACE_NUMBERS)

    def wait(self) -> None:
        """Return once the kernel has begun to dismantle it: nobody can enter it any more. MachineError as above."""
        for kind, message in self._events.messages(DEADLINE_S):
            if kind == rtnetlink.DELETE_NAMESPACE_NUMBER:
                told = dict(rtnetlink.attributes(message[rtnetlink.NAMESPACE_HEADER :]))
                (number,) = struct.unpack("=i", told[rtnetlink.NETNSA_NSID])
                if number == self._number:
                    return
        raise _too_late("a namespace is still there")

    def close(self) -> None:
        """Stop listening."""
        self._events.close()


def _too_late(what: str) -> MachineError:
    return MachineError(f"{what} after {DEADLINE_S:g} s", "see what keeps the kernel busy")


def _ready(kind: int, message: bytes) -> str:
    """What this message says is ready now: the name of a link, or an address; "" if it is about something else."""
    if kind == rtnetlink.NEW_LINK:
        link = dict(rtnetlink.attributes(message[rtnetlink.LINK_HEADER :]))
        is_up = link.get(rtnetlink.IFLA_OPERSTATE) == bytes([_OPERSTATE_UP])
        return rtnetlink.text(link[rtnetlink.IFLA_IFNAME]) if is_up else ""
    if kind == rtnetlink.NEW_ROUTE and message[_TYPE_AT] == rtnetlink.RTN_LOCAL:
        address = dict(rtnetlink.attributes(message[rtnetlink.ROUTE_HEADER :])).get(rtnetlink.RTA_DST, b"")
        return socket.inet_ntop(socket.AF_INET6, address) if address else ""
    return ""
