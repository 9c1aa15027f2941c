"""Switchboard: one link and the conversations over it. Each frame is decoded, judged, delivered and recorded here."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import NamedTuple, NoReturn

from lab.host.addresses import KERNEL_MAC, PEER_MAC
from lab.host.scheduling_delay import DelayMeter
from lab.record.events import CheckKind, Connection, CrossingOver, FrameSeen
from lab.record.expectation import Row
from lab.session.automatic import Automatic
from lab.session.conversation import Conversation
from lab.session.errors import ScenarioError
from lab.session.history import History
from lab.session.kernel_states import KernelStates
from lab.session.recorder import Recorder
from lab.tcp.flags import SYN
from lab.tcp.rules import RULES, Breach
from lab.tcp.segment import Segment
from lab.tcp.state import State
from lab.wire.faults import Fault, FaultyLink
from lab.wire.frames import Encoder, Endpoints, Received, decode
from lab.wire.icmp import Echo
from lab.wire.ip import packed, written
from lab.wire.link import Frame, Link

_FENCE_DEADLINE_NS = 30_000_000_000
_BETWEEN_READINGS_NS = 1_000_000_000
"""Interval of reading the tracepoint while a lab waits: its buffers fill with changes of the whole machine."""
_SERVING_NS = 2_000_000
"""How long the lab waits for a frame before it looks again whether a system call can go on."""
_PEER_MAC = bytes.fromhex(PEER_MAC.replace(":", ""))
_RULE_IDS = frozenset(rule.id for rule in RULES)


class Waiting(NamedTuple):
    """The event that a lab waits for, in words; times in ns of CLOCK_MONOTONIC."""

    what: str
    since_ns: int
    until_ns: int
    """The deadline."""


class CrowdTime(NamedTuple):
    """Start and end of the time in which a crowd's connections reached their state, in ns of CLOCK_MONOTONIC."""

    began_ns: int
    ended_ns: int
    options: Mapping[str, object]
    """Socket options of the example."""


class Switchboard:
    """One link and the conversations over it."""

    def __init__(self, link: Link, echo: Echo, recorder: Recorder, kernel_states: KernelStates) -> None:
        self._wire = link
        self.link = link
        """The wire, with its faults if any."""
        self.recorder = recorder
        self.kernel_states = kernel_states
        self._echo = echo
        self._events = recorder.recording.events
        self.history = History(self._events)
        self.conversations: dict[int | None, Conversation] = {}
        """Conversations with a connection, by its number."""
        self._by_ends: dict[Endpoints, Conversation] = {}
        """Conversations by the ends of the kernel's segments."""
        self._listening: dict[tuple[bytes, int], Conversation] = {}
        self._encoders: dict[tuple[bytes, bytes], Encoder] = {}
        self.cut = False
        """Whether the router has been removed, so that frames of the peers are lost."""
        self.fence_passed = True
        """Whether the kernel has answered the last echo request."""
        self._fenced_ns = self._answered_ns = 0
        """When the last echo request was sent, and the last one that the kernel has answered."""
        self.crowd_times: list[CrowdTime] = []
        """When the crowds of this lab came about."""
        self.crowds: list[Callable[[Endpoints, Segment, Frame], bool]] = []
        """Functions that return whether a segment without a conversation belongs to a replica."""
        self._lossy: FaultyLink | None = None
        self._loses_answers = False
        self._held: list[int] | None = None
        self.automatic = Automatic(self.send_segment)
        """The peers that answer by themselves."""
        self.delays = DelayMeter()
        self.waiting: Waiting | None = None
        """The event that the scenario waits for now, if any."""
        self._deviations: dict[str, str] = {}
        self._shown: set[str] = set()

    # Conversations.

    def listen(self, conversation: Conversation) -> None:
        """Register a peer that waits for a connection. The kernel's first segment to it begins that connection."""
        place = packed(conversation.address), conversation.port
        if place in self._listening:
            raise ScenarioError(f"another peer listens on port {conversation.port} already")
        conversation.endpoint.listen()
        self._listening[place] = conversation

    def join(self, conversation: Conversation, ends: Endpoints) -> None:
        """Give the conversation its connection; `ends` are the source and destination of the kernel's segments."""
        kernel, kernel_port, address, port = ends
        if ends in self._by_ends:
            raise ScenarioError(f"a peer on port {port} already has a connection to the kernel's port {kernel_port}")
        self._by_ends[ends] = conversation
        recording = self.recorder.recording
        recording.connections.append(Connection(recording.family, kernel_port, port, written(kernel), written(address)))
        conversation.ends, conversation.number = ends, len(recording.connections) - 1
        self.conversations[conversation.number] = conversation

    def find(self, ends: Endpoints) -> Conversation | None:
        """The conversation whose segments from the kernel have this source and destination; None if there is none."""
        return self._by_ends.get(ends)

    def encoder(self, ends: Endpoints) -> Encoder:
        """The encoder of the peer's frames; `ends` are the source and destination of the kernel's segments."""
        kernel, _, peer, _ = ends
        if (kernel, peer) not in self._encoders:
            self._encoders[kernel, peer] = Encoder(peer, kernel, PEER_MAC, KERNEL_MAC)
        return self._encoders[kernel, peer]

    # From the peers to the kernel.

    def send_segment(self, conversation: Conversation, segment: Segment) -> int:
        """Send a segment of a peer whose connection has begun; returns its time in ns of CLOCK_MONOTONIC."""
        assert conversation.ends is not None
        frame = self.encoder(conversation.ends).encode(conversation.port, conversation.kernel_port, segment)
        return self.send(frame, conversation, segment)

    def send(self, data: bytes, conversation: Conversation, segment: Segment | None) -> int:
        """Send a peer's frame; returns its time in ns of CLOCK_MONOTONIC."""
        if self._held is None:
            time_ns = self.link.send(data)
            conversation.reaches_kernel(segment, time_ns)
        else:
            self._held.append(len(self._events))
            time_ns = time.monotonic_ns()
        if segment is not None:
            conversation.sent(segment, time_ns / 1e9)
        seen = conversation.frame_seen(time_ns, data, segment, from_peer=True)
        self._events.append(seen._replace(peer_state=conversation.endpoint.state))
        if (self._lossy is not None or self.cut) and self._held is None:
            self._note_loss(len(self._events) - 1)
        if not self.kernel_states.traced:
            self.kernel_states.observe_change(conversation.number)
        return time_ns

    @contextmanager
    def holding(self) -> Iterator[None]:
        """Within the block, hold the peers' frames; they are sent at its end."""
        if self._held is not None:
            raise ScenarioError("crossing() cannot be nested")
        self._held = []
        try:
            yield
        finally:
            held, self._held = self._held, None
        self._events.append(CrossingOver(time.monotonic_ns(), tuple(held)))
        for at in held:
            frame = self.history.frame(at)
            time_ns = self.link.send(frame.data)
            self.conversations[frame.connection].reaches_kernel(frame.segment, time_ns)
            self._note_loss(at)
        for conversation in self.conversations.values():
            self.kernel_states.observe_change(conversation.number)

    def _note_loss(self, at: int) -> None:
        """Record whether the wire lost the frame just sent."""
        if self.cut or (self._lossy is not None and self._lossy.lost_the_last):
            self._events[at] = self.history.frame(at)._replace(lost=True)

    # From the kernel to the peers.

    def receive(self, deadline_ns: int) -> bool:
        """Receive one frame. Returns whether one came by the deadline, in ns of CLOCK_MONOTONIC."""
        frame = self._next_frame(deadline_ns)
        if frame is None:
            return False
        self.receive_frame(frame)
        if self.automatic:
            self.automatic.run()
        return True

    def _next_frame(self, deadline_ns: int) -> Frame | None:
        """The next frame by the deadline. Meanwhile the timers of peers that answer by themselves are handled."""
        while self.automatic:
            due_ns = self.automatic.run()
            if due_ns >= deadline_ns:
                break
            frame = self.link.receive(int(due_ns))
            if frame is not None or time.monotonic_ns() >= deadline_ns:
                return frame
        return self.link.receive(deadline_ns)

    def receive_frame(self, frame: Frame, *, delivered: bool = True) -> int | None:
        """Process one frame of the kernel: decode, find its conversation, judge, record, deliver.

        Returns its index in the events; None for a frame to a replica. Raises KernelDiffers for a broken standing rule.
        With `delivered=False` the frame is judged and recorded, but not delivered: the router was removed, or there are
        `from_kernel` faults. A frame that these faults let through is passed in again, with `seen_as` set to its index,
        and then only delivered.
        """
        at, breaches = (frame.seen_as, ()) if frame.seen_as is not None else self._record(frame)
        if delivered and at is not None:
            self._deliver(at, frame.time_ns)
        if breaches:
            self._breached(breaches, at)
        return at

    def _record(self, frame: Frame) -> tuple[int | None, tuple[Breach, ...]]:
        """Record and judge a frame. Returns its index in the events, and the standing rules that it breaks."""
        at = len(self._events)
        received = decode(frame.data)
        if frame.data[6:12] == _PEER_MAC:
            self._record_of_peers_kernel(frame, received)
            return None, ()
        if received is None:
            if self._echo.answered_by(frame.data):
                self.fence_passed, self._answered_ns = True, self._fenced_ns
            self._events.append(FrameSeen(frame.time_ns, from_peer=False, data=frame.data))
            return at, ()
        conversation = self._find(received.ends, received.segment, frame)
        if conversation is None:
            return None, ()
        retransmission, breaches = conversation.judge(
            received.segment, frame.time_ns, self.recorder.recording.sysctls, self._answered_ns
        )
        seen = conversation.frame_seen(frame.time_ns, frame.data, received.segment, from_peer=False)
        self._events.append(seen._replace(retransmission=retransmission))
        self.recorder.recording.segments_judged += 1
        return at, breaches

    def _record_of_peers_kernel(self, frame: Frame, received: Received | None) -> None:
        """Record a frame of the kernel that owns the peers' addresses. The peers' models do not know of it."""
        reverse = received and Endpoints(*received.ends[2:], *received.ends[:2])
        conversation = self._by_ends.get(reverse) if reverse else None
        if conversation is None or received is None:
            self._events.append(FrameSeen(frame.time_ns, from_peer=True, data=frame.data))
            return
        conversation.reaches_kernel(received.segment, frame.time_ns)
        seen = conversation.frame_seen(frame.time_ns, frame.data, received.segment, from_peer=True)
        self._events.append(seen._replace(peer_state=conversation.endpoint.state))

    def _deliver(self, at: int, time_ns: int) -> None:
        """Deliver a recorded frame to its peer, if it has one."""
        seen = self.history.frame(at)
        conversation = self.conversations.get(seen.connection)
        if conversation is None or seen.segment is None:
            return
        if seen.peer_state is None:
            conversation.inbox.append(at)  # not a duplicate made by the wire, which no scenario has to expect
        conversation.receive(seen.segment, time_ns / 1e9)
        self._events[at] = seen._replace(peer_state=conversation.endpoint.state)

    def _find(self, ends: Endpoints, segment: Segment, frame: Frame) -> Conversation | None:
        """The conversation of a segment; None if it is a replica's. Raises KernelDiffers if it is no peer's."""
        conversation = self._by_ends.get(ends)
        if conversation is None and any(is_replica(ends, segment, frame) for is_replica in self.crowds):
            return None
        if conversation is None or (segment.flags & SYN and conversation.endpoint.state is State.CLOSED):
            waiting = self._listening.pop((ends.destination, ends.destination_port), None)
            if waiting is not None:
                self._by_ends.pop(ends, None)  # the new connection replaces a closed one with the same ends
                self.join(waiting, ends)
                conversation = waiting
        return conversation or self._stray(ends, segment, frame)

    def _breached(self, breaches: tuple[Breach, ...], at: int | None) -> None:
        """Raise KernelDiffers unless each of these breaches, by the frame `at`, is a documented deviation."""
        broken = [breach for breach in breaches if breach.rule.id not in self._deviations]
        known = [breach for breach in broken if breach.deviation and breach.rule.id not in self._shown]
        self._shown.update(breach.rule.id for breach in breaches)
        if not self.recorder.readings.judged:
            return
        for breach in known:
            assert breach.deviation is not None
            self._check_deviation(breach.rule.id, breach.deviation.of_linux)
        broken = [breach for breach in broken if breach.deviation is None]
        if not broken:
            return
        number = self.history.frame(at).connection if at is not None else None
        first = broken[0]
        self.recorder.differs(
            f"standing rule: {first.rule.sentence}",
            tuple(Row(breach.rule.id, "obeyed", breach.message, False) for breach in broken),
            summary="the kernel broke a rule that holds for every segment",
            why=f"{first.rule.sentence}   {first.rule.section}",
            connection=number,
            frame=at,
            state=self.kernel_states.observe(number).state if number is not None else None,
            kind=CheckKind.RULE,
        )

    def _stray(self, ends: Endpoints, segment: Segment, frame: Frame) -> NoReturn:
        self._events.append(FrameSeen(frame.time_ns, from_peer=False, data=frame.data, segment=segment))
        self.recorder.differs(
            "no segment outside the connections",
            (Row("segment", "none", f"{segment.letters or 'no flags'} from {ends}", False),),
            summary="the kernel sent a segment that belongs to no connection of this scenario",
            frame=len(self._events) - 1,
            kind=CheckKind.NOTHING_LEFT,
        )

    def deviating(self, rule: str, of_linux: str) -> AbstractContextManager[None]:
        """Within the block, a breach of this standing rule is expected; `of_linux` describes what Linux does.

        If the rule is not broken, the block ends with KernelDiffers.
        """
        if rule not in _RULE_IDS:
            known = ", ".join(sorted(_RULE_IDS))
            raise ScenarioError(f"unknown standing rule {rule!r}, use one of {known}")
        return self._deviating(rule, of_linux)

    @contextmanager
    def _deviating(self, rule: str, of_linux: str) -> Iterator[None]:
        self._deviations[rule] = of_linux
        self._shown.discard(rule)
        yield
        del self._deviations[rule]
        self._check_deviation(rule, of_linux)

    def _check_deviation(self, rule: str, of_linux: str) -> None:
        self.recorder.check(
            f"documented deviation: {of_linux}",
            (Row.of(rule, "broken", "broken" if rule in self._shown else "obeyed"),),
            summary="the kernel does not show the documented deviation of Linux",
            why=of_linux,
            kind=CheckKind.DEVIATION,
        )

    # Waiting.

    def wait(self, deadline_ns: int) -> bool:
        """Like `receive`, but also reads the tracepoint about every second, for long waits."""
        while True:
            now_ns = time.monotonic_ns()
            due_ns = min(deadline_ns, now_ns + _BETWEEN_READINGS_NS)
            came = self.receive(due_ns)
            self.delays.note(min(self._events[-1].time_ns, due_ns) if came else due_ns)
            if came:
                return True
            if now_ns >= deadline_ns:
                return False
            self.kernel_states.read_tracepoint()

    def serve_until(self, is_ready: Callable[[], bool], deadline: float) -> None:
        """Let peers that answer by themselves do so until `is_ready`, or the deadline on time.monotonic()."""
        while self.automatic and not is_ready() and time.monotonic() < deadline:
            self.receive(time.monotonic_ns() + _SERVING_NS)

    def wait_for_segment(self, conversation: Conversation, deadline_ns: int, what: str) -> bool:
        """Wait for a segment in the inbox. Returns whether one came by the deadline. `what` is the event in words."""
        while not conversation.inbox and self.receive(0):
            pass
        if conversation.inbox:
            return True
        with self.waiting_for(what, time.monotonic_ns(), deadline_ns):
            while not conversation.inbox:
                if not self.wait(deadline_ns):
                    return False
        return True

    def wait_for_new_segment(self, conversation: Conversation, deadline_ns: int, what: str) -> bool:
        """Like `wait_for_segment`, ignoring retransmissions, which are removed from the inbox."""
        while self.wait_for_segment(conversation, deadline_ns, what):
            if not self.history.frame(conversation.inbox[0]).retransmission:
                return True
            conversation.inbox.pop(0)
        return False

    @contextmanager
    def waiting_for(self, what: str, since_ns: int, until_ns: int) -> Iterator[None]:
        """Within the block, report this as the awaited event, unless an outer block has set one."""
        outer = self.waiting
        self.waiting = outer or Waiting(what, since_ns, until_ns)
        try:
            yield
        finally:
            self.waiting = outer

    def begin_fence(self) -> None:
        """Send an echo request; when the reply sets `fence_passed`, all earlier frames have been answered."""
        if self.cut:
            raise ScenarioError("the router is removed, so the kernel cannot reply: rebuild() it first")
        self.fence_passed = False
        request = self._echo.request()
        self._fenced_ns = self.link.send(request)
        self._events.append(FrameSeen(self._fenced_ns, from_peer=True, data=request))

    def fence(self) -> None:
        """Wait until the kernel has processed everything sent so far, and its immediate answers have arrived."""
        self.begin_fence()
        deadline_ns = time.monotonic_ns() + _FENCE_DEADLINE_NS
        while not self.fence_passed:
            if not self.receive(deadline_ns):
                seconds = _FENCE_DEADLINE_NS // 1_000_000_000
                raise ScenarioError(f"the kernel did not answer an echo request (ping) within {seconds} s")
        self.kernel_states.read_tracepoint()

    def expect_nothing_left(
        self,
        conversation: Conversation,
        subject: str,
        kind: CheckKind = CheckKind.NOTHING_LEFT,
        until_ns: float = math.inf,
    ) -> None:
        """Check that no segment up to `until_ns` is in the inbox, except retransmissions. Later ones stay there."""
        new = [at for at in conversation.inbox if not self.history.frame(at).retransmission]
        left = [at for at in new if self.history.frame(at).time_ns <= until_ns]
        conversation.inbox[:] = [at for at in new if at not in left]
        got = ", ".join(self.history.frame_and_segment(at)[1].letters or "no flags" for at in left)
        self.recorder.check(
            subject,
            (Row("segment", "none", got or "none", not left),),
            summary="the kernel sent a segment where the scenario expects none",
            kind=kind,
            connection=conversation.number,
            frame=left[0] if left else None,
            state=self.kernel_states.observe(conversation.number).state if left else None,
        )

    # The wire.

    def disturb(
        self, seed: int, to_kernel: Sequence[Fault], from_kernel: Sequence[Fault], mutations: Sequence[Fault]
    ) -> None:
        """Set the faults of the wire; `seed` decides those that depend on chance.

        `mutations` change the kernel's frames before the frames are judged, as if the kernel had sent them so.
        `from_kernel` faults apply after that.
        """
        self._lossy = FaultyLink(self._wire, seed, to_kernel, mutations) if to_kernel or mutations else None
        self._loses_answers = bool(from_kernel)
        wire = self._lossy or self._wire
        recorded = partial(self.receive_frame, delivered=False)
        self.link = FaultyLink(wire, seed, (), from_kernel, recorded) if from_kernel else wire

    def ensure_plain(self) -> None:
        """Raise ScenarioError inside crossing(), with from_kernel faults, or without a router."""
        if self._held is not None or self._loses_answers or self.cut:
            raise ScenarioError("a crowd needs a plain wire: no crossing(), no from_kernel faults, no removed router")
