"""Reads the true answers from the recording of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from lab.exercise.model import Reading, Seen
from lab.exercise.notation import At, without_push
from lab.record.events import CallMade, CheckMade, FrameSeen, Recording, StateSeen, StepBegun
from lab.tcp.options import padded, timestamp
from lab.tcp.segment import Segment

FIELDS: dict[str, Callable[[Segment], object]] = {
    "flags": lambda segment: without_push(segment.letters),
    "seq": lambda segment: int(segment.seq),
    "ack": lambda segment: int(segment.ack),
    "window": lambda segment: segment.window,
    "length": lambda segment: segment.length,
    "mss": lambda segment: dict(segment.options).get("MSS"),
    "scale": lambda segment: dict(segment.options).get("WScale"),
    "tsecr": lambda segment: stamp[1] if (stamp := timestamp(segment.options)) else None,
    "header": lambda segment: 20 + len(padded(segment.options)),
    "options": lambda segment: frozenset(name for name, _ in segment.options if name not in ("NOP", "EOL")),
}
"""Fields of a segment by name, as they stand on the wire. None for an option that it does not have."""
TIME = "time"
"""The `field` of a reading of seconds. A busy machine may delay the timer into another second."""
_TICK_NS = 20_000_000
"""A timer may seem early by one tick of the kernel (10 ms at most) and the rounding of its start."""


@dataclass(frozen=True, slots=True)
class OfSegment:
    """A field of the nth segment that one side sends, retransmissions not counted.

    With `field="flags"` and a step, "" if the kernel has sent fewer segments; the event is then the peer's last one.
    """

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
    arrived: bool = False
    """Count the segments of the kernel that have reached the learner's side, retransmissions too."""

    def __call__(self, recording: Recording) -> Seen | None:
        """The answer."""
        sent = _segments(recording, self.step, from_peer=self.from_peer, again=None if self.arrived else False)
        counted = [each for each in sent if not self.arrived or each[1].peer_state is not None]
        for at, frame, segment in counted[self.nth - 1 :]:
            value = FIELDS[self.field](segment)
            if value is None:
                return None
            if self.base:
                of_sender = self.field == "seq"
                base = frame.bases.peer if self.from_peer is of_sender else frame.bases.kernel
                return Seen(At(self.base, (segment.seq if of_sender else segment.ack) - base), at)
            if isinstance(value, frozenset) and self.among:
                return Seen(frozenset(index for index, each in enumerate(self.among) if each in value), at)
            return _answer(value, self.among, at)
        if self.field == "flags" and self.step and not self.from_peer:
            unanswered = [at for at, _, _ in _segments(recording, self.step, from_peer=True)]
            return Seen("", unanswered[-1]) if unanswered else None
        return None


@dataclass(frozen=True, slots=True)
class Which:
    """The set of those options whose reading has this value, for a question of the kind `Several`."""

    readings: tuple[Reading, ...]
    """One for each option."""
    value: object

    def __call__(self, recording: Recording) -> Seen | None:
        """The answer. Its event is that of the last option in the set, or of the last one tried if the set is empty.

        None if no option was tried.
        """
        tried = {at: seen for at, reading in enumerate(self.readings) if (seen := reading(recording)) is not None}
        chosen = frozenset(at for at, seen in tried.items() if seen.value == self.value)
        events = [tried[at].event for at in chosen or tried]
        return Seen(chosen, max(events)) if events else None


@dataclass(frozen=True, slots=True)
class HowMany:
    """How many segments both sides send, or one of them; either without retransmissions, or these alone."""

    from_peer: bool | None = None
    """None for both sides."""
    step: str = ""
    """Only in the last step with this title; "" for all."""
    again: bool = False
    """Count the retransmissions, and nothing else."""

    def __call__(self, recording: Recording) -> Seen | None:
        """The answer; its event is the last segment that is counted, or the last one at all if none is."""
        counted = [at for at, _, _ in _segments(recording, self.step, from_peer=self.from_peer, again=self.again)]
        passed = counted or [at for at, _, _ in _segments(recording, self.step, from_peer=None)]
        return Seen(len(counted), passed[-1]) if passed else None


@dataclass(frozen=True, slots=True)
class SentAgainAfter:
    """After how many whole seconds the kernel retransmits a segment for the nth time."""

    field: ClassVar[str] = TIME
    nth: int = 1
    """Counted from 1."""
    step: str = ""
    """Only in the last step with this title; "" for all."""

    def __call__(self, recording: Recording) -> Seen | None:
        """The answer. A timer may be late on a busy machine, but never early by more than a tick."""
        first = [frame for _, frame, _ in _segments(recording, self.step, from_peer=False)]
        again = list(_segments(recording, self.step, from_peer=False, again=True))
        if not first or len(again) < self.nth:
            return None
        at, frame, _ = again[self.nth - 1]
        sent = [each for each in first if each.time_ns < again[0][1].time_ns] or first
        return Seen((frame.time_ns - sent[-1].time_ns + _TICK_NS) // 1_000_000_000, at)


@dataclass(frozen=True, slots=True)
class Checked:
    """The value that the last check with this subject has compared: `lab.verify("Recv-Q", 5, ...)`."""

    subject: str
    value: Callable[[str], object] = int
    """Makes the answer of the value's text: `State` for a state of the peer."""
    among: tuple[object, ...] = ()
    """For a question with options: the values behind them. The answer is the index."""
    step: str = ""
    """Only in the last step with this title; "" for all."""

    def __call__(self, recording: Recording) -> Seen | None:
        """The answer."""
        found: Seen | None = None
        for at, event in in_step(recording, self.step):
            if isinstance(event, CheckMade) and event.subject == self.subject:
                [row] = event.rows
                texts = [str(each) for each in self.among]
                if not texts:
                    found = Seen(self.value(row.got), at)
                elif row.got in texts:
                    found = Seen(texts.index(row.got), at)
        return found


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
            for at, event in in_step(recording, self.step)
            if isinstance(event, StateSeen)
            and event.witness == "inet_diag"
            and (event.connection is None) is self.listener
        ]
        return seen[-1] if seen else None


@dataclass(frozen=True, slots=True)
class KernelTimer:
    """The connection's timer when the scenario last asked for it in a step, in whole seconds: its whole length.

    The last segment before has set it; what has run off since then is added.
    """

    step: str = ""
    """Only in the last step with this title; "" for all."""
    among: tuple[str, ...] = ()
    """For a question with options: the names behind them, as `expect_timer` has them. The answer is the index."""

    def __call__(self, recording: Recording) -> Seen | None:
        """The answer."""
        for at, event in reversed(in_step(recording, self.step)):
            if isinstance(event, StateSeen) and event.detail is not None and event.connection is not None:
                timer = event.detail.timer
                if self.among:
                    return _answer(timer, self.among, at)
                before = (each for each in reversed(recording.events[:at]) if isinstance(each, FrameSeen))
                segment = next(each for each in before if each.connection == event.connection)
                since_s = (event.time_ns - segment.time_ns) / 1e9
                return Seen(round(event.detail.expires_ms / 1000 + since_s), at)
        return None


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
        made = [(at, event) for at, event in in_step(recording, self.step) if isinstance(event, CallMade)]
        for at, event in reversed(made):
            if event.name == self.name:
                return _answer(event.result if self.among else event.error, self.among, at)
        return None


def _answer(value: object, among: Sequence[object], at: int) -> Seen | None:
    """A value, or its index among those behind the options of a question; None if no option stands for it."""
    if not among:
        return Seen(value, at)
    return Seen(among.index(value), at) if value in among else None


def _segments(
    recording: Recording, step: str, *, from_peer: bool | None, again: bool | None = False
) -> Iterator[tuple[int, FrameSeen, Segment]]:
    """The segments of a step with the indices of their events.

    `from_peer`: of which side; `again`: whether they are retransmissions. None for both.
    """
    for at, event in in_step(recording, step):
        if (
            isinstance(event, FrameSeen)
            and event.segment is not None
            and again in (None, event.retransmission)
            and from_peer in (None, event.from_peer)
        ):
            yield at, event, event.segment


def in_step(recording: Recording, title: str) -> list[tuple[int, object]]:
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
