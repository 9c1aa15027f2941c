"""The tracepoint `sock:inet_sock_set_state`: every state change of a full socket, with its time.

It is read through perf event descriptors and a tracefs without a mount point: both end with the process, and the host
never has a mount or a trace instance. It shows LISTEN -> SYN-RECEIVED only when the third segment arrives (before Linux
6.15 without the remote end), and CLOSED when a TIME-WAIT mini-socket replaces the socket; `inet_diag` reports those.

The tracepoint covers the whole machine, and a closing connection outlives its run: by 100 s with the kernel's defaults.
So only sockets whose opening was seen count.
"""

from __future__ import annotations

import mmap
import os
import re
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from fcntl import ioctl
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

from lab.host.clock import offset_ns
from lab.host.errors import MachineError
from lab.host.syscalls import mount_detached, perf_event_open
from lab.record.kernel_state import BY_NUMBER
from lab.tcp.state import State

_RINGS_BYTES = 8 << 20  # of all CPUs together: holds some 75,000 state changes of the machine between two reads
_LEAST_RING_PAGES = 64
_ENABLE = 0x2400  # PERF_EVENT_IOC_ENABLE
_SAMPLE, _LOST = 9, 2
_HEAD, _TAIL = 1024, 1032  # data_head and data_tail in perf_event_mmap_page
_FIELDS = (  # of the event by ascending offset, with struct codes
    *(("skaddr", "Q"), ("oldstate", "i"), ("newstate", "i"), ("sport", "H"), ("dport", "H")),
    *(("saddr_v6", "16s"), ("daddr_v6", "16s")),
)
_NOT_OPEN_YET = {State.CLOSED, State.LISTEN, State.SYN_SENT, State.SYN_RECEIVED}


class Transition(NamedTuple):
    """One state change of one socket."""

    time_ns: int
    """CLOCK_MONOTONIC."""
    local: bytes
    """The socket's own address, see `ipv6_bytes`."""
    local_port: int
    remote: bytes
    """The remote address, see `ipv6_bytes`."""
    remote_port: int
    old: State
    new: State
    socket: int = 0
    """The socket's address in kernel memory; sockets with the same ends differ in it."""


@dataclass(slots=True)
class _Watch:
    """State changes kept for one watcher."""

    changes: list[Transition] = field(default_factory=list)
    new_sockets: set[int] = field(default_factory=set)
    """Sockets that were seen in a state before ESTABLISHED. Sockets of earlier runs are not among them."""
    paused: bool = False
    """Changes are currently dropped."""


class StateTracer:
    """State changes by local address, for the watchers of each address. One per process; thread-safe."""

    def __init__(self, source: PerfRings | None = None) -> None:
        """`source`: the machine's perf buffers by default. Raises MachineError when they are not available."""
        self._lock = threading.Lock()
        self._watched: dict[bytes, _Watch] = {}
        self.lost = 0
        """Number of changes that the kernel dropped because its buffers were full."""
        self._source = source or PerfRings()

    def watch(self, *addresses: str) -> None:
        """Keep changes of new sockets on these local addresses; `take` with any of these returns the changes of all."""
        watch = _Watch()
        with self._lock:
            self._read()  # drops changes from before
            self._watched.update({ipv6_bytes(each): watch for each in addresses})

    def forget(self, *addresses: str) -> None:
        """Stop watching these addresses."""
        with self._lock:
            for each in addresses:
                self._watched.pop(ipv6_bytes(each), None)

    def take(self, address: str) -> list[Transition]:
        """The changes since the last call, by time."""
        with self._lock:
            self._read()
            watch = self._watched.get(ipv6_bytes(address))
            if watch is None:
                return []
            count, new = len(watch.changes), watch.new_sockets
            if any(each.socket not in new for each in watch.changes):
                self._read()  # the socket's opening may be in a buffer that was read a moment too early
            taken = sorted((each for each in watch.changes[:count] if each.socket in new), key=itemgetter(0))
            del watch.changes[:count]
        return taken

    @contextmanager
    def paused(self, address: str) -> Iterator[None]:
        """Within the block, drop changes on this address and on those watched together with it."""
        watch = self._watched[ipv6_bytes(address)]
        watch.paused = True
        try:
            yield
        finally:
            with self._lock:
                self._read()  # drops changes from within the block
                watch.paused = False

    def close(self) -> None:
        """Stop tracing."""
        self._source.close()

    def _read(self) -> None:
        """Distribute new records to the watchers. A record begins with its type and has its size at offset 6."""
        data = b"".join(self._source.read())
        read, watched, at, offset = self._source.layout.unpack_from, self._watched, 0, offset_ns()
        while at < len(data):
            if data[at] == _SAMPLE:
                size, time_ns, place, old, new, local_port, remote_port, local, remote = read(data, at)
                watch = watched.get(local)
                if watch is not None:
                    old, new = BY_NUMBER[old], BY_NUMBER[new]
                    if old in _NOT_OPEN_YET:
                        watch.new_sockets.add(place)
                    if not watch.paused:
                        watch.changes.append(
                            Transition(time_ns + offset, local, local_port, remote, remote_port, old, new, place)
                        )
            else:
                size = int.from_bytes(data[at + 6 : at + 8], "little")
                if data[at] == _LOST:
                    self.lost += int.from_bytes(data[at + 16 : at + 24], "little")
            at += size


class PerfRings:
    """The perf buffers of all CPUs, bound to the tracepoint."""

    def __init__(self) -> None:
        """Raises MachineError without access to tracefs or perf events (they need root on the host itself)."""
        self._rings: list[mmap.mmap] = []
        with ExitStack() as undo:
            try:
                number, self.layout = _describe_event()
                cpus = sorted(_online_cpus())
                pages = max(_LEAST_RING_PAGES, _RINGS_BYTES // mmap.PAGESIZE // len(cpus))
                self._size = mmap.PAGESIZE << pages.bit_length() - 1  # a power of two, as perf wants it
                for cpu in cpus:
                    descriptor = perf_event_open(_attributes(number, wake_up_at=self._size // 2), cpu)
                    undo.callback(os.close, descriptor)
                    self._rings.append(undo.enter_context(mmap.mmap(descriptor, mmap.PAGESIZE + self._size)))
                    ioctl(descriptor, _ENABLE, 0)
            except OSError as refused:
                why = f"the tracepoint sock:inet_sock_set_state is not available ({refused.strerror or refused})"
                remedy = "run as root on the host itself, Linux 5.2 or later with tracefs and perf events"
                raise MachineError(why, remedy) from None
            self._undo = undo.pop_all()

    def read(self) -> Iterator[bytes]:
        """New records of each CPU, concatenated."""
        return map(self._read, self._rings)

    def close(self) -> None:
        """Close the descriptors."""
        self._undo.close()

    def _read(self, memory: mmap.mmap) -> bytes:
        """New records of one CPU. A page with head and tail comes first, then a ring of records."""
        head, tail = struct.unpack_from("=QQ", memory, _HEAD)
        if head == tail:
            return b""
        begin, count = tail % self._size, head - tail
        unbroken = min(count, self._size - begin)
        base = mmap.PAGESIZE
        data = memory[base + begin : base + begin + unbroken] + memory[base : base + count - unbroken]
        struct.pack_into("=Q", memory, _TAIL, head)
        return data


def _describe_event() -> tuple[int, struct.Struct]:
    """The tracepoint's id, and a struct for its records: size, time, socket, states, ports and addresses."""
    root = mount_detached("tracefs")
    try:
        event = Path(f"/proc/self/fd/{root}/events/sock/inet_sock_set_state")
        number, layout = int((event / "id").read_text()), (event / "format").read_text()
    finally:
        os.close(root)
    offsets = {name: int(offset) for name, offset in re.findall(r"(\w+)(?:\[\d+\])?;\s*offset:(\d+);", layout)}
    pattern, at = "=6xHQ4x", 0  # header, time and size precede the fields
    for name, code in _FIELDS:
        pattern += f"{offsets[name] - at}x{code}"
        at = offsets[name] + struct.calcsize(code)
    return number, struct.Struct(pattern)


def _online_cpus() -> set[int]:
    ranges = [part.split("-") for part in Path("/sys/devices/system/cpu/online").read_text().strip().split(",")]
    return {cpu for bounds in ranges for cpu in range(int(bounds[0]), int(bounds[-1]) + 1)}


def _attributes(event: int, wake_up_at: int) -> bytes:
    """A perf_event_attr: sample every occurrence with raw data and the time of CLOCK_MONOTONIC."""
    tracepoint, raw, with_time = 2, 1 << 10, 1 << 2
    disabled, watermark, use_clock = 1, 1 << 14, 1 << 25
    flags = disabled | watermark | use_clock
    # The lab never polls these descriptors, but without a watermark each event would raise an interrupt.
    clock = time.CLOCK_MONOTONIC
    return struct.pack("=IIQQQQQI40xi32x", tracepoint, 128, event, 1, raw | with_time, 0, flags, wake_up_at, clock)


def ipv6_bytes(address: str) -> bytes:
    """An address as 16 bytes, IPv4 as an IPv4-mapped IPv6 address (RFC 4291 2.5.5.2)."""
    return socket.inet_pton(socket.AF_INET6, address if ":" in address else f"::ffff:{address}")
