"""Script of a crowd: the segments and system calls of the example, read from its recording."""

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


class ScriptedSegment(NamedTuple):
    """A segment of the example, as a template for its replicas."""

    from_peer: bool
    template: FrameTemplate
    segment: Segment
    seq: int
    """Relative to the initial sequence number of the side that sends it."""
    ack: int | None
    """Relative to the initial sequence number of the other side; None without the ACK bit."""
    peer_state: State | None
    """The peer's state after the segment."""

    @property
    def occupies(self) -> bool:
        """Whether the segment occupies sequence numbers, so that it can be retransmitted."""
        return bool(self.segment.payload or self.segment.flags & (SYN | FIN))


Script = list[ScriptedSegment | str]
"""Segments, and the names of the system calls between them: "connect", "accept" and "close"."""

_REPEATABLE = {"close"}
_IGNORED = {"connect"}  # the call that queries the outcome; the kernel's SYN shows that it was made


def script_of(recording: Recording, number: int, bases: Bases, *, accepted: bool) -> Script:
    """The script of the example connection. Raises ScenarioError for a call or segment that cannot be repeated.

    `number` is the connection's index in the recording, `bases` its initial sequence numbers. `accepted`: a
    listener has accepted it.
    """
    script: Script = []
    for event in recording.events:
        if isinstance(event, CallMade) and event.connection == number and event.name not in _IGNORED:
            if event.name not in _REPEATABLE:
                raise ScenarioError(
                    f"a crowd can only open and close() connections, but its example has called {event.name}()"
                )
            script.append(event.name)
        elif isinstance(event, FrameSeen) and event.connection == number and event.segment is not None:
            script += _scripted(event, event.segment, bases)
    if not script:
        raise ScenarioError("a crowd repeats its example, and the example has not sent or received a segment yet")
    first = script[0]
    if isinstance(first, ScriptedSegment) and not first.from_peer:
        script.insert(0, "connect")
    elif accepted:
        script.insert(_after_third_segment(script), "accept")
    return script


def _scripted(seen: FrameSeen, segment: Segment, bases: Bases) -> Iterator[ScriptedSegment]:
    if seen.lost or seen.retransmission:
        return
    if segment.faults or (seen.from_peer and options.has(segment.options, "Timestamp")):
        raise ScenarioError("a crowd cannot repeat malformed segments, nor timestamps of the peer")
    own, other = (bases.peer, bases.kernel) if seen.from_peer else (bases.kernel, bases.peer)
    ack = segment.ack - other if segment.flags & ACK else None
    yield ScriptedSegment(seen.from_peer, FrameTemplate(seen.data), segment, segment.seq - own, ack, seen.peer_state)


def _after_third_segment(script: Script) -> int:
    for at, entry in enumerate(script):
        if isinstance(entry, ScriptedSegment) and entry.from_peer and not entry.segment.flags & SYN:
            return at + 1
    return len(script)
