"""Retransmissions of one unacknowledged segment, checked against their schedule until the kernel gives up."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple, NoReturn

from lab.record.events import CheckKind, FrameSeen
from lab.record.expectation import ANY, Expected, Row, agrees, relative
from lab.record.kernel_state import KernelState
from lab.session.conversation import Conversation
from lab.session.errors import ScenarioError
from lab.session.polling import Polled, poll_until_gone
from lab.session.switchboard import Switchboard
from lab.session.timers import Schedule, times_text
from lab.session.tolerance import GRACE_NS, Window, stale_jiffies, window
from lab.tcp import flags
from lab.tcp.options import timestamp
from lab.tcp.segment import Segment

_WHY = "each retransmission timeout is twice the one before, up to a maximum   RFC 6298 5.5, 2.5"


class Retransmissions(NamedTuple):
    """Retransmissions of a segment; times in seconds after its first transmission, by the kernel's frame timestamps."""

    times: tuple[float, ...]
    gave_up: float | None
    """When the connection was found gone; None if that was not waited for."""

    def __str__(self) -> str:
        return times_text(self.times, self.gave_up)


class RetransmissionWatch:
    """Checks the retransmissions of one segment of the kernel."""

    def __init__(
        self, switchboard: Switchboard, conversation: Conversation, letters: str, schedule: Callable[[], Schedule]
    ) -> None:
        """`schedule` computes the kernel's schedule for the last segment that it sent on this connection."""
        self._switchboard, self._conversation, self._letters = switchboard, conversation, letters
        self._recorder, self._history = switchboard.recorder, switchboard.history
        self._original, self._segment = self._find_original(flags.bits(letters))
        frame = self._history.frame
        inbox = conversation.inbox
        inbox[:] = [at for at in inbox if at > self._original or not frame(at).retransmission]
        start = self._start_of_timer()
        self._first_ns = frame(start).time_ns
        self._stamps: list[int] = []
        self._late = (self._first_ns - self._history.earliest_set_ns(start)) / 1e9
        """Delay of the last retransmission in seconds; before the first one, the possible delay of the original."""
        self._schedule = schedule()
        self._counted_before = max(0, self._observe().retransmits - len(inbox))
        """Number of retransmissions that the kernel had counted before those checked here."""
        self._expected = _expected(self._segment, frame(self._original))
        self._tsval = timestamp(self._segment.options)

    def _observe(self) -> KernelState:
        return self._switchboard.kernel_states.observe(self._conversation.number)

    def run(self, count: int | None) -> Retransmissions:
        """Check `count` retransmissions; if None, all of them and that the kernel gives up. Raises KernelDiffers."""
        schedule = self._schedule
        if count is None and schedule.with_reset:
            count = schedule.retransmissions  # the reset is the next segment, and the scenario expects it
        total = schedule.retransmissions if count is None else count
        end_ns = self._first_ns + int(window(schedule.after(total if count else total + 1)).latest * 1e9)
        while count is None or len(self._stamps) < count:
            sent = len(self._stamps)
            last_ns = self._stamps[-1] if sent else self._first_ns
            earliest_ns, latest_ns = window(self._timeout()).after(last_ns)
            progress = f"retransmission {sent + 1} of {total}" if sent < total else "giving up"
            with self._switchboard.waiting_for(f"{progress} of {self._letters}", self._first_ns, end_ns):
                polled = poll_until_gone(
                    self._switchboard, self._conversation, last_ns, earliest_ns, latest_ns + GRACE_NS
                )
            earliest_ns, latest_ns = self._allowed(last_ns).after(last_ns)
            if self._conversation.inbox:
                self._check(self._conversation.inbox.pop(0), earliest_ns, latest_ns)
            elif self._gives_up(latest_ns):
                return self._given_up(polled, earliest_ns, latest_ns)
            else:
                got = "none" if polled.gone_ns is None else "given up"
                row = Row(f"retransmission {sent + 1}", self._between(earliest_ns, latest_ns), got, False)
                self._differs([row], polled.gone_ns)
        self._expect_no_more()
        return Retransmissions(self._times(), None)

    def _find_original(self, wanted: int) -> tuple[int, Segment]:
        """The last segment with these control bits that is not in the inbox: expected before, or lost by the wire."""
        for _ in range(2):
            waiting = set(self._conversation.inbox)
            for at, segment in self._history.segments_of_kernel(self._conversation.number):
                if at not in waiting and segment.flags == wanted:
                    return at, segment
            self._switchboard.fence()  # a frame that the wire loses is recorded as soon as the link is read
        raise ScenarioError(
            f"the kernel has not sent {self._letters} yet: first expect the segment itself, or let the wire lose it"
        )

    def _start_of_timer(self) -> int:
        """The frame for which the timer was set: a SYN+ACK after a simultaneous open continues the timer of the SYN."""
        start = self._original
        for at, segment in self._history.segments_of_kernel(self._conversation.number):
            if segment.flags == flags.SYN and segment.seq == self._segment.seq:
                start = at
        return start

    def _allowed(self, last_ns: int) -> Window:
        """When the next retransmission may come, in seconds after the last one."""
        delay = self._switchboard.delays.since(last_ns)
        stale = stale_jiffies(self._late, delay)
        return window(self._timeout(), delay, set_before=stale)

    def _timeout(self) -> float:
        """Seconds from the last transmission to the next expiry."""
        since = self._stamps[0] if self._stamps and self._schedule.from_retransmission else self._first_ns
        last_ns = self._stamps[-1] if self._stamps else self._first_ns
        return self._schedule.timeout(len(self._stamps), (last_ns - since) / 1e9)

    def _gives_up(self, at_ns: int) -> bool:
        first_retransmission_ns = self._stamps[0] if self._stamps else at_ns
        since_first, since_retransmission = (at_ns - self._first_ns) / 1e9, (at_ns - first_retransmission_ns) / 1e9
        return self._schedule.gives_up(len(self._stamps), since_first, since_retransmission)

    def _check(self, at: int, earliest_ns: int, latest_ns: int) -> None:
        """Compare a retransmission with the first transmission, and its time with the schedule."""
        frame, segment = self._history.frame_and_segment(at)
        stamp_ns = frame.time_ns
        on_time = earliest_ns <= stamp_ns <= latest_ns and not self._gives_up(earliest_ns)
        rows = [Row("time", self._between(earliest_ns, latest_ns), self._at(stamp_ns), on_time)]
        rows += self._newer(timestamp(segment.options))
        last_ns = self._stamps[-1] if self._stamps else self._first_ns
        late = (stamp_ns - last_ns) / 1e9 - self._timeout()
        self._late = max(0.0, late)
        self._stamps.append(stamp_ns)
        if not agrees(self._expected, segment, frame.bases):
            state = self._observe().state
            self._recorder.segment_differs(self._letters, self._expected, self._conversation.number, at, state)
        if not all(row.agrees for row in rows):
            self._differs(rows, None, at)
        self._recorder.segment_agrees(self._letters, self._expected, self._conversation.number, at, tuple(rows))

    def _newer(self, stamp: tuple[int, int] | None) -> list[Row]:
        """Compare the TSval with that of the segment before: it must be newer, modulo 2**32 (RFC 7323 5.2)."""
        before, self._tsval = self._tsval, stamp
        if before is None or stamp is None:
            return []
        newer = 0 < (stamp[0] - before[0]) % (1 << 32) < 1 << 31
        return [Row("TSval", "newer", "newer" if newer else f"{stamp[0]} after {before[0]}", newer)]

    def _counted(self, retransmits: int) -> Row:
        """Compare the number received with the kernel's own count, which shows a retransmission that never arrived."""
        counted, sent = retransmits - self._counted_before, len(self._stamps)
        return Row("retransmissions", str(sent), f"{counted} by the kernel's count", counted <= sent)

    def _expect_no_more(self) -> None:
        """Compare the number with the kernel's count, unless the next retransmission may be due already."""
        self._switchboard.fence()  # a retransmission can arrive a moment before the kernel counts it
        row = self._counted(self._observe().retransmits)
        last_ns = self._stamps[-1] if self._stamps else self._first_ns
        next_ns, _ = self._allowed(last_ns).after(last_ns)
        if not row.agrees and time.monotonic_ns() < next_ns:
            self._differs([row], None)

    def _given_up(self, polled: Polled, earliest_ns: int, latest_ns: int) -> Retransmissions:
        """Check when the kernel gave up, and its own count of retransmissions."""
        gone_ns = polled.gone_ns
        on_time = gone_ns is not None and gone_ns >= earliest_ns and polled.alive_ns <= latest_ns
        # Linux counts from a clock that it has read before the first retransmission left.
        early = window(0.0, self._switchboard.delays.since(self._first_ns)).earliest
        on_time = on_time and self._gives_up((gone_ns or 0) - int(early * 1e9))
        got = f"not after {self._at(polled.alive_ns)}" if gone_ns is None else self._at(gone_ns)
        rows = [Row("given up", self._between(earliest_ns, latest_ns), got, on_time)]
        if polled.alive is not None:
            rows.append(self._counted(polled.alive.retransmits))
        if not all(row.agrees for row in rows):
            self._differs(rows, gone_ns)
        number = self._conversation.number
        subject = f"retransmissions of {self._letters}"
        self._recorder.check(subject, tuple(rows), kind=CheckKind.TIMER, connection=number)
        assert gone_ns is not None  # otherwise it was not on time, and the check has failed
        return Retransmissions(self._times(), self._seconds(gone_ns))

    def _differs(self, rows: list[Row], gone_ns: int | None, frame: int | None = None) -> NoReturn:
        gave_up = None if gone_ns is None else self._seconds(gone_ns)
        rows.append(Row("schedule", str(self._schedule), times_text(self._times(), gave_up), False))
        self._recorder.differs(
            f"retransmissions of {self._letters}",
            tuple(rows),
            summary="the kernel retransmits at other times than its settings say",
            why=_WHY,
            connection=self._conversation.number,
            frame=frame,
            state=self._observe().state,
            kind=CheckKind.TIMER,
        )

    def _times(self) -> tuple[float, ...]:
        return tuple(map(self._seconds, self._stamps))

    def _seconds(self, at_ns: int) -> float:
        return (at_ns - self._first_ns) / 1e9

    def _at(self, at_ns: int) -> str:
        return f"{self._seconds(at_ns):.2f} s"

    def _between(self, earliest_ns: int, latest_ns: int) -> str:
        return f"{self._seconds(earliest_ns):.2f} to {self._seconds(latest_ns):.2f} s"


def _expected(segment: Segment, frame: FrameSeen) -> Expected:
    """Each retransmission equals the first transmission, except for TSval."""
    stamp = timestamp(segment.options)
    listed = tuple(
        (name, (ANY, stamp[1]) if stamp and name == "Timestamp" else value) for name, value in segment.options
    )
    ack = relative(segment.ack, frame.bases.peer) if segment.flags & flags.ACK else None
    seq = relative(segment.seq, frame.bases.kernel)
    return Expected(segment.flags, seq, ack, None, listed, segment.payload, None)
