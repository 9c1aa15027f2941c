"""Which segment acknowledges which: the pairs of numbers that belong together in a ladder."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from lab.tcp.flags import ACK, SYN
from lab.tcp.segment import Segment
from lab.tcp.sequence import Seq

if TYPE_CHECKING:
    from lab.report.ladder_model import Rung


class Pairing:
    """Takes the segments of all connections in order, and writes the pairs into their rungs."""

    def __init__(self, rungs: list[Rung]) -> None:
        self._rungs = rungs
        self._sent: dict[tuple[int, bool], deque[tuple[Seq, int]]] = {}
        """By connection and direction: the ends of segments that nothing acknowledged yet, with their rungs."""
        self._next: dict[tuple[int, bool], Seq] = {}
        """By connection and direction: the highest end so far."""

    def add(self, at: int, segment: Segment) -> None:
        """The segment of the rung `at`."""
        rung = self._rungs[at]
        if rung.connection is None:
            return
        if segment.flags & ACK and not rung.lost:
            self._acknowledge(at, (rung.connection, not rung.from_peer), segment.ack)
        own = rung.connection, rung.from_peer
        if segment.length:
            if segment.flags & SYN and self._next.get(own, segment.end) != segment.end:
                self._sent.pop(own, None)  # a new connection between the same ends
                self._next.pop(own)
            self._sent.setdefault(own, deque()).append((segment.end, at))
            self._next[own] = max(self._next.get(own, segment.end), segment.end)

    def _acknowledge(self, at: int, other: tuple[int, bool], ack: Seq) -> None:
        waiting = self._sent.get(other)
        if not waiting or ack > self._next[other]:
            return
        found = []
        while waiting and waiting[0][0] <= ack:
            _, sent = waiting.popleft()
            if self._rungs[sent].acknowledged is None:
                self._rungs[sent].acknowledged = at
                found.append(sent)
        self._rungs[at].acknowledges = tuple(found)
