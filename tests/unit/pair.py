"""Two endpoints on a virtual clock, with a wire between them that may lose, repeat and delay."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from itertools import count

from lab.tcp.endpoint import Config, Endpoint
from lab.tcp.flow import Flow
from lab.tcp.input import segment_arrives
from lab.tcp.output import segments_owed
from lab.tcp.rules import Breach, judge
from lab.tcp.segment import Segment

LATENCY_S = 0.01
MAX_STEPS = 3000
Fate = tuple[float, ...]
"""The delays, in seconds, of the copies of one segment that arrive: () is a loss, (0.01, 0.5) a late duplicate."""


class Pair:
    """`left` and `right`; each segment that leaves meets the next fate, and the standing rules judge it."""

    def __init__(self, left: Config | None = None, right: Config | None = None, fates: Iterable[Fate] = ()) -> None:
        self.now = 0.0
        self.left, self.right = Endpoint(left), Endpoint(right)
        self.sent: list[tuple[float, Endpoint, Segment]] = []
        self.breaches: list[Breach] = []
        self._flows = {id(self.left): Flow(), id(self.right): Flow()}
        self._fates = iter(fates)
        self._wire: list[tuple[float, int, Endpoint, Segment]] = []
        self._number = count()

    def run(self, until: float = float("inf")) -> None:
        """Let everything happen up to the time `until`, or until nothing is in flight and no timer runs."""
        self._collect()
        for _ in range(MAX_STEPS):
            at = self._next()
            if at is None or at > until:
                break
            self.now = max(at, self.now)
            while self._wire and self._wire[0][0] <= self.now:
                _, _, receiver, segment = heapq.heappop(self._wire)
                segment_arrives(receiver, segment, self.now)
            for endpoint in (self.left, self.right):
                endpoint.handle_timeout(self.now)
            self._collect()
        else:
            raise AssertionError(f"no end after {MAX_STEPS} steps, the last segments are {self.sent[-6:]}")
        if until != float("inf"):
            self.now = max(until, self.now)

    def letters(self, endpoint: Endpoint) -> list[str]:
        """The flags of all that `endpoint` has sent."""
        return [segment.letters for _, sender, segment in self.sent if sender is endpoint]

    def times(self, endpoint: Endpoint) -> list[float]:
        """When `endpoint` sent."""
        return [now for now, sender, _ in self.sent if sender is endpoint]

    def _next(self) -> float | None:
        times = [timer for endpoint in (self.left, self.right) if (timer := endpoint.next_timeout()) is not None]
        times += [arrival for arrival, *_ in self._wire[:1]]
        return min(times, default=None)

    def _collect(self) -> None:
        for sender, receiver in ((self.left, self.right), (self.right, self.left)):
            for segment in segments_owed(sender, self.now):
                self.sent.append((self.now, sender, segment))
                self.breaches += judge(self._flows[id(sender)], segment)
                self._flows[id(receiver)].sent(segment)
                for delay in next(self._fates, (LATENCY_S,)):
                    heapq.heappush(self._wire, (self.now + delay, next(self._number), receiver, segment))
