"""The second witness: the tracepoint `sock:inet_sock_set_state`, every state change of a full socket with its time.

Bound to perf event descriptors and to a tracefs that is mounted on nothing but a descriptor, so that it ends with the
process, however that ends, and the host never sees a mount or a trace instance. It shows LISTEN -> SYN-RECEIVED only
when the third segment arrives (before Linux 6.15 without the other end: the new socket had none yet), and CLOSED when a
TIME-WAIT mini-socket takes over: `inet_diag` sees those.

It is the whole machine's, and a connection that is closing outlives the run that made it, in namespaces that nobody can
enter any more: for 100 s with the kernel's defaults. So changes count of those sockets only that were seen to begin.
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

from lab.host.errors import MachineError
from lab.host.syscalls import mount_detached, perf_event_open
from lab.record.kernel_state import BY_NUMBER
from lab.tcp.state import State

_RINGS_BYTES = 8 << 20  # for all CPUs together: some 75,000 state changes of the whole machine between two readings
_LEAST_RING_PAGES = 64
_ENABLE = 0x2400  # PERF_EVENT_IOC_ENABLE
_SAMPLE, _LOST = 9, 2
_HEAD, _TAIL = 1024, 1032  # data_head and data_tail in perf_event_mmap_page
_FIELDS = (  # of the event in ascending order, and how each is packed
    *(("skaddr", "Q"), ("oldstate", "i"), ("newstate", "i"), ("sport", "H"), ("dport", "H")),
    *(("saddr_v6", "16s"), ("daddr_v6", "16s")),
)
_NOT_OPEN_YET = {State.CLOSED, State.LISTEN, State.SYN_SENT, State.SYN_RECEIVED}


class Transition(NamedTuple):
    """One state change of one socket."""

    time_ns: int
    """CLOCK_MONOTONIC."""
    local: bytes
    """The socket's own address as `mapped` gives it."""
    local_port: int
    remote: bytes
    """The other end's."""
    remote_port: int
    old: State
    new: State
    socket: int = 0
    """Where the kernel has it: what tells it from another between the same ends."""


@dataclass(slots=True)
class _Watch:
    """What is kept for one who watches."""

    changes: list[Transition] = field(default_factory=list)
    begun: set[int] = field(default_factory=set)
    """The sockets that had a change before they were open: what an earlier run has left has none."""
    away: bool = False
    """No changes are kept for the time being."""


class StateTracer:
    """Hands every state change on an address to whoever watches that address. One for a process; thread-safe."""

    def __init__(self, source: PerfRings | None = None) -> None:
        """Reads this machine's rings unless others are given; MachineError when they are out of reach."""
        self._lock = threading.Lock()
        self._watched: dict[bytes, _Watch] = {}
        self.lost = 0
        """Changes that the kernel could not store because nobody read for too long."""
        self._source = source or PerfRings()

    def watch(self, *addresses: str) -> None:
        """From now on keep the changes of new sockets whose own address is one of these; `take` with any gives all."""
        watch = _Watch()
        with self._lock:
            self._read()  # what is in the rings was before
            self._watched.update({mapped(each): watch for each in addresses})

    def forget(self, *addresses: str) -> None:
        """Stop keeping them."""
        with self._lock:
            for each in addresses:
                self._watched.pop(mapped(each), None)

    def take(self, address: str) -> list[Transition]:
        """The changes since the last call, in order of time."""
        with self._lock:
            self._read()
            watch = self._watched.get(mapped(address))
            if watch is None:
                return []
            heard = len(watch.changes)
            if any(each.socket not in watch.begun for each in watch.changes):
                self._read()  # their beginning may be on a CPU that was read before they came
            taken = sorted((each for each in watch.changes[:heard] if each.socket in watch.begun), key=itemgetter(0))
            del watch.changes[:heard]
        return taken

    @contextmanager
    def looking_away(self, address: str) -> Iterator[None]:
        """For the length of the block the changes on this address, and those watched with it, are not kept."""
        watch = self._watched[mapped(address)]
        watch.away = True
        try:
            yield
        finally:
            with self._lock:
                self._read()  # what is in the rings was in the block
                watch.away = False

    def close(self) -> None:
        """Stop tracing."""
        self._source.close()

    def _read(self) -> None:
        """Sort in what is new. Each record begins with its kind, and tells its size."""
        data = b"".join(self._source.read())
        read, watched, at = self._source.layout.unpack_from, self._watched, 0
        while at < len(data):
            if data[at] == _SAMPLE:
                size, time_ns, place, old, new, local_port, remote_port, local, remote = read(data, at)
                watch = watched.get(local)
                if watch is not None:
                    old, new = BY_NUMBER[old], BY_NUMBER[new]
                    if old in _NOT_OPEN_YET:
                        watch.begun.add(place)
                    if not watch.away:
                        watch.changes.append(
                            Transition(time_ns, local, local_port, remote, remote_port, old, new, place)
                        )
            else:
                size = int.from_bytes(data[at + 6 : at + 8], "little")
                if data[at] == _LOST:
                    self.lost += int.from_bytes(data[at + 16 : at + 24], "little")
            at += size


class PerfRings:
    """The perf buffers of all CPUs, bound to the tracepoint."""

    def __init__(self) -> None:
        """MachineError when tracefs or perf events are out of reach (they need root on the host itself)."""
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
                why = f"the tracepoint sock:inet_sock_set_state is out of reach ({refused.strerror or refused})"
                remedy = "run as root on the host itself, Linux 5.2 or later with tracefs and perf events"
                raise MachineError(why, remedy) from None
            self._undo = undo.pop_all()

    def read(self) -> Iterator[bytes]:
        """The records since the last time, one behind the other, for each CPU."""
        return map(self._read, self._rings)

    def close(self) -> None:
        """Unbind them."""
        self._undo.close()

    def _read(self, memory: mmap.mmap) -> bytes:
        """The buffer of one CPU is a page with its head and tail, then records that may wrap around its end."""
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
    """The event's number, and how this kernel lays out a record: size, time, socket, states, ports, addresses."""
    root = mount_detached("tracefs")
    try:
        event = Path(f"/proc/self/fd/{root}/events/sock/inet_sock_set_state")
        number, layout = int((event / "id").read_text()), (event / "format").read_text()
    finally:
        os.close(root)
    offsets = {name: int(offset) for name, offset in re.findall(r"(\w+)(?:\[\d+\])?;\s*offset:(\d+);", layout)}
    pattern, at = "=6xHQ4x", 0  # a header and the time stand before the fields, and their size
    for name, code in _FIELDS:
        pattern += f"{offsets[name] - at}x{code}"
        at = offsets[name] + struct.calcsize(code)
    return number, struct.Struct(pattern)


def _online_cpus() -> set[int]:
    ranges = [part.split("-") for part in Path("/sys/devices/system/cpu/online").read_text().strip().split(",")]
    return {cpu for bounds in ranges for cpu in range(int(bounds[0]), int(bounds[-1]) + 1)}


def _attributes(event: int, wake_up_at: int) -> bytes:
    """A perf_event_attr: sample every occurrence with time and raw data, stamped by CLOCK_MONOTONIC."""
    tracepoint, raw, with_time = 2, 1 << 10, 1 << 2
    disabled, watermark, use_clock = 1, 1 << 14, 1 << 25
    flags = disabled | watermark | use_clock
    # Nobody sleeps on these descriptors; but without a watermark each event would cost an interrupt to wake a sleeper.
    clock = time.CLOCK_MONOTONIC
    return struct.pack("=IIQQQQQI40xi32x", tracepoint, 128, event, 1, raw | with_time, 0, flags, wake_up_at, clock)


def mapped(address: str) -> bytes:
    """The address as an IPv6 one: IPv4 in its IPv4-mapped form (RFC 4291 2.5.5.2)."""
    return socket.inet_pton(socket.AF_INET6, address if ":" in address else f"::ffff:{address}")
