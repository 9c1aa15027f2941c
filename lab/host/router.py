"""A third namespace in the middle, which forwards between the kernel and the peer.

Its interface towards the kernel has the peer's MAC address and the one towards the peer the kernel's, so neither side
is told otherwise than without it: the same neighbour entry, the same frames. It has no address of its own, only a route
and a permanent neighbour entry for each address of either side.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing

from lab.host import rtnetlink, sysctls
from lab.host.addresses import KERNEL_MAC, PEER_MAC, Addresses
from lab.host.namespace import Namespace
from lab.host.veth import End, plug

TO_KERNEL = "to-kernel"
TO_PEER = "to-peer"

_BARE = {  # a namespace takes over some of the host's settings, so both ways are said
    "net.ipv4.ip_forward": "0",
    "net.ipv4.conf.all.send_redirects": "0",
    "net.ipv4.conf.default.send_redirects": "0",
    **sysctls.QUIET,
}
_FORWARDING = {"net.ipv4.ip_forward": "1", "net.ipv6.conf.all.forwarding": "1"}


class Router:
    """A machine that both cables are plugged into. It forwards once it is told to; another may take its place."""

    def __init__(self, addresses: Addresses, kernel: End, peer: End) -> None:
        """Plugs in the cables, whose far ends are these; they are still down."""
        self._addresses, self._kernel = addresses, kernel
        self.namespace = Namespace()
        """The present one: `replace_by_bare` brings another."""
        try:
            sysctls.apply(self.namespace, _BARE)
            plug(End(self.namespace, TO_KERNEL, PEER_MAC), kernel)
            plug(End(self.namespace, TO_PEER, KERNEL_MAC), peer)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let the namespace go, and both cables with it."""
        self.namespace.close()

    def bring_up(self) -> None:
        """Let its own ends of the cables come up, now that the far ends are: then they carry frames at once."""
        with self.namespace.entered():
            rtnetlink.carry_out(*map(rtnetlink.link_up, (TO_KERNEL, TO_PEER)))

    def forward(self) -> None:
        """From now on it is a router."""
        with self.namespace.entered():
            rtnetlink.carry_out(*self._ways())
        sysctls.apply(self.namespace, _FORWARDING)

    def _ways(self) -> Iterator[bytes]:
        to_kernel, to_peer = socket.if_nametoindex(TO_KERNEL), socket.if_nametoindex(TO_PEER)
        for pair in self._addresses.usable():
            for address in pair.kernel, pair.second_kernel:
                yield rtnetlink.route(to_kernel, address)
                yield rtnetlink.neighbour(to_kernel, address, KERNEL_MAC)
            for address in pair.peer, pair.second_peer:
                yield rtnetlink.route(to_peer, address)
                yield rtnetlink.neighbour(to_peer, address, PEER_MAC)

    def replace_by_bare(self) -> None:
        """Plug both cables into a new machine that knows no way and forwards nothing; the old one is gone for good.

        Returns once the old namespace is dismantled and the cables carry frames again, to nowhere. Whoever has a socket
        in the old namespace must close it first. MachineError when it takes too long.
        """
        kernel = self._kernel
        with rtnetlink.until_router_ends(kernel.namespace):
            old, self.namespace = self.namespace, Namespace()
            with closing(old):
                sysctls.apply(self.namespace, _BARE)
                move_cables(old, self.namespace)
            with rtnetlink.until_ready(kernel.namespace, kernel.interface):
                self.bring_up()


def move_cables(old: Namespace, new: Namespace) -> None:
    """A namespace that ends takes the cables in it along, so they leave it first."""
    with old.entered():
        rtnetlink.carry_out(*(rtnetlink.link_moved(interface, new.fileno()) for interface in (TO_KERNEL, TO_PEER)))
