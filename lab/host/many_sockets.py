"""Kernel sockets by the thousand, some microseconds each, and the ports for them.

Python's own sockets give up the interpreter's lock for every call and queue for it again behind all other threads. A
call that never waits need not: `ctypes.PyDLL` keeps the lock.
"""

from __future__ import annotations

import ctypes
import errno
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager

from lab.host import sysctls
from lab.host.namespace import Namespace
from lab.host.sockets import Result, no_copies

_KIND = socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
_PORT_RANGE = "net.ipv4.ip_local_port_range"  # for IPv6 too
_libc = ctypes.PyDLL(None, use_errno=True)


class ManySockets:
    """TCP sockets inside a namespace. Each method makes one call on many of them, and counts the calls that succeeded.

    It stops at the first error.
    """

    def __init__(self, namespace: Namespace, family: int) -> None:
        self._namespace = namespace
        self._family = socket.AF_INET6 if family == 6 else socket.AF_INET
        self._open: list[int] = []

    def connect(self, address: str, port: int, count: int) -> Result[int]:
        """Begin that many connections, each from a port of the kernel's choice."""
        where = _socket_address(self._family, address, port)
        began_ns, begun = time.monotonic_ns(), 0
        with self._namespace.entered():
            for _ in range(count):
                opened = _libc.socket(self._family, _KIND, 0)
                if opened < 0:
                    return _refused(begun, began_ns)
                self._open.append(opened)
                if _libc.connect(opened, where, len(where)) and ctypes.get_errno() != errno.EINPROGRESS:
                    refused = _refused(begun, began_ns)
                    _libc.close(self._open.pop())
                    return refused
                begun += 1
        return Result(begun, began_ns=began_ns)

    def accept(self, listener: int, count: int) -> Result[int]:
        """Take that many connections that are there already from the listener with this descriptor."""
        began_ns = time.monotonic_ns()
        for taken in range(count):
            accepted = _libc.accept4(listener, None, None, _KIND & ~socket.SOCK_STREAM)
            if accepted < 0:
                return _refused(taken, began_ns)
            self._open.append(accepted)
        return Result(count, began_ns=began_ns)

    def close(self) -> Result[int]:
        """Close all that are open."""
        began_ns = time.monotonic_ns()
        opened, self._open = self._open, []
        with no_copies:
            for each in opened:
                _libc.close(each)
        return Result(len(opened), began_ns=began_ns)


@contextmanager
def ports_in_parts(namespace: Namespace, size: int) -> Iterator[Iterator[range]]:
    """Ports for connecting sockets come from one part of the range, `size` ports; each step goes on to the next part.

    Afterwards the kernel has the whole range again. It finds a free port by trying: first every other port from end to
    end, then the rest. When 14,000 of them are taken towards the same destination each connect(2) costs a millisecond.
    """
    before = sysctls.read(namespace, [_PORT_RANGE])[_PORT_RANGE]
    first, last = map(int, before.split())

    def parts() -> Iterator[range]:
        for start in range(first, last + 1, size):
            part = range(start, min(start + size, last + 1))
            sysctls.apply(namespace, {_PORT_RANGE: f"{part[0]} {part[-1]}"})
            yield part

    try:
        yield parts()
    finally:
        sysctls.apply(namespace, {_PORT_RANGE: before})


def _refused(count: int, began_ns: int) -> Result[int]:
    number = ctypes.get_errno()
    return Result(count, error=errno.errorcode.get(number, str(number)), began_ns=began_ns)


def _socket_address(family: int, address: str, port: int) -> bytes:
    """A struct sockaddr_in or sockaddr_in6."""
    packed = socket.inet_pton(family, address)
    if family == socket.AF_INET6:
        return struct.pack("=H", family) + struct.pack("!HI", port, 0) + packed + bytes(4)
    return struct.pack("=H", family) + struct.pack("!H", port) + packed + bytes(8)
