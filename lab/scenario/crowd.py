"""Many connections that do what one has done. All of them are at the same point, so that little is to be remembered.

What a member sends is the example's segment with other ports and numbers, and what it hears must be the example's too:
every bit is compared. Of all of them only the last one is recorded frame by frame, like the example.
"""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import TYPE_CHECKING

from lab.host.many_sockets import ManySockets
from lab.host.sockets import Result
from lab.scenario.errors import ScenarioError
from lab.scenario.expectation import Bases, Row
from lab.scenario.member import MemberRecord
from lab.scenario.patience import DEADLINE_S
from lab.scenario.recording import FrameSeen
from lab.scenario.script import Act, script_of
from lab.tcp.sequence import Seq
from lab.wire.frames import Endpoints
from lab.wire.link import receive_all, send_all

if TYPE_CHECKING:
    from lab.scenario.exchange import Exchange
    from lab.scenario.peer import Peer
    from lab.tcp.segment import Segment

Group = list[int] | int
"""Members that act together: their ports, or how many where the kernel chooses those."""
AT_ONCE = 200
"""The most in a group: few enough that no queue on the way is too short for their frames."""
_MASK = 0xFFFF_FFFF
_STRIDE = 0x1_0001
"""Between the initial sequence numbers of members on neighbouring ports: each has its own."""
_NOBODY = 255


class Crowd:
    """The connections that follow one example."""

    def __init__(self, exchange: Exchange, like: Peer, sockets: ManySockets) -> None:
        self._exchange = exchange
        self._journal = exchange.journal
        self._like = like
        self._sockets = sockets
        accepted = like.listener is not None and like.socket is not None
        self._script = script_of(self._journal.recording, like.number, like.bases, accepted=accepted)
        self._answers = [act for act in self._script if isinstance(act, Act) and not act.from_peer]
        self.kernel_opens = self._script[0] == "connect"
        self._fixed = like.port if self.kernel_opens else like.kernel_port
        """The port that all members have in common; they are told apart by the other one."""
        self._heard = bytearray([_NOBODY]) * 0x1_0000
        """How many of the answers the member on this port has heard."""
        self._alike = [0] * len(self._answers)
        """How many members have heard each of the answers."""
        self._kernel_iss = array("I", bytes(4 * 0x1_0000))
        self._members: list[int] = []
        self._total = 0
        """How many there are; 0 until the last group."""
        self._record = MemberRecord(exchange, like.number, self._ports)
        self._called_ns = 0

    def run(self, count: int, answered: int | None, groups: Iterable[Group]) -> None:
        """Let that many members act, group by group; the kernel answers all of them, or exactly `answered`."""
        begun = heard = 0
        with ExitStack() as meanwhile:
            meanwhile.enter_context(self._exchange.timeline.looking_away())
            for group in groups:
                begun += group if isinstance(group, int) else len(group)
                if begun == count:
                    self._total = count
                    meanwhile.close()
                self._act_out(group, partly=answered is not None)
                heard += len(self._members)
        self._record.verify("begun", count, begun)
        self._record.verify("answered", count if answered is None else answered, heard)
        self._tell(len(self._answers))

    def takes(self, ends: Endpoints, segment: Segment, data: bytes, time_ns: int) -> bool:
        """Whether a segment of the kernel that nobody waits for is a member's: then it has to be a retransmission."""
        fixed, key = ends.destination_port, ends.source_port
        if not self.kernel_opens:
            fixed, key = key, fixed
        heard = self._heard[key]
        if fixed != self._fixed or heard == _NOBODY:
            return False
        if not any(self._is(act, key, data) for act in self._answers[:heard] if act.occupies):
            expected = self._answers[heard] if heard < len(self._answers) else None
            if not heard:
                self._kernel_iss[key] = int(segment.seq)
            seen = FrameSeen(time_ns, False, data, segment, bases=self._bases(key))
            self._tell(heard)
            self._record.differs(expected, key, seen)
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
        self._record.verify(f"{name}()", wanted, result.value or 0)

    def _act_out(self, group: Group, *, partly: bool) -> None:
        """One group does it all. Afterwards those are members that were answered."""
        self._members = group if isinstance(group, list) else []
        for key in self._members:
            self._heard[key] = 0
        wanted = group if isinstance(group, int) else len(group)
        if self._total and self._members:
            self._record.begin(self._members[-1])
        mark = 0
        for act in self._script:
            if isinstance(act, str):
                self._call(act)
            elif act.from_peer:
                self._say(act)
            else:
                self._hear(act, mark, wanted, partly=partly and mark == 0)
                mark, wanted = mark + 1, len(self._members)
            self._record.glance()
        self._exchange.timeline.catch_up()

    def _tell(self, count: int) -> None:
        """Record that the first so many answers were the example's, whoever has heard them."""
        for act, heard in zip(self._answers[:count], self._alike, strict=False):
            same = {"connections": heard, "seq": act.seq} | ({} if act.ack is None else {"ack": act.ack})
            rows = tuple(Row(field, str(value), str(value), True) for field, value in same.items())
            self._journal.agrees(act.segment.letters, rows)

    def _call(self, name: str) -> None:
        arguments: tuple[object, ...] = ()
        error = ""
        if name == "connect":  # was made when the group was recruited
            arguments, error = (self._fixed,), "EINPROGRESS"
        elif name == "accept":
            assert self._like.listener is not None  # the script has this call only then
            self._exchange.fence()
            accepted = self._sockets.accept(self._like.listener.descriptor, len(self._members))
            self.expect_calls(name, len(self._members), accepted)
        else:
            self.expect_calls(name, len(self._members), self._sockets.close())
        if self._total:
            made = Result[None](None, error, self._called_ns)
            self._journal.call(f"{self._total} x {name}", arguments, made, self._record.number)

    def _say(self, act: Act) -> None:
        make, opens, fixed, isses = act.likeness.make, self.kernel_opens, self._fixed, self._kernel_iss
        seq = int(self._like.bases.peer) + act.seq
        ack, unsaid = (act.ack, False) if act.ack is not None else (int(act.segment.ack), True)
        frames = [
            make(
                fixed if opens else key,
                key if opens else fixed,
                seq + key * _STRIDE & _MASK,
                ack if unsaid else isses[key] + ack & _MASK,
            )
            for key in self._members
        ]
        time_ns = send_all(self._exchange.link, frames)
        shown = self._record.member
        if shown in self._members:
            self._record.frame(act, frames[self._members.index(shown)], time_ns, self._bases(shown))

    def _hear(self, act: Act, mark: int, wanted: int, *, partly: bool) -> None:
        """Wait until all have heard this answer, or until nothing more can come where only some will."""
        exchange, hearer = self._exchange, self._hearer(act, mark)
        hearers: list[int] = []
        deadline_ns = time.monotonic_ns() + int(DEADLINE_S * 1e9)
        if partly:
            exchange.begin_fence()
        while not exchange.fence_passed if partly else len(hearers) < wanted:
            frames = receive_all(exchange.link, deadline_ns)
            if not frames:
                break
            for frame in frames:
                key = hearer(frame.data)
                if key < 0:
                    exchange.take(frame)
                    continue
                hearers.append(key)
                if self._total and self._record.number is None:
                    self._record.begin(key)
                if key == self._record.member:
                    self._record.frame(act, frame.data, frame.time_ns, self._bases(key))
        self._alike[mark] += len(hearers)
        if not partly and len(hearers) != wanted:
            self._tell(mark)
            self._record.verify(act.segment.letters, wanted, len(hearers))
        if not mark:
            self._members = hearers

    def _hearer(self, act: Act, mark: int) -> Callable[[bytes], int]:
        """Tells which member has heard this answer for the first time by this frame, -1 if none."""
        read, heard, isses, opens, fixed = (
            act.likeness.read,
            self._heard,
            self._kernel_iss,
            self.kernel_opens,
            self._fixed,
        )
        seq, ack, own_iss = act.seq, act.ack, int(self._like.bases.peer)
        before = _NOBODY if opens and not mark else mark

        def hearer(data: bytes) -> int:
            numbers = read(data)
            if numbers is None:
                return -1
            key, other, got_seq, got_ack = numbers
            if not opens:
                key, other = other, key
            if (
                other != fixed
                or heard[key] != before
                or got_ack != (0 if ack is None else own_iss + key * _STRIDE + ack & _MASK)
            ):
                return -1
            if not mark:
                isses[key] = got_seq - seq & _MASK
            elif got_seq != isses[key] + seq & _MASK:
                return -1
            heard[key] = mark + 1
            return key

        return hearer

    def _is(self, act: Act, key: int, data: bytes) -> bool:
        """Whether this is the kernel's segment in `act`, to that member."""
        numbers = act.likeness.read(data)
        ack = 0 if act.ack is None else self._own_iss(key) + act.ack & _MASK
        return numbers is not None and numbers[2:] == (self._kernel_iss[key] + act.seq & _MASK, ack)

    def _own_iss(self, key: int) -> int:
        return int(self._like.bases.peer) + key * _STRIDE & _MASK

    def _bases(self, key: int) -> Bases:
        return Bases(Seq(self._kernel_iss[key]), Seq(self._own_iss(key)))

    def _ports(self, key: int) -> tuple[int, int]:
        """The kernel's and the peer's."""
        return (key, self._fixed) if self.kernel_opens else (self._fixed, key)
