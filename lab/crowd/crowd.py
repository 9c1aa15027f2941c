"""Many connections that do what one has done. All of them are at the same point, so that little is to be remembered.

What a replica sends is the example's segment with other ports and numbers, and what it receives must be the example's
too: every bit is compared. Of all of them only the last one is recorded frame by frame, like the example.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Iterable
from contextlib import ExitStack, closing
from dataclasses import replace
from typing import NoReturn

from lab.crowd.replicas import NO_REPLICA, Replicas
from lab.crowd.script import Act, script_of
from lab.host.namespace import Namespace
from lab.host.sockets import ManySockets, Result, ports_in_parts
from lab.record.events import FrameSeen
from lab.record.expectation import ANY, Expected, Row, compare
from lab.session.conversation import Conversation
from lab.session.errors import ScenarioError
from lab.session.switchboard import Switchboard
from lab.session.tolerance import DEADLINE_S
from lab.tcp.segment import Segment
from lab.tcp.state import State
from lab.wire.frames import Endpoints, decode
from lab.wire.link import Frame

AT_ONCE = 200
"""The most that act together: few enough that no queue on the way is too short for their frames."""
CLIENT_PORTS = range(1024, 40001)
"""Below those of ordinary peers."""
_SUMMARY = "the kernel does not treat all connections alike"
_one_at_a_time = threading.Lock()
"""Held by the crowd that acts. The kernel has a queue of a thousand frames for each CPU, that all labs share."""


class Crowds:
    """The crowds of one lab, one after the other: clients on ports of ours, or connections that the kernel opens."""

    def __init__(self, switchboard: Switchboard, namespace: Namespace, family: int) -> None:
        self._switchboard = switchboard
        self._namespace = namespace
        self._family = family
        self._used_ports = 0
        self._sockets: list[ManySockets] = []

    def run(self, example: Conversation, listener: int | None, count: int, answered: int | None) -> None:
        """Let that many connections do what the example has done; the kernel answers all of them, or so many.

        `listener` is the descriptor that the example was accepted from, None where it was not accepted.
        """
        self._switchboard.ensure_plain()
        sockets = ManySockets(self._namespace, self._family)
        self._sockets.append(sockets)
        crowd = Crowd(self._switchboard, example, listener, sockets)
        self._switchboard.crowds.append(crowd.takes)
        groups = self._connections(crowd, sockets, example, count) if crowd.kernel_opens else self._clients(count)
        with _one_at_a_time, closing(groups):  # however it ends, the kernel's range of ports is whole again
            crowd.run(count, answered, groups)

    def close(self) -> None:
        """Close all sockets that crowds have left open."""
        for opened in self._sockets:
            opened.close()

    def _clients(self, count: int) -> Generator[list[int]]:
        """Ports of replicas that connect to a listener, group by group."""
        if count > len(CLIENT_PORTS):
            raise ScenarioError(f"a crowd has at most {len(CLIENT_PORTS)} clients, each on a port of its own")
        while count:
            first = self._used_ports
            group = list(CLIENT_PORTS[first : first + min(count, AT_ONCE)])
            self._used_ports += len(group)
            if not group:
                raise ScenarioError("earlier crowds of this scenario have used up the ports")
            yield group
            count -= len(group)

    def _connections(self, crowd: Crowd, sockets: ManySockets, to: Conversation, count: int) -> Generator[int]:
        """How many connections the kernel has begun to open, group by group, until no port is left."""
        with closing(ports_in_parts(self._namespace, AT_ONCE)) as parts:
            for _ in parts:
                result = sockets.connect(to.address, to.port, min(count, AT_ONCE))
                begun = result.value or 0
                crowd.expect_calls("connect", begun if result.error == "EADDRNOTAVAIL" else min(count, AT_ONCE), result)
                if begun:
                    yield begun
                count -= begun
                if not count:
                    return


class Crowd:
    """The connections that follow one example. A replica is known by the port that tells it from the others."""

    def __init__(
        self, switchboard: Switchboard, example: Conversation, listener: int | None, sockets: ManySockets
    ) -> None:
        self._switchboard = switchboard
        self._recorder = switchboard.recorder
        self._example = example
        self._listener = listener
        self._sockets = sockets
        recording = self._recorder.recording
        self._script = script_of(recording, example.number, example.bases, accepted=listener is not None)
        self._answers = [act for act in self._script if isinstance(act, Act) and not act.from_peer]
        self.kernel_opens = self._script[0] == "connect"
        self._fixed = example.port if self.kernel_opens else example.kernel_port
        self._all = Replicas(int(example.bases.peer), self._fixed, kernel_opens=self.kernel_opens)
        self._alike = [0] * len(self._answers)
        """How many replicas have received each of the answers."""
        self._acting: list[int] = []
        self._checked = 0
        """How many of the answers have a check on the record."""
        self._awaited: int | None = None
        """Which of them the replicas are to receive now."""
        self._answered: int | None = None
        """To how many replicas the kernel answers, None: to all."""
        self._total = 0
        """How many there are; 0 until the last group."""
        self._called_ns = 0
        self._recorded = -1
        """The replica that is recorded, -1 as long as none is."""
        self._number: int | None = None
        """Its connection."""
        self._peer_state: State | None = None

    def run(self, count: int, answered: int | None, groups: Iterable[list[int] | int]) -> None:
        """Let that many act, group by group: their ports, or how many where the kernel chooses those."""
        begun, self._answered = 0, answered
        with ExitStack() as meanwhile:
            meanwhile.enter_context(self._switchboard.kernel_states.paused())
            for group in groups:
                begun += group if isinstance(group, int) else len(group)
                if begun == count:
                    self._total = count
                    meanwhile.close()
                self._act_out(group)
        self._verify("begun", count, begun)

    def takes(self, ends: Endpoints, segment: Segment, frame: Frame) -> bool:
        """Whether an unexpected segment of the kernel is a replica's: then it has to be a retransmission."""
        replica = self._all.of(ends)
        received = NO_REPLICA if replica is None else self._all.received[replica]
        if received == NO_REPLICA and self.kernel_opens and self._awaited == 0:
            received = 0  # a SYN is waited for, and this is none, or no proper one
        if replica is None or received == NO_REPLICA:
            return False
        answers = self._answers[:received]
        if not any(self._all.is_answer(act, replica, frame.data) for act in answers if act.occupies):
            if not received:
                self._all.learn(replica, int(segment.seq))
            self._check_answers(received)
            expected = self._answers[received] if received < len(self._answers) else None
            self._differs(expected, replica, segment, frame)
        return True

    def expect_calls(self, name: str, wanted: int, result: Result[int]) -> None:
        """So many system calls must have gone well."""
        self._called_ns = result.began_ns
        if result.error in {"EMFILE", "ENFILE"}:
            self._sockets.close()
            raise ScenarioError(
                f"this process may not open as many sockets as this crowd takes ({result.error}): raise the hard limit"
                " of descriptors, ulimit -Hn"
            )
        self._verify(f"{name}()", wanted, result.value or 0)

    def _act_out(self, group: list[int] | int) -> None:
        """One group does it all. Afterwards those are acting that were answered."""
        self._acting = group if isinstance(group, list) else []
        for replica in self._acting:
            self._all.received[replica] = 0
        wanted = group if isinstance(group, int) else len(group)
        if self._total and self._acting:
            self._record(self._acting[-1])
        answer = 0
        for act in self._script:
            if isinstance(act, str):
                self._call(act)
            elif act.from_peer:
                self._send(act)
            else:
                self._receive(act, answer, wanted)
                answer, wanted = answer + 1, len(self._acting)
            if self._number is not None:
                self._switchboard.kernel_states.glance(self._number)
        self._switchboard.kernel_states.catch_up()

    def _call(self, name: str) -> None:
        arguments: tuple[object, ...] = ()
        error = ""
        if name == "connect":  # was made when the group began
            arguments, error = (self._fixed,), "EINPROGRESS"
        elif name == "accept":
            assert self._listener is not None  # the script has this call only then
            self._switchboard.fence()
            self.expect_calls(name, len(self._acting), self._sockets.accept(self._listener, len(self._acting)))
        else:
            self.expect_calls(name, len(self._acting), self._sockets.close())
        if self._total:
            made = Result[None](error=error, began_ns=self._called_ns)
            self._recorder.call(f"{self._total} x {name}", arguments, made, self._number)

    def _send(self, act: Act) -> None:
        for replica, frame in zip(self._acting, self._all.frames(act, self._acting), strict=True):
            time_ns = self._switchboard.link.send(frame)
            if replica == self._recorded:
                self._record_frame(act, frame, time_ns)

    def _receive(self, act: Act, answer: int, wanted: int) -> None:
        """Wait until all have received this answer, or until nothing more can come where only some will."""
        partly = self._answered is not None and answer == 0
        self._awaited = answer
        receivers = self._receivers(act, answer, wanted, until_fence=partly)
        self._awaited = None
        self._alike[answer] += len(receivers)
        if not answer:
            self._acting = receivers
        if not partly and len(receivers) != wanted:
            self._check_answers(answer)
            self._verify(act.segment.letters, wanted, len(receivers))
        if self._total:
            if partly and self._answered is not None:
                self._verify("answered", self._answered, self._alike[answer])
            self._check_answers(answer + 1)

    def _receivers(self, act: Act, answer: int, wanted: int, *, until_fence: bool) -> list[int]:
        switchboard = self._switchboard
        receivers: list[int] = []
        deadline_ns = time.monotonic_ns() + int(self._recorder.readings.patience(DEADLINE_S) * 1e9)
        if until_fence:
            switchboard.begin_fence()
        while not switchboard.fence_passed if until_fence else len(receivers) < wanted:
            frame = switchboard.link.receive(deadline_ns)
            if frame is None:
                break
            replica = self._all.receiver(act, answer, frame.data)
            if replica is None:
                switchboard.take(frame)
                continue
            receivers.append(replica)
            if self._total and self._number is None:
                self._record(replica)
            if replica == self._recorded:
                self._record_frame(act, frame.data, frame.time_ns)
        return receivers

    def _check_answers(self, count: int) -> None:
        """Record, once, that the first so many answers were the example's, whoever has received them."""
        for answer in range(self._checked, count):
            act = self._answers[answer]
            same = {"connections": self._alike[answer], "seq": act.seq} | ({} if act.ack is None else {"ack": act.ack})
            rows = tuple(Row.of(field, value, value) for field, value in same.items())
            self._recorder.check(act.segment.letters, rows)
        self._checked = max(self._checked, count)

    # What is recorded: one replica like any other connection, and what differs.

    def _record(self, replica: int) -> None:
        """From now on this replica is recorded."""
        connections = self._recorder.recording.connections
        kernel_port, peer_port = self._all.ports(replica)
        connections.append(replace(connections[self._example.number], kernel_port=kernel_port, peer_port=peer_port))
        self._recorded, self._number = replica, len(connections) - 1

    def _record_frame(self, act: Act, data: bytes, time_ns: int) -> None:
        seen = decode(data)
        assert seen is not None  # it is like the example, or made from it
        self._peer_state = act.peer_state
        self._recorder.recording.events.append(
            FrameSeen(
                time_ns=time_ns,
                from_peer=act.from_peer,
                data=data,
                segment=seen.segment,
                connection=self._number,
                peer_state=act.peer_state,
                bases=self._all.bases(self._recorded),
            )
        )

    def _verify(self, subject: str, wanted: int, got: int) -> None:
        """So many connections must have got so far."""
        if wanted != got:
            self._recorder.differs(subject, (Row.of("connections", wanted, got),), summary=_SUMMARY)

    def _differs(self, expected: Act | None, replica: int, segment: Segment, frame: Frame) -> NoReturn:
        """A replica has received something else than what the example did at this point (None: nothing)."""
        if replica != self._recorded:
            self._record(replica)
        assert self._number is not None
        events, bases = self._recorder.recording.events, self._all.bases(replica)
        subject = "silence"
        rows: tuple[Row, ...] = (Row("segment", "none", segment.letters or "no flags", False),)
        if expected is not None:
            subject, rows = expected.segment.letters, compare(_fields(expected), segment, bases)
            if all(row.agrees for row in rows):
                got = ", ".join(segment.faults) or "another one"
                rows += (Row("frame", "like the example's", got, False),)
        events.append(
            FrameSeen(
                time_ns=frame.time_ns,
                from_peer=False,
                data=frame.data,
                segment=segment,
                connection=self._number,
                peer_state=self._peer_state,
                bases=bases,
            )
        )
        at, state = len(events) - 1, self._switchboard.kernel_states.look(self._number).state
        self._recorder.differs(subject, rows, summary=_SUMMARY, connection=self._number, frame=at, state=state)


def _fields(act: Act) -> Expected:
    segment = act.segment
    listed = tuple((name, ANY if name == "Timestamp" else value) for name, value in segment.options)
    return Expected(segment.flags, act.seq, act.ack, None, listed, segment.payload, segment.urgent)
