"""Crowds: many connections (replicas) that repeat the script of one example connection, group by group.

A replica sends the example's segments with its own ports and numbers. The segments that it receives must equal the
example's in every bit, except for ports and numbers. Only one replica is recorded frame by frame.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Iterable
from contextlib import ExitStack, closing
from dataclasses import replace
from typing import NoReturn

from lab.crowd.replicas import NO_REPLICA, Replicas
from lab.crowd.script import ScriptedSegment, script_of
from lab.host.namespace import Namespace
from lab.host.sockets import CallResult, ManySockets, limited_port_ranges
from lab.record.events import FrameSeen
from lab.record.expectation import ANY, ZERO, Expected, Row, compare
from lab.session.conversation import Conversation
from lab.session.errors import ScenarioError
from lab.session.switchboard import CrowdTime, Switchboard
from lab.session.tolerance import DEADLINE_S
from lab.tcp.segment import Segment
from lab.tcp.state import State
from lab.wire.frames import Endpoints, decode
from lab.wire.link import Frame

GROUP_SIZE = 200
"""Number of replicas that send together: few enough for every queue on the way."""
CLIENT_PORTS = range(1024, 40001)
"""Ports below those of ordinary peers."""
_SUMMARY = "the kernel does not treat all connections alike"
_one_at_a_time = threading.Lock()
"""Held by the running crowd: all labs share the kernel's queue of a thousand frames per CPU."""


class Crowds:
    """The crowds of one lab, one after the other: clients of a listener, or connections that the kernel opens."""

    def __init__(self, switchboard: Switchboard, namespace: Namespace, family: int) -> None:
        self._switchboard = switchboard
        self._namespace = namespace
        self._family = family
        self._used_ports = 0
        self._sockets: list[ManySockets] = []

    def run(self, example: Conversation, listener: int | None, count: int, answered: int | None) -> None:
        """Repeat the example with `count` connections. The kernel must answer `answered` of them; None: all.

        `listener` is the descriptor of the listener that accepted the example, None if it was not accepted.
        """
        self._switchboard.ensure_plain()
        sockets = ManySockets(self._namespace, self._family)
        self._sockets.append(sockets)
        crowd = Crowd(self._switchboard, example, listener, sockets)
        self._switchboard.crowds.append(crowd.is_replica)
        groups = self._connections(crowd, sockets, example, count) if crowd.kernel_opens else self._clients(count)
        began_ns = self._switchboard.history.last_segment_ns(example.number)
        with _one_at_a_time, closing(groups):  # restores the kernel's port range
            crowd.run(count, answered, groups)
        self._switchboard.crowd_times.append(CrowdTime(began_ns, time.monotonic_ns(), example.options))

    def close(self) -> None:
        """Close all open sockets of the crowds."""
        for opened in self._sockets:
            opened.close()

    def _clients(self, count: int) -> Generator[list[int]]:
        """Ports of the replicas that connect to a listener, group by group."""
        if count > len(CLIENT_PORTS):
            raise ScenarioError(f"a crowd has at most {len(CLIENT_PORTS)} clients, each on a port of its own")
        while count:
            first = self._used_ports
            group = list(CLIENT_PORTS[first : first + min(count, GROUP_SIZE)])
            self._used_ports += len(group)
            if not group:
                raise ScenarioError("earlier crowds of this scenario have used up the ports")
            yield group
            count -= len(group)

    def _connections(self, crowd: Crowd, sockets: ManySockets, to: Conversation, count: int) -> Generator[int]:
        """Number of connections that the kernel has begun to open, group by group, until its ports are used up."""
        with closing(limited_port_ranges(self._namespace, GROUP_SIZE)) as parts:
            for _ in parts:
                result = sockets.connect(to.address, to.port, min(count, GROUP_SIZE))
                begun = result.value or 0
                wanted = begun if result.error == "EADDRNOTAVAIL" else min(count, GROUP_SIZE)
                crowd.expect_calls("connect", wanted, result)
                if begun:
                    yield begun
                count -= begun
                if not count:
                    return


class Crowd:
    """Connections that repeat one example. A replica is identified by the port in which it differs from the others."""

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
        self._answers = [entry for entry in self._script if isinstance(entry, ScriptedSegment) and not entry.from_peer]
        self.kernel_opens = self._script[0] == "connect"
        self._fixed = example.port if self.kernel_opens else example.kernel_port
        self._all = Replicas(int(example.bases.peer), self._fixed, kernel_opens=self.kernel_opens)
        self._matched = [0] * len(self._answers)
        """Number of replicas that have received each of the answers."""
        self._active: list[int] = []
        self._checked = 0
        """Number of answers with a recorded check."""
        self._awaited: int | None = None
        """Index of the answer that the replicas wait for now."""
        self._answered: int | None = None
        """Number of replicas that the kernel answers; None: all."""
        self._total = 0
        """Number of replicas; 0 before the last group."""
        self._called_ns = 0
        self._recorded = -1
        """The recorded replica; -1 before one is chosen."""
        self._number: int | None = None
        """Index of the recorded replica in `Recording.connections`."""
        self._peer_state: State | None = None

    def run(self, count: int, answered: int | None, groups: Iterable[list[int] | int]) -> None:
        """Run the script group by group. A group is a list of ports, or a number where the kernel chooses the ports."""
        begun, self._answered = 0, answered
        with ExitStack() as meanwhile:
            meanwhile.enter_context(self._switchboard.kernel_states.paused())
            for group in groups:
                begun += group if isinstance(group, int) else len(group)
                if begun == count:
                    self._total = count
                    meanwhile.close()
                self._run_group(group)
        self._verify("begun", count, begun)

    def is_replica(self, ends: Endpoints, segment: Segment, frame: Frame) -> bool:
        """Whether a segment belongs to a replica. Raises KernelDiffers unless such a segment is a retransmission."""
        replica = self._all.of(ends)
        received = NO_REPLICA if replica is None else self._all.received[replica]
        if received == NO_REPLICA and self.kernel_opens and self._awaited == 0:
            received = 0  # a SYN is expected, and this segment is not one, or differs
        if replica is None or received == NO_REPLICA:
            return False
        answers = self._answers[:received]
        if not any(self._all.is_answer(entry, replica, frame.data) for entry in answers if entry.occupies):
            if not received:
                self._all.set_kernel_iss(replica, int(segment.seq))
            self._check_answers(received)
            expected = self._answers[received] if received < len(self._answers) else None
            self._differs(expected, replica, segment, frame)
        return True

    def expect_calls(self, name: str, wanted: int, result: CallResult[int]) -> None:
        """Check that `wanted` system calls succeeded."""
        self._called_ns = result.began_ns
        if result.error in {"EMFILE", "ENFILE"}:
            self._sockets.close()
            raise ScenarioError(
                f"this process may not open as many sockets as this crowd needs ({result.error}): raise the hard limit"
                " of descriptors, ulimit -Hn"
            )
        self._verify(f"{name}()", wanted, result.value or 0)

    def _run_group(self, group: list[int] | int) -> None:
        """Run the script for one group. Replicas that the kernel has not answered drop out."""
        self._active = group if isinstance(group, list) else []
        for replica in self._active:
            self._all.received[replica] = 0
        wanted = group if isinstance(group, int) else len(group)
        if self._total and self._active:
            self._record(self._active[-1])
        answer = 0
        for entry in self._script:
            if isinstance(entry, str):
                self._call(entry)
            elif entry.from_peer:
                self._send(entry)
            else:
                self._receive(entry, answer, wanted)
                answer, wanted = answer + 1, len(self._active)
            if self._number is not None:
                self._switchboard.kernel_states.observe_change(self._number)
        self._switchboard.kernel_states.read_tracepoint()

    def _call(self, name: str) -> None:
        arguments: tuple[object, ...] = ()
        error = ""
        if name == "connect":  # done when the group began
            arguments, error = (self._fixed,), "EINPROGRESS"
        elif name == "accept":
            assert self._listener is not None  # otherwise the script has no accept()
            self._switchboard.fence()
            self.expect_calls(name, len(self._active), self._sockets.accept(self._listener, len(self._active)))
        else:
            self.expect_calls(name, len(self._active), self._sockets.close())
        if self._total:
            made = CallResult[None](error=error, began_ns=self._called_ns)
            self._recorder.call(f"{self._total} x {name}", arguments, made, self._number)

    def _send(self, entry: ScriptedSegment) -> None:
        for replica, frame in zip(self._active, self._all.frames(entry, self._active), strict=True):
            time_ns = self._switchboard.link.send(frame)
            if replica == self._recorded:
                self._record_frame(entry, frame, time_ns)

    def _receive(self, entry: ScriptedSegment, answer: int, wanted: int) -> None:
        """Wait until all active replicas have received this answer; if only some will, until a fence has passed."""
        partly = self._answered is not None and answer == 0
        self._awaited = answer
        receivers = self._receivers(entry, answer, wanted, until_fence=partly)
        self._awaited = None
        self._matched[answer] += len(receivers)
        if not answer:
            self._active = receivers
        if not partly and len(receivers) != wanted:
            self._check_answers(answer)
            self._verify(entry.segment.letters, wanted, len(receivers))
        if self._total:
            if partly and self._answered is not None:
                self._verify("answered", self._answered, self._matched[answer])
            self._check_answers(answer + 1)

    def _receivers(self, entry: ScriptedSegment, answer: int, wanted: int, *, until_fence: bool) -> list[int]:
        switchboard = self._switchboard
        receivers: list[int] = []
        deadline_ns = time.monotonic_ns() + int(self._recorder.readings.timeout(DEADLINE_S) * 1e9)
        if until_fence:
            switchboard.begin_fence()
        while not switchboard.fence_passed if until_fence else len(receivers) < wanted:
            frame = switchboard.link.receive(deadline_ns)
            if frame is None:
                break
            replica = self._all.receiver(entry, answer, frame.data)
            if replica is None:
                switchboard.receive_frame(frame)
                continue
            receivers.append(replica)
            if self._total and self._number is None:
                self._record(replica)
            if replica == self._recorded:
                self._record_frame(entry, frame.data, frame.time_ns)
        return receivers

    def _check_answers(self, count: int) -> None:
        """Record a check for each of the first `count` answers, once."""
        for answer in range(self._checked, count):
            entry = self._answers[answer]
            same = {"connections": self._matched[answer], "seq": entry.seq}
            same |= {} if entry.ack is None else {"ack": entry.ack}
            rows = tuple(Row.of(field, value, value) for field, value in same.items())
            self._recorder.check(entry.segment.letters, rows)
        self._checked = max(self._checked, count)

    # Recording: one replica, and differences.

    def _record(self, replica: int) -> None:
        """Begin to record this replica."""
        connections = self._recorder.recording.connections
        kernel_port, peer_port = self._all.ports(replica)
        connections.append(replace(connections[self._example.number], kernel_port=kernel_port, peer_port=peer_port))
        self._recorded, self._number = replica, len(connections) - 1

    def _record_frame(self, entry: ScriptedSegment, data: bytes, time_ns: int) -> None:
        seen = decode(data)
        assert seen is not None  # it equals the example, except for ports and numbers
        self._peer_state = entry.peer_state
        self._recorder.recording.events.append(
            FrameSeen(
                time_ns=time_ns,
                from_peer=entry.from_peer,
                data=data,
                segment=seen.segment,
                connection=self._number,
                peer_state=entry.peer_state,
                bases=self._all.bases(self._recorded),
            )
        )

    def _verify(self, subject: str, wanted: int, got: int) -> None:
        """Raises KernelDiffers unless `wanted` connections, of which there are `got`, have reached this point."""
        if wanted != got:
            self._recorder.differs(subject, (Row.of("connections", wanted, got),), summary=_SUMMARY)

    def _differs(self, expected: ScriptedSegment | None, replica: int, segment: Segment, frame: Frame) -> NoReturn:
        """Record that a replica received another segment than the `expected` one (None: no segment)."""
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
        at, state = len(events) - 1, self._switchboard.kernel_states.observe(self._number).state
        self._recorder.differs(subject, rows, summary=_SUMMARY, connection=self._number, frame=at, state=state)


def _fields(entry: ScriptedSegment) -> Expected:
    segment = entry.segment
    listed = tuple((name, ANY if name == "Timestamp" else value) for name, value in segment.options)
    urgent = segment.urgent or ZERO
    return Expected(segment.flags, entry.seq, entry.ack, None, listed, segment.payload, urgent)
