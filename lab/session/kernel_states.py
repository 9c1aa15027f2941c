"""The kernel's state of each connection over time, from inet_diag and the tracepoint, written into the recording."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from lab.host.inet_diag import StateLookup
from lab.host.tracepoint import StateTracer, Transition, mapped
from lab.record.events import Recording, StateSeen
from lab.record.kernel_state import KernelState
from lab.session.readings import Readings
from lab.tcp.state import State

_ANYBODY = {4: "0.0.0.0", 6: "::"}


class KernelStates:
    """Looks connections up by inet_diag, and takes over what the tracepoint saw in between (where there is one)."""

    def __init__(
        self, recording: Recording, readings: Readings, address: str, lookup: StateLookup, tracer: StateTracer | None
    ) -> None:
        """`address` is one of those that the tracer watches for this lab."""
        self._observed = readings.observed
        self._recording = recording
        self._append = recording.events.append
        self._address = address
        self._lookup = lookup
        self._tracer = tracer
        self._lost_before = tracer.lost if tracer is not None else 0
        self._last: dict[int, State] = {}
        self._numbers: dict[tuple[bytes, int, bytes, int], int] = {}
        """Which connection has these ends (the kernel's, the peer's), addresses as the tracepoint tells them."""
        self._opening: dict[tuple[bytes, int, bytes, int], int | None] = {}
        """The same without the kernel's port; None where that leaves more than one connection."""
        self.traced = tracer is not None
        """Whether there is a tracepoint to tell of states that nobody looked up."""

    def glance(self, number: int) -> KernelState:
        """Look at a connection, and record its state if it is a new one."""
        found = self._look(number)
        if self._last.get(number, State.CLOSED) is not found.state:
            self._add(time.monotonic_ns(), number, found.state, "inet_diag", found)
        return found

    def look(self, number: int) -> KernelState:
        """Look at a connection and record what was seen."""
        found = self._look(number)
        state = self._last[number] = found.state
        self._append(StateSeen(time.monotonic_ns(), number, state, "inet_diag", found))
        return found

    def look_at_listener(self, address: str, port: int) -> KernelState:
        """Look at the listener at an address and port and record what was seen."""
        family = self._recording.family
        found = self._observed("look", self._lookup.of(family, address, port, _ANYBODY[family], 0))
        self._add(time.monotonic_ns(), None, found.state, "inet_diag", found)
        return found

    def all_in(self, *states: State) -> list[KernelState]:
        """The connections of this kernel in one of these states, whoever is at their other end."""
        return self._observed("count", self._lookup.all_in(self._recording.family, *states))

    def tcp_info(self, number: int) -> dict[str, int]:
        """TCP_INFO of a connection, whoever has it open; {} when it has none."""
        return self._observed("info", self._lookup.tcp_info(*self._ends(number)))

    def catch_up(self) -> None:
        """Take over what the tracepoint has seen since the last time.

        It reports CLOSED when a mini-socket takes over from the full one, so what is left then is looked up. What was
        before the recording began is of somebody who had the same addresses.
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
                left = self._look(number)
                if left.state is not State.CLOSED:
                    self._add(seen.time_ns, number, left.state, "inet_diag", left)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """For the length of the block the tracepoint's changes are not kept: a crowd makes too many."""
        self.catch_up()
        with self._tracer.looking_away(self._address) if self._tracer is not None else nullcontext():
            yield

    def _look(self, number: int) -> KernelState:
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
            ends = mapped(of.kernel_address), of.kernel_port, mapped(of.peer_address), of.peer_port
            self._numbers[ends] = number
            opening = ends[0], 0, *ends[2:]
            self._opening[opening] = None if opening in self._opening else number
        # connect(2) enters SYN-SENT before it has chosen a port.
        return (self._numbers if seen.local_port else self._opening).get(seen[1:5])
