"""History: what has gone over the wire on a connection so far, looked up in the recording."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lab.record.events import CallMade, FrameSeen
from lab.tcp.flags import ACK
from lab.tcp.segment import Segment
from lab.tcp.sequence import Seq


class History:
    """The frames among the events of a recording that still grows."""

    def __init__(self, events: Sequence[object]) -> None:
        self._events = events

    def frame(self, at: int) -> FrameSeen:
        """The frame with this index among the events."""
        frame = self._events[at]
        assert isinstance(frame, FrameSeen)  # no other index is kept
        return frame

    def arrival(self, at: int) -> tuple[FrameSeen, Segment]:
        """The frame that an inbox names, and its segment."""
        frame = self.frame(at)
        assert frame.segment is not None
        return frame, frame.segment

    def new_frames(self, number: int) -> list[bytes]:
        """The frames with which the kernel has said something new on a connection, in order."""
        return [frame.data for _, frame in self._on(number) if not (frame.from_peer or frame.retransmission)]

    def of_kernel(self, number: int) -> list[tuple[int, Segment]]:
        """What the kernel has sent on a connection, the last first, each with the index of its frame."""
        sent = [(at, frame.segment) for at, frame in self._on(number) if frame.segment and not frame.from_peer]
        return sent[::-1]

    def last_ns(self, number: int) -> int:
        """When the last segment of a connection went over the wire, from whichever side."""
        events = reversed(self._events)
        return next(each.time_ns for each in events if isinstance(each, FrameSeen) and each.connection == number)

    def cause_ns(self, at: int) -> int:
        """When a timer was set, at the earliest, that this frame of the kernel is about.

        Not before the last thing that the lab did, and that may be long before the frame left: a machine can be held up
        in between, and Linux sets the timer of a SYN+ACK before it sends it. What a timer brought has no such cause.
        """
        frame = self.frame(at)
        if frame.from_peer or frame.retransmission:
            return frame.time_ns
        done = (
            each.time_ns
            for each in reversed(self._events)
            if (isinstance(each, CallMade) or (isinstance(each, FrameSeen) and each.from_peer))
            and each.time_ns <= frame.time_ns
        )
        return next(done, frame.time_ns)

    def set_ns(self, number: int) -> int:
        """The same for the last segment of a connection, from whichever side."""
        return self.cause_ns(max(at for at, _ in self._on(number)))

    def longest_round_trip(self, number: int) -> float:
        """The longest time, in seconds, between a segment of the kernel and its acknowledgment on a connection."""
        waiting: list[tuple[int, Seq]] = []
        longest_ns = 0
        for _, frame in self._on(number):
            segment = frame.segment
            if segment is None:
                continue
            if not frame.from_peer and segment.length:
                waiting.append((frame.time_ns, segment.end))
            elif frame.from_peer and segment.flags & ACK:
                done = [sent_ns for sent_ns, end in waiting if segment.ack >= end]
                longest_ns = max([longest_ns, *(frame.time_ns - sent_ns for sent_ns in done)])
                waiting = [(sent_ns, end) for sent_ns, end in waiting if segment.ack < end]
        return longest_ns / 1e9

    def _on(self, number: int) -> Iterator[tuple[int, FrameSeen]]:
        return (
            (at, event)
            for at, event in enumerate(self._events)
            if isinstance(event, FrameSeen) and event.connection == number
        )
