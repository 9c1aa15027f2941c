"""Two namespaces and the wire between them, or two wires and a router.

The kernel under test owns `kernel0` and its addresses. The other end, `peer0`, has no address at all: the user-space
endpoint speaks from addresses that nobody owns, so no second kernel answers in its place, and a permanent neighbour
entry lets the kernel reach them without asking.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator
from contextlib import ExitStack

from lab.host import rtnetlink, sysctls
from lab.host.addresses import KERNEL_MAC, PEER_MAC, Addresses, Pair
from lab.host.namespace import Namespace
from lab.host.router import Router
from lab.host.veth import End, plug

KERNEL_INTERFACE = "kernel0"
PEER_INTERFACE = "peer0"


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
                self._join(undo, routed=routed)
            self._undo = undo.pop_all()

    def close(self) -> None:
        """Let the namespaces go."""
        self._undo.close()

    def _join(self, undo: ExitStack, *, routed: bool) -> None:
        kernel = End(self.kernel, KERNEL_INTERFACE, KERNEL_MAC)
        peer = End(self.peer, PEER_INTERFACE, PEER_MAC)
        if routed:
            self.router = Router(self.addresses, kernel, peer)
            undo.callback(self.router.close)
        else:
            plug(kernel, peer)
        pairs = self.addresses.usable()
        ipv6_addresses = [
            address for pair in pairs if pair.family == 6 for address in (pair.kernel, pair.second_kernel)
        ]
        with rtnetlink.until_ready(self.kernel, KERNEL_INTERFACE, ipv6_addresses):
            with self.kernel.entered():
                rtnetlink.carry_out(*_addressed(pairs))
            with self.peer.entered():
                rtnetlink.carry_out(rtnetlink.link_up(PEER_INTERFACE))
            if self.router is not None:
                self.router.bring_up()
                self.router.forward()


def _addressed(pairs: Iterable[Pair]) -> Iterator[bytes]:
    """What gives the kernel its addresses, and neighbours at those of the peer."""
    index = socket.if_nametoindex(KERNEL_INTERFACE)
    for pair in pairs:
        yield rtnetlink.new_address(index, pair.kernel, pair.prefix_length)
        yield rtnetlink.new_address(index, pair.second_kernel, pair.prefix_length, deprecated=True)
    yield rtnetlink.link_up(KERNEL_INTERFACE)
    for address in (each for pair in pairs for each in (pair.peer, pair.second_peer)):
        yield rtnetlink.neighbour(index, address, PEER_MAC)
