"""Changes count of those sockets only that were seen to begin, on whichever CPU that was."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from lab.host.tracepoint import PerfRings, StateTracer, ipv6_bytes
from lab.record.kernel_state import BY_NUMBER
from lab.tcp.state import State

ADDRESS = "198.18.0.1"
NUMBERS = {state: number for number, state in BY_NUMBER.items()}
OURS, FOREIGN = 1, 2


def change(time_ns: int, place: int, old: State, new: State) -> bytes:
    """A record of the perf ring: a sample, its size, its time, and the fields of the event one behind the other."""
    ends = 80, 40001, ipv6_bytes(ADDRESS), ipv6_bytes("198.18.0.2")
    head = struct.pack("=B5xHQ4x", 9, 76, time_ns)
    return (head + struct.pack("=QiiHH16s16s", place, NUMBERS[old], NUMBERS[new], *ends)).ljust(76, b"\0")


BEGINS = change(10, OURS, State.SYN_RECEIVED, State.ESTABLISHED)
GOES_ON = change(20, OURS, State.ESTABLISHED, State.CLOSE_WAIT)
STRANGE = change(15, FOREIGN, State.FIN_WAIT_1, State.CLOSED)


class Rings(PerfRings):
    """The buffers of some CPUs: what is read from each, one time after the other."""

    layout = struct.Struct("=6xHQ4xQiiHH16s16s")

    def __init__(self, *cpus: list[bytes]) -> None:
        self.cpus = cpus

    def read(self) -> Iterator[bytes]:
        return (records.pop(0) if records else b"" for records in self.cpus)

    def close(self) -> None:
        """There is nothing to let go."""


def tracer(*cpus: list[bytes]) -> StateTracer:
    """With these records since it has begun to watch."""
    source = Rings()
    made = StateTracer(source)
    made.watch(ADDRESS)
    source.cpus = cpus
    return made


def told(by: StateTracer) -> list[State]:
    return [each.new for each in by.take(ADDRESS)]


def test_what_was_not_seen_to_begin_is_not_told() -> None:
    assert told(tracer([BEGINS + STRANGE + GOES_ON])) == [State.ESTABLISHED, State.CLOSE_WAIT]


def test_a_beginning_on_a_cpu_that_was_read_before_counts() -> None:
    assert told(tracer([b"", BEGINS], [GOES_ON])) == [State.CLOSE_WAIT]


def test_what_comes_while_that_is_looked_for_waits_for_its_own_beginning() -> None:
    by = tracer([b"", b"", BEGINS], [STRANGE, GOES_ON])
    assert told(by) == []
    assert told(by) == [State.ESTABLISHED, State.CLOSE_WAIT]


def test_beginnings_are_seen_also_while_looking_away() -> None:
    by = tracer([BEGINS, GOES_ON])
    with by.paused(ADDRESS):
        pass
    assert told(by) == [State.CLOSE_WAIT]
