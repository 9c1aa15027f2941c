"""Kernel sockets inside a namespace: never blocking, every error a value, every wait with a deadline."""

from __future__ import annotations

import errno
import os
import select
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from subprocess import DEVNULL
from typing import Generic, TypeVar

from lab.host import sysctls
from lab.host.addresses import kind_of
from lab.host.inet_diag import decode_tcp_info
from lab.host.namespace import Namespace

T = TypeVar("T")

_NEVER_BLOCKING = socket.SOCK_STREAM | socket.SOCK_NONBLOCK
_PORT_RANGE = "net.ipv4.ip_local_port_range"  # for IPv6 too
_HOW = {"read": socket.SHUT_RD, "write": socket.SHUT_WR, "both": socket.SHUT_RDWR}
_EVENTS = {name: getattr(select, name) for name in ("POLLIN", "POLLPRI", "POLLOUT", "POLLRDHUP", "POLLERR", "POLLHUP")}
no_copies = threading.Lock()
"""Taken while a new process is made: until its exec it has copies of all our descriptors, and a close(2) of ours in
that moment would not be the last one."""


@dataclass(slots=True)
class Result(Generic[T]):
    """What a system call gave back: a value, or the name of its errno ("ECONNREFUSED") and no value."""

    value: T | None = None
    error: str = field(default="", kw_only=True)
    began_ns: int = field(default_factory=time.monotonic_ns, kw_only=True)
    """When the call was made, CLOCK_MONOTONIC."""

    def unwrap(self) -> T:
        """The value; OSError when there is none."""
        if self.error:
            raise OSError(getattr(errno, self.error, 0), self.error)
        return self.value  # type: ignore[return-value]  # a result without an error carries its value


class Owner:
    """A process with one descriptor of ours, which does nothing with it. It ends when killed, or when we do."""

    def __init__(self, descriptor: int) -> None:
        # Its standard input is a pipe that nobody writes to: cat ends when we, the only writer, have ended somehow.
        with no_copies:
            self._process = subprocess.Popen(
                ["cat"], stdin=subprocess.PIPE, stdout=DEVNULL, stderr=DEVNULL, pass_fds=(descriptor,)
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def kill(self) -> None:
        """SIGKILL; returns when it is gone. Killing it again does nothing."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.kill()
        self._process.wait()


class KernelSocket:
    """One TCP socket of the kernel. Deadlines are instants of `time.monotonic()`, in seconds."""

    def __init__(self, opened: socket.socket) -> None:
        self._socket = opened

    @classmethod
    def open(cls, namespace: Namespace, family: int) -> KernelSocket:
        """A fresh socket of family 4 or 6 inside `namespace`."""
        with namespace.entered():
            return cls(socket.socket(kind_of(family), _NEVER_BLOCKING))

    def fileno(self) -> int:
        """The descriptor, -1 once closed."""
        return self._socket.fileno()

    def bind(self, address: str, port: int) -> Result[None]:
        """bind(2)."""
        return _call(self._socket.bind, (address, port))

    def listen(self, backlog: int) -> Result[None]:
        """listen(2)."""
        return _call(self._socket.listen, backlog)

    def connect(self, address: str, port: int) -> Result[None]:
        """connect(2) without waiting: "EINPROGRESS" when the SYN is out."""
        return _call(self._socket.connect, (address, port))

    def connected(self, deadline: float) -> Result[None]:
        """How the connect ended: success, its errno, or "EINPROGRESS" if it has not by the deadline."""
        began_ns = time.monotonic_ns()
        if not self.wait(select.POLLOUT, deadline):
            return Result(error="EINPROGRESS", began_ns=began_ns)
        number = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        return Result(error=errno.errorcode[number] if number else "", began_ns=began_ns)

    def accept(self, deadline: float) -> Result[KernelSocket]:
        """accept(2), waiting for a connection until the deadline: "EAGAIN" when none came."""
        return self._when_readable(deadline, lambda: KernelSocket(self._socket.accept()[0]))

    def send(self, data: bytes, flags: int = 0) -> Result[int]:
        """send(2): the number of bytes that the kernel took."""
        return _call(self._socket.send, data, flags | socket.MSG_DONTWAIT)

    def recv(self, size: int, deadline: float) -> Result[bytes]:
        """recv(2), waiting for something until the deadline: b"" is the end of the stream, "EAGAIN" is nothing."""
        return self._when_readable(deadline, self._socket.recv, size, socket.MSG_DONTWAIT)

    def shutdown(self, direction: str) -> Result[None]:
        """shutdown(2) of "read", "write" or "both"."""
        if direction not in _HOW:
            raise ValueError(f"{direction!r} is no direction to shut down, use one of {', '.join(_HOW)}")
        return _call(self._socket.shutdown, _HOW[direction])

    def close(self) -> Result[None]:
        """close(2)."""
        with no_copies:
            return _call(self._socket.close)

    def move_to_process(self) -> Owner:
        """Give the socket to a process of its own, which has the only descriptor then."""
        owner = Owner(self._socket.fileno())
        self.close()
        return owner

    def dup(self) -> KernelSocket:
        """A second descriptor for the same socket (dup(2))."""
        return KernelSocket(self._socket.dup())

    def set_option(self, level: int, option: int, value: int | bytes) -> Result[None]:
        """setsockopt(2)."""
        return _call(self._socket.setsockopt, level, option, value)

    def get_option(self, level: int, option: int) -> Result[int]:
        """getsockopt(2) of an integer."""
        return _call(self._socket.getsockopt, level, option)

    def most_receive_buffer(self) -> int:
        """net.core.rmem_max: what this socket gets when it asks for more (socket(7)); spoils it for other uses."""
        self.set_option(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**30).unwrap()
        return self.get_option(socket.SOL_SOCKET, socket.SO_RCVBUF).unwrap() // 2

    def linger(self, seconds: int) -> Result[None]:
        """SO_LINGER: with 0 seconds close() sends a reset instead of a FIN."""
        return self.set_option(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, seconds))

    def tcp_info(self) -> dict[str, int]:
        """TCP_INFO, as `decode_tcp_info` names it."""
        data = self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 512)  # more than it has
        return decode_tcp_info(data)

    def events(self) -> str:
        """What poll(2) has to say now, of all that one can ask it for: "POLLIN POLLOUT"."""
        poll = select.poll()
        poll.register(self._socket, sum(_EVENTS.values()))
        reported = dict(poll.poll(0)).get(self._socket.fileno(), 0)
        return " ".join(name for name, bit in _EVENTS.items() if reported & bit)

    def wait(self, events: int, deadline: float) -> bool:
        """Whether one of the poll(2) events (or an error, or the other end's close) came before the deadline."""
        poll = select.poll()
        poll.register(self._socket, events)
        return bool(poll.poll(max(0.0, deadline - time.monotonic()) * 1000))

    def _when_readable(self, deadline: float, call: Callable[..., T], *arguments: object) -> Result[T]:
        while True:
            result = _call(call, *arguments)
            if result.error != "EAGAIN" or not self.wait(select.POLLIN, deadline):
                return result


class ManySockets:
    """TCP sockets inside a namespace. Each method makes one call on many of them, and counts the calls that succeeded.

    It stops at the first error.
    """

    def __init__(self, namespace: Namespace, family: int) -> None:
        self._namespace = namespace
        self._kind = kind_of(family)
        self._open: list[socket.socket] = []

    def connect(self, address: str, port: int, count: int) -> Result[int]:
        """Begin that many connections, each from a port of the kernel's choice."""

        def connect() -> None:
            opened = socket.socket(self._kind, _NEVER_BLOCKING)
            if (number := opened.connect_ex((address, port))) not in (0, errno.EINPROGRESS):
                opened.close()
                raise OSError(number, os.strerror(number))
            self._open.append(opened)

        with self._namespace.entered():
            return _repeat(count, connect)

    def accept(self, listener: int, count: int) -> Result[int]:
        """Take that many connections that are there already from the listener with this descriptor."""
        listening = socket.socket(fileno=listener)
        try:
            return _repeat(count, lambda: self._open.append(listening.accept()[0]))
        finally:
            listening.detach()

    def close(self) -> Result[int]:
        """Close all that are open."""
        opened, self._open = self._open, []
        began_ns = time.monotonic_ns()
        with no_copies:
            for each in opened:
                each.close()
        return Result(len(opened), began_ns=began_ns)


def ports_in_parts(namespace: Namespace, size: int) -> Generator[range]:
    """Ports for connecting sockets come from one part of the range, `size` ports; each step goes on to the next part.

    When it is closed the kernel has the whole range again. It finds a free port by trying: first every other port from
    end to end, then the rest. When 14,000 of them are taken towards the same destination each connect(2) costs a
    millisecond.
    """
    before = sysctls.read(namespace, [_PORT_RANGE])[_PORT_RANGE]
    first, last = map(int, before.split())
    try:
        for start in range(first, last + 1, size):
            part = range(start, min(start + size, last + 1))
            sysctls.apply(namespace, {_PORT_RANGE: f"{part[0]} {part[-1]}"})
            yield part
    finally:
        sysctls.apply(namespace, {_PORT_RANGE: before})


def _repeat(count: int, call: Callable[[], None]) -> Result[int]:
    """How many of these calls succeed until one does not."""
    began_ns = time.monotonic_ns()
    for done in range(count):
        if error := _call(call).error:
            return Result(done, error=error, began_ns=began_ns)
    return Result(count, began_ns=began_ns)


def _call(call: Callable[..., T], *arguments: object) -> Result[T]:
    began_ns = time.monotonic_ns()
    try:
        return Result(call(*arguments), began_ns=began_ns)
    except OSError as refused:
        return Result(error=errno.errorcode.get(refused.errno or 0, str(refused)), began_ns=began_ns)
