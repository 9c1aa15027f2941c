"""What a ladder consists of: the one value that every picture of an exchange is drawn from.

A rung is a segment, a system call, an author's paragraph, a wait, or whatever else happened, in the order in which the
lab learned of it. It knows both sides' states before and after it, and what was checked there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import NamedTuple

from lab.record.events import CheckMade, FrameSeen, Recording
from lab.tcp.segment import Segment
from lab.tcp.state import State


class Kind(Enum):
    """What a rung is."""

    SEGMENT = "segment"
    FRAME = "frame"
    """An ICMP error, or whatever else a peer has sent that is no TCP segment."""
    CALL = "call"
    """A system call of the kernel's application."""
    STEP = "step"
    """The author begins a paragraph."""
    WAIT = "wait"
    """Nothing happens for a while."""
    ARRIVAL = "arrival"
    """What the peers have sent since a crossing began reaches the kernel."""
    STATE = "state"
    """The kernel's state changes by itself: a timer has run out."""


class Sides(NamedTuple):
    """The states that the two ends of a connection are in; None where none was seen."""

    peer: State | None = None
    kernel: State | None = None


NOBODY = Sides()


@dataclass(slots=True)
class Rung:
    """One line of the ladder, with what all drawings need to know of it."""

    kind: Kind
    time_ns: int
    """Since the ladder begins; for a wait its end."""
    text: str
    """The segment's numbers, the call and its result, the paragraph's title."""
    event: int | None = None
    """Index into `Recording.events`, where the rung shows one event."""
    packet: int | None = None
    """Of a frame: its number in the recording and in the capture file, counted from 1."""
    connection: int | None = None
    before: Sides = NOBODY
    after: Sides = NOBODY
    letters: str = ""
    """A segment's control bits, "-" for none; "ICMP", or "?" for what is neither."""
    from_peer: bool = False
    retransmission: bool = False
    lost: bool = False
    """It never got to the other side."""
    broke: bool = False
    """This is the segment that an expectation did not hold for."""
    waited_ns: int = 0
    timer: str = ""
    """Which of the kernel's timers ran meanwhile, by inet_diag's words; "" where that is not known."""
    arrives: int | None = None
    """For a segment that crosses others: the rung where it arrives."""
    acknowledges: tuple[int, ...] = ()
    """The rungs of the segments that this one is the first to acknowledge."""
    acknowledged: int | None = None
    """The rung that acknowledges this one."""
    claims: tuple[str, ...] = ()
    checks: list[CheckMade] = field(default_factory=list)

    @property
    def new(self) -> Sides:
        """The states that are others than before it."""
        return Sides(*(new if new is not old else None for old, new in zip(self.before, self.after, strict=True)))

    @property
    def timer_key(self) -> str:
        """The key of the timer's name in `words.toml`."""
        return f"timer_{self.timer.replace(' ', '_')}"


@dataclass
class Ladder:
    """The rungs of a recording, in order."""

    rungs: list[Rung]
    recording: Recording
    omitted: int = 0
    """How many were left out."""
    gap: int | None = None
    """The rung before which they were."""

    @cached_property
    def names(self) -> list[str]:
        """What to call each connection, "" where there is only one: the port that tells it from the others.

        Where it takes more than that, both ports, and where even those are the same also the ends of the addresses.
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

    def name(self, rung: Rung) -> str:
        """What to call the connection of a rung; "" where there is only one, or none."""
        return self.names[rung.connection] if rung.connection is not None else ""

    def seen(self, rung: Rung) -> tuple[FrameSeen, Segment] | None:
        """The frame of a rung and its segment; None for a rung that is no segment."""
        event = self.recording.events[rung.event] if rung.event is not None else None
        return (event, event.segment) if isinstance(event, FrameSeen) and event.segment is not None else None


def middle(count: int, most: int | None) -> range:
    """Which of so many lines to leave out where there may be `most`: neither the first half of those nor the last."""
    if most is None or count <= most:
        return range(0)
    return range(most // 2, count - (most - most // 2))


def _host(address: str) -> str:
    """What comes last in an address."""
    return re.split("[.:]", address)[-1]
