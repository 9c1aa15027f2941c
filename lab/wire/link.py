"""The AF_PACKET link: sends and receives raw frames on one interface. Received frames have the kernel's timestamp."""

from __future__ import annotations

import array
import errno
import fcntl
import select
import socket
import struct
import time
from contextlib import suppress
from typing import NamedTuple, Protocol

_SOL_PACKET, _PACKET_IGNORE_OUTGOING, _PACKET_QDISC_BYPASS = 263, 23, 20
_SO_TIMESTAMPNS = 35
_SO_RCVBUFFORCE = 33
_ETH_P_ALL = 0x0300  # in network byte order
_ANCILLARY = socket.CMSG_SPACE(16)
_TIMESPEC = struct.Struct("=qq")
_RECEIVE_BUFFER = 8 << 20
_PLAUSIBLE_DELAY_NS = 60_000_000_000
_SIOCGIFMTU = 0x8921
_SIOCETHTOOL, _ETHTOOL_GDRVINFO = 0x8946, 3
_DRIVER_INFO = struct.Struct("=I32s160x")  # struct ethtool_drvinfo of linux/ethtool.h
_OWN_MAC = bytes.fromhex("0200000000")  # first bytes of the MAC addresses that the lab gives its interfaces


class Frame(NamedTuple):
    """A frame, and when it was on the wire."""

    time_ns: int
    """CLOCK_MONOTONIC. Received frames: the kernel's timestamp. Sent frames: just before the system call."""
    data: bytes
    seen_as: int | None = None
    """Index of the event that has recorded this frame already; None if it is not recorded yet."""


class Link(Protocol):
    """Sends and receives frames. A wrapper (`lab.wire.faults`) is itself a link. Whoever creates a link closes it."""

    def send(self, data: bytes) -> int:
        """Send a frame. Returns its time in ns of CLOCK_MONOTONIC."""

    def receive(self, deadline_ns: int) -> Frame | None:
        """The next frame from the other side, None when there is none by the deadline (0: do not wait)."""


class PacketLink:
    """An AF_PACKET link on an interface in the calling thread's namespace.

    The interface must be a veth of the lab: forged segments and floods must not reach any other network.
    """

    def __init__(self, interface: str, *, both_ways: bool = False) -> None:
        """With `both_ways` it also receives frames that other sockets send through the interface.

        Raises PermissionError for an interface that is not the lab's own.
        """
        # Protocol 0 until bound: a socket for all protocols would receive from every interface until then.
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
        self._socket.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, not both_ways)
        self._socket.setsockopt(_SOL_PACKET, _PACKET_QDISC_BYPASS, 1)  # a veth has no queue to pass through
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        with suppress(PermissionError):  # net.core.rmem_max bounds ordinary users
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RECEIVE_BUFFER)
        self._socket.setblocking(False)
        self._socket.bind((interface, socket.ntohs(_ETH_P_ALL)))
        try:
            _ensure_ours(self._socket)
        except OSError:
            self._socket.close()
            raise
        self._poll = select.poll()
        self._poll.register(self._socket, select.POLLIN)
        self._offset_ns = _wall_clock_offset_ns()

    def send(self, data: bytes) -> int:
        """Send a frame. On a veth the other side has usually processed it when this returns.

        Raises ValueError for a frame that is too long for the link.
        """
        now = time.monotonic_ns()
        try:
            self._socket.send(data)
        except OSError as refused:
            if refused.errno != errno.EMSGSIZE:
                raise
            asked = fcntl.ioctl(
                self._socket, _SIOCGIFMTU, struct.pack("16s16x", self._socket.getsockname()[0].encode())
            )
            (mtu,) = struct.unpack_from("=i", asked, 16)
            raise ValueError(f"a frame of {len(data)} bytes is too long for the link, whose MTU is {mtu}") from None
        return now

    def receive(self, deadline_ns: int) -> Frame | None:
        """The next frame from the other side, None when there is none by the deadline (0: do not wait)."""
        while True:
            left_ns = deadline_ns - time.monotonic_ns() if deadline_ns else 0
            try:
                data, ancillary, _, _ = self._socket.recvmsg(65536, _ANCILLARY)
            except BlockingIOError:
                if left_ns <= 0:  # the clock was read before the socket: what came by the deadline is returned
                    return None
                self._poll.poll(-(-left_ns // 1_000_000))  # rounded up: never wake before the deadline
                continue
            seconds, nanoseconds = _TIMESPEC.unpack(ancillary[0][2])
            time_ns = seconds * 1_000_000_000 + nanoseconds - self._offset_ns
            now_ns = time.monotonic_ns()
            if not now_ns - _PLAUSIBLE_DELAY_NS < time_ns <= now_ns:
                # The kernel's timestamps are wall-clock times, and the wall clock has been set.
                wall_ns, self._offset_ns = time_ns + self._offset_ns, _wall_clock_offset_ns()
                time_ns = min(wall_ns - self._offset_ns, now_ns)
            return Frame(time_ns, data)

    def receive_both_ways(self) -> None:
        """From now on also receive frames that other sockets and the kernel of this side send."""
        self._socket.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, False)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


def _ensure_ours(bound: socket.socket) -> None:
    """Raise PermissionError unless the packet socket is bound to a veth of the lab.

    Driver and MAC address are checked, not the name: any interface can have any name.
    """
    interface, _, _, _, address = bound.getsockname()
    info = array.array("B", _DRIVER_INFO.pack(_ETHTOOL_GDRVINFO, b""))
    try:
        fcntl.ioctl(bound, _SIOCETHTOOL, struct.pack("16sP16x", interface.encode(), info.buffer_info()[0]))
    except OSError:  # an interface without driver information, such as loopback
        driver = ""
    else:
        driver = _DRIVER_INFO.unpack(info)[1].rstrip(b"\0").decode(errors="replace")
    if driver != "veth" or not address.startswith(_OWN_MAC):
        what = f"{driver or 'no driver'}, {address.hex(':')}"
        why = f"{interface} ({what}) is not a veth of the lab; the lab uses no other interface"
        raise PermissionError(errno.EPERM, why)


def _wall_clock_offset_ns() -> int:
    """CLOCK_REALTIME minus CLOCK_MONOTONIC. The quickest of five readings is the most accurate."""
    readings = []
    for _ in range(5):
        before = time.monotonic_ns()
        wall = time.time_ns()
        after = time.monotonic_ns()
        readings.append((after - before, wall - (before + after) // 2))
    return min(readings)[1]
