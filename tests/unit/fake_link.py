"""A link without a kernel, for tests of what wraps links."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from lab.wire.link import Frame

START = 1_000_000_000


class FakeLink:
    """A link and the clock of its world: time passes only while somebody waits for a frame."""

    def __init__(self, arriving: Iterable[Frame] = ()) -> None:
        self.now = START
        self.sent: list[tuple[int, bytes]] = []
        self._arriving = deque(arriving)

    def send(self, data: bytes) -> int:
        self.sent.append((self.now, data))
        return self.now

    def receive(self, deadline_ns: int) -> Frame | None:
        if self._arriving and self._arriving[0].time_ns <= max(self.now, deadline_ns):
            frame = self._arriving.popleft()
            self.now = max(self.now, frame.time_ns)
            return frame
        self.now = max(self.now, deadline_ns)
        return None
