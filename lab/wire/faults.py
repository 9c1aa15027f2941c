"""A link with deliberate faults: it drops, duplicates, delays, reorders and alters frames.

It wraps a link, and is itself a link. All randomness comes from a seeded generator: the same seed and the same frames
give the same faults.
"""

from __future__ import annotations

import heapq
import random
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum

from lab.tcp.flags import bits
from lab.wire.frames import decode
from lab.wire.ip import carries_tcp
from lab.wire.link import Frame, Link


class Action(Enum):
    """Kind of fault of a frame."""

    DROP = "drop"
    DUPLICATE = "duplicate"
    DELAY = "delay"
    REORDER = "reorder"
    """Held back until the next frame in the same direction has passed."""
    ALTER = "alter"


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. Each frame for which `matches` is true is affected with the given `probability`.

    By default `matches` selects all frames that carry TCP, but not the lab's own echo requests, whose replies prove
    that the kernel has answered everything sent before.

    With `nth` only the nth matching frame, counted from 1, is affected, always. `delay_s` is for DELAY, `alter` for
    ALTER: it gets the frame and a random generator, and returns the altered frame. Without it one random bit after the
    Ethernet header is flipped.
    """

    action: Action
    probability: float = 1.0
    nth: int | None = None
    matches: Callable[[bytes], bool] = carries_tcp
    delay_s: float = 0.0
    alter: Callable[[bytes, random.Random], bytes] | None = None


def carries(letters: str) -> Callable[[bytes], bool]:
    """A function for `Fault.matches`: whether a frame carries a segment with exactly these control bits."""
    wanted = bits(letters)

    def matches(frame: bytes) -> bool:
        received = decode(frame)
        return received is not None and received.segment.flags == wanted

    return matches


def lost(letters: str, nth: int = 1) -> Fault:
    """A fault that drops the nth segment with exactly these control bits; other segments are not counted."""
    return Fault(Action.DROP, nth=nth, matches=carries(letters))


class FaultyLink:
    """A link with faults in each direction."""

    def __init__(
        self,
        link: Link,
        seed: int,
        sending: Iterable[Fault] = (),
        receiving: Iterable[Fault] = (),
        record: Callable[[Frame], int | None] | None = None,
    ) -> None:
        """`record` is called with each received frame before any fault, and returns the frame's `seen_as`."""
        self._link = link
        self._record = record
        self._sending = _Lane(sending, random.Random(f"{seed} sending"))
        self._receiving = _Lane(receiving, random.Random(f"{seed} receiving"))
        self.lost_the_last = False
        """Whether the faults dropped the frame that was sent last."""

    def send(self, data: bytes) -> int:
        """Apply the faults to a frame, and send all frames due. Returns when the last one was sent, or now if none."""
        now = time.monotonic_ns()
        self.lost_the_last = not self._sending.put(Frame(now, data))
        return self._flush(now)

    def receive(self, deadline_ns: int) -> Frame | None:
        """The next frame after the faults; None when there is none by the deadline (0: do not wait)."""
        while True:
            now = time.monotonic_ns()
            self._flush(now)
            ready = self._receiving.take(now)
            if ready is not None:
                return ready
            wake_ns = min((at for at in (self._sending.next_ns, self._receiving.next_ns) if at), default=deadline_ns)
            # The link is read after the deadline too: a frame that came in time may not have been received yet.
            frame = self._link.receive(min(wake_ns, deadline_ns))
            if frame is not None:
                self._receiving.put(frame._replace(seen_as=self._record(frame)) if self._record else frame)
            elif now >= deadline_ns:
                return None

    def _flush(self, now: int) -> int:
        sent_ns = now
        while (frame := self._sending.take(now)) is not None:
            sent_ns = self._link.send(frame.data)
        return sent_ns


class _Lane:
    """One direction: frames go in, and come out when they are due."""

    def __init__(self, faults: Iterable[Fault], chance: random.Random) -> None:
        self._faults = tuple(faults)
        self._seen = [0] * len(self._faults)
        self._chance = chance
        self._due: list[tuple[int, int, Frame]] = []
        self._held: list[Frame] = []
        self._order = 0

    @property
    def next_ns(self) -> int:
        """The time at which the next frame is due; 0 if none is waiting."""
        return self._due[0][0] if self._due else 0

    def put(self, frame: Frame) -> int:
        """Add a frame. Returns how many copies of it will come out."""
        striking = [fault for index, fault in enumerate(self._faults) if self._strikes(index, fault, frame.data)]
        copies = 1
        for fault in striking:
            copies *= _COPIES.get(fault.action, 1)
            frame = _changed(frame, fault, self._chance)
        if any(fault.action is Action.REORDER for fault in striking):
            self._held += [frame] * copies
        elif copies:
            for each in [frame] * copies + self._held:
                self._order += 1
                heapq.heappush(self._due, (max(each.time_ns, frame.time_ns), self._order, each))
            self._held = []
        return copies

    def take(self, now: int) -> Frame | None:
        """Remove and return the next frame that is due; None if none is."""
        if not self._due or self._due[0][0] > now:
            return None
        return heapq.heappop(self._due)[2]

    def _strikes(self, index: int, fault: Fault, data: bytes) -> bool:
        if not fault.matches(data):
            return False
        self._seen[index] += 1
        if fault.nth is not None:
            return self._seen[index] == fault.nth
        return fault.probability >= 1 or self._chance.random() < fault.probability


_COPIES = {Action.DROP: 0, Action.DUPLICATE: 2}


def _changed(frame: Frame, fault: Fault, chance: random.Random) -> Frame:
    if fault.action is Action.DELAY:
        return frame._replace(time_ns=frame.time_ns + int(fault.delay_s * 1e9))
    if fault.action is Action.ALTER:
        return frame._replace(data=(fault.alter or _flip_a_bit)(frame.data, chance))
    return frame


def _flip_a_bit(data: bytes, chance: random.Random) -> bytes:
    altered = bytearray(data)
    bit = chance.randrange(14 * 8, len(altered) * 8)
    altered[bit // 8] ^= 1 << bit % 8
    return bytes(altered)
