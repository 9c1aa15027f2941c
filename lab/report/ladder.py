"""The exchange as a ladder: the one value that every picture of it is drawn from, in text, SVG, mermaid and HTML.

A rung is a segment, a system call, an author's paragraph, a wait, or whatever else happened, in the order in which the
lab learned of it. It knows both sides' states before and after it, and what was checked there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from lab.report.lanes import Lane, lanes_of, next_turns
from lab.report.pairing import Pairing
from lab.report.segments import segment_text
from lab.scenario.recording import (
    CallMade,
    CheckMade,
    CrossingOver,
    Event,
    FrameSeen,
    Recording,
    StepBegun,
)
from lab.tcp.segment import Segment
from lab.tcp.state import State
from lab.wire import icmp
from lab.wire.notes import why_no_segment

NOTICEABLE_NS = 100_000_000
"""From here on a gap is a wait: far above what a busy machine takes for an answer, below any timer of interest."""


class Kind(Enum):
    """What a rung is."""

    SEGMENT = "segment"
    FRAME = "frame"
    """An ICMP error, or whatever else a peer has sent that is no TCP segment."""
    CALL = "call"
    """A system call of the kernel's application."""
    STEP = "step"
    """The author begins a paragraph."""
    WAIT = "wait"
    """Nothing happens for a while."""
    ARRIVAL = "arrival"
    """What the peers have sent since a crossing began reaches the kernel."""
    STATE = "state"
    """The kernel's state changes by itself: a timer has run out."""


class Sides(NamedTuple):
    """The states that the two ends of a connection are in; None where nobody has seen one."""

    peer: State | None = None
    kernel: State | None = None


NOBODY = Sides()


@dataclass(slots=True)
class Rung:
    """One line of the ladder, with what all drawings need to know of it."""

    kind: Kind
    time_ns: int
    """Since the ladder begins; for a wait its end."""
    text: str
    """The segment's numbers, the call and its result, the paragraph's title."""
    event: int | None = None
    """Index into `Recording.events`, where one event stands behind it."""
    packet: int | None = None
    """Of a frame: its number in the recording and in the capture file, counted from 1."""
    connection: int | None = None
    before: Sides = NOBODY
    after: Sides = NOBODY
    letters: str = ""
    """A segment's control bits, "-" for none; "ICMP", or "?" for what is neither."""
    from_peer: bool = False
    retransmission: bool = False
    lost: bool = False
    """It never got to the other side."""
    broke: bool = False
    """This is the segment that an expectation did not hold for."""
    waited_ns: int = 0
    timer: str = ""
    """Which of the kernel's timers ran meanwhile, by inet_diag's words; "" where that is not known."""
    arrives: int | None = None
    """For a segment that crosses others: the rung where it arrives."""
    acknowledges: tuple[int, ...] = ()
    """The rungs of the segments that this one is the first to acknowledge."""
    acknowledged: int | None = None
    """The rung that acknowledges this one."""
    claims: tuple[str, ...] = ()
    checks: list[CheckMade] = field(default_factory=list)


@dataclass(slots=True)
class Ladder:
    """All rungs of a recording, in order."""

    rungs: list[Rung]
    recording: Recording
    omitted: int = 0
    """How many rungs were left out, see `shortened`."""

    @property
    def names(self) -> list[str]:
        """What to call each connection, "" where there is only one: the port that tells it from the others.

        Where it takes more than that, both ports, and where even those are the same also the ends of the addresses.
        """
        connections = self.recording.connections
        if len(connections) < 2:
            return [""] * len(connections)
        names = (
            [str(each.peer_port) for each in connections],
            [str(each.kernel_port) for each in connections],
            [f"{each.peer_port}>{each.kernel_port}" for each in connections],
        )
        whole = [
            f"{_host(each.peer_address)}.{each.peer_port}>{_host(each.kernel_address)}.{each.kernel_port}"
            for each in connections
        ]
        return next((chosen for chosen in names if len(set(chosen)) == len(chosen)), whole)

    def seen(self, rung: Rung) -> tuple[FrameSeen, Segment] | None:
        """The frame behind a rung and its segment, None for a rung that is no segment."""
        event = self.recording.events[rung.event] if rung.event is not None else None
        return (event, event.segment) if isinstance(event, FrameSeen) and event.segment is not None else None


def ladder_of(recording: Recording) -> Ladder:
    """The ladder of a recording; the time that takes grows with its length only."""
    return _Builder(recording).build()


def shortened(ladder: Ladder, most: int) -> Ladder:
    """The same ladder where it has no more than `most` rungs, else its beginning and its end, half of `most` each."""
    surplus = len(ladder.rungs) - most
    if surplus <= 0:
        return ladder
    first = most // 2
    last = first + surplus

    def moved(at: int | None) -> int | None:
        return at if at is None or at < first else None if at < last else at - surplus

    kept = ladder.rungs[:first] + ladder.rungs[last:]
    for rung in kept:
        rung.arrives, rung.acknowledged = moved(rung.arrives), moved(rung.acknowledged)
        rung.acknowledges = tuple(at for each in rung.acknowledges if (at := moved(each)) is not None)
    return Ladder(kept, ladder.recording, surplus)


class _Builder:
    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._rungs: list[Rung] = []
        self._sides: dict[int, Sides] = {}
        self._met: set[int] = set()
        """The connections that have had a segment."""
        self._rung_of: dict[int, int] = {}
        """By index of an event."""
        self._packets = 0
        self._shown: int | None = None
        """The last rung that is more than a title."""
        self._last_ns = 0
        self._bound = 0
        self._listening: set[int] = set()
        self._pairing = Pairing(self._rungs)
        self._lanes: dict[int, Lane] = {}

    def build(self) -> Ladder:
        events = self._recording.events
        self._start_ns = next((each.time_ns for each in events if is_shown(each)), self._recording.started_ns)
        self._last_ns = self._start_ns
        self._lanes = lanes_of(events, is_shown, NOTICEABLE_NS)
        by_themselves = sorted(
            (at, number) for number, lane in self._lanes.items() for at in lane.by_itself_ns
        )  # what no rung explains gets one of its own, in its place
        turns = next_turns(events, is_turn)
        for index, event in enumerate(events):
            while by_themselves and is_shown(event) and by_themselves[0][0] < event.time_ns:
                self._by_itself(*by_themselves.pop(0))
            self._event(index, event, turns[index])
        for at, number in by_themselves:
            self._by_itself(at, number)
        return Ladder(self._rungs, self._recording)

    def _event(self, index: int, event: Event, turn_ns: float) -> None:
        if isinstance(event, FrameSeen):
            self._packets += 1
            if is_shown(event):
                self._frame(index, event, turn_ns)
        elif isinstance(event, CheckMade):
            self._check(event)
        elif isinstance(event, StepBegun):
            self._add(Rung(Kind.STEP, event.time_ns, event.title, index, claims=event.claims))
        elif isinstance(event, CallMade):
            self._call(index, event, turn_ns)
        elif isinstance(event, CrossingOver):
            self._arrival(index, event, turn_ns)

    def _frame(self, index: int, seen: FrameSeen, turn_ns: float) -> None:
        number, segment = seen.connection, seen.segment
        lost = seen.lost or (not seen.from_peer and number is not None and seen.peer_state is None)
        rung = Rung(Kind.FRAME, seen.time_ns, "", index, self._packets, number, from_peer=seen.from_peer, lost=lost)
        if number is not None:
            rung.before = self._sides[number] if number in self._met else self._at_first(number, seen.from_peer)
            self._met.add(number)
            kernel = self._lane(number).until(seen.time_ns, turn_ns)
            rung.after = self._sides[number] = Sides(seen.peer_state or rung.before.peer, kernel)
        if segment is None:
            error = icmp.error_in(seen.data)
            rung.letters, rung.text = ("ICMP", error) if error else ("?", why_no_segment(seen.data))
        else:
            rung.kind, rung.letters = Kind.SEGMENT, segment.letters or "-"
            rung.text = segment_text(segment, seen.bases, seen.from_peer)
            rung.retransmission = seen.retransmission
        self._add(rung)
        if segment is not None and number is not None:
            self._pairing.add(len(self._rungs) - 1, segment)

    def _call(self, index: int, call: CallMade, turn_ns: float) -> None:
        rung = Rung(Kind.CALL, call.time_ns, f"{call} = {call.result}", index, connection=call.connection)
        if call.name == "bind" and not call.error and isinstance(call.arguments[0], int):
            self._bound = call.arguments[0]
        elif call.name == "listen" and not call.error:
            self._listening.add(self._bound)
            rung.before, rung.after = Sides(None, State.CLOSED), Sides(None, State.LISTEN)
        self._after_lab(rung, turn_ns)

    def _arrival(self, index: int, crossing: CrossingOver, turn_ns: float) -> None:
        held = [self._rung_of[at] for at in crossing.frames if at in self._rung_of]
        numbers = {self._rungs[at].connection for at in held}
        number = numbers.pop() if len(numbers) == 1 else None
        rung = Rung(Kind.ARRIVAL, crossing.time_ns, "", index, connection=number)
        self._after_lab(rung, turn_ns)
        for at in held:
            self._rungs[at].arrives = len(self._rungs) - 1

    def _by_itself(self, time_ns: int, number: int) -> None:
        rung = Rung(Kind.STATE, time_ns, "", connection=number)
        self._after_lab(rung, time_ns + 1)

    def _after_lab(self, rung: Rung, turn_ns: float) -> None:
        """Add a rung that may change the kernel's state, but not the peer's."""
        number = rung.connection
        if number is not None:
            rung.before = self._sides.get(number, NOBODY)
            kernel = self._lane(number).until(rung.time_ns, turn_ns)
            rung.after = self._sides[number] = Sides(rung.before.peer, kernel)
        self._add(rung)

    def _check(self, check: CheckMade) -> None:
        at = self._rung_of.get(check.frame, self._shown) if check.frame is not None else self._shown
        if at is None:
            at = len(self._rungs) - 1
        if at < 0:
            return
        rung = self._rungs[at]
        rung.checks.append(check)
        rung.broke |= not check.passed and check.frame is not None and rung.event == check.frame

    def _add(self, rung: Rung) -> None:
        gap_ns = rung.time_ns - self._last_ns
        self._last_ns = max(self._last_ns, rung.time_ns)
        rung.time_ns -= self._start_ns
        if gap_ns >= NOTICEABLE_NS:
            timer = self._timer(rung)
            wait = Rung(Kind.WAIT, rung.time_ns, "", connection=rung.connection, waited_ns=gap_ns, timer=timer)
            wait.before = wait.after = rung.before
            self._rungs.append(wait)
        if rung.event is not None:
            self._rung_of[rung.event] = len(self._rungs)
        if rung.kind is not Kind.STEP:
            self._shown = len(self._rungs)
        self._rungs.append(rung)

    def _timer(self, ended_by: Rung) -> str:
        if ended_by.retransmission and not ended_by.from_peer:
            return "retransmission"
        if ended_by.connection is None:
            return ""
        return self._lane(ended_by.connection).timer_before(ended_by.time_ns + self._start_ns)

    def _lane(self, number: int) -> Lane:
        return self._lanes.get(number) or self._lanes.setdefault(number, Lane())

    def _at_first(self, number: int, peer_begins: bool) -> Sides:
        """What the two sides were before their first segment."""
        listens = self._recording.connections[number].kernel_port in self._listening
        if peer_begins:
            return Sides(State.CLOSED, State.LISTEN if listens else State.CLOSED)
        return Sides(State.LISTEN, State.CLOSED)


def _host(address: str) -> str:
    """What comes last in an address."""
    return re.split("[.:]", address)[-1]


def is_shown(event: Event) -> bool:
    """Whether it has a rung with a time of its own."""
    if isinstance(event, FrameSeen):
        if event.segment is not None or (event.from_peer and event.connection is not None):
            return True
        return icmp.error_in(event.data) is not None  # echo requests, and what the interface says of itself, are not
    return isinstance(event, CallMade | CrossingOver)


def is_turn(event: Event) -> bool:
    """Whether the lab does something: what the kernel is in until the next time is its answer to that."""
    return is_shown(event) and not (isinstance(event, FrameSeen) and not event.from_peer)
