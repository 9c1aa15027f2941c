"""A link that shows each received frame to a recorder before anything above it can lose, hold back or double it."""

from __future__ import annotations

from collections.abc import Callable

from lab.wire.link import Frame, Link


class TappedLink:
    """It wraps a link and is one. `record` gets each frame as it comes off the wire, and returns a number for it."""

    def __init__(self, link: Link, record: Callable[[Frame], int]) -> None:
        self._link = link
        self._record = record

    def send(self, data: bytes) -> int:
        """Put a frame on the wire; its time."""
        return self._link.send(data)

    def receive(self, deadline_ns: int) -> Frame | None:
        """The next frame, with its number in `seen_as`."""
        frame = self._link.receive(deadline_ns)
        return None if frame is None else frame._replace(seen_as=self._record(frame))

    def close(self) -> None:
        """Close the link underneath."""
        self._link.close()
