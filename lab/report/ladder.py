"""The exchange as a ladder in text: a line a segment, with both sides' states once they have dealt with it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import NamedTuple

from lab.report.segments import segment_text
from lab.scenario.recording import CallMade, CrossingOver, Event, FrameSeen, Recording, StateSeen, StepBegun
from lab.tcp.state import State
from lab.wire import icmp

_INDENT = 47
"""Where a segment's numbers start."""


class Lane(NamedTuple):
    """The kernel's states of one connection in order of time."""

    times_ns: list[int]
    states: list[State]

    def before(self, time_ns: float) -> State | None:
        """The last state seen before that moment."""
        found = None
        for at, state in zip(self.times_ns, self.states, strict=True):
            if at >= time_ns:
                break
            found = state
        return found


def ladder(recording: Recording, width: int = 100, mark: int | None = None) -> Iterator[str]:
    """The lines. `mark` is the index of the event to point at: the segment that broke an expectation."""
    lanes = [_lane(recording, number) for number in range(len(recording.connections))]
    start_ns = next((event.time_ns for event in recording.events if _is_shown(event)), recording.started_ns)
    yield f"{'ms':>9}  {'peer':<13}{'':9}{'kernel':<14}seq:end(len) ack, window, options"
    for index, event in enumerate(recording.events):
        if isinstance(event, StepBegun):
            yield f"{'':11}{event.title}"
            continue
        if isinstance(event, CrossingOver):
            yield f"{'':11}(what was on its way to the kernel arrives)"
        if not _is_shown(event):
            continue
        time = f"{(event.time_ns - start_ns) / 1e6:9.3f}  "
        if isinstance(event, CallMade):
            yield f"{time}{'':22}{event} = {event.result}"
        elif isinstance(event, FrameSeen):
            yield from _frame_lines(recording, index, event, time, lanes, width, mark == index)


def _frame_lines(
    recording: Recording, index: int, seen: FrameSeen, time: str, lanes: list[Lane], width: int, marked: bool
) -> Iterator[str]:
    letters, numbers = _told(seen)
    arrow = f"{letters:─<4}─►" if seen.from_peer else f"◄─{letters:─>4}"
    kernel = lanes[seen.connection].before(_next_turn_ns(recording, index)) if seen.connection is not None else None
    notes = "  retransmission" if seen.retransmission else ""
    if seen.connection is not None and seen.peer_state is None:
        notes += "  lost on the way"
    notes += "  <--\N{NO-BREAK SPACE}here" if marked else ""
    numbers += notes
    head = f"{time}{seen.peer_state or '':<13}{arrow:<9}{kernel or '':<14}"
    lines = textwrap.wrap(numbers, max(30, width - _INDENT), break_on_hyphens=False) or [""]
    for before, line in zip([head, *[" " * _INDENT] * len(lines)], lines, strict=False):
        yield before + line.replace("\N{NO-BREAK SPACE}", " ")


def _told(seen: FrameSeen) -> tuple[str, str]:
    """What stands on the arrow, and what beside it."""
    if seen.segment is None:
        return "ICMP", icmp.error_in(seen.data) or ""
    return seen.segment.letters or "-", segment_text(seen.segment, seen.bases, seen.from_peer)


def _is_shown(event: Event) -> bool:
    return isinstance(event, CallMade) or (isinstance(event, FrameSeen) and _is_told(event))


def _is_told(seen: FrameSeen) -> bool:
    """Echo requests and what the interface says on its own account are not."""
    return seen.segment is not None or icmp.error_in(seen.data) is not None


def _lane(recording: Recording, number: int) -> Lane:
    seen = [event for event in recording.events if isinstance(event, StateSeen) and event.connection == number]
    seen.sort(key=lambda event: event.time_ns)
    return Lane([event.time_ns for event in seen], [event.state for event in seen])


def _next_turn_ns(recording: Recording, index: int) -> float:
    """When the lab did something next: what the kernel is in until then is its answer to what came before."""
    for event in recording.events[index + 1 :]:
        if isinstance(event, CallMade | CrossingOver) or (
            isinstance(event, FrameSeen) and event.from_peer and _is_told(event)
        ):
            return event.time_ns
    return float("inf")
