"""Two namespaces and the wire between them: the one door to pyroute2.

The kernel under test owns `kernel0` and its addresses. The other end, `peer0`, has no address at all: the user-space
endpoint speaks from addresses that nobody owns, so no second kernel answers in its place, and a permanent neighbour
entry lets the kernel reach them without asking.
"""

from __future__ import annotations

import array
import fcntl
import socket
import struct
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

from lab.host import sysctls
from lab.host.addresses import KERNEL_MAC, PEER_MAC, Addresses, ipv6_is_available
from lab.host.errors import MachineError
from lab.host.namespace import Namespace
from lab.host.readiness import Readiness

if TYPE_CHECKING:
    from pyroute2 import IPRoute

KERNEL_INTERFACE = "kernel0"
PEER_INTERFACE = "peer0"

_NUD_PERMANENT = 0x80
_FOR_EVER = 0xFFFF_FFFF
_SIOCETHTOOL = 0x8946
_OFFLOADS = {  # the ETHTOOL_S* commands of linux/ethtool.h
    "receive checksum": 0x15,
    "transmit checksum": 0x17,
    "scatter-gather": 0x19,
    "TCP segmentation": 0x1F,
    "generic segmentation": 0x24,
    "generic receive": 0x2C,
}


class Network:
    """The kernel's namespace and the peer's, joined by a veth, ready to use when the constructor returns."""

    def __init__(
        self, addresses: Addresses, namespaces: tuple[Namespace, Namespace] | None = None, *, joined: bool = False
    ) -> None:
        """Takes some 20 ms. MachineError when the machine lacks privileges or veth.

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
                self._join()
            self._undo = undo.pop_all()

    def close(self) -> None:
        """Let both namespaces go."""
        self._undo.close()

    def _join(self) -> None:
        # pyroute2 opens its sockets lazily and per thread: each IPRoute is made, used and closed in one entered()
        # block, so that none of them can end up working on the host's network.
        from pyroute2 import IPRoute

        ipv6 = ipv6_is_available()
        pairs = [self.addresses.ipv4, *([self.addresses.ipv6] if ipv6 else [])]
        with self.kernel.entered():
            readiness = Readiness()
        with closing(readiness):
            with self.kernel.entered(), IPRoute() as route:
                self._make_veth(route)
                switch_offloads_off(KERNEL_INTERFACE)
                index = route.link_lookup(ifname=KERNEL_INTERFACE)[0]
                for pair in pairs:
                    given = {"index": index, "prefixlen": pair.prefix_length}
                    route.addr("add", address=pair.kernel, **given)
                    # Deprecated: the kernel never takes it by itself (RFC 6724 5, rule 3).
                    route.addr("add", address=pair.second_kernel, preferred_lft=0, valid_lft=_FOR_EVER, **given)
                route.link("set", index=index, state="up")
                for address in (each for pair in pairs for each in (pair.peer, pair.second_peer)):
                    route.neigh("replace", dst=address, lladdr=PEER_MAC, ifindex=index, state=_NUD_PERMANENT)
            with self.peer.entered(), IPRoute() as route:
                switch_offloads_off(PEER_INTERFACE)
                route.link("set", index=route.link_lookup(ifname=PEER_INTERFACE)[0], state="up")
            readiness.wait([self.addresses.ipv6.kernel, self.addresses.ipv6.second_kernel] if ipv6 else [])

    def _make_veth(self, route: IPRoute) -> None:
        from pyroute2.netlink.exceptions import NetlinkError

        peer = {"ifname": PEER_INTERFACE, "address": PEER_MAC, "net_ns_fd": self.peer.fileno()}
        try:
            route.link("add", ifname=KERNEL_INTERFACE, kind="veth", address=KERNEL_MAC, peer=peer)
        except NetlinkError as refused:
            raise MachineError(f"no veth can be made ({refused})", "load its module: sudo modprobe veth") from None


def switch_offloads_off(interface: str) -> None:
    """Make `interface` (of the calling thread's namespace) send what a wire would carry (ethtool's ioctl).

    With veth's defaults frames leave with unfinished checksums and as segments of many times the MSS.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as door:
        for what, command in _OFFLOADS.items():
            value = array.array("I", [command, 0])
            request = struct.pack("16sP", interface.encode(), value.buffer_info()[0])
            try:
                fcntl.ioctl(door, _SIOCETHTOOL, request.ljust(40, b"\0"))
            except OSError as refused:
                raise MachineError(
                    f"{interface}: {what} offload cannot be switched off ({refused.strerror})",
                    "use a kernel whose veth answers ethtool, Linux 4.1 or later",
                ) from None
