"""Router API for scenarios: remove it, replace it, check that it changes only the hop limit of a segment."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from itertools import zip_longest
from typing import NamedTuple

from lab.host import router as machine
from lab.host.addresses import KERNEL_MAC
from lab.host.inet_diag import InetDiag
from lab.host.router import TO_KERNEL
from lab.host.sockets import CallResult
from lab.record.events import FrameSeen
from lab.record.expectation import Row, payload_text
from lab.session.errors import ScenarioError
from lab.session.switchboard import Switchboard
from lab.session.tolerance import DEADLINE_S
from lab.tcp.options import options_text
from lab.tcp.state import State
from lab.wire.frames import decode
from lab.wire.ip import carries_tcp, forwarded, hop_limit
from lab.wire.link import Frame, PacketLink

_BETWEEN_LOOKS_NS = 2_000_000
_SLACK_NS = 1_000_000
"""Largest difference between the clock of frame time stamps and CLOCK_MONOTONIC."""
_KERNEL = bytes.fromhex(KERNEL_MAC.replace(":", ""))
_WHY = "a router looks at the IP header alone and counts the hop limit down   RFC 1812 5.3.1, RFC 8200 3"


class Router:
    """Forwards between the kernel and the peers. Frames are captured on its interface towards the kernel."""

    def __init__(self, present: machine.Router, switchboard: Switchboard) -> None:
        self._machine = present
        self._switchboard = switchboard
        self._recorder = switchboard.recorder
        self._capture = self._open_capture()
        self._is_there = True
        self._begin(certain_from_ns=0)

    def remove(self) -> None:
        """Remove the router: its namespace is deleted, and frames sent by either side are lost from now on."""
        self._need()
        began_ns = time.monotonic_ns()
        self._is_there = False
        self._switchboard.cut = True
        self._capture.close()
        self._machine.replace()
        self._capture = self._open_capture()
        self._recorder.call("router.remove", (), CallResult(began_ns=began_ns), None)

    def rebuild(self) -> None:
        """Put a new router in its place: a fresh namespace, without the state of any connection."""
        if self._is_there:
            raise ScenarioError("the router has not been removed: remove() it first")
        for frame in self._drain():
            if not _is_to_kernel(frame.data):
                self._switchboard.receive_frame(frame, delivered=False)
        began_ns = time.monotonic_ns()
        self._machine.start_forwarding()
        self._recorder.call("router.rebuild", (), CallResult(began_ns=began_ns), None)
        self._is_there = True
        self._switchboard.cut = False
        self._begin(certain_from_ns=time.monotonic_ns() + _SLACK_NS)

    def count(self) -> int:
        """Number of sockets, connection requests and connections in TIME-WAIT in the router's namespace."""
        self._need()
        lookup = InetDiag(self._machine.namespace)
        try:
            known = [each for family in (4, 6) for each in lookup.all_in(family, *State)]
            return len(self._recorder.readings.observed("count", known))
        finally:
            lookup.close()

    def expect_only_hop_limit_changed(self) -> int:
        """Check that the router forwarded every segment with the hop limit reduced by one and no other byte changed.

        Returns the number of segments forwarded.
        """
        self._need()
        self._switchboard.fence()
        deadline_ns = time.monotonic_ns() + int(self._recorder.readings.timeout(DEADLINE_S) * 1e9)
        while True:
            now_ns = time.monotonic_ns()  # read before the capture: what came by the deadline is compared
            self._passed += [frame for frame in self._drain() if carries_tcp(frame.data)]
            ways = self._from_kernel(), self._to_kernel()
            late = any(way.missing for way in ways) and not any(way.surplus for way in ways)
            if not late or now_ns > deadline_ns:
                break
            # A segment sent by a timer of the kernel may have been captured on only one side of the router yet.
            self._switchboard.receive(time.monotonic_ns() + _BETWEEN_LOOKS_NS)
        if not any(way.came for way in ways):
            raise ScenarioError("no segment has reached this router yet, so there is nothing to compare")
        rows = tuple(row for way in ways for row in way.rows())
        summary = "the router does not forward every segment unchanged"
        self._recorder.check("forwarded unchanged", rows, summary=summary, why=_WHY)
        return sum(way.left.total() for way in ways)

    def close(self) -> None:
        """Stop capturing."""
        self._capture.close()

    def _need(self) -> None:
        if not self._is_there:
            raise ScenarioError("the router has been removed: rebuild() it first")

    def _open_capture(self) -> PacketLink:
        with self._machine.namespace.entered():
            return PacketLink(TO_KERNEL, both_ways=True)

    def _begin(self, certain_from_ns: int) -> None:
        """Start comparing frames for the current router.

        It may not have forwarded a frame that the kernel sent before `certain_from_ns`, such as a retransmission.
        """
        self._certain_from_ns = certain_from_ns
        self._first = len(self._recorder.recording.events)
        self._passed: list[Frame] = []

    def _drain(self) -> Iterator[Frame]:
        while (frame := self._capture.receive(0)) is not None:
            yield frame

    def _from_kernel(self) -> Way:
        left = Counter(event.data for event in self._at_the_peer(from_peer=False))
        came: Counter[bytes] = Counter()
        for frame in self._passed:
            if not _is_to_kernel(frame.data):
                expected = forwarded(frame.data)
                if frame.time_ns >= self._certain_from_ns or came[expected] < left[expected]:
                    came[expected] += 1
        return Way("from the kernel", came, left)

    def _to_kernel(self) -> Way:
        came = Counter(forwarded(event.data) for event in self._at_the_peer(from_peer=True) if not event.lost)
        return Way("to the kernel", came, Counter(each.data for each in self._passed if _is_to_kernel(each.data)))

    def _at_the_peer(self, *, from_peer: bool) -> Iterator[FrameSeen]:
        for event in self._recorder.recording.events[self._first :]:
            if isinstance(event, FrameSeen) and event.from_peer is from_peer and carries_tcp(event.data):
                yield event


class Way(NamedTuple):
    """One direction through a router."""

    name: str
    came: Counter[bytes]
    """Frames that came in, as they should leave, each with its number of times."""
    left: Counter[bytes]
    """Frames that left, each with its number of times."""

    @property
    def missing(self) -> Counter[bytes]:
        """Frames that should have left and did not."""
        return self.came - self.left

    @property
    def surplus(self) -> Counter[bytes]:
        """Frames that left and should not have."""
        return self.left - self.came

    def rows(self) -> list[Row]:
        """One row if all frames are as they should be, else a row for each difference."""
        if self.came == self.left:
            text = f"{self.left.total()} segments"
            if self.left:
                text += f", hop limit {', '.join(map(str, sorted(set(map(hop_limit, self.left)))))}"
            return [Row(self.name, text, text, True)]
        rows = []
        for wanted, got in zip_longest(self.missing.elements(), self.surplus.elements()):
            if wanted is None or got is None:
                rows.append(Row(self.name, _letters(wanted), _letters(got), False))
            else:
                rows += [Row(field, expected, seen, False) for field, expected, seen in _differences(wanted, got)]
        return rows


def _differences(wanted: bytes, got: bytes) -> Iterator[tuple[str, str, str]]:
    expected, seen = _fields(wanted), _fields(got)
    differing = [field for field in expected if expected[field] != seen.get(field)]
    for field in differing:
        yield field, expected[field], seen.get(field, "none")
    if not differing:
        yield "frame", wanted.hex(), got.hex()


def _fields(frame: bytes) -> dict[str, str]:
    received = decode(frame)
    if received is None:
        return {}
    ends, segment = received
    return {
        "addresses": str(ends),
        "hop limit": str(hop_limit(frame)),
        "flags": segment.letters,
        "seq": str(int(segment.seq)),
        "ack": str(int(segment.ack)),
        "window": str(segment.window),
        "options": options_text(segment.options),
        "payload": payload_text(segment.payload),
        "urgent": str(segment.urgent),
    }


def _letters(frame: bytes | None) -> str:
    received = decode(frame) if frame is not None else None
    return "none" if received is None else received.segment.letters


def _is_to_kernel(frame: bytes) -> bool:
    return frame[:6] == _KERNEL
