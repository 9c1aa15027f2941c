"""What the tracepoint tells is taken over as far as it is about this recording."""

from __future__ import annotations

from typing import Any

from lab.host.tracepoint import Transition, ipv6_bytes
from lab.record.events import Connection, Recording, StateSeen
from lab.record.kernel_state import CLOSED, KernelState
from lab.session.kernel_states import KernelStates
from lab.session.readings import Readings
from lab.tcp.state import State

KERNEL, PEER = "198.18.0.1", "198.18.0.2"
START = 1000


class Tracer:
    """Tells what it is given, once."""

    lost = 0

    def __init__(self, *told: tuple[int, State]) -> None:
        ends = ipv6_bytes(KERNEL), 80, ipv6_bytes(PEER), 40001
        self._told = [Transition(time_ns, *ends, State.CLOSED, new) for time_ns, new in told]

    def take(self, address: str) -> list[Transition]:
        told, self._told = self._told, []
        return told if address == KERNEL else []


class Lookup:
    """Nothing is left of any connection."""

    def of(self, *_: object) -> KernelState:
        return CLOSED


def states(tracer: Any) -> list[State]:
    recording = Recording(4, START)
    recording.connections.append(Connection(4, 80, 40001, KERNEL, PEER))
    lookup: Any = Lookup()
    KernelStates(recording, Readings(), KERNEL, lookup, tracer).read_tracepoint()
    return [event.state for event in recording.events if isinstance(event, StateSeen)]


def test_what_was_before_the_recording_began_is_somebody_elses() -> None:
    told = (START - 1, State.TIME_WAIT), (START, State.SYN_RECEIVED), (START + 1, State.ESTABLISHED)
    assert states(Tracer(*told)) == [State.SYN_RECEIVED, State.ESTABLISHED]
