"""Where to look: a scenario, a step of it, and the packet that shows something."""

from __future__ import annotations

from typing import Any, NamedTuple

from lab.record.events import FrameSeen
from lab.report.segments import segment_text


class Evidence(NamedTuple):
    """What shows something, or shows that it is not so."""

    scenario: str
    family: int
    step: str
    """Its title; "" before the first one."""
    packet: int | None
    """The number of the frame in the recording, counted from 1; None when no segment is behind it."""
    text: str
    """The segment in tcpdump's notation, or what was found where there is none."""

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {**self._asdict(), "family": f"IPv{self.family}"}


def packet_text(seen: FrameSeen) -> str:
    """A segment with its direction: `kernel > peer  SA 0:0(0) ack 1 win 64240`."""
    return f"{'peer > kernel' if seen.from_peer else 'kernel > peer'}  {segment_with_flags(seen)}"


def segment_with_flags(seen: FrameSeen) -> str:
    """A segment with its control bits: `SA 0:0(0) ack 1 win 64240`."""
    if seen.segment is None:
        return "no TCP segment"
    return f"{seen.segment.letters or 'no flags'} {segment_text(seen.segment, seen.bases, seen.from_peer)}"
