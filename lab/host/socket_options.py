"""Socket options by their names in C: level and number of each, and values as integers, texts and structs."""

from __future__ import annotations

import difflib
import socket
import sys

Value = int | str | bytes
"""A struct is bytes."""

_LEVELS = {  # by prefix of the name
    "SO": socket.SOL_SOCKET,
    "IP": socket.IPPROTO_IP,
    "IPV6": socket.IPPROTO_IPV6,
    "TCP": socket.IPPROTO_TCP,
}
_UNKNOWN_TO_PYTHON = """
    TCP_MD5SIG=14 TCP_THIN_LINEAR_TIMEOUTS=16 TCP_THIN_DUPACK=17 TCP_REPAIR=19 TCP_REPAIR_QUEUE=20 TCP_QUEUE_SEQ=21
    TCP_REPAIR_OPTIONS=22 TCP_TIMESTAMP=24 TCP_CC_INFO=26 TCP_SAVE_SYN=27 TCP_SAVED_SYN=28 TCP_REPAIR_WINDOW=29
    TCP_FASTOPEN_CONNECT=30 TCP_ULP=31 TCP_MD5SIG_EXT=32 TCP_FASTOPEN_KEY=33 TCP_FASTOPEN_NO_COOKIE=34
    TCP_ZEROCOPY_RECEIVE=35 TCP_INQ=36 TCP_TX_DELAY=37 TCP_AO_ADD_KEY=38 TCP_AO_DEL_KEY=39 TCP_AO_INFO=40
    TCP_AO_GET_KEYS=41 TCP_AO_REPAIR=42 TCP_IS_MPTCP=43 TCP_RTO_MAX_MS=44 TCP_RTO_MIN_US=45 TCP_DELACK_MAX_US=46
    IP_ROUTER_ALERT=5 IP_PKTINFO=8 IP_PKTOPTIONS=9 IP_MTU_DISCOVER=10 IP_RECVERR=11 IP_RECVTTL=12 IP_MTU=14
    IP_FREEBIND=15 IP_IPSEC_POLICY=16 IP_XFRM_POLICY=17 IP_PASSSEC=18 IP_ORIGDSTADDR=20 IP_RECVORIGDSTADDR=20
    IP_MINTTL=21 IP_NODEFRAG=22 IP_CHECKSUM=23 IP_RECVFRAGSIZE=25 IP_RECVERR_RFC4884=26 IP_MULTICAST_ALL=49
    IP_UNICAST_IF=50 IP_LOCAL_PORT_RANGE=51 IP_PROTOCOL=52 IPV6_ADDRFORM=1 IPV6_FLOWINFO=11 IPV6_ADD_MEMBERSHIP=20
    IPV6_DROP_MEMBERSHIP=21 IPV6_ROUTER_ALERT=22 IPV6_MTU_DISCOVER=23 IPV6_MTU=24 IPV6_RECVERR=25 IPV6_JOIN_ANYCAST=27
    IPV6_LEAVE_ANYCAST=28 IPV6_MULTICAST_ALL=29 IPV6_RECVERR_RFC4884=31 IPV6_FLOWLABEL_MGR=32 IPV6_FLOWINFO_SEND=33
    IPV6_IPSEC_POLICY=34 IPV6_XFRM_POLICY=35 IPV6_USE_MIN_MTU=63 IPV6_AUTOFLOWLABEL=70 IPV6_ADDR_PREFERENCES=72
    IPV6_MINHOPCOUNT=73 IPV6_ORIGDSTADDR=74 IPV6_RECVORIGDSTADDR=74 IPV6_TRANSPARENT=75 IPV6_UNICAST_IF=76
    IPV6_RECVFRAGSIZE=77 IPV6_FREEBIND=78 SO_NO_CHECK=11 SO_ATTACH_FILTER=26 SO_DETACH_FILTER=27 SO_PEERNAME=28
    SO_TIMESTAMP=29 SO_SNDBUFFORCE=32 SO_RCVBUFFORCE=33 SO_TIMESTAMPNS=35 SO_TIMESTAMPING=37 SO_RXQ_OVFL=40
    SO_WIFI_STATUS=41 SO_PEEK_OFF=42 SO_NOFCS=43 SO_LOCK_FILTER=44 SO_SELECT_ERR_QUEUE=45 SO_BUSY_POLL=46
    SO_MAX_PACING_RATE=47 SO_BPF_EXTENSIONS=48 SO_ATTACH_BPF=50 SO_ATTACH_REUSEPORT_CBPF=51
    SO_ATTACH_REUSEPORT_EBPF=52 SO_CNX_ADVICE=53 SO_MEMINFO=55 SO_INCOMING_NAPI_ID=56 SO_COOKIE=57 SO_PEERGROUPS=59
    SO_ZEROCOPY=60 SO_TXTIME=61 SO_BINDTOIFINDEX=62 SO_DETACH_REUSEPORT_BPF=68 SO_PREFER_BUSY_POLL=69
    SO_BUSY_POLL_BUDGET=70 SO_NETNS_COOKIE=71 SO_BUF_LOCK=72 SO_RESERVE_MEM=73 SO_TXREHASH=74 SO_RCVMARK=75
    SO_PASSPIDFD=76 SO_PEERPIDFD=77 SO_RCVPRIORITY=82 SO_PASSRIGHTS=83
"""
"""Numbers of linux/tcp.h, in.h, in6.h and asm-generic/socket.h."""
_NO_OPTIONS = ("IP_DEFAULT_", "IP_MAX_", "IPV6_RTHDR_TYPE_", "SO_J1939_", "SO_VM_SOCKETS_")
"""Other constants of Python's `socket` with the prefix of an option."""
_NUMBERS = {name: int(number) for name, number in (each.split("=") for each in _UNKNOWN_TO_PYTHON.split())} | {
    name: int(number)  # these differ between architectures
    for name, number in vars(socket).items()
    if name.partition("_")[0] in _LEVELS and not name.startswith(_NO_OPTIONS)
}
_TEXTS = {"TCP_CONGESTION", "TCP_ULP", "SO_BINDTODEVICE"}
LARGEST = 1024
"""Bytes to ask getsockopt(2) for: more than any struct or text of a TCP socket."""


def lookup(name: str) -> tuple[int, int]:
    """Level and number of an option. Raises ValueError, with the nearest name, for an unknown one."""
    if name in _NUMBERS:
        return _LEVELS[name.partition("_")[0]], _NUMBERS[name]
    nearest = difflib.get_close_matches(str(name).upper(), _NUMBERS, 1, 0.0)
    raise ValueError(f"unknown socket option {name!r}, did you mean {nearest[0]!r}?")


def encode(value: Value) -> bytes:
    """A value for setsockopt(2). Raises ValueError for one that is no integer of 32 bits, text or struct."""
    match value:
        case bytes():
            return value
        case str():
            return value.encode()
        case int() if -(1 << 31) <= value < 1 << 32:
            return (value & 0xFFFF_FFFF).to_bytes(4, sys.byteorder)
    raise ValueError(f"a socket option takes an integer of 32 bits, a text or a struct as bytes, not {value!r}")


def decode(name: str, data: bytes) -> Value:
    """The value of this option: a text for some options, an integer if it has 32 bits, otherwise the bytes."""
    if name in _TEXTS:
        return data.rstrip(b"\0").decode(errors="replace")
    return int.from_bytes(data, sys.byteorder, signed=True) if len(data) == 4 else data
