"""Engines: what decides for a peer that answers by itself which segments it sends, and when."""

from __future__ import annotations

from typing import Protocol

from lab.tcp.endpoint import Endpoint
from lab.tcp.input import segment_arrives
from lab.tcp.output import segments_owed
from lab.tcp.segment import Segment


class Engine(Protocol):
    """One side of a connection without I/O. Times are in seconds of CLOCK_MONOTONIC."""

    def receive(self, segment: Segment, now: float) -> None:
        """Process a segment of the kernel."""

    def segments_to_send(self, now: float) -> list[Segment]:
        """The segments owed since the last call, which are sent now."""

    def timer(self) -> float | None:
        """When `handle_timer` must be called; None: no timer is running."""

    def handle_timer(self, now: float) -> None:
        """Process the timers that have expired by `now`."""


class ModelEngine:
    """The lab's model of TCP as an engine."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint

    def receive(self, segment: Segment, now: float) -> None:
        """Process a segment of the kernel (RFC 9293 3.10.7)."""
        segment_arrives(self.endpoint, segment, now)

    def segments_to_send(self, now: float) -> list[Segment]:
        """The segments owed; the model has accounted for them."""
        return segments_owed(self.endpoint, now)

    def timer(self) -> float | None:
        """When the next timer expires; None: no timer is running."""
        return self.endpoint.next_timeout()

    def handle_timer(self, now: float) -> None:
        """Process the timers that have expired by `now` (RFC 9293 3.10.8)."""
        self.endpoint.handle_timeout(now)
