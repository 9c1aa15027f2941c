"""inet_diag (sock_diag(7)): state of one connection by an exact look-up, some 10 us each; decoding of TCP_INFO.

inet_diag also reports connection requests in SYN-RECEIVED, mini-sockets in TIME-WAIT and FIN-WAIT-2, and sockets whose
descriptor is closed. getsockopt(2) cannot read TCP_INFO of any of these.
"""

from __future__ import annotations

import os
import socket
import struct
from functools import lru_cache

from lab.host import netlink
from lab.host.addresses import address_family
from lab.host.errors import MachineError
from lab.host.namespace import Namespace
from lab.record.kernel_state import BY_NUMBER, CLOSED, KernelState
from lab.tcp.state import State

DEADLINE_S = 10.0
"""Deadline for a response, in seconds. The kernel normally queues the response before send(2) returns."""
_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_REQUEST = struct.Struct("=BBBxI")  # the beginning of struct inet_diag_req_v2: family, protocol, extensions, states
_ANY_INTERFACE_AND_COOKIE = bytes(4) + b"\xff" * 8
_ALL_STATES = 0xFFFF_FFFF
_ANSWER = struct.Struct("=xBBB48xIII4xI")  # struct inet_diag_msg; attributes follow
_REQUEST_PORTS, _ANSWER_PORTS = slice(24, 28), slice(4, 8)
_TCP_INFO = 2  # INET_DIAG_INFO
_TCP_INFO_FIELDS = (  # of struct tcp_info in order; older kernels lack the last ones
    ("B", "state ca_state retransmits probes backoff options _scales _limited"),
    ("I", "rto ato snd_mss rcv_mss unacked sacked lost retrans fackets"),
    ("I", "last_data_sent last_ack_sent last_data_recv last_ack_recv"),
    ("I", "pmtu rcv_ssthresh rtt rttvar snd_ssthresh snd_cwnd advmss reordering rcv_rtt rcv_space total_retrans"),
    ("Q", "pacing_rate max_pacing_rate bytes_acked bytes_received"),
    ("I", "segs_out segs_in notsent_bytes min_rtt data_segs_in data_segs_out"),
    ("Q", "delivery_rate busy_time rwnd_limited sndbuf_limited"),
    ("I", "delivered delivered_ce"),
    ("Q", "bytes_sent bytes_retrans"),
    ("I", "dsack_dups reord_seen rcv_ooopack snd_wnd rcv_wnd rehash"),
)
_OPTION_BITS = {1: "timestamps", 2: "sack", 4: "wscale", 8: "ecn", 16: "ecn_seen", 32: "syn_data"}


class InetDiag:
    """inet_diag socket of one namespace."""

    def __init__(self, namespace: Namespace) -> None:
        with namespace.entered():
            self._socket = netlink.open_socket(_NETLINK_SOCK_DIAG)
        self._socket.settimeout(DEADLINE_S)

    def close(self) -> None:
        """Close the netlink socket."""
        self._socket.close()

    def of(self, family: int, local: str, local_port: int, remote: str, remote_port: int) -> KernelState:
        """The state of this connection; CLOSED when there is none.

        For a listener pass remote port 0 and the remote address "0.0.0.0" or "::".
        """
        answer = self._query(request(family, local, local_port, remote, remote_port))
        return _kernel_state(answer) if answer else CLOSED

    def tcp_info(self, family: int, local: str, local_port: int, remote: str, remote_port: int) -> dict[str, int]:
        """TCP_INFO of this connection, see `decode_tcp_info`; {} for a connection without a full socket."""
        answer = self._query(request(family, local, local_port, remote, remote_port, 1 << _TCP_INFO - 1))
        info = dict(netlink.attributes(answer[_ANSWER.size :])).get(_TCP_INFO)
        return decode_tcp_info(info) if info else {}

    def all_in(self, family: int, *states: State) -> list[KernelState]:
        """All connections in one of these states, in no particular order; takes some microseconds each.

        A connection that changes its state during the dump can be missing or listed twice.
        """
        bits = sum(1 << number for number, each in BY_NUMBER.items() if each in states)
        fields = _REQUEST.pack(address_family(family), socket.IPPROTO_TCP, 0, bits)
        any_ends = bytes(4 + 16 + 16) + _ANY_INTERFACE_AND_COOKIE
        self._socket.send(netlink.message(_SOCK_DIAG_BY_FAMILY, netlink.REQUEST | netlink.DUMP, fields, any_ends))
        found: list[KernelState] = []
        while True:
            for kind, body in self._responses():
                if kind == netlink.DONE:
                    return found
                found.append(_kernel_state(body))

    def _query(self, request_bytes: bytes) -> bytes:
        """The response for one connection; b"" when there is none."""
        self._socket.send(request_bytes)
        try:
            ((_, body),) = self._responses()
        except FileNotFoundError:
            return b""
        # Where there is no such connection, the kernel reports a listener on the local port.
        return body if body[_ANSWER_PORTS] == request_bytes[_REQUEST_PORTS] else b""

    def _responses(self) -> list[tuple[int, bytes]]:
        """Type and body of each message of one datagram."""
        try:
            data = self._socket.recv(netlink.RECEIVE_BYTES)
        except TimeoutError:
            why = f"inet_diag has not answered for {DEADLINE_S:g} s"
            raise MachineError(why, "see what keeps the kernel busy") from None
        responses = netlink.messages(data)
        for kind, body in responses:
            if number := netlink.error_number(kind, body):
                raise OSError(number, f"inet_diag: {os.strerror(number)}")
        return responses


@lru_cache(maxsize=1024)
def request(family: int, local: str, local_port: int, remote: str, remote_port: int, extensions: int = 0) -> bytes:
    """Request for one connection; `extensions` is a bit mask of the attributes wanted (INET_DIAG_*)."""
    return netlink.message(
        _SOCK_DIAG_BY_FAMILY,
        netlink.REQUEST,
        _REQUEST.pack(address_family(family), socket.IPPROTO_TCP, extensions, _ALL_STATES),
        struct.pack("!HH", local_port, remote_port),  # struct inet_diag_sockid: ports, addresses, interface, cookie
        *(socket.inet_pton(address_family(family), address).ljust(16, b"\0") for address in (local, remote)),
        _ANY_INTERFACE_AND_COOKIE,
    )


def decode_tcp_info(data: bytes) -> dict[str, int]:
    """Struct tcp_info by field name: `rto`, `rtt` and `ato` in us, `last_*` in ms, windows and MSS in bytes.

    Bit fields are unpacked: `snd_wscale`, `rcv_wscale`, and 0 or 1 for each negotiated option.
    """
    values: dict[str, int] = {}
    at = 0
    for kind, names in _TCP_INFO_FIELDS:
        size = struct.calcsize(kind)
        for name in names.split():
            if at + size <= len(data):
                (values[name],) = struct.unpack_from(kind, data, at)
            at += size
    scales = values.pop("_scales", 0)
    limited = values.pop("_limited", 0)
    values["snd_wscale"], values["rcv_wscale"] = scales & 15, scales >> 4
    values["delivery_rate_app_limited"] = limited & 1
    options = values.pop("options", 0)
    values.update({name: int(bool(options & bit)) for bit, name in _OPTION_BITS.items()})
    return values


def _kernel_state(answer: bytes) -> KernelState:
    state, timer, retransmits, expires_ms, receive_queue, send_queue, inode = _ANSWER.unpack_from(answer)
    return KernelState(BY_NUMBER[state], timer, expires_ms, retransmits, receive_queue, send_queue, inode)
