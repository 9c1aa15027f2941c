"""Carries segments between the peers and the wire; every segment of the kernel is judged and recorded on its way."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, NoReturn

from lab.host.addresses import KERNEL_MAC, PEER_MAC
from lab.host.scheduling_delay import HoldUps
from lab.record.events import CheckKind, Connection, CrossingOver, FrameSeen
from lab.record.expectation import Row
from lab.session.errors import ScenarioError
from lab.session.history import Spoken
from lab.session.kernel_states import Timeline
from lab.session.polling import Waiting
from lab.session.recorder import Journal
from lab.tcp.flags import FIN, SYN
from lab.tcp.input import segment_arrives
from lab.tcp.output import segment_leaves
from lab.tcp.rules import RULES, Breach, judge
from lab.tcp.segment import Segment
from lab.tcp.state import State
from lab.wire.echo import Echo
from lab.wire.faults import Fault, FaultyLink, TappedLink
from lab.wire.frames import Encoder, Endpoints, decode, written
from lab.wire.link import Frame, Link

if TYPE_CHECKING:
    from lab.crowd.crowd import Crowd
    from lab.session.dialogue import Dialogue

_FENCE_DEADLINE_NS = 30_000_000_000
_BETWEEN_READINGS_NS = 1_000_000_000
"""The tracepoint's buffers are the machine's: they must be read also while a lab waits for a minute."""
_OCCUPYING = SYN | FIN
_RULE_IDS = frozenset(rule.id for rule in RULES)


class Exchange:
    """One link and the peers that speak over it."""

    def __init__(self, link: Link, echo: Echo, journal: Journal, timeline: Timeline) -> None:
        self._wire = link
        self.link = link
        """The wire with its faults, where it has some."""
        self.journal = journal
        self.timeline = timeline
        self._echo = echo
        self.judges = True
        """Whether a broken standing rule is a difference."""
        self._events = journal.recording.events
        self.spoken = Spoken(self._events)
        self.peers: list[Dialogue] = []
        """Those that have a connection."""
        self._by_ends: dict[Endpoints, Dialogue] = {}
        """The same by the ends of what the kernel sends them."""
        self._listening: dict[tuple[bytes, int], Dialogue] = {}
        self._encoders: dict[tuple[bytes, bytes], Encoder] = {}
        self.cut = False
        """Nothing gets through: there is no router. What the peers send is lost."""
        self.fence_passed = True
        """The kernel has answered the echo request that was sent last."""
        self.crowds: list[Crowd] = []
        self._lossy: FaultyLink | None = None
        self._loses_answers = False
        self._held: list[int] | None = None
        self.hold_ups = HoldUps()
        self.waiting: Waiting | None = None
        """What the scenario waits for, while it does."""
        self._deviations: dict[str, str] = {}
        self._shown: set[str] = set()

    def listen(self, peer: Dialogue, address: bytes, port: int) -> None:
        """From now on the kernel's first segment to `port` of that address makes a connection to `peer`."""
        if (address, port) in self._listening:
            raise ScenarioError(f"a peer waits for the kernel on port {port} already")
        self._listening[address, port] = peer

    def join(self, peer: Dialogue, ends: Endpoints) -> int:
        """Register a connection, given by the ends of what the kernel sends; its number."""
        kernel, kernel_port, address, port = ends
        if ends in self._by_ends:
            raise ScenarioError(f"a peer on port {port} already speaks with the kernel's port {kernel_port}")
        self._by_ends[ends] = peer
        self.peers.append(peer)
        recording = self.journal.recording
        recording.connections.append(Connection(recording.family, kernel_port, port, written(kernel), written(address)))
        return len(recording.connections) - 1

    def encoder(self, ends: Endpoints) -> Encoder:
        """What makes frames in the other direction between the same two addresses."""
        kernel, _, peer, _ = ends
        if (kernel, peer) not in self._encoders:
            self._encoders[kernel, peer] = Encoder(peer, kernel, PEER_MAC, KERNEL_MAC)
        return self._encoders[kernel, peer]

    def send(self, data: bytes, peer: Dialogue, segment: Segment | None) -> int:
        """Put a peer's frame on the wire; its time in ns of CLOCK_MONOTONIC."""
        if self._held is None:
            time_ns = self.link.send(data)
        else:
            self._held.append(len(self._events))
            time_ns = time.monotonic_ns()
        endpoint = peer.endpoint
        if segment is not None:
            peer.flow.sent(segment)
            segment_leaves(endpoint, segment, time_ns / 1e9)
        self._events.append(
            FrameSeen(time_ns, True, data, segment, peer.number, peer_state=endpoint.state, bases=peer.bases)
        )
        if (self._lossy is not None or self.cut) and self._held is None:
            self._note_loss(len(self._events) - 1)
        if not self.timeline.traced:
            self.timeline.glance(peer.number)
        return time_ns

    @contextmanager
    def holding(self) -> Iterator[None]:
        """What is sent in this block reaches the wire only at its end."""
        if self._held is not None:
            raise ScenarioError("one crossing inside another")
        self._held = []
        try:
            yield
        finally:
            held, self._held = self._held, None
        self._events.append(CrossingOver(time.monotonic_ns(), tuple(held)))
        for at in held:
            self.link.send(self.spoken.frame(at).data)
            self._note_loss(at)
        for peer in self.peers:
            self.timeline.glance(peer.number)

    def deviating(self, rule: str, of_linux: str) -> AbstractContextManager[None]:
        """In this block a breach of this standing rule is what is expected; `of_linux` says what Linux does.

        A documented deviation that does not show is news, and a difference.
        """
        if rule not in _RULE_IDS:
            raise ScenarioError(f"there is no standing rule {rule!r}; known are {', '.join(sorted(_RULE_IDS))}")
        return self._deviating(rule, of_linux)

    @contextmanager
    def _deviating(self, rule: str, of_linux: str) -> Iterator[None]:
        self._deviations[rule] = of_linux
        self._shown.discard(rule)
        yield
        del self._deviations[rule]
        self.journal.verify(
            f"documented deviation: {of_linux}",
            rule,
            "broken",
            "broken" if rule in self._shown else "obeyed",
            summary="the kernel does not deviate from the documents as Linux is known to",
            why=of_linux,
            kind=CheckKind.DEVIATION,
        )

    def disturb(
        self, seed: int, to_kernel: Sequence[Fault], from_kernel: Sequence[Fault], lies: Sequence[Fault]
    ) -> None:
        """From now on the wire has these faults and no others; what the kernel sends is judged before they strike."""
        self._lossy = FaultyLink(self._wire, seed, to_kernel, lies) if to_kernel or lies else None
        self._loses_answers = bool(from_kernel)
        wire = self._lossy or self._wire
        self.link = FaultyLink(TappedLink(wire, self._see), seed, (), from_kernel) if from_kernel else wire

    def ensure_plain(self) -> None:
        """ScenarioError when what is sent or heard now goes through more than a wire."""
        if self._held is not None or self._loses_answers or self.cut:
            raise ScenarioError("a crowd is on a plain wire: outside of crossing(), and without from_kernel faults")

    def receive(self, deadline_ns: int) -> bool:
        """Take one frame off the wire and give it to its peer; whether there was one by the deadline."""
        frame = self.link.receive(deadline_ns)
        if frame is None:
            return False
        if frame.seen_as is None:
            self.take(frame)
        else:
            self._deliver(frame.seen_as)
        return True

    def see_lost(self, frame: Frame) -> None:
        """Judge and record a frame of the kernel that no peer will get."""
        self._see(frame)

    def take(self, frame: Frame) -> None:
        """Judge a frame of the kernel, and give it to its peer."""
        self._see(frame, delivered=True)

    def wait(self, deadline_ns: int) -> bool:
        """As `receive`, for what may take long: the witnesses are heard all the while."""
        while True:
            now_ns = time.monotonic_ns()
            due_ns = min(deadline_ns, now_ns + _BETWEEN_READINGS_NS)
            came = self.receive(due_ns)
            self.hold_ups.note(self._events[-1].time_ns if came else due_ns)
            if came:
                return True
            if now_ns >= deadline_ns:
                return False
            self.timeline.catch_up()

    @contextmanager
    def waiting_for(self, what: str, since_ns: int, until_ns: int) -> Iterator[None]:
        """Say so for the length of the block, unless a wider one has said something already."""
        outer = self.waiting
        self.waiting = outer or Waiting(what, since_ns, until_ns)
        try:
            yield
        finally:
            self.waiting = outer

    def _see(self, frame: Frame, *, delivered: bool = False) -> int:
        """Judge and record a frame of the kernel; its number among the events."""
        time_ns, data, _ = frame
        events = self._events
        at = len(events)
        received = decode(data)
        if received is None:
            self.fence_passed |= self._echo.answered_by(data)
            events.append(FrameSeen(time_ns, False, data))
            return at
        ends, segment = received
        peer = self._by_ends.get(ends)
        if peer is None and any(crowd.takes(ends, segment, data, time_ns) for crowd in self.crowds):
            return at
        if peer is None or (segment.flags & SYN and peer.endpoint.state is State.CLOSED):
            peer = self._welcome(ends) or peer
        if peer is None:
            self._stray(time_ns, data, segment, ends)
        endpoint, state = peer.endpoint, None
        again = bool(segment.payload or segment.flags & _OCCUPYING) and peer.recognise(segment, time_ns)
        breaches = judge(peer.flow, segment)
        if delivered:
            if not segment.faults:  # what is malformed is discarded unread (RFC 9293 MUST-3)
                segment_arrives(endpoint, segment, time_ns / 1e9)
            state = endpoint.state
            peer.inbox.append(at)
        events.append(
            FrameSeen(
                time_ns, False, data, segment, peer.number, peer_state=state, retransmission=again, bases=peer.bases
            )
        )
        self.journal.recording.segments_judged += 1
        if breaches:
            self._shown.update(breach.rule.id for breach in breaches)
            broken = [breach for breach in breaches if breach.rule.id not in self._deviations]
            if broken and self.judges:
                self._breach(peer, at, broken)
        return at

    def _deliver(self, at: int) -> None:
        """A frame that was seen before has come through the faults of the wire."""
        seen = self._events[at]
        assert isinstance(seen, FrameSeen)
        if seen.segment is None or seen.connection is None:
            return
        peer = next(each for each in self.peers if each.number == seen.connection)
        if seen.peer_state is None:
            peer.inbox.append(at)  # a second copy is the wire's doing: nobody has to expect it
        if not seen.segment.faults:
            segment_arrives(peer.endpoint, seen.segment, time.monotonic())
        self._events[at] = seen._replace(peer_state=peer.endpoint.state)

    def _note_loss(self, at: int) -> None:
        """Record whether the wire lost the frame that was sent last."""
        if self.cut or (self._lossy is not None and self._lossy.lost_the_last):
            self._events[at] = self.spoken.frame(at)._replace(lost=True)

    def begin_fence(self) -> None:
        """Ask the kernel for the echo that stands behind its answers to everything sent so far: then `fence_passed`."""
        if self.cut:
            raise ScenarioError("without a router no answer can come: rebuild() it first")
        self.fence_passed = False
        request = self._echo.request()
        self._events.append(FrameSeen(self.link.send(request), True, request))

    def fence(self) -> None:
        """Return once the kernel has dealt with everything sent so far, and all its immediate answers are here."""
        self.begin_fence()
        deadline_ns = time.monotonic_ns() + _FENCE_DEADLINE_NS
        while not self.fence_passed:
            if not self.receive(deadline_ns):
                raise ScenarioError("the kernel did not answer the echo request that marks the end of its answers")
        self.timeline.catch_up()

    def _welcome(self, ends: Endpoints) -> Dialogue | None:
        peer = self._listening.pop((ends.destination, ends.destination_port), None)
        if peer is not None:
            self._by_ends.pop(ends, None)  # a closed connection makes way for the next one of the same four elements
            peer.meet(ends)
        return peer

    def _stray(self, time_ns: int, data: bytes, segment: Segment, ends: Endpoints) -> NoReturn:
        self._events.append(FrameSeen(time_ns, False, data, segment))
        self.journal.differs(
            "no segment outside the connections",
            (Row("segment", "none", f"{segment.letters or 'no flags'} from {ends}", False),),
            summary="the kernel sent a segment that belongs to no connection of this scenario",
            frame=len(self._events) - 1,
            kind=CheckKind.NOTHING_LEFT,
        )

    def _breach(self, peer: Dialogue, at: int, breaches: list[Breach]) -> NoReturn:
        first = breaches[0]
        self.journal.differs(
            f"standing rule: {first.rule.sentence}",
            tuple(Row(breach.rule.id, "obeyed", breach.message, False) for breach in breaches),
            summary="the kernel broke a rule that holds for every segment",
            why=f"{first.rule.sentence}   {first.rule.section}",
            connection=peer.number,
            frame=at,
            state=self.timeline.look(peer.number).state,
            kind=CheckKind.RULE,
        )
