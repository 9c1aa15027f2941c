"""The kernel's states of each connection in order of time, and what changed them."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field

from lab.record.events import Event, FrameSeen, StateSeen
from lab.tcp.state import State


@dataclass(slots=True)
class Lane:
    """One connection's states as the witnesses saw them."""

    times_ns: list[int] = field(default_factory=list)
    states: list[State] = field(default_factory=list)
    timers: list[str] = field(default_factory=list)
    """The timer that ran then, where inet_diag was asked; else ""."""
    by_itself_ns: list[int] = field(default_factory=list)
    """When the connection was gone although nothing had happened for a while."""

    def until(self, time_ns: int, turn_ns: float) -> State | None:
        """The last state seen before `turn_ns`, but for one that came by itself after `time_ns`."""
        if self.by_itself_ns:
            later = bisect_right(self.by_itself_ns, time_ns)
            if later < len(self.by_itself_ns):
                turn_ns = min(turn_ns, self.by_itself_ns[later])
        found = bisect_left(self.times_ns, turn_ns) - 1
        return self.states[found] if found >= 0 else None

    def timer_before(self, time_ns: int) -> str:
        """The timer that ran when the kernel was last asked before that moment."""
        found = bisect_left(self.times_ns, time_ns) - 1
        return self.timers[found] if found >= 0 else ""


def lanes_of(events: Sequence[Event], shown_ns: Sequence[int], noticeable_ns: int) -> dict[int, Lane]:
    """The lanes by number of connection. `shown_ns` is when something happened that may change a state, in order."""
    seen: dict[int, list[StateSeen]] = {}
    for event in events:
        if isinstance(event, StateSeen) and event.connection is not None:
            seen.setdefault(event.connection, []).append(event)
    lanes = {number: _lane(states) for number, states in seen.items()}
    for lane in lanes.values():
        for at in range(1, len(lane.states)):
            if lane.states[at] is State.CLOSED is not lane.states[at - 1]:
                cause = bisect_right(shown_ns, lane.times_ns[at]) - 1
                if cause < 0 or lane.times_ns[at] - shown_ns[cause] >= noticeable_ns:
                    lane.by_itself_ns.append(lane.times_ns[at])
    return lanes


def next_turns(events: Sequence[Event], shown: Sequence[bool]) -> list[float]:
    """For each event when the lab does something next; infinity behind its last turn.

    What the kernel is in until then is its answer to what came before.
    """
    turns: list[float] = []
    following = float("inf")
    for event, is_it in zip(reversed(events), reversed(shown), strict=True):
        turns.append(following)
        if is_it and not (isinstance(event, FrameSeen) and not event.from_peer):
            following = event.time_ns
    turns.reverse()
    return turns


def _lane(seen: list[StateSeen]) -> Lane:
    seen.sort(key=lambda event: event.time_ns)
    return Lane(
        [event.time_ns for event in seen],
        [event.state for event in seen],
        [event.detail.timer if event.detail else "" for event in seen],
    )
