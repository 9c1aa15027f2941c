"""Whose an interface is: floods and forgeries go over a wire of the lab, whose both ends are in its own namespaces."""

from __future__ import annotations

import array
import errno
import fcntl
import socket
import struct

_SIOCETHTOOL, _ETHTOOL_GDRVINFO = 0x8946, 3
_DRIVER_INFO_SIZE, _DRIVER_NAME = 196, slice(4, 36)  # struct ethtool_drvinfo of linux/ethtool.h
_OWN_MAC = bytes.fromhex("0200000000")  # how the hardware addresses begin that the lab gives its interfaces


def refuse_what_is_not_ours(bound: socket.socket) -> None:
    """PermissionError unless the packet socket is bound to a veth of the lab.

    What counts is what the interface is, not its name, which anything can have.
    """
    interface, _, _, _, address = bound.getsockname()
    info = array.array("B", bytes(_DRIVER_INFO_SIZE))
    info[:4] = array.array("B", struct.pack("=I", _ETHTOOL_GDRVINFO))
    try:
        fcntl.ioctl(
            bound, _SIOCETHTOOL, struct.pack("16sP", interface.encode(), info.buffer_info()[0]).ljust(40, b"\0")
        )
    except OSError:  # it has no driver to speak of, as the loopback interface
        driver = ""
    else:
        driver = bytes(info[_DRIVER_NAME]).rstrip(b"\0").decode(errors="replace")
    if driver != "veth" or not address.startswith(_OWN_MAC):
        what = f"{driver or 'no driver'}, {address.hex(':')}"
        raise PermissionError(errno.EPERM, f"{interface} ({what}) is no veth of the lab, which sends on nothing else")
