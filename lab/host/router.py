"""A third namespace, which forwards between the kernel and the peer.

Its interface to the kernel has the peer's MAC address, and its interface to the peer the kernel's. So both sides have
the same neighbour entries and frames as without a router. The router has no IP address, only a route and a permanent
neighbour entry for each address of either side.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing

from lab.host import rtnetlink, sysctls
from lab.host.addresses import KERNEL_MAC, PEER_MAC, Addresses
from lab.host.namespace import Namespace
from lab.host.veth import VethEnd, connect_ends

TO_KERNEL = "to-kernel"
TO_PEER = "to-peer"

_NOT_FORWARDING = {  # a new namespace inherits some settings of the host, so both values are written
    "net.ipv4.ip_forward": "0",
    "net.ipv4.conf.all.send_redirects": "0",
    "net.ipv4.conf.default.send_redirects": "0",
    **sysctls.QUIET,
}
_FORWARDING = {"net.ipv4.ip_forward": "1", "net.ipv6.conf.all.forwarding": "1"}


class Router:
    """The namespace between both veth pairs. It forwards after `start_forwarding`, and can be replaced."""

    def __init__(self, addresses: Addresses, kernel: VethEnd, peer: VethEnd) -> None:
        """Create the namespace and a veth pair to each of these ends; all interfaces are still down."""
        self._addresses, self._kernel = addresses, kernel
        self.namespace = Namespace()
        """The current namespace; `replace` creates another."""
        try:
            sysctls.apply(self.namespace, _NOT_FORWARDING)
            connect_ends(VethEnd(self.namespace, TO_KERNEL, PEER_MAC), kernel)
            connect_ends(VethEnd(self.namespace, TO_PEER, KERNEL_MAC), peer)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the namespace; both veth pairs vanish with it."""
        self.namespace.close()

    def bring_up(self) -> None:
        """Set its interfaces up. The far ends must be up already: then frames pass at once."""
        with self.namespace.entered():
            rtnetlink.execute(*map(rtnetlink.link_up, (TO_KERNEL, TO_PEER)))

    def start_forwarding(self) -> None:
        """Add the routes and enable forwarding."""
        with self.namespace.entered():
            rtnetlink.execute(*self._routes())
        sysctls.apply(self.namespace, _FORWARDING)

    def _routes(self) -> Iterator[bytes]:
        to_kernel, to_peer = socket.if_nametoindex(TO_KERNEL), socket.if_nametoindex(TO_PEER)
        for pair in self._addresses.available():
            for address in pair.kernel, pair.second_kernel:
                yield rtnetlink.route(to_kernel, address)
                yield rtnetlink.neighbour(to_kernel, address, KERNEL_MAC)
            for address in pair.peer, pair.second_peer:
                yield rtnetlink.route(to_peer, address)
                yield rtnetlink.neighbour(to_peer, address, PEER_MAC)

    def replace(self) -> None:
        """Move both interfaces to a new namespace that has no routes and does not forward; the old one is removed.

        Returns once the kernel has begun to remove the old namespace and the interfaces are up. Sockets in the old
        namespace must be closed before. Raises MachineError at the deadline.
        """
        kernel = self._kernel
        with rtnetlink.until_router_gone(kernel.namespace):
            old, self.namespace = self.namespace, Namespace()
            with closing(old):
                sysctls.apply(self.namespace, _NOT_FORWARDING)
                move_interfaces(old, self.namespace)
            with rtnetlink.until_ready(kernel.namespace, kernel.interface):
                self.bring_up()


def move_interfaces(old: Namespace, new: Namespace) -> None:
    """Move both interfaces to `new`, as removing a namespace deletes the veth pairs in it."""
    with old.entered():
        rtnetlink.execute(*(rtnetlink.link_moved(interface, new.fileno()) for interface in (TO_KERNEL, TO_PEER)))
