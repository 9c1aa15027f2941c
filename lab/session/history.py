"""Queries about the frames of a connection so far, from the recording."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lab.record.events import CallMade, FrameSeen
from lab.tcp.flags import ACK
from lab.tcp.segment import Segment
from lab.tcp.sequence import Seq


class History:
    """Frames among the events of a recording that is still growing."""

    def __init__(self, events: Sequence[object]) -> None:
        self._events = events

    def frame(self, at: int) -> FrameSeen:
        """The frame with this index in the events."""
        frame = self._events[at]
        assert isinstance(frame, FrameSeen)  # callers pass indices of frames only
        return frame

    def frame_and_segment(self, at: int) -> tuple[FrameSeen, Segment]:
        """The frame with this index, and its segment."""
        frame = self.frame(at)
        assert frame.segment is not None
        return frame, frame.segment

    def new_frames(self, number: int) -> list[bytes]:
        """The kernel's frames on a connection, retransmissions left out, in order."""
        return [frame.data for _, frame in self._frames(number) if not (frame.from_peer or frame.retransmission)]

    def segments_of_kernel(self, number: int) -> list[tuple[int, Segment]]:
        """The kernel's segments on a connection, last first, each with the index of its frame."""
        sent = [(at, frame.segment) for at, frame in self._frames(number) if frame.segment and not frame.from_peer]
        return sent[::-1]

    def last_segment_ns(self, number: int) -> int:
        """Time of the last segment of either side on a connection, in ns of CLOCK_MONOTONIC."""
        events = reversed(self._events)
        return next(each.time_ns for each in events if isinstance(each, FrameSeen) and each.connection == number)

    def earliest_set_ns(self, at: int) -> int:
        """The earliest time at which the kernel can have set the timer for this frame, in ns of CLOCK_MONOTONIC.

        That is the last action of the lab before the frame. On a busy machine the frame can leave much later, and Linux
        sets the timer of a SYN+ACK before it sends it. For a frame of the peer and for a retransmission it is the
        frame's own time.
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

    def timer_set_ns(self, number: int) -> int:
        """The earliest time at which the timer for the last segment of either side can have been set, in ns."""
        return self.earliest_set_ns(max(at for at, _ in self._frames(number)))

    def has_acknowledged(self, number: int) -> bool:
        """Whether a segment of the peer with an acknowledgment has reached the kernel on a connection."""
        frames = (frame for _, frame in self._frames(number) if frame.from_peer and frame.segment and not frame.lost)
        return any(frame.segment.flags & ACK for frame in frames if frame.segment)

    def longest_round_trip(self, number: int) -> float:
        """The longest time between a segment of the kernel and its acknowledgment, in seconds."""
        return self._round_trips(number)[0] / 1e9

    def unacknowledged_ns(self, number: int) -> int | None:
        """Time of the kernel's oldest segment on a connection that no acknowledgment of the peer has reached."""
        return next(iter(self._round_trips(number)[1]), None)

    def _round_trips(self, number: int) -> tuple[int, list[int]]:
        """The longest round trip in ns, and the times of the kernel's segments that are not acknowledged."""
        waiting: list[tuple[int, Seq]] = []
        longest_ns = 0
        for _, frame in self._frames(number):
            segment = frame.segment
            if segment is None:
                continue
            if not frame.from_peer and segment.length:
                waiting.append((frame.time_ns, segment.end))
            elif frame.from_peer and segment.flags & ACK and not frame.lost:
                done = [sent_ns for sent_ns, end in waiting if segment.ack >= end]
                longest_ns = max([longest_ns, *(frame.time_ns - sent_ns for sent_ns in done)])
                waiting = [(sent_ns, end) for sent_ns, end in waiting if segment.ack < end]
        return longest_ns, [sent_ns for sent_ns, _ in waiting]

    def _frames(self, number: int) -> Iterator[tuple[int, FrameSeen]]:
        return (
            (at, event)
            for at, event in enumerate(self._events)
            if isinstance(event, FrameSeen) and event.connection == number
        )
