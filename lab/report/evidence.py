"""Evidence (a scenario, its step and a packet), and the notation of segments.

The notation is that of tcpdump and packetdrill: `0:5(5) ack 1 win 64240 <mss 1460>`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from lab.record.events import FrameSeen
from lab.record.expectation import Bases, relative
from lab.tcp import flags
from lab.tcp.options import options_text
from lab.tcp.segment import Segment
from lab.tcp.sequence import Seq


class Evidence(NamedTuple):
    """Evidence for or against a claim, or for a state or an arrow of the state diagram."""

    scenario: str
    family: int
    step: str
    """Title of the step; "" before the first one."""
    packet: int | None
    """The number of the frame in the recording, counted from 1; None for evidence without a segment."""
    text: str
    """The segment in tcpdump's notation; without a segment, the value that was found."""

    def as_json(self) -> dict[str, Any]:
        """The evidence as a JSON value."""
        return {**self._asdict(), "family": f"IPv{self.family}"}


def packet_text(seen: FrameSeen) -> str:
    """A segment with its direction: `kernel > peer  SA 0:0(0) ack 1 win 64240`."""
    return f"{direction(seen.from_peer)}  {segment_with_flags(seen)}"


def direction(from_peer: bool) -> str:
    """Sender and receiver of a frame: `kernel > peer`."""
    return "peer > kernel" if from_peer else "kernel > peer"


def segment_with_flags(seen: FrameSeen) -> str:
    """A segment with its control bits: `SA 0:0(0) ack 1 win 64240`."""
    if seen.segment is None:
        return "no TCP segment"
    return f"{seen.segment.letters or 'no flags'} {segment_text(seen.segment, seen.bases, seen.from_peer)}"


def segment_text(segment: Segment, bases: Bases, from_peer: bool) -> str:
    """A segment without its control bits. Numbers are relative to each side's ISS; `end` counts data only."""
    own, other = own_and_other(bases, from_peer)
    seq = relative(segment.seq, own)
    parts = [f"{seq}:{seq + len(segment.payload)}({len(segment.payload)})"]
    if segment.flags & flags.ACK:
        parts.append(f"ack {relative(segment.ack, other)}")
    parts.append(f"win {segment.window}")
    if segment.options:
        parts.append(f"<{options_text(segment.options)}>")
    if segment.flags & flags.URG:
        parts.append(f"urg {segment.urgent}")
    parts += [f"[{fault}]" for fault in segment.faults]
    return " ".join(parts)


def own_and_other(bases: Bases, from_peer: bool) -> tuple[Seq, Seq]:
    """The initial sequence numbers of the sender and of the receiver."""
    return (bases.peer, bases.kernel) if from_peer else (bases.kernel, bases.peer)
