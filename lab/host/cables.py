"""Cables between namespaces: a veth pair that carries what a wire would carry."""

from __future__ import annotations

import array
import errno
import fcntl
import socket
import struct
from typing import NamedTuple

from lab.host import requests
from lab.host.errors import MachineError
from lab.host.namespace import Namespace
from lab.host.rtnetlink import carry_out

_SIOCETHTOOL = 0x8946
_OFFLOADS = {  # the ETHTOOL_S* commands of linux/ethtool.h
    "receive checksum": 0x15,
    "transmit checksum": 0x17,
    "scatter-gather": 0x19,
    "TCP segmentation": 0x1F,
    "generic segmentation": 0x24,
    "generic receive": 0x2C,
}


class End(NamedTuple):
    """One end of a cable: what it is called where it is plugged in."""

    namespace: Namespace
    interface: str
    mac: str


def plug(one: End, other: End) -> None:
    """Join two namespaces by a new cable, both ends still down; MachineError when the machine has no veth."""
    veth = requests.new_veth(one.interface, one.mac, other.interface, other.mac, other.namespace.fileno())
    with one.namespace.entered():
        try:
            carry_out(veth)
        except OSError as refused:
            if refused.errno != errno.EOPNOTSUPP:
                raise
            raise MachineError(f"no veth can be made ({refused})", "load its module: sudo modprobe veth") from None
    for end in one, other:
        with end.namespace.entered():
            _switch_offloads_off(end.interface)


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
