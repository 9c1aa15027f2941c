"""Many connections that do what one has done. All of them are at the same point, so that little is to be remembered.

What a member sends is the example's segment with other ports and numbers, and what it hears must be the example's too:
every bit is compared. Of all of them only the last one is recorded frame by frame, like the example.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import ExitStack
from typing import TYPE_CHECKING

from lab.crowd.record import MemberRecord
from lab.crowd.replicas import NOBODY, Members
from lab.crowd.script import Act, script_of
from lab.host.many_sockets import ManySockets
from lab.host.sockets import Result
from lab.record.events import FrameSeen
from lab.record.expectation import Row
from lab.session.errors import ScenarioError
from lab.session.patience import DEADLINE_S
from lab.wire.frames import Endpoints
from lab.wire.link import receive_all, send_all

if TYPE_CHECKING:
    from lab.author.peer import Peer
    from lab.session.switchboard import Exchange
    from lab.tcp.segment import Segment

Group = list[int] | int
"""Members that act together: their ports, or how many where the kernel chooses those."""
AT_ONCE = 200
"""The most in a group: few enough that no queue on the way is too short for their frames."""


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
        self._all = Members(int(like.bases.peer), self._fixed, kernel_opens=self.kernel_opens)
        self._alike = [0] * len(self._answers)
        """How many members have heard each of the answers."""
        self._members: list[int] = []
        """Those who act now."""
        self._told = 0
        """How many of the answers are on the record."""
        self._awaited: int | None = None
        """Which of them the members are to hear now."""
        self._answered: int | None = None
        """To how many members the kernel answers, None: to all."""
        self._total = 0
        """How many there are; 0 until the last group."""
        self._record = MemberRecord(exchange, like.number, self._all.ports)
        self._called_ns = 0

    def run(self, count: int, answered: int | None, groups: Iterable[Group]) -> None:
        """Let that many members act, group by group; the kernel answers all of them, or exactly `answered`."""
        begun, self._answered = 0, answered
        with ExitStack() as meanwhile:
            meanwhile.enter_context(self._exchange.timeline.looking_away())
            for group in groups:
                begun += group if isinstance(group, int) else len(group)
                if begun == count:
                    self._total = count
                    meanwhile.close()
                self._act_out(group)
        self._record.verify("begun", count, begun)

    def takes(self, ends: Endpoints, segment: Segment, data: bytes, time_ns: int) -> bool:
        """Whether a segment of the kernel that nobody waits for is a member's: then it has to be a retransmission."""
        member = self._all.of(ends)
        heard = NOBODY if member is None else self._all.heard[member]
        if heard == NOBODY and self.kernel_opens and self._awaited == 0:
            heard = 0  # a SYN is waited for, and this is none, or no proper one
        if member is None or heard == NOBODY:
            return False
        if not any(self._all.is_answer(act, member, data) for act in self._answers[:heard] if act.occupies):
            if not heard:
                self._all.learn(member, int(segment.seq))
            self._tell(heard)
            expected = self._answers[heard] if heard < len(self._answers) else None
            seen = FrameSeen(time_ns, False, data, segment, bases=self._all.bases(member))
            self._record.differs(expected, member, seen)
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

    def _act_out(self, group: Group) -> None:
        """One group does it all. Afterwards those are members that were answered."""
        self._members = group if isinstance(group, list) else []
        for member in self._members:
            self._all.heard[member] = 0
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
                self._hear(act, mark, wanted)
                mark, wanted = mark + 1, len(self._members)
            self._record.glance()
        self._exchange.timeline.catch_up()

    def _tell(self, count: int) -> None:
        """Record, once, that the first so many answers were the example's, whoever has heard them."""
        for mark in range(self._told, count):
            act = self._answers[mark]
            same = {"connections": self._alike[mark], "seq": act.seq} | ({} if act.ack is None else {"ack": act.ack})
            rows = tuple(Row(field, str(value), str(value), True) for field, value in same.items())
            self._journal.agrees(act.segment.letters, rows)
        self._told = max(self._told, count)

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
            made = Result[None](error=error, began_ns=self._called_ns)
            self._journal.call(f"{self._total} x {name}", arguments, made, self._record.number)

    def _say(self, act: Act) -> None:
        frames = self._all.frames(act, self._members)
        time_ns = send_all(self._exchange.link, frames)
        shown = self._record.member
        if shown in self._members:
            self._record.frame(act, frames[self._members.index(shown)], time_ns, self._all.bases(shown))

    def _hear(self, act: Act, mark: int, wanted: int) -> None:
        """Wait until all have heard this answer, or until nothing more can come where only some will."""
        partly = self._answered is not None and mark == 0
        self._awaited = mark
        hearers = self._hearers(act, mark, wanted, until_fence=partly)
        self._awaited = None
        self._alike[mark] += len(hearers)
        if not mark:
            self._members = hearers
        if not partly and len(hearers) != wanted:
            self._tell(mark)
            self._record.verify(act.segment.letters, wanted, len(hearers))
        if self._total:
            if partly and self._answered is not None:
                self._record.verify("answered", self._answered, self._alike[mark])
            self._tell(mark + 1)

    def _hearers(self, act: Act, mark: int, wanted: int, *, until_fence: bool) -> list[int]:
        exchange, hearer = self._exchange, self._all.hearer(act, mark)
        hearers: list[int] = []
        deadline_ns = time.monotonic_ns() + int(self._journal.patience(DEADLINE_S) * 1e9)
        if until_fence:
            exchange.begin_fence()
        while not exchange.fence_passed if until_fence else len(hearers) < wanted:
            frames = receive_all(exchange.link, deadline_ns)
            if not frames:
                break
            for frame in frames:
                member = hearer(frame.data)
                if member < 0:
                    exchange.take(frame)
                    continue
                hearers.append(member)
                if self._total and self._record.number is None:
                    self._record.begin(member)
                if member == self._record.member:
                    self._record.frame(act, frame.data, frame.time_ns, self._all.bases(member))
        return hearers
