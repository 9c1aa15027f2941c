"""Kernel TCP sockets inside a namespace. They never block, errors are values, and waiting has a deadline."""

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
from typing import Any, Generic, TypeVar

from lab.host import socket_options, sysctls
from lab.host.addresses import address_family
from lab.host.inet_diag import decode_tcp_info
from lab.host.namespace import Namespace
from lab.host.socket_options import Value

T = TypeVar("T")

_NONBLOCKING = socket.SOCK_STREAM | socket.SOCK_NONBLOCK
_PORT_RANGE = "net.ipv4.ip_local_port_range"  # for IPv6 too
_DIRECTIONS = {"read": socket.SHUT_RD, "write": socket.SHUT_WR, "both": socket.SHUT_RDWR}
EVENTS = {name: getattr(select, name) for name in ("POLLIN", "POLLPRI", "POLLOUT", "POLLRDHUP", "POLLERR", "POLLHUP")}
fork_lock = threading.Lock()
"""Held during fork and close(2). Until its exec a new process has copies of all descriptors: a socket that is closed
meanwhile would stay open."""


@dataclass(slots=True)
class CallResult(Generic[T]):
    """The result of a system call: a value, or the name of its errno ("ECONNREFUSED") and no value."""

    value: T | None = None
    error: str = field(default="", kw_only=True)
    began_ns: int = field(default_factory=time.monotonic_ns, kw_only=True)
    """When the call was made, in ns of CLOCK_MONOTONIC."""

    def unwrap(self) -> T:
        """The value. Raises OSError when the call failed."""
        if self.error:
            raise OSError(getattr(errno, self.error, 0), self.error)
        return self.value  # type: ignore[return-value]  # a result without an error carries its value


class HolderProcess:
    """A process that holds a descriptor and does nothing. It ends when killed, or with the lab's process."""

    def __init__(self, descriptor: int) -> None:
        # Its standard input is a pipe without data: cat ends when its only writer, this process, has ended.
        with fork_lock:
            self._process = subprocess.Popen(
                ["cat"], stdin=subprocess.PIPE, stdout=DEVNULL, stderr=DEVNULL, pass_fds=(descriptor,)
            )

    @property
    def pid(self) -> int:
        """Process id of the process that holds the socket."""
        return self._process.pid

    def kill(self) -> None:
        """Send SIGKILL and wait for its end. A second call does nothing."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.kill()
        self._process.wait()


class KernelSocket:
    """One TCP socket of the kernel. Deadlines are instants of `time.monotonic()`, in seconds."""

    def __init__(self, opened: socket.socket, remote: tuple[Any, ...] = ()) -> None:
        self._socket = opened
        self.remote = remote[:2]
        """Address and port of the other end, for a socket that accept(2) returned."""

    @classmethod
    def open(cls, namespace: Namespace, family: int) -> KernelSocket:
        """A new socket of family 4 or 6 inside `namespace`."""
        with namespace.entered():
            return cls(socket.socket(address_family(family), _NONBLOCKING))

    def fileno(self) -> int:
        """The descriptor, -1 once closed."""
        return self._socket.fileno()

    def bind(self, address: str, port: int) -> CallResult[None]:
        """bind(2)."""
        return _call(self._socket.bind, (address, port))

    def listen(self, backlog: int) -> CallResult[None]:
        """listen(2)."""
        return _call(self._socket.listen, backlog)

    def connect(self, address: str, port: int) -> CallResult[None]:
        """connect(2) without waiting: "EINPROGRESS" when the SYN is out."""
        return _call(self._socket.connect, (address, port))

    def connected(self, deadline: float) -> CallResult[None]:
        """The outcome of connect(2): success, its errno, or "EINPROGRESS" at the deadline."""
        began_ns = time.monotonic_ns()
        if not self.wait(select.POLLOUT, deadline):
            return CallResult(error="EINPROGRESS", began_ns=began_ns)
        number = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        return CallResult(error=errno.errorcode[number] if number else "", began_ns=began_ns)

    def accept(self, deadline: float) -> CallResult[KernelSocket]:
        """accept(2), waiting for a connection until the deadline; then "EAGAIN"."""
        return self._when_readable(deadline, lambda: KernelSocket(*self._socket.accept()))

    def send(self, data: bytes, flags: int = 0) -> CallResult[int]:
        """send(2): the number of bytes that the kernel accepted."""
        return _call(self._socket.send, data, flags | socket.MSG_DONTWAIT)

    def recv(self, size: int, deadline: float) -> CallResult[bytes]:
        """recv(2), waiting for data until the deadline: b"" at the end of the stream, "EAGAIN" without data."""
        return self._when_readable(deadline, self._socket.recv, size, socket.MSG_DONTWAIT)

    def shutdown(self, direction: str) -> CallResult[None]:
        """shutdown(2) of "read", "write" or "both"."""
        if direction not in _DIRECTIONS:
            raise ValueError(f"{direction!r} is not a direction of shutdown(), use one of {', '.join(_DIRECTIONS)}")
        return _call(self._socket.shutdown, _DIRECTIONS[direction])

    def close(self) -> CallResult[None]:
        """close(2)."""
        with fork_lock:
            return _call(self._socket.close)

    def move_to_process(self) -> HolderProcess:
        """Pass the socket to a new process, which then has the only descriptor."""
        owner = HolderProcess(self._socket.fileno())
        self.close()
        return owner

    def dup(self) -> KernelSocket:
        """A second descriptor for the same socket (dup(2))."""
        return KernelSocket(self._socket.dup())

    def set_option(self, name: str, value: Value) -> CallResult[None]:
        """setsockopt(2) by the option's name in C. Raises ValueError for an unknown name or no value of an option."""
        return _call(self._socket.setsockopt, *socket_options.lookup(name), socket_options.encode(value))

    def get_option(self, name: str) -> CallResult[Any]:
        """getsockopt(2) by the option's name in C. Raises ValueError for an unknown one."""
        level, option = socket_options.lookup(name)
        return _call(
            lambda: socket_options.decode(name, self._socket.getsockopt(level, option, socket_options.LARGEST))
        )

    def max_receive_buffer(self) -> int:
        """net.core.rmem_max in bytes, found by asking for more (socket(7)); this changes the socket's buffer."""
        self.set_option("SO_RCVBUF", 2**30).unwrap()
        return int(self.get_option("SO_RCVBUF").unwrap()) // 2

    def linger(self, seconds: int) -> CallResult[None]:
        """SO_LINGER: with 0 seconds close() sends a reset instead of a FIN."""
        return self.set_option("SO_LINGER", struct.pack("ii", 1, seconds))

    def tcp_info(self) -> dict[str, int]:
        """TCP_INFO, see `decode_tcp_info`."""
        data = self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 512)  # larger than struct tcp_info
        return decode_tcp_info(data)

    def events(self) -> str:
        """All events that poll(2) reports now, such as "POLLIN POLLOUT"."""
        poll = select.poll()
        poll.register(self._socket, sum(EVENTS.values()))
        reported = dict(poll.poll(0)).get(self._socket.fileno(), 0)
        return " ".join(name for name, bit in EVENTS.items() if reported & bit)

    def wait(self, events: int, deadline: float) -> bool:
        """Whether one of the poll(2) events, POLLERR or POLLHUP occurred before the deadline."""
        poll = select.poll()
        poll.register(self._socket, events)
        return bool(poll.poll(max(0.0, deadline - time.monotonic()) * 1000))

    def _when_readable(self, deadline: float, call: Callable[..., T], *arguments: object) -> CallResult[T]:
        while True:
            result = _call(call, *arguments)
            if result.error != "EAGAIN" or not self.wait(select.POLLIN, deadline):
                return result


class ManySockets:
    """TCP sockets inside a namespace. Each method repeats one system call and returns how many calls succeeded.

    A method stops at the first error.
    """

    def __init__(self, namespace: Namespace, family: int) -> None:
        self._namespace = namespace
        self._kind = address_family(family)
        self._open: list[socket.socket] = []

    def connect(self, address: str, port: int, count: int) -> CallResult[int]:
        """connect(2) with `count` new sockets, from ports that the kernel chooses, without waiting."""

        def connect() -> None:
            opened = socket.socket(self._kind, _NONBLOCKING)
            if (number := opened.connect_ex((address, port))) not in (0, errno.EINPROGRESS):
                opened.close()
                raise OSError(number, os.strerror(number))
            self._open.append(opened)

        with self._namespace.entered():
            return _repeat(count, connect)

    def accept(self, listener: int, count: int) -> CallResult[int]:
        """accept(2) `count` times, on the listener with this descriptor, without waiting."""
        listening = socket.socket(fileno=listener)
        try:
            return _repeat(count, lambda: self._open.append(listening.accept()[0]))
        finally:
            listening.detach()

    def close(self) -> CallResult[int]:
        """Close all open sockets."""
        opened, self._open = self._open, []
        began_ns = time.monotonic_ns()
        with fork_lock:
            for each in opened:
                each.close()
        return CallResult(len(opened), began_ns=began_ns)


def limited_port_ranges(namespace: Namespace, size: int) -> Generator[range]:
    """Limit ip_local_port_range to `size` ports; each step of the generator goes on to the next `size` ports.

    Closing the generator restores the whole range. The kernel searches a free port linearly: with 14,000 of them in
    use to the same destination each connect(2) takes a millisecond.
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


def _repeat(count: int, call: Callable[[], None]) -> CallResult[int]:
    """How many of `count` calls succeed before the first error."""
    began_ns = time.monotonic_ns()
    for done in range(count):
        if error := _call(call).error:
            return CallResult(done, error=error, began_ns=began_ns)
    return CallResult(count, began_ns=began_ns)


def _call(call: Callable[..., T], *arguments: object) -> CallResult[T]:
    began_ns = time.monotonic_ns()
    try:
        return CallResult(call(*arguments), began_ns=began_ns)
    except OSError as refused:
        return CallResult(error=errno.errorcode.get(refused.errno or 0, str(refused)), began_ns=began_ns)
