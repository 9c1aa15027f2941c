"""What the kernel says a connection's state is: one exact look-up by inet_diag (sock_diag(7)), some 10 us each.

It sees what TCP_INFO cannot: SYN-RECEIVED requests, TIME-WAIT and FIN-WAIT-2 mini-sockets, sockets whose descriptor
is closed already.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from typing import NamedTuple

from lab.host.namespace import Namespace
from lab.tcp.state import State
from lab.tcp.values import make

# Linux's state numbers (net/tcp_states.h).
BY_NUMBER: dict[int, State] = {
    1: State.ESTABLISHED,
    2: State.SYN_SENT,
    3: State.SYN_RECEIVED,
    4: State.FIN_WAIT_1,
    5: State.FIN_WAIT_2,
    6: State.TIME_WAIT,
    7: State.CLOSED,
    8: State.CLOSE_WAIT,
    9: State.LAST_ACK,
    10: State.LISTEN,
    11: State.CLOSING,
    12: State.SYN_RECEIVED,  # TCP_NEW_SYN_RECV: a connection request without a socket of its own
}

_TIMERS = {0: "", 1: "retransmission", 2: "keepalive", 3: "time-wait", 4: "zero-window probe"}

_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_NLM_F_REQUEST = 1
_NLMSG_ERROR = 2
_ANY_COOKIE = 0xFFFF_FFFF
_HEADER = struct.Struct("=IHHII")
_REQUEST = struct.Struct("=BBBBI")
_MESSAGE = struct.Struct("=xBBB48xIII4xI")
_ERROR = struct.Struct("=i")


class KernelState(NamedTuple):
    """What inet_diag reports of one connection."""

    state: State
    timer_number: int = 0
    """Which timer runs, as inet_diag counts them; `timer` says it in words."""
    expires_ms: int = 0
    """Until that timer fires."""
    retransmits: int = 0
    receive_queue: int = 0
    """Bytes not read yet; for a listener the connections not accepted yet."""
    send_queue: int = 0
    """Bytes not acknowledged yet; for a listener its backlog."""
    inode: int = 0
    """0 when no descriptor refers to it any more."""

    @property
    def timer(self) -> str:
        """Which timer runs: "", "retransmission", "keepalive", "time-wait" or "zero-window probe"."""
        return _TIMERS.get(self.timer_number, str(self.timer_number))


CLOSED = KernelState(State.CLOSED)


class StateLookup:
    """Exact look-ups in one namespace."""

    def __init__(self, namespace: Namespace) -> None:
        with namespace.entered():
            self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_SOCK_DIAG)
            self._socket.connect((0, 0))

    def close(self) -> None:
        """Close the netlink socket."""
        self._socket.close()

    def of(self, family: int, local: str, local_port: int, remote: str, remote_port: int) -> KernelState:
        """The state of exactly this connection; CLOSED when there is none.

        For a listener pass remote port 0 and the remote address "0.0.0.0" or "::".
        """
        return self.ask(question(family, local, local_port, remote, remote_port))

    def ask(self, request: bytes) -> KernelState:
        """The answer to a `question` put together before."""
        self._socket.send(request)
        reply = self._socket.recv(1024)
        if reply[4] == _NLMSG_ERROR:
            number = -_ERROR.unpack_from(reply, 16)[0]
            if number == errno.ENOENT:
                return CLOSED
            raise OSError(number, f"inet_diag: {os.strerror(number)}")
        if reply[22:24] == b"\0\0" != request[26:28]:
            return CLOSED  # the kernel fell back to the listener: the connection itself does not exist
        state, timer, retransmits, expires, receive_queue, send_queue, inode = _MESSAGE.unpack_from(reply, 16)
        return make(KernelState, (BY_NUMBER[state], timer, expires, retransmits, receive_queue, send_queue, inode))


def question(family: int, local: str, local_port: int, remote: str, remote_port: int) -> bytes:
    """What to ask about one connection, as `StateLookup.of` takes it; `ask` may be asked the same again."""
    kind = socket.AF_INET6 if family == 6 else socket.AF_INET
    body = _REQUEST.pack(kind, socket.IPPROTO_TCP, 0, 0, 0xFFFF_FFFF)
    body += struct.pack("!HH", local_port, remote_port)
    body += socket.inet_pton(kind, local).ljust(16, b"\0") + socket.inet_pton(kind, remote).ljust(16, b"\0")
    body += struct.pack("=III", 0, _ANY_COOKIE, _ANY_COOKIE)
    return _HEADER.pack(_HEADER.size + len(body), _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST, 1, 0) + body
