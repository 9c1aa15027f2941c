"""The kernel's states of each connection over time, recorded from inet_diag and the tracepoint."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from lab.host.inet_diag import InetDiag
from lab.host.tracepoint import StateTracer, Transition, ipv6_bytes
from lab.record.events import Recording, StateSeen
from lab.record.kernel_state import KernelState
from lab.session.readings import Readings
from lab.tcp.state import State

_ANYBODY = {4: "0.0.0.0", 6: "::"}


class KernelStates:
    """Records states queried by inet_diag, and state changes from the tracepoint if the machine has one."""

    def __init__(
        self, recording: Recording, readings: Readings, address: str, lookup: InetDiag, tracer: StateTracer | None
    ) -> None:
        """`address` is one of the kernel's addresses that the tracer watches for this lab."""
        self._observed = readings.observed
        self._recording = recording
        self._append = recording.events.append
        self._address = address
        self._lookup = lookup
        self._tracer = tracer
        self._lost_before = tracer.lost if tracer is not None else 0
        self._last: dict[int, State] = {}
        self._numbers: dict[tuple[bytes, int, bytes, int], int] = {}
        """Connections by their ends (kernel, peer), addresses as in `Transition`."""
        self._opening: dict[tuple[bytes, int, bytes, int], int | None] = {}
        """Connections by their ends without the kernel's port; None if several have these ends."""
        self.traced = tracer is not None
        """Whether the tracepoint is available."""

    def observe_change(self, number: int) -> KernelState:
        """Query a connection; record its state if it has changed."""
        found = self._query(number)
        if self._last.get(number, State.CLOSED) is not found.state:
            self._add(time.monotonic_ns(), number, found.state, "inet_diag", found)
        return found

    def observe(self, number: int) -> KernelState:
        """Query a connection and record its state."""
        found = self._query(number)
        state = self._last[number] = found.state
        self._append(StateSeen(time.monotonic_ns(), number, state, "inet_diag", found))
        return found

    def observe_listener(self, address: str, port: int) -> KernelState:
        """Query a listener and record its state."""
        family = self._recording.family
        found = self._observed("look", self._lookup.of(family, address, port, _ANYBODY[family], 0))
        self._add(time.monotonic_ns(), None, found.state, "inet_diag", found)
        return found

    def all_in(self, *states: State) -> list[KernelState]:
        """All connections of this kernel in one of these states."""
        return self._observed("count", self._lookup.all_in(self._recording.family, *states))

    def tcp_info(self, number: int) -> dict[str, int]:
        """TCP_INFO of a connection; {} without a full socket."""
        return self._observed("info", self._lookup.tcp_info(*self._ends(number)))

    def read_tracepoint(self) -> None:
        """Record the state changes that the tracepoint has reported since the last call.

        It reports CLOSED when a mini-socket replaces the full one, so the state is then queried by inet_diag. Changes
        from before the recording belong to an earlier lab with the same addresses.
        """
        if self._tracer is None:
            return
        taken = self._tracer.take(self._address)
        self._recording.transitions_lost = self._tracer.lost - self._lost_before
        for seen in taken:
            number = self._connection(seen)
            if (number is None and seen.remote_port) or seen.time_ns < self._recording.started_ns:
                continue
            self._append(StateSeen(seen.time_ns, number, seen.new, "tracepoint"))
            if seen.new is State.CLOSED and number is not None and self._last.get(number) is not State.TIME_WAIT:
                left = self._query(number)
                if left.state is not State.CLOSED:
                    self._add(seen.time_ns, number, left.state, "inet_diag", left)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Within the block, discard the state changes from the tracepoint: a crowd makes too many."""
        self.read_tracepoint()
        with self._tracer.paused(self._address) if self._tracer is not None else nullcontext():
            yield

    def _query(self, number: int) -> KernelState:
        return self._observed("look", self._lookup.of(*self._ends(number)))

    def _ends(self, number: int) -> tuple[int, str, int, str, int]:
        of = self._recording.connections[number]
        return of.family, of.kernel_address, of.kernel_port, of.peer_address, of.peer_port

    def _add(
        self, time_ns: int, number: int | None, state: State, witness: str, detail: KernelState | None = None
    ) -> None:
        if number is not None:
            self._last[number] = state
        self._append(StateSeen(time_ns, number, state, witness, detail))

    def _connection(self, seen: Transition) -> int | None:
        for number in range(len(self._numbers), len(self._recording.connections)):
            of = self._recording.connections[number]
            ends = ipv6_bytes(of.kernel_address), of.kernel_port, ipv6_bytes(of.peer_address), of.peer_port
            self._numbers[ends] = number
            opening = ends[0], 0, *ends[2:]
            self._opening[opening] = None if opening in self._opening else number
        # connect(2) enters SYN-SENT before it chooses a port.
        return (self._numbers if seen.local_port else self._opening).get(seen[1:5])
