"""Two namespaces joined by a veth pair, or by two pairs and a router.

The kernel under test owns the interface `kernel0` and its addresses. The other end, `peer0`, has no address: the
user-space endpoint uses addresses that no kernel owns, so no second kernel answers in its place. Permanent neighbour
entries let the kernel under test send to them without ARP or neighbour discovery. With two kernels `peer0` owns these
addresses, and the peer's namespace is set up like the kernel's.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

from lab.host import rtnetlink, sysctls
from lab.host.addresses import KERNEL_MAC, PEER_MAC, Addresses, Pair
from lab.host.namespace import Namespace
from lab.host.router import Router
from lab.host.veth import VethEnd, connect_ends, update_link_state

KERNEL_INTERFACE = "kernel0"
PEER_INTERFACE = "peer0"


class Network:
    """The kernel's namespace and the peer's, connected; ready for use when the constructor returns."""

    router: Router | None = None
    """The router between them, if any."""

    def __init__(
        self,
        addresses: Addresses,
        namespaces: tuple[Namespace, Namespace] | None = None,
        *,
        joined: bool = False,
        routed: bool = False,
        two_kernels: bool = False,
    ) -> None:
        """Set up the network in some 5 ms. Raises MachineError without privileges or veth.

        `namespaces` are the kernel's and the peer's, which this network then owns; new ones by default. `joined`: they
        are connected already. `routed`: a third namespace forwards between them; this takes some 20 ms. `two_kernels`:
        the kernel of the peer's namespace owns the peer's addresses, so there is no room for a user-space endpoint.
        """
        self.addresses = addresses
        with ExitStack() as undo:
            self.kernel, self.peer = namespaces or (Namespace(), Namespace())
            undo.callback(self.kernel.close)
            undo.callback(self.peer.close)
            if not joined:
                sysctls.apply(self.kernel, sysctls.BASELINE, sysctls.OPTIONAL)
                if two_kernels:
                    sysctls.apply(self.peer, sysctls.BASELINE, sysctls.OPTIONAL)
                else:
                    sysctls.apply(self.peer, sysctls.QUIET)
                self._join(undo, routed=routed, two_kernels=two_kernels)
            self._undo = undo.pop_all()

    def give_addresses_to_peer(self) -> None:
        """Give the peer's addresses to the kernel of its namespace, which then answers what is sent to them."""
        peer = VethEnd(self.peer, PEER_INTERFACE, PEER_MAC)
        update_link_state(peer)
        with _configured(peer, KERNEL_MAC, [pair.swapped for pair in self.addresses.available()]):
            pass

    def close(self) -> None:
        """Close the namespaces."""
        self._undo.close()

    def _join(self, undo: ExitStack, *, routed: bool, two_kernels: bool) -> None:
        kernel = VethEnd(self.kernel, KERNEL_INTERFACE, KERNEL_MAC)
        peer = VethEnd(self.peer, PEER_INTERFACE, PEER_MAC)
        if routed:
            self.router = Router(self.addresses, kernel, peer)
            undo.callback(self.router.close)
        else:
            connect_ends(kernel, peer)
        pairs = self.addresses.available()
        with ExitStack() as until_ready:
            until_ready.enter_context(_configured(kernel, PEER_MAC, pairs))
            if two_kernels:
                until_ready.enter_context(_configured(peer, KERNEL_MAC, [pair.swapped for pair in pairs]))
            else:
                with self.peer.entered():
                    rtnetlink.execute(rtnetlink.link_up(PEER_INTERFACE))
            if self.router is not None:
                self.router.bring_up()
                self.router.start_forwarding()


@contextmanager
def _configured(end: VethEnd, far_mac: str, pairs: Sequence[Pair]) -> Iterator[None]:
    """Give an end its addresses, and set it up; at the end of the block wait until the addresses are usable."""
    ipv6_addresses = [address for pair in pairs if pair.family == 6 for address in (pair.kernel, pair.second_kernel)]
    with rtnetlink.until_ready(end.namespace, end.interface, ipv6_addresses):
        with end.namespace.entered():
            rtnetlink.execute(*_address_requests(end.interface, far_mac, pairs))
        yield


def _address_requests(interface: str, far_mac: str, pairs: Iterable[Pair]) -> Iterator[bytes]:
    """Requests that add the addresses of a kernel, and its neighbour entries for those of the other end."""
    index = socket.if_nametoindex(interface)
    for pair in pairs:
        yield rtnetlink.new_address(index, pair.kernel, pair.prefix_length)
        yield rtnetlink.new_address(index, pair.second_kernel, pair.prefix_length, deprecated=True)
    yield rtnetlink.link_up(interface)
    for address in (each for pair in pairs for each in (pair.peer, pair.second_peer)):
        yield rtnetlink.neighbour(index, address, far_mac)
