"""Mysteries: a capture with one fault, without the states, and what is read from the recording behind it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lab.exercise.model import Seen
from lab.exercise.notation import without_push
from lab.exercise.readings import in_step
from lab.record.events import FrameSeen, Recording
from lab.report.ladder import ladder_of
from lab.report.ladder_model import Kind, Rung
from lab.wire import pcapng

_LONGEST_EXCERPT = 8
"""Bytes of data that are shown of a packet."""


@dataclass(frozen=True, slots=True)
class Sign:
    """The segment in which a fault shows first: the nth of one side with these control bits in a step."""

    step: str
    control_bits: str
    """Scapy's letters, without P."""
    from_peer: bool = False
    nth: int = 1
    """Counted from 1."""

    def found_in(self, recording: Recording) -> tuple[int, int]:
        """Number of its packet in the capture and index of its event; (0, last event) if it did not come."""
        last = len(recording.events) - 1
        within = {at for at, _ in in_step(recording, self.step)}
        fitting = [
            (number, at)
            for number, (at, frame) in enumerate(packets(recording), 1)
            if at in within
            and frame.segment is not None
            and frame.from_peer is self.from_peer
            and without_push(frame.segment.letters) == self.control_bits
        ]
        return fitting[self.nth - 1] if len(fitting) >= self.nth else (0, last)


@dataclass(frozen=True, slots=True)
class PacketNumber:
    """Number of the packet in the capture in which the fault shows first; 0 if it does not show."""

    sign: Sign

    def __call__(self, recording: Recording) -> Seen | None:
        """The answer."""
        number, at = self.sign.found_in(recording)
        return Seen(number, at)


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Index of the fault among the answers to choose from, or the last one if its sign does not show."""

    sign: Sign
    index: int
    last: int

    def __call__(self, recording: Recording) -> Seen | None:
        """The answer."""
        number, at = self.sign.found_in(recording)
        return Seen(self.index if number else self.last, at)


@dataclass(frozen=True, slots=True)
class PeerState:
    """State of the peer at the end. Its event is the segment that brought the peer into it."""

    def __call__(self, recording: Recording) -> Seen | None:
        """The answer."""
        found: Seen | None = None
        for at in recording.chronological:
            event = recording.events[at]
            if isinstance(event, FrameSeen) and event.peer_state and (not found or event.peer_state != found.value):
                found = Seen(event.peer_state, at)
        return found


def packets(recording: Recording) -> Iterator[tuple[int, FrameSeen]]:
    """Yield the segments that a capture on the kernel's interface has, in order of time, and their events' indices."""
    for at in recording.chronological:
        event = recording.events[at]
        if isinstance(event, FrameSeen) and event.segment is not None and not (event.from_peer and event.lost):
            yield at, event


def bare_rungs(recording: Recording) -> Iterator[Rung]:
    """Yield the rungs of these segments, and of waits, without anything that a capture does not tell."""
    shown = {at for at, _ in packets(recording)}
    start_ns = None
    for rung in ladder_of(recording).rungs:
        frame = recording.events[rung.event] if rung.event is not None else None
        if isinstance(frame, FrameSeen) and frame.segment is not None and rung.event in shown:
            start_ns = rung.time_ns if start_ns is None else start_ns
            text = f"{rung.text}  {_excerpt(frame.segment.payload)}".rstrip()
            yield Rung(
                Kind.SEGMENT, rung.time_ns - start_ns, text, letters=rung.letters, from_peer=rung.from_peer,
                event=rung.event, connection=rung.connection,
            )  # fmt: skip
        elif rung.kind is Kind.WAIT and start_ns is not None:
            yield Rung(Kind.WAIT, rung.time_ns - start_ns, "", waited_ns=rung.waited_ns)


def _excerpt(payload: bytes) -> str:
    text = payload[:_LONGEST_EXCERPT].decode("latin-1")
    return f"{text!r}{'...' * (len(payload) > _LONGEST_EXCERPT)}" if payload else ""


def capture(recording: Recording) -> Iterator[bytes]:
    """Yield the pcapng blocks of the capture, without comments. Its times count from the start of the machine."""
    yield pcapng.section("TCP packet lab", "Linux", "")
    yield pcapng.interface("kernel", "")
    for _, frame in packets(recording):
        yield pcapng.packet(0, frame.time_ns, frame.data)
