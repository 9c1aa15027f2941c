"""What the way out of a namespace allows: an interface's MTU, and the metrics of the route behind it."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import struct

from lab.host import requests
from lab.host.addresses import Pair
from lab.host.namespace import Namespace
from lab.host.rtnetlink import carry_out

_SIOCGIFMTU, _SIOCSIFMTU = 0x8921, 0x8922
_REQUEST = struct.Struct("16si20x")  # struct ifreq of linux/if.h


def mtu(namespace: Namespace, interface: str) -> int:
    """The largest IP packet in bytes that `interface` takes."""
    return _ask(namespace, _SIOCGIFMTU, interface, 0)


def set_mtu(namespace: Namespace, interface: str, size: int) -> None:
    """Change it; OSError for a size that the interface cannot have."""
    _ask(namespace, _SIOCSIFMTU, interface, size)


def set_route_metrics(namespace: Namespace, interface: str, pair: Pair, metrics: dict[str, int]) -> None:
    """Give the way to the peer a route of its own with these metrics, as ip-route(8) names them: {"advmss": 1111}.

    OSError for a metric that there is not.
    """
    with namespace.entered():
        try:
            carry_out(requests.route_metrics(socket.if_nametoindex(interface), pair.peer, metrics))
        except ValueError as unknown:
            raise OSError(errno.EINVAL, str(unknown)) from None
        except OSError as refused:
            raise OSError(refused.errno, f"a route with {metrics}: {refused.strerror}") from None


def _ask(namespace: Namespace, command: int, interface: str, value: int) -> int:
    request = _REQUEST.pack(interface.encode(), value)
    with namespace.entered(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as door:
        try:
            answer = fcntl.ioctl(door, command, request)
        except OSError as refused:
            code = refused.errno or errno.EIO
            raise OSError(code, f"MTU {value} of {interface}: {os.strerror(code)}") from None
    return int(_REQUEST.unpack(answer)[1])
