"""Two namespaces and the wire between them, or two wires and a router.

The kernel under test owns `kernel0` and its addresses. The other end, `peer0`, has no address at all: the user-space
endpoint speaks from addresses that nobody owns, so no second kernel answers in its place, and a permanent neighbour
entry lets the kernel reach them without asking.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from contextlib import ExitStack, closing
from functools import cache
from typing import TYPE_CHECKING

from lab.host import sysctls
from lab.host.addresses import DOCUMENTATION, KERNEL_MAC, PEER_MAC, Addresses, Pair, ipv6_is_available
from lab.host.cables import End, bring_up, plug
from lab.host.namespace import Namespace
from lab.host.readiness import Readiness
from lab.host.router import Router
from lab.host.rtnetlink import carry_out, compiled, packed, stamped

if TYPE_CHECKING:
    from pyroute2 import IPBatch

KERNEL_INTERFACE = "kernel0"
PEER_INTERFACE = "peer0"

_NUD_PERMANENT = 0x80
_FOR_EVER = 0xFFFF_FFFF


class Network:
    """The kernel's namespace and the peer's, joined by a veth, ready to use when the constructor returns."""

    router: Router | None = None
    """The one in the middle, where there is one."""

    def __init__(
        self,
        addresses: Addresses,
        namespaces: tuple[Namespace, Namespace] | None = None,
        *,
        joined: bool = False,
        routed: bool = False,
    ) -> None:
        """Takes some 5 ms, `routed` by a third namespace some 20. MachineError without privileges or veth.

        `namespaces` are the kernel's and the peer's, fresh ones unless given, and this network's from now on. They are
        taken as they are when they have been `joined` before.
        """
        self.addresses = addresses
        with ExitStack() as undo:
            self.kernel, self.peer = namespaces or (Namespace(), Namespace())
            undo.callback(self.kernel.close)
            undo.callback(self.peer.close)
            if not joined:
                sysctls.apply(self.kernel, sysctls.BASELINE, sysctls.OPTIONAL)
                sysctls.apply(self.peer, sysctls.QUIET)
                self._plug(undo, routed=routed)
                self._join()
            self._undo = undo.pop_all()

    def close(self) -> None:
        """Let the namespaces go."""
        self._undo.close()

    def _plug(self, undo: ExitStack, *, routed: bool) -> None:
        kernel = End(self.kernel, KERNEL_INTERFACE, KERNEL_MAC)
        peer = End(self.peer, PEER_INTERFACE, PEER_MAC)
        if routed:
            self.router = Router(self.addresses, kernel, peer)
            undo.callback(self.router.close)
        else:
            plug(kernel, peer)

    def _join(self) -> None:
        ipv6 = ipv6_is_available()
        pairs = [self.addresses.ipv4, *([self.addresses.ipv6] if ipv6 else [])]
        with ExitStack() as undo:
            with self.kernel.entered():
                readiness = undo.enter_context(closing(Readiness()))
                carry_out(_own_addresses(socket.if_nametoindex(KERNEL_INTERFACE), pairs))
            with self.peer.entered():
                bring_up(PEER_INTERFACE)
            if self.router is not None:
                self.router.bring_up()
                self.router.forward()
            addresses = self.addresses.ipv6
            readiness.wait([KERNEL_INTERFACE], [addresses.kernel, addresses.second_kernel] if ipv6 else [])


def _own_addresses(index: int, pairs: list[Pair]) -> bytes:
    """What gives a kernel its addresses, and neighbours at those of the peer."""
    patterns = tuple(DOCUMENTATION.of(pair.family)._replace(prefix_length=pair.prefix_length) for pair in pairs)
    return stamped(_any_addresses(index, patterns), zip(_in_order(patterns), _in_order(pairs), strict=True))


@cache
def _any_addresses(index: int, pairs: tuple[Pair, ...]) -> bytes:
    def ask(route: IPBatch) -> None:
        for pair in pairs:
            given = {"index": index, "prefixlen": pair.prefix_length}
            route.addr("add", address=pair.kernel, **given)
            # Deprecated: the kernel never takes it by itself (RFC 6724 5, rule 3).
            route.addr("add", address=pair.second_kernel, preferred_lft=0, valid_lft=_FOR_EVER, **given)
        route.link("set", index=index, state="up")
        for address in (each for pair in pairs for each in (pair.peer, pair.second_peer)):
            route.neigh("replace", dst=address, lladdr=PEER_MAC, ifindex=index, state=_NUD_PERMANENT)

    return compiled(ask)


def _in_order(pairs: Iterable[Pair]) -> list[bytes]:
    return [packed(each) for pair in pairs for each in (pair.kernel, pair.second_kernel, pair.peer, pair.second_peer)]
