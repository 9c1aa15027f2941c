"""A segment in the notation of tcpdump and packetdrill: `0:5(5) ack 1 win 64240 <mss 1460>`."""

from __future__ import annotations

from lab.record.expectation import Bases, relative
from lab.tcp import flags
from lab.tcp.options import options_text
from lab.tcp.segment import Segment


def segment_text(segment: Segment, bases: Bases, from_peer: bool) -> str:
    """Numbers relative to each side's ISS; `end` counts data only, as tcpdump does."""
    own, other = (bases.peer, bases.kernel) if from_peer else (bases.kernel, bases.peer)
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
