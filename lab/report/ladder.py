"""Builds the ladder of a recording: its events in order, with the states of both sides before and after each."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from operator import attrgetter
from typing import Any

from lab.record.events import CallMade, CheckMade, CrossingOver, Event, FrameSeen, Recording, StateSeen, StepBegun
from lab.report.evidence import segment_text
from lab.report.ladder_model import NO_STATES, Kind, Ladder, Rung, Sides, omitted_range
from lab.report.mini_sockets import without_replaced
from lab.tcp.flags import ACK, SYN
from lab.tcp.segment import Segment
from lab.tcp.sequence import Seq
from lab.tcp.state import State
from lab.wire import icmp
from lab.wire.frames import why_no_segment

_NOTICEABLE_NS = 100_000_000
"""A gap of at least this length is a wait: longer than a busy machine needs to answer, shorter than any timer."""
_TIME = attrgetter("time_ns")
_UNTIMED = (CheckMade, StepBegun)
"""Events shown in the ladder that did not happen on the wire or in the kernel."""


def ladder_of(recording: Recording, most: int | None = None) -> Ladder:
    """The ladder of a recording, in linear time.

    Of more than `most` rungs it has the first and the last `most / 2`. Waits, and states that change without an event,
    are not counted.
    """
    return _Builder(recording, most).build()


class _Builder:
    def __init__(self, recording: Recording, most: int | None) -> None:
        events = recording.events
        self._recording = recording
        self._rungs: list[Rung] = []
        self._ladder = Ladder(self._rungs, recording)
        self._order = recording.chronological
        """Indices of the events in order of time, which is the order of the rungs."""
        self._in_order = [events[index] for index in self._order]
        self._has_rung = [is_drawn(event) for event in self._in_order]
        """By place in the order: whether the event has a rung with its own time."""
        self._left_out = _omitted_events(self._in_order, self._has_rung, most)
        """Places of the events in the middle that get no rungs."""
        self._without_rung = {self._order[at] for at in self._left_out}
        self._peer_states = _peer_states(events, self._order)
        self._omits = False
        """Whether the current event gets no rung. It still changes the states."""
        self._sides: dict[int, Sides] = {}
        self._begun: set[int] = set()
        """Connections that have had a segment."""
        self._rung_of: dict[int, int] = {}
        """Index of an event's rung, by index of the event."""
        self._shown: int | None = None
        """Index of the last rung that is not the title of a step."""
        times_ns = [event.time_ns for event, has_rung in zip(self._in_order, self._has_rung, strict=True) if has_rung]
        self._start_ns = self._last_ns = times_ns[0] if times_ns else recording.started_ns
        self._lanes = _lanes_of(events, times_ns)
        self._bound = 0
        self._listening: set[int] = set()
        self._acknowledgements = _Acknowledgements(self._rungs)

    def build(self) -> Ladder:
        shown = self._has_rung
        # A change of state without an event gets its own rung.
        spontaneous = deque(sorted((at, number) for number, lane in self._lanes.items() for at in lane.spontaneous_ns))
        next_actions = _next_actions(self._in_order, shown)
        add: dict[type, Callable[[int, Any, float], None]] = {
            FrameSeen: self._frame,
            CheckMade: self._check,
            StepBegun: self._step,
            CallMade: self._call,
            CrossingOver: self._arrival,
        }
        for at, (index, event) in enumerate(zip(self._order, self._in_order, strict=True)):
            if not shown[at] and event.__class__ not in _UNTIMED:
                continue
            if at == self._left_out.stop and self._left_out:
                self._close_gap()
            self._omits = at in self._left_out
            while spontaneous and shown[at] and spontaneous[0][0] < event.time_ns:
                self._spontaneous(*spontaneous.popleft())
            add[event.__class__](index, event, next_actions[at])
        for time_ns, number in spontaneous:
            self._spontaneous(time_ns, number)
        return self._ladder

    def _close_gap(self) -> None:
        """End the gap: later events have rungs again, which do not refer to rungs before the gap."""
        self._ladder.gap = len(self._rungs)
        self._acknowledgements = _Acknowledgements(self._rungs)
        self._shown = None

    def _step(self, index: int, step: StepBegun, _: float) -> None:
        self._add(Rung(Kind.STEP, step.time_ns, step.title, index, claims=step.claims))

    def _omit(self, time_ns: int) -> None:
        """Count an event without a rung; the next wait begins after it at the earliest."""
        self._ladder.omitted += 1
        self._last_ns = max(self._last_ns, time_ns)

    def _frame(self, index: int, seen: FrameSeen, next_action_ns: float) -> None:
        number, segment = seen.connection, seen.segment
        before = after = NO_STATES
        if number is not None:
            before = self._sides[number] if number in self._begun else self._at_first(number, seen.from_peer)
            self._begun.add(number)
            kernel = self._lanes[number].until(seen.time_ns, next_action_ns)
            after = self._sides[number] = Sides(self._peer_states.get(index, before.peer), kernel)
        if self._omits:
            self._omit(seen.time_ns)
            return
        lost = seen.lost or (not seen.from_peer and number is not None and seen.peer_state is None)
        rung = Rung(Kind.FRAME, seen.time_ns, "", index, self._recording.packet(index), number, before, after)
        rung.from_peer, rung.lost = seen.from_peer, lost
        if segment is None:
            error = icmp.error_in(seen.data)
            rung.letters, rung.text = ("ICMP", error) if error else ("?", why_no_segment(seen.data))
        else:
            rung.kind, rung.letters = Kind.SEGMENT, segment.letters or "-"
            rung.text = segment_text(segment, seen.bases, seen.from_peer)
            rung.retransmission = seen.retransmission
        self._add(rung)
        if segment is not None and number is not None:
            self._acknowledgements.add(len(self._rungs) - 1, number, segment)

    def _call(self, index: int, call: CallMade, next_action_ns: float) -> None:
        rung = Rung(Kind.CALL, call.time_ns, f"{call} = {call.result}", index, connection=call.connection)
        if call.name == "bind" and not call.error and isinstance(call.arguments[0], int):
            self._bound = call.arguments[0]
        elif call.name == "listen" and not call.error:
            self._listening.add(self._bound)
            rung.before, rung.after = Sides(None, State.CLOSED), Sides(None, State.LISTEN)
        self._after_lab(rung, next_action_ns)

    def _arrival(self, index: int, crossing: CrossingOver, next_action_ns: float) -> None:
        held = [at for at in crossing.frames if is_drawn(self._recording.events[at])]
        numbers = {getattr(self._recording.events[at], "connection", None) for at in held}
        number = numbers.pop() if len(numbers) == 1 else None
        self._after_lab(Rung(Kind.ARRIVAL, crossing.time_ns, "", index, connection=number), next_action_ns)
        for at in held:
            if at in self._rung_of and not self._omits:
                self._rungs[self._rung_of[at]].arrival = len(self._rungs) - 1

    def _spontaneous(self, time_ns: int, number: int) -> None:
        self._after_lab(Rung(Kind.STATE, time_ns, "", connection=number), time_ns + 1)

    def _after_lab(self, rung: Rung, next_action_ns: float) -> None:
        """Add a rung that may change the kernel's state but not the peer's."""
        number = rung.connection
        if number is not None:
            rung.before = self._sides.get(number, NO_STATES)
            kernel = self._lanes[number].until(rung.time_ns, next_action_ns)
            rung.after = self._sides[number] = Sides(rung.before.peer, kernel)
        self._add(rung)

    def _check(self, _: int, check: CheckMade, __: float) -> None:
        at = self._rung_of.get(check.frame) if check.frame is not None else None
        if at is None:
            if self._omits or (check.frame is not None and check.frame in self._without_rung):
                return
            at = self._shown
        if at is None:
            if not self._rungs or self._ladder.gap is not None:
                return
            at = -1
        rung = self._rungs[at]
        rung.checks.append(check)
        rung.broke |= not check.passed and check.frame is not None and rung.event == check.frame

    def _add(self, rung: Rung) -> None:
        if self._omits:
            self._omit(rung.time_ns)
            return
        gap_ns = rung.time_ns - self._last_ns
        self._last_ns = max(self._last_ns, rung.time_ns)
        rung.time_ns -= self._start_ns
        if gap_ns >= _NOTICEABLE_NS:
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
        last = self._lanes[ended_by.connection].last_before(ended_by.time_ns + self._start_ns)
        return last.detail.timer if last is not None and last.detail is not None else ""

    def _at_first(self, number: int, peer_begins: bool) -> Sides:
        """States of both sides before the first segment."""
        listens = self._recording.connections[number].kernel_port in self._listening
        if peer_begins:
            return Sides(State.CLOSED, State.LISTEN if listens else State.CLOSED)
        return Sides(State.LISTEN, State.CLOSED)


def _peer_states(events: Sequence[Event], order: Sequence[int]) -> dict[int, State]:
    """The peer's state after each frame, by index of its event.

    A frame that the peer read late, after it had sent another one, changes its state only after that one.
    """
    read: dict[int | None, list[int]] = defaultdict(list)
    for index, event in enumerate(events):
        if isinstance(event, FrameSeen) and event.peer_state is not None:
            read[event.connection].append(index)
    first_later: dict[int | None, int] = {}
    states: dict[int, State] = {}
    for index in reversed(order):
        event = events[index]
        if isinstance(event, FrameSeen) and event.peer_state is not None:
            number = event.connection
            done = bisect_left(read[number], first_later.get(number, len(events)))
            last = events[read[number][done - 1]] if done else None
            if isinstance(last, FrameSeen) and last.peer_state is not None:
                states[index] = last.peer_state
            first_later[number] = min(index, first_later.get(number, index))
    return states


def is_drawn(event: Event) -> bool:
    """Whether an event has a rung with its own time."""
    if isinstance(event, FrameSeen):
        if event.segment is not None or (event.from_peer and event.connection is not None):
            return True
        return icmp.error_in(event.data) is not None  # no echo requests, no neighbour discovery
    return isinstance(event, CallMade | CrossingOver)


def _omitted_events(events: Sequence[Event], shown: Sequence[bool], most: int | None) -> range:
    """Range of the events to leave out; empty if at most `most` have their own rung."""
    own = [at for at, event in enumerate(events) if shown[at] or event.__class__ is StepBegun]
    omitted = omitted_range(len(own), most)
    return range(own[omitted.start], own[omitted.stop]) if omitted else omitted


@dataclass(slots=True)
class _Lane:
    """Kernel states of one connection, as observed by the witnesses."""

    seen: list[StateSeen] = field(default_factory=list)
    """In order of time."""
    spontaneous_ns: list[int] = field(default_factory=list)
    """Times of changes to CLOSED without an event shortly before."""

    def until(self, time_ns: int, next_action_ns: float) -> State | None:
        """The last state seen before `next_action_ns`, except a change without an event after `time_ns`."""
        if self.spontaneous_ns:
            later = bisect_right(self.spontaneous_ns, time_ns)
            if later < len(self.spontaneous_ns):
                next_action_ns = min(next_action_ns, self.spontaneous_ns[later])
        last = self.last_before(next_action_ns)
        return last.state if last is not None else None

    def last_before(self, time_ns: float) -> StateSeen | None:
        """The last observation before that time."""
        following = bisect_left(self.seen, time_ns, key=_TIME)
        return self.seen[following - 1] if following else None


def _lanes_of(events: Sequence[Event], shown_ns: Sequence[int]) -> defaultdict[int, _Lane]:
    """Kernel states by connection. `shown_ns` are the sorted times of all events that may change a state."""
    lanes: defaultdict[int, _Lane] = defaultdict(_Lane)
    for event in events:
        if isinstance(event, StateSeen) and event.connection is not None:
            lanes[event.connection].seen.append(event)
    for lane in lanes.values():
        lane.seen = without_replaced(sorted(lane.seen, key=_TIME))
        for before, seen in pairwise(lane.seen):
            if seen.state is State.CLOSED is not before.state:
                cause = bisect_right(shown_ns, seen.time_ns) - 1
                if cause < 0 or seen.time_ns - shown_ns[cause] >= _NOTICEABLE_NS:
                    lane.spontaneous_ns.append(seen.time_ns)
    return lanes


def _next_actions(events: Sequence[Event], shown: Sequence[bool]) -> list[float]:
    """For each event, when the lab acts next (infinity: never). State changes until then are caused by the event."""
    next_actions: list[float] = []
    following = float("inf")
    for event, is_shown in zip(reversed(events), reversed(shown), strict=True):
        next_actions.append(following)
        if is_shown and not (isinstance(event, FrameSeen) and not event.from_peer):
            following = event.time_ns
    next_actions.reverse()
    return next_actions


class _Acknowledgements:
    """Matches segments with the segments that acknowledge them, and stores the pairs in their rungs."""

    def __init__(self, rungs: list[Rung]) -> None:
        self._rungs = rungs
        self._sent: dict[tuple[int, bool], deque[tuple[Seq, int]]] = {}
        """By connection and direction: ends of unacknowledged segments, with their rungs."""
        self._next: dict[tuple[int, bool], Seq] = {}
        """By connection and direction: highest end so far."""

    def add(self, at: int, connection: int, segment: Segment) -> None:
        """Add the segment of the rung `at`; segments must be added in order."""
        rung = self._rungs[at]
        if segment.flags & ACK and not rung.lost:
            self._acknowledge(at, (connection, not rung.from_peer), segment.ack)
        own = connection, rung.from_peer
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
