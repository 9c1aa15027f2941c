"""Data of a ladder, the one value from which text, SVG, mermaid and page are drawn.

A rung is a segment, a system call, a step, a wait or another event, in the order in which the lab recorded it. It has
the states of both sides before and after it, and its checks.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import NamedTuple

from lab.record.events import CheckMade, FrameSeen, Recording
from lab.tcp.flags import ACK, SYN
from lab.tcp.segment import Segment
from lab.tcp.state import State


class Kind(Enum):
    """Kind of a rung."""

    SEGMENT = "segment"
    FRAME = "frame"
    """An ICMP error, or another frame from a peer that is not a TCP segment."""
    CALL = "call"
    """A system call of the kernel's application."""
    STEP = "step"
    """A step of the scenario begins."""
    WAIT = "wait"
    """A time without events."""
    ARRIVAL = "arrival"
    """The delayed frames of a crossing reach the kernel."""
    STATE = "state"
    """The kernel's state changes without an event: a timer expired."""


class Sides(NamedTuple):
    """States of both ends of a connection; None if not seen."""

    peer: State | None = None
    kernel: State | None = None


NO_STATES = Sides()


@dataclass(slots=True)
class Rung:
    """One line of the ladder, with the data that all drawings need."""

    kind: Kind
    time_ns: int
    """Time since the start of the ladder; of a wait, its end."""
    text: str
    """The numbers of a segment, a call with its result, or the title of a step."""
    event: int | None = None
    """Index into `Recording.events`, if the rung shows one event."""
    packet: int | None = None
    """Number of a frame in the recording and in the capture file, counted from 1."""
    connection: int | None = None
    before: Sides = NO_STATES
    after: Sides = NO_STATES
    letters: str = ""
    """A segment's control bits, "-" for none; "ICMP" for an ICMP error, "?" for any other frame."""
    from_peer: bool = False
    retransmission: bool = False
    lost: bool = False
    """The frame did not reach the other side."""
    broke: bool = False
    """An expectation failed for this segment."""
    waited_ns: int = 0
    timer: str = ""
    """The kernel's timer that ran during a wait, by its inet_diag name; "" if not known."""
    arrival: int | None = None
    """Index of the rung where a delayed segment arrives."""
    acknowledges: tuple[int, ...] = ()
    """Indices of the rungs of segments that this one is the first to acknowledge."""
    acknowledged: int | None = None
    """Index of the rung that acknowledges this one."""
    claims: tuple[str, ...] = ()
    checks: list[CheckMade] = field(default_factory=list)

    @property
    def new(self) -> Sides:
        """The states that differ from those before the rung."""
        return Sides(*(new if new is not old else None for old, new in zip(self.before, self.after, strict=True)))

    @property
    def timer_key(self) -> str:
        """Key of the timer's name in `words.toml`."""
        return f"timer_{self.timer.replace(' ', '_')}"


@dataclass
class Ladder:
    """The rungs of a recording, in order."""

    rungs: list[Rung]
    recording: Recording
    omitted: int = 0
    """Number of rungs left out."""
    gap: int | None = None
    """Index of the first rung after those left out."""

    @cached_property
    def names(self) -> list[str]:
        """Name of each connection; "" if there is only one.

        The name is one port if that is unique, else both ports, else both ports with the ends of the addresses.
        """
        connections = self.recording.connections
        if len(connections) < 2:
            return [""] * len(connections)
        for name in ("{0.peer_port}", "{0.kernel_port}", "{0.peer_port}>{0.kernel_port}"):
            names = [name.format(each) for each in connections]
            if len(set(names)) == len(names):
                return names
        return [
            f"{_host(each.peer_address)}.{each.peer_port}>{_host(each.kernel_address)}.{each.kernel_port}"
            for each in connections
        ]

    @cached_property
    def client_is_peer(self) -> bool | None:
        """Whether the peer opened all connections (False: the kernel did). None if the recording does not tell.

        The client is the side whose SYN without ACK is the first segment of a connection. If both sides begin with
        such a SYN, they open at the same time, and neither is the client.
        """
        first: dict[tuple[int, bool], Segment] = {}
        begun_by: dict[int, bool] = {}
        for _, event in self.recording.in_order:
            if isinstance(event, FrameSeen) and event.segment is not None and event.connection is not None:
                first.setdefault((event.connection, event.from_peer), event.segment)
                begun_by.setdefault(event.connection, event.from_peer)
        asked = {side for side, segment in first.items() if segment.flags & (SYN | ACK) == SYN}
        clients = {by_peer for number, by_peer in begun_by.items() if (number, by_peer) in asked}
        crossed = any((number, not by_peer) in asked for number, by_peer in asked)
        return clients.pop() if len(clients) == 1 and not crossed else None

    def head_key(self, peer: bool) -> str:
        """Key of a side's name in `words.toml`: with "client" or "server" where the recording tells."""
        role = "" if self.client_is_peer is None else "_client" if self.client_is_peer is peer else "_server"
        return f"{'peer' if peer else 'kernel'}_head{role}"

    def name(self, rung: Rung) -> str:
        """Name of the connection of a rung; "" if there is only one, or none."""
        return self.names[rung.connection] if rung.connection is not None else ""

    def seen(self, rung: Rung) -> tuple[FrameSeen, Segment] | None:
        """The frame and the segment of a rung; None for a rung without a segment."""
        event = self.recording.events[rung.event] if rung.event is not None else None
        return (event, event.segment) if isinstance(event, FrameSeen) and event.segment is not None else None


def omitted_range(count: int, most: int | None) -> range:
    """Range of the lines to leave out of `count`, so that the first and the last `most / 2` are left."""
    if most is None or count <= most:
        return range(0)
    return range(most // 2, count - (most - most // 2))


def _host(address: str) -> str:
    """The last group of an address."""
    return re.split("[.:]", address)[-1]
