"""States and arrows of figure 5 (RFC 9293 3.3.2) that a run reached, and where: as data, JSON and text."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from rich.cells import cell_len

from lab.record.events import CallMade, FrameSeen, Recording, StepBegun
from lab.record.results import Result, Run
from lab.report.edge_coverage import FIGURE_5, Observation, WalkedEdge, kernel_edges, observations, peer_edges
from lab.report.evidence import Evidence, packet_text
from lab.report.i18n import translator
from lab.report.screen import indented, labelled, padded
from lab.tcp import flags
from lab.tcp.diagram import LISTEN, TIME_WAIT, Edge, Event
from lab.tcp.segment import Segment
from lab.tcp.state import State

NOT_OFFERED = {
    (LISTEN, Event.SEND): "send() on a listener fails with EPIPE, connect() with EISCONN"
    " (states.a_listener_cannot_open)",
}
"""Arrows that no program on Linux can make the kernel walk, and why."""

TAKES_LONG = {
    (TIME_WAIT, Event.TIME_WAIT_TIMEOUT): "no setting shortens these 60 seconds; --full waits for them",
}
"""Arrows that a run with short timers does not reach."""
_ARROW, _EVENT, _COUNT = 27, 37, 6
"""Widths in columns: source and target, event, number of scenarios that walked the arrow."""
_STATE, _WHO = 14, 8


class StateReport(NamedTuple):
    """One of the eleven states, with evidence for the first time the kernel was in it."""

    state: State
    kernel: tuple[Evidence, ...]
    """One evidence for each scenario."""


class EdgeReport(NamedTuple):
    """One arrow of figure 5, with evidence that it was walked."""

    edge: Edge
    kernel: tuple[Evidence, ...]
    """One evidence for each scenario in which the kernel walked it."""
    peer: tuple[Evidence, ...]
    """One evidence for each scenario in which a user-space endpoint walked it."""

    @property
    def best(self) -> Evidence | None:
        """The first evidence: of the kernel, else of a user-space endpoint."""
        return next(iter(self.kernel or self.peer), None)

    @property
    def offered(self) -> bool:
        """Whether Linux can walk this arrow at all."""
        return (self.edge.source, self.edge.event) not in NOT_OFFERED

    @property
    def reason(self) -> str:
        """Why the kernel did not walk it; "" if it did, or if the run had no scenario for it."""
        if self.kernel:
            return ""
        arrow = self.edge.source, self.edge.event
        return NOT_OFFERED.get(arrow) or TAKES_LONG.get(arrow, "")


class Coverage(NamedTuple):
    """Coverage of the whole diagram by a run."""

    states: tuple[StateReport, ...]
    edges: tuple[EdgeReport, ...]


def coverage(run: Run) -> Coverage:
    """The coverage by all recordings of a run."""
    kernel: dict[State | Edge, dict[str, Evidence]] = {each: {} for each in (*State, *FIGURE_5)}
    peer: dict[State | Edge, dict[str, Evidence]] = {edge: {} for edge in FIGURE_5}
    for result in run.results:
        name, recording = result.scenario.id, result.recording
        if recording is None:
            continue
        for state, where in _first_seen(result, recording):
            kernel[state].setdefault(name, where)
        for who, walks in (kernel, kernel_edges(recording)), (peer, peer_edges(recording)):
            for walked in walks:
                if name not in who[walked.edge]:
                    who[walked.edge][name] = _walked(result, recording, walked)
    return Coverage(
        tuple(StateReport(state, tuple(kernel[state].values())) for state in State),
        tuple(EdgeReport(edge, tuple(kernel[edge].values()), tuple(peer[edge].values())) for edge in FIGURE_5),
    )


def as_json(found: Coverage) -> dict[str, Any]:
    """The coverage as JSON values."""
    return {
        "states": [
            {"state": each.state.value, "kernel": [where.as_json() for where in each.kernel]} for each in found.states
        ],
        "edges": [
            {
                "source": each.edge.source.value,
                "event": each.edge.event.value,
                "sends": each.edge.sends,
                "target": each.edge.target.value,
                "section": f"RFC 9293 {each.edge.section}",
                "offered": each.offered,
                "reason": each.reason,
                "kernel": [where.as_json() for where in each.kernel],
                "peer": [where.as_json() for where in each.peer],
            }
            for each in found.edges
        ],
    }


def _first_seen(result: Result, recording: Recording) -> Iterator[tuple[State, Evidence]]:
    """Each state that the kernel was seen in, with the connection's last segment before that, if any."""
    first: dict[State, tuple[Observation, int | None]] = {}
    for number, series in observations(recording).items():
        for observed in series:
            if observed.state not in first or observed.time_ns < first[observed.state][0].time_ns:
                first[observed.state] = observed, number
    for state, (observed, number) in first.items():
        last = _last_frame(recording, number, observed.time_ns)
        yield state, _evidence(result, recording, observed.time_ns, last, f"seen by {observed.witness}")


def _walked(result: Result, recording: Recording, walked: WalkedEdge) -> Evidence:
    """Evidence for an arrow: the segment that caused it, or the one sent by the system call that caused it."""
    if walked.cause is None:
        last = _last_frame(recording, walked.connection, walked.time_ns)
        waited_ns = walked.time_ns - (recording.events[last].time_ns if last is not None else recording.started_ns)
        return _evidence(result, recording, walked.time_ns, None, f"a timer: {waited_ns / 1e9:.1f} s without a segment")
    cause = recording.events[walked.cause]
    if isinstance(cause, FrameSeen):
        return _evidence(result, recording, cause.time_ns, walked.cause, packet_text(cause))
    called = f"{cause} = {cause.result}" if isinstance(cause, CallMade) else ""
    control = flags.bits(walked.edge.sends or "") & (flags.SYN | flags.FIN)  # the control bits that the arrow sends
    for at, sent, segment in _segments(recording, walked.connection):
        if not sent.from_peer and sent.time_ns >= cause.time_ns and segment.flags & control:
            return _evidence(result, recording, cause.time_ns, at, f"{called}, {packet_text(sent)}")
    return _evidence(result, recording, cause.time_ns, None, called)


def _evidence(result: Result, recording: Recording, time_ns: int, frame: int | None, text: str) -> Evidence:
    steps = [event for event in recording.events if isinstance(event, StepBegun) and event.time_ns <= time_ns]
    packet = None if frame is None else recording.packet(frame)
    return Evidence(result.scenario.id, result.family, steps[-1].title if steps else "", packet, text)


def _segments(recording: Recording, connection: int | None) -> Iterator[tuple[int, FrameSeen, Segment]]:
    """Event index, frame and segment of each segment of a connection; a listener has none."""
    for at, event in enumerate(recording.events):
        if isinstance(event, FrameSeen) and event.segment is not None and event.connection == connection is not None:
            yield at, event, event.segment


def _last_frame(recording: Recording, connection: int | None, time_ns: int) -> int | None:
    before = (at for at, seen, _ in _segments(recording, connection) if seen.time_ns <= time_ns)
    return max(before, default=None)


def coverage_lines(found: Coverage, width: int = 80, language: str = "en") -> Iterator[str]:
    """Yield the states, then the arrows: number of scenarios for each side, and a packet as evidence."""
    text = translator(language).text
    yield text("States of the kernel")
    yield ""
    for seen in found.states:
        yield from labelled(str(seen.state), _where(seen.kernel, text) or text("not seen"), width, 2, _STATE)
    yield ""
    arrows = padded(text("Arrows of figure 5 (RFC 9293 3.3.2)"), _before_counts(width))
    yield arrows + "".join(" " * (_COUNT - cell_len(text(who))) + text(who) for who in ("kernel", "peer"))
    yield ""
    for each in found.edges:
        yield from _edge(each, width, text)
    yield ""
    states = sum(bool(seen.kernel) for seen in found.states)
    offered = [each for each in found.edges if each.offered]
    kernel = sum(bool(each.kernel) for each in offered)
    peer = sum(bool(each.peer) for each in found.edges)
    kernels = text(f"the kernel: {states} of {len(State)} states, {kernel} of {len(offered)} arrows that Linux offers")
    yield from indented(kernels, width)
    yield text(f"the peers:  {peer} of {len(found.edges)} arrows")


def _before_counts(width: int) -> int:
    """Columns before the counts of an arrow; on a narrow screen its event has a line of its own."""
    return min(2 + _ARROW + _EVENT, width - 2 * _COUNT)


def _edge(report: EdgeReport, width: int, text: Callable[[str], str]) -> Iterator[str]:
    edge = report.edge
    arrow = f"{edge.source} > {edge.target}"
    event = text(str(edge.event)) + (text(f", sends {edge.sends}") if edge.sends else "")
    kernel, peer = (str(len(walked) or "-") for walked in (report.kernel, report.peer))
    is_narrow = _before_counts(width) < 2 + _ARROW + _EVENT
    beside = f"  {arrow:<{_ARROW}}{'' if is_narrow else event}"
    yield f"{padded(beside, _before_counts(width))}{kernel:>{_COUNT}}{peer:>{_COUNT}}"
    yield from indented(event, width, first=4, later=6) if is_narrow else ()
    explanation = ("" if report.offered else text("not offered: ")) + text(report.reason)
    for who, where in ("kernel", _where(report.kernel, text) or explanation), ("peer", _where(report.peer, text)):
        if where:
            yield from labelled(text(who), where, width, 4, _WHO)


def _where(evidence: Sequence[Evidence], text: Callable[[str], str]) -> str:
    """The first evidence as text; "" if there is none."""
    for first in evidence[:1]:
        packet = text(f", packet {first.packet}") if first.packet is not None else ""
        return f"{first.scenario} IPv{first.family}{packet}{text(': ')}{text(first.text)}"
    return ""
