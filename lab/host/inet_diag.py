"""What the kernel says a connection's state is: one exact look-up by inet_diag (sock_diag(7)), some 10 us each.

It sees what TCP_INFO cannot: SYN-RECEIVED requests, TIME-WAIT and FIN-WAIT-2 mini-sockets, sockets whose descriptor
is closed already. TCP_INFO, which it brings along where there is a whole socket, is decoded here too.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from functools import lru_cache

from lab.host.errors import MachineError
from lab.host.namespace import Namespace
from lab.record.kernel_state import BY_NUMBER, CLOSED, KernelState
from lab.tcp.state import State

DEADLINE_S = 10.0
"""For an answer: the kernel gives it before it returns from the request."""
_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_NLM_F_REQUEST, _NLM_F_DUMP = 1, 0x300
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_ANY_COOKIE = b"\xff" * 8
_HEADER = struct.Struct("=IHHII")
_REQUEST = struct.Struct("=BBBBI")
_MESSAGE = struct.Struct("=xBBB48xIII4xI")
_ERROR = struct.Struct("=i")
_ATTRIBUTE = struct.Struct("=HH")
_TIMEVAL = struct.Struct("@ll")  # seconds, microseconds
_PORTS = struct.Struct("!HH")
_MESSAGE_SIZE = 72  # struct inet_diag_msg of linux/inet_diag.h; attributes follow
_TCP_INFO = 2  # INET_DIAG_INFO
_EXTENSIONS_AT, _WANT_TCP_INFO = 18, 1 << _TCP_INFO - 1
_TCP_INFO_FIELDS = (
    # (struct format, names): an older kernel returns a shorter structure, then the last ones are left out.
    ("BBBBBB", ("state", "ca_state", "retransmits", "probes", "backoff", "options")),
    ("BB", ("_scales", "_limited")),
    ("IIII", ("rto", "ato", "snd_mss", "rcv_mss")),
    ("IIIII", ("unacked", "sacked", "lost", "retrans", "fackets")),
    ("IIII", ("last_data_sent", "last_ack_sent", "last_data_recv", "last_ack_recv")),
    ("IIIIIIII", ("pmtu", "rcv_ssthresh", "rtt", "rttvar", "snd_ssthresh", "snd_cwnd", "advmss", "reordering")),
    ("III", ("rcv_rtt", "rcv_space", "total_retrans")),
    ("QQQQ", ("pacing_rate", "max_pacing_rate", "bytes_acked", "bytes_received")),
    ("II", ("segs_out", "segs_in")),
    ("IIII", ("notsent_bytes", "min_rtt", "data_segs_in", "data_segs_out")),
    ("QQQQ", ("delivery_rate", "busy_time", "rwnd_limited", "sndbuf_limited")),
    ("II", ("delivered", "delivered_ce")),
    ("QQ", ("bytes_sent", "bytes_retrans")),
    ("IIII", ("dsack_dups", "reord_seen", "rcv_ooopack", "snd_wnd")),
    ("II", ("rcv_wnd", "rehash")),
)
TCP_INFO_SIZE = struct.calcsize("=" + "".join(layout for layout, _ in _TCP_INFO_FIELDS))
"""Bytes of all the fields named here; the kernel cuts its answer to what was asked for."""

_OPTION_BITS = {1: "timestamps", 2: "sack", 4: "wscale", 8: "ecn", 16: "ecn_seen", 32: "syn_data"}


class StateLookup:
    """Exact look-ups in one namespace."""

    def __init__(self, namespace: Namespace) -> None:
        with namespace.entered():
            self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_SOCK_DIAG)
            self._socket.connect((0, 0))
        seconds, rest = divmod(DEADLINE_S, 1)
        # settimeout() would make a look-up take twice as long.
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _TIMEVAL.pack(int(seconds), int(rest * 1e6)))

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
        reply = self._received(1024)
        if reply[4] == _NLMSG_ERROR:
            number = -_ERROR.unpack_from(reply, 16)[0]
            if number == errno.ENOENT:
                return CLOSED
            raise OSError(number, f"inet_diag: {os.strerror(number)}")
        if reply[22:24] == b"\0\0" != request[26:28]:
            return CLOSED  # the kernel fell back to the listener: the connection itself does not exist
        return _kernel_state(reply, 0)

    def tcp_info(self, request: bytes) -> dict[str, int]:
        """TCP_INFO as `decode_tcp_info` names it; {} where there is no whole socket, so that it has none."""
        self._socket.send(request[:_EXTENSIONS_AT] + bytes([_WANT_TCP_INFO]) + request[_EXTENSIONS_AT + 1 :])
        reply = self._received(4096)
        at = _HEADER.size + _MESSAGE_SIZE
        while reply[4] != _NLMSG_ERROR and at < len(reply):
            size, kind = _ATTRIBUTE.unpack_from(reply, at)
            if kind == _TCP_INFO:
                return decode_tcp_info(reply[at + _ATTRIBUTE.size : at + size])
            at += size + 3 & ~3
        return {}

    def all_in(self, family: int, *states: State) -> list[KernelState]:
        """Everything in one of these states, in no particular order, some microseconds each.

        What changes its state meanwhile may be left out or told twice.
        """
        bits = sum(1 << number for number, each in BY_NUMBER.items() if each in states)
        self._socket.send(_message(family, _NLM_F_DUMP, bits, bytes(40)))
        found: list[KernelState] = []
        while True:
            replies, at = self._received(65536), 0
            while at < len(replies):
                size, kind, _, _, _ = _HEADER.unpack_from(replies, at)
                if kind == _NLMSG_DONE:
                    return found
                if kind == _NLMSG_ERROR:
                    number = -_ERROR.unpack_from(replies, at + 16)[0]
                    raise OSError(number, f"inet_diag: {os.strerror(number)}")
                found.append(_kernel_state(replies, at))
                at += size + 3 & ~3

    def _received(self, size: int) -> bytes:
        try:
            return self._socket.recv(size)
        except BlockingIOError:
            raise MachineError(
                f"inet_diag has not answered for {DEADLINE_S:g} s", "see what keeps the kernel busy"
            ) from None


def question(family: int, local: str, local_port: int, remote: str, remote_port: int) -> bytes:
    """What to ask about one connection, as `StateLookup.of` takes it; `ask` may be asked the same again."""
    before, behind = _question_around(family, local, remote)
    return before + _PORTS.pack(local_port, remote_port) + behind


@lru_cache(maxsize=1024)
def _question_around(family: int, local: str, remote: str) -> tuple[bytes, bytes]:
    """What stands before and behind the ports."""
    kind = socket.AF_INET6 if family == 6 else socket.AF_INET
    addresses = (socket.inet_pton(kind, each).ljust(16, b"\0") for each in (local, remote))
    message = _message(family, 0, 0xFFFF_FFFF, bytes(_PORTS.size) + b"".join(addresses) + bytes(4))
    at = _HEADER.size + _REQUEST.size
    return message[:at], message[at + _PORTS.size :]


def decode_tcp_info(data: bytes) -> dict[str, int]:
    """Field names to numbers; `rto`, `rtt` and `ato` in us, `last_*` in ms, windows and MSS in bytes.

    The packed bits are spread out: `snd_wscale`, `rcv_wscale`, and one 0 or 1 for each option that was agreed on.
    """
    values: dict[str, int] = {}
    at = 0
    for layout, names in _TCP_INFO_FIELDS:
        size = struct.calcsize("=" + layout)
        if at + size > len(data):
            break
        values.update(zip(names, struct.unpack_from("=" + layout, data, at), strict=True))
        at += size
    scales = values.pop("_scales", 0)
    limited = values.pop("_limited", 0)
    values["snd_wscale"], values["rcv_wscale"] = scales & 15, scales >> 4
    values["delivery_rate_app_limited"] = limited & 1
    options = values.pop("options", 0)
    values.update({name: int(bool(options & bit)) for bit, name in _OPTION_BITS.items()})
    return values


def _kernel_state(reply: bytes, at: int) -> KernelState:
    state, timer, retransmits, expires, receive_queue, send_queue, inode = _MESSAGE.unpack_from(reply, at + 16)
    return KernelState(
        state=BY_NUMBER[state],
        timer_number=timer,
        expires_ms=expires,
        retransmits=retransmits,
        receive_queue=receive_queue,
        send_queue=send_queue,
        inode=inode,
    )


def _message(family: int, flags: int, states: int, ends: bytes) -> bytes:
    kind = socket.AF_INET6 if family == 6 else socket.AF_INET
    body = _REQUEST.pack(kind, socket.IPPROTO_TCP, 0, 0, states) + ends + _ANY_COOKIE
    return _HEADER.pack(_HEADER.size + len(body), _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST | flags, 1, 0) + body
