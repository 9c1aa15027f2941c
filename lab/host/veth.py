"""veth pairs between namespaces: creation without offloads, MTU, and metrics of the route to the peer."""

from __future__ import annotations

import array
import errno
import fcntl
import socket
import struct
from typing import NamedTuple

from lab.host import rtnetlink
from lab.host.addresses import Pair
from lab.host.errors import MachineError
from lab.host.namespace import Namespace

_SIOCGIFMTU, _SIOCSIFMTU, _SIOCETHTOOL = 0x8921, 0x8922, 0x8946
_ETHTOOL_GLINK = 0xA
_MTU_REQUEST = struct.Struct("16si20x")  # struct ifreq of linux/if.h
_OFFLOADS = {  # the ETHTOOL_S* commands of linux/ethtool.h
    "receive checksum": 0x15,
    "transmit checksum": 0x17,
    "scatter-gather": 0x19,
    "TCP segmentation": 0x1F,
    "generic segmentation": 0x24,
    "generic receive": 0x2C,
}


class VethEnd(NamedTuple):
    """One end of a veth pair."""

    namespace: Namespace
    interface: str
    mac: str


def connect_ends(one: VethEnd, other: VethEnd) -> None:
    """Connect two namespaces by a veth pair, both ends down. Raises MachineError when the kernel has no veth."""
    veth = rtnetlink.new_veth(one.interface, one.mac, other.interface, other.mac, other.namespace.fileno())
    with one.namespace.entered():
        try:
            rtnetlink.execute(veth)
        except OSError as refused:
            if refused.errno != errno.EOPNOTSUPP:
                raise
            why = f"a veth pair cannot be created ({refused})"
            raise MachineError(why, "load the kernel module: sudo modprobe veth") from None
    for end in one, other:
        with end.namespace.entered():
            _switch_offloads_off(end.interface)


def mtu(namespace: Namespace, interface: str) -> int:
    """The MTU of `interface` in bytes."""
    return _mtu_ioctl(namespace, _SIOCGIFMTU, interface, 0)


def set_mtu(namespace: Namespace, interface: str, size: int) -> None:
    """Set the MTU in bytes. Raises OSError for a size that the interface does not support."""
    _mtu_ioctl(namespace, _SIOCSIFMTU, interface, size)


def set_route_metrics(namespace: Namespace, interface: str, pair: Pair, metrics: dict[str, int]) -> None:
    """Add a route to the peer's address with these metrics, by their names in ip-route(8): {"advmss": 1111}.

    Raises OSError for an unknown metric.
    """
    with namespace.entered():
        route = rtnetlink.route(socket.if_nametoindex(interface), pair.peer, metrics)
        try:
            rtnetlink.execute(route)
        except OSError as refused:
            raise OSError(refused.errno, f"a route with {metrics}: {refused.strerror}") from None


def update_link_state(end: VethEnd) -> None:
    """Let the kernel update the state of a link that has just been set up; by itself that takes up to a second.

    Older kernels do not do so for this request.
    """
    with end.namespace.entered():
        _ethtool(end.interface, _ETHTOOL_GLINK, 0)


def _mtu_ioctl(namespace: Namespace, command: int, interface: str, value: int) -> int:
    request = _MTU_REQUEST.pack(interface.encode(), value)
    with namespace.entered(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as door:
        try:
            answer = fcntl.ioctl(door, command, request)
        except OSError as refused:
            raise OSError(refused.errno, f"MTU {value} of {interface}: {refused.strerror}") from None
    return int(_MTU_REQUEST.unpack(answer)[1])


def _switch_offloads_off(interface: str) -> None:
    """Switch off the offloads of `interface` in the calling thread's namespace (ethtool's ioctl).

    With veth's defaults frames have partial checksums, and segments many times the size of the MSS.
    """
    for what, command in _OFFLOADS.items():
        try:
            _ethtool(interface, command, 0)
        except OSError as refused:
            why = f"{interface}: {what} offload cannot be switched off ({refused.strerror})"
            raise MachineError(why, "use a kernel whose veth answers ethtool, Linux 4.1 or later") from None


def _ethtool(interface: str, command: int, value: int) -> None:
    argument = array.array("I", [command, value])
    request = struct.pack("16sP", interface.encode(), argument.buffer_info()[0])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as door:
        fcntl.ioctl(door, _SIOCETHTOOL, request.ljust(40, b"\0"))
