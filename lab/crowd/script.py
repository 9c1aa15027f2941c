"""What one connection did, as others can do it again: read from its recording."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from lab.record.events import CallMade, FrameSeen, Recording
from lab.record.expectation import Bases
from lab.session.errors import ScenarioError
from lab.tcp import options
from lab.tcp.flags import ACK, FIN, SYN
from lab.tcp.segment import Segment
from lab.tcp.state import State
from lab.wire.template import FrameTemplate


class Act(NamedTuple):
    """A segment of the example."""

    from_peer: bool
    template: FrameTemplate
    segment: Segment
    seq: int
    """Relative to the initial sequence number of the side that sends it."""
    ack: int | None
    """Relative to the other side's; None without the ACK bit."""
    peer_state: State | None

    @property
    def occupies(self) -> bool:
        """It takes up sequence numbers, so it may be sent again."""
        return bool(self.segment.payload or self.segment.flags & (SYN | FIN))


Script = list[Act | str]
"""Segments, and the names of the system calls between them: "connect", "accept" and "close"."""

_REPEATABLE = {"close"}
_LEADS_TO_NO_SEGMENT = {"connect"}  # asking how it ended; that it was begun the kernel's SYN says


def script_of(recording: Recording, number: int, bases: Bases, *, accepted: bool) -> Script:
    """What happened on that connection; `bases` are its final ones. ScenarioError for what cannot be done again."""
    script: Script = []
    for event in recording.events:
        if isinstance(event, CallMade) and event.connection == number and event.name not in _LEADS_TO_NO_SEGMENT:
            if event.name not in _REPEATABLE:
                raise ScenarioError(f"a crowd can open connections and close() them, but {event.name}() it cannot")
            script.append(event.name)
        elif isinstance(event, FrameSeen) and event.connection == number and event.segment is not None:
            script += _acts(event, event.segment, bases)
    if not script:
        raise ScenarioError("a crowd does what its example has done, and that has done nothing yet")
    first = script[0]
    if isinstance(first, Act) and not first.from_peer:
        script.insert(0, "connect")
    elif accepted:
        script.insert(_behind_third_segment(script), "accept")
    return script


def _acts(seen: FrameSeen, segment: Segment, bases: Bases) -> Iterator[Act]:
    if seen.lost or seen.retransmission:
        return
    if segment.faults or (seen.from_peer and options.has(segment.options, "Timestamp")):
        raise ScenarioError("a crowd cannot send malformed segments, nor timestamps")
    own, other = (bases.peer, bases.kernel) if seen.from_peer else (bases.kernel, bases.peer)
    ack = segment.ack - other if segment.flags & ACK else None
    yield Act(seen.from_peer, FrameTemplate(seen.data), segment, segment.seq - own, ack, seen.peer_state)


def _behind_third_segment(script: Script) -> int:
    for at, act in enumerate(script):
        if isinstance(act, Act) and act.from_peer and not act.segment.flags & SYN:
            return at + 1
    return len(script)
