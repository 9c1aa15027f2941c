"""Cables between namespaces: a veth pair that carries what a wire would carry."""

from __future__ import annotations

import array
import fcntl
import socket
import struct
from functools import cache
from typing import NamedTuple

from lab.host.errors import MachineError
from lab.host.namespace import Namespace
from lab.host.rtnetlink import carry_out, compiled, stamped

_SIOCETHTOOL = 0x8946
_OFFLOADS = {  # the ETHTOOL_S* commands of linux/ethtool.h
    "receive checksum": 0x15,
    "transmit checksum": 0x17,
    "scatter-gather": 0x19,
    "TCP segmentation": 0x1F,
    "generic segmentation": 0x24,
    "generic receive": 0x2C,
}


_FD = struct.Struct("=I")
_FAR_NAMESPACE = _FD.pack(0x7FED_5AD0)  # stands for the descriptor of the namespace at the far end


class End(NamedTuple):
    """One end of a cable: what it is called where it is plugged in."""

    namespace: Namespace
    interface: str
    mac: str


def plug(one: End, other: End) -> None:
    """Join two namespaces by a new cable, both ends still down; MachineError when the machine has no veth."""
    veth = _veth(one.interface, one.mac, other.interface, other.mac)
    with one.namespace.entered():
        try:
            carry_out(stamped(veth, [(_FAR_NAMESPACE, _FD.pack(other.namespace.fileno()))]))
        except OSError as refused:
            raise MachineError(f"no veth can be made ({refused})", "load its module: sudo modprobe veth") from None
    for end in one, other:
        with end.namespace.entered():
            _switch_offloads_off(end.interface)


def bring_up(interface: str) -> None:
    """Let an end in the calling thread's namespace come up, which takes effect once the other one is up, too."""
    carry_out(_up(interface))


@cache
def _up(interface: str) -> bytes:
    return compiled(lambda route: route.link("set", ifname=interface, state="up"))


@cache
def _veth(interface: str, mac: str, far_interface: str, far_mac: str) -> bytes:
    far = {"ifname": far_interface, "address": far_mac, "net_ns_fd": _FD.unpack(_FAR_NAMESPACE)[0]}
    return compiled(lambda route: route.link("add", ifname=interface, kind="veth", address=mac, peer=far))


def _switch_offloads_off(interface: str) -> None:
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
