"""Reads the true answers from the recording of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from lab.exercise.model import Seen
from lab.exercise.notation import At, without_push
from lab.record.events import CallMade, FrameSeen, Recording, StateSeen, StepBegun
from lab.tcp.options import padded
from lab.tcp.segment import Segment

FIELDS: dict[str, Callable[[Segment], object]] = {
    "flags": lambda segment: without_push(segment.letters),
    "seq": lambda segment: int(segment.seq),
    "ack": lambda segment: int(segment.ack),
    "window": lambda segment: segment.window,
    "length": lambda segment: segment.length,
    "header": lambda segment: 20 + len(padded(segment.options)),
    "options": lambda segment: frozenset(name for name, _ in segment.options if name not in ("NOP", "EOL")),
}
"""Fields of a segment by name, as they stand on the wire."""


@dataclass(frozen=True, slots=True)
class OfSegment:
    """A field of the nth segment that one side sends, retransmissions not counted."""

    nth: int
    """Counted from 1."""
    field: str
    """A key of FIELDS."""
    base: str = ""
    """For "seq" and "ack": the name of the initial sequence number to which the answer is relative; "": absolute."""
    from_peer: bool = False
    step: str = ""
    """Only segments of the last step with this title; "" for all."""
    among: tuple[object, ...] = ()
    """For a question with options: the values behind them. The answer is the index, or a set of indices."""

    def __call__(self, recording: Recording) -> Seen | None:
        """The answer."""
        for at, frame, segment in list(_segments(recording, self.step, from_peer=self.from_peer))[self.nth - 1 :]:
            value = FIELDS[self.field](segment)
            if self.base:
                of_sender = self.field == "seq"
                base = frame.bases.peer if self.from_peer is of_sender else frame.bases.kernel
                value = At(self.base, (segment.seq if of_sender else segment.ack) - base)
            elif isinstance(value, frozenset) and self.among:
                value = frozenset(index for index, each in enumerate(self.among) if each in value)
            elif self.among:
                return Seen(self.among.index(value), at) if value in self.among else None
            return Seen(value, at)
        return None


@dataclass(frozen=True, slots=True)
class HowMany:
    """How many segments both sides send, or one of them; retransmissions are not counted."""

    from_peer: bool | None = None
    """None for both sides."""
    step: str = ""
    """Only in the last step with this title; "" for all."""

    def __call__(self, recording: Recording) -> Seen | None:
        """The answer; its event is the last segment."""
        counted = [at for at, _, _ in _segments(recording, self.step, from_peer=self.from_peer)]
        return Seen(len(counted), counted[-1]) if counted else None


@dataclass(frozen=True, slots=True)
class KernelState:
    """The kernel's state of the connection, or of the listener, when the scenario last asked for it in a step."""

    step: str = ""
    """Only in the last step with this title; "" for all."""
    listener: bool = False

    def __call__(self, recording: Recording) -> Seen | None:
        """The answer."""
        seen = [
            Seen(event.state, at)
            for at, event in _in_step(recording, self.step)
            if isinstance(event, StateSeen)
            and event.witness == "inet_diag"
            and (event.connection is None) is self.listener
        ]
        return seen[-1] if seen else None


@dataclass(frozen=True, slots=True)
class OfCall:
    """How the last system call of this name ended: "" for success, or the name of the errno."""

    name: str
    """Such as "connect", "bind", "send", "recv"."""
    step: str = ""
    """Only in the last step with this title; "" for all."""
    among: tuple[str, ...] = ()
    """For a question with options: the results behind them in the style of strace. The answer is the index."""

    def __call__(self, recording: Recording) -> Seen | None:
        """The answer."""
        made = [(at, event) for at, event in _in_step(recording, self.step) if isinstance(event, CallMade)]
        for at, event in reversed(made):
            if event.name == self.name:
                if not self.among:
                    return Seen(event.error, at)
                return Seen(self.among.index(event.result), at) if event.result in self.among else None
        return None


def _segments(recording: Recording, step: str, *, from_peer: bool | None) -> Iterator[tuple[int, FrameSeen, Segment]]:
    for at, event in _in_step(recording, step):
        if (
            isinstance(event, FrameSeen)
            and event.segment is not None
            and not event.retransmission
            and from_peer in (None, event.from_peer)
        ):
            yield at, event, event.segment


def _in_step(recording: Recording, title: str) -> list[tuple[int, object]]:
    """The events of the last step with this title, each with its index; all events without one.

    They are in the order in which the scenario has read them: what a busy machine delivers late stays in its step.
    """
    found: list[tuple[int, object]] = []
    within = not title
    for at, event in enumerate(recording.events):
        if title and isinstance(event, StepBegun):
            within = event.title == title
            found = [] if within else found
        if within:
            found.append((at, event))
    return found
