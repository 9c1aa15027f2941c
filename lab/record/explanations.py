"""Explanations of differences: the RFC's rule for the field that differs, in one sentence.

A rule is given only if the kernel's segment obeys it.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import takewhile
from typing import Any, NamedTuple

from lab.record.events import CheckMade, CrossingOver, FrameSeen, Recording, StateSeen
from lab.record.expectation import ANY, ZERO, Bases, Expected
from lab.tcp.flags import ACK, ECE, FIN, RST, SYN, URG
from lab.tcp.options import value_of
from lab.tcp.segment import Segment
from lab.tcp.sequence import Seq
from lab.tcp.state import OPEN, State

_OPENING = {State.SYN_SENT, State.SYN_RECEIVED}
_CONTROL = SYN | ACK | FIN | RST


class Mismatch(NamedTuple):
    """A segment of the kernel that differs from the expected one, and what led to it."""

    expected: Expected
    got: Segment
    bases: Bases
    cause: Segment | None
    """The peer's segment that it answers; None if the peer has sent none or several since the kernel's last one."""
    before: State | None
    """The kernel's state before it, None if unknown."""
    after: State | None
    """The kernel's state now, None if unknown."""
    peer_sent: tuple[Segment, ...]
    """The peer's segments that reached the kernel before it."""
    kernel_sent: tuple[Segment, ...]
    """The kernel's earlier segments."""

    @classmethod
    def of(cls, recording: Recording, check: CheckMade, after: State | None) -> Mismatch | None:
        """The mismatch of a failed check; None for a check without a segment."""
        seen = recording.events[check.frame] if check.frame is not None else None
        if check.expected is None or not isinstance(seen, FrameSeen) or seen.segment is None:
            return None
        events = recording.events
        arrived_ns = {at: each.time_ns for each in events if isinstance(each, CrossingOver) for at in each.frames}
        frames = sorted(
            (arrived_ns.get(at, each.time_ns), at, each)
            for at, each in enumerate(events)
            if isinstance(each, FrameSeen) and each.connection == seen.connection and not (each.from_peer and each.lost)
        )
        earlier = [each for time_ns, at, each in frames if time_ns <= seen.time_ns and at != check.frame]
        latest = list(takewhile(lambda each: each.from_peer, reversed(earlier)))
        begun_ns = latest[-1].time_ns if latest else seen.time_ns
        states = [each for each in events if isinstance(each, StateSeen) and each.connection == seen.connection]
        before = [(each.time_ns, each.state) for each in states if each.time_ns < begun_ns]
        return cls(
            expected=check.expected,
            got=seen.segment,
            bases=seen.bases,
            cause=latest[0].segment if len(latest) == 1 else None,
            before=max(before)[1] if before else None,
            after=after,
            peer_sent=tuple(each.segment for each in earlier if each.from_peer and each.segment),
            kernel_sent=tuple(each.segment for each in earlier if not each.from_peer and each.segment),
        )

    @property
    def resets(self) -> bool:
        """Whether the segment is a reset that answers the cause as RFC 9293 3.5.2 says."""
        got, cause = self.got, self.cause
        if not got.flags & RST or cause is None or cause.flags & RST:
            return False
        if cause.flags & ACK:
            return not got.flags & ACK and got.seq == cause.ack
        return bool(got.flags & ACK) and int(got.seq) == 0 and got.ack == cause.end

    @property
    def acknowledges(self) -> bool:
        """Whether the segment is no reset, and acknowledges all of the cause."""
        return self.cause is not None and self.got.flags & (ACK | RST) == ACK and self.got.ack == self.cause.end

    @property
    def kernel_end(self) -> Seq | None:
        """Where the kernel's earlier segments end; None without one."""
        return max((each.end for each in self.kernel_sent if not each.flags & RST), default=None)

    @property
    def options(self) -> dict[str, Any]:
        """The expected options by name."""
        listed: Any = self.expected.options or ()
        return {each[0]: each[1] for each in listed if each is not ANY and isinstance(each[0], str)}

    def caused_by(self, flags: int, among: int = _CONTROL) -> bool:
        """Whether the control bits of the cause, of those in `among`, are exactly `flags`."""
        return self.cause is not None and self.cause.flags & among == flags


def _is_listeners_answer(m: Mismatch) -> bool:
    opened_itself = any(each.flags & (SYN | ACK) == SYN for each in m.kernel_sent)
    return m.got.flags & ~ECE == SYN | ACK and m.caused_by(SYN) and m.acknowledges and not opened_itself


def _has_no_connection(m: Mismatch) -> bool:
    never_had_one = m.before is None and all(each.flags & RST for each in m.kernel_sent)
    return m.resets and (m.before is State.CLOSED or never_had_one) and m.after in (None, State.CLOSED)


def _was_never_sent(m: Mismatch) -> bool:
    if m.cause is None or not m.resets or m.got.flags & ACK or m.before not in _OPENING or m.kernel_end is None:
        return False
    return m.cause.ack > m.kernel_end or m.cause.ack <= m.bases.kernel


def _challenges(m: Mismatch) -> bool:
    return m.before in OPEN and m.got.flags == ACK and m.caused_by(SYN, SYN | RST) and bool(m.expected.flags & RST)


def _comes_before_own_fin(m: Mismatch) -> bool:
    answers = m.got.flags == ACK and m.acknowledges and m.caused_by(FIN, FIN | RST)
    return answers and m.after is State.CLOSE_WAIT and bool(m.expected.flags & FIN)


def _follows(m: Mismatch) -> bool:
    return not m.got.flags & (SYN | RST) and m.got.seq == m.kernel_end


def _differs_in_mss(m: Mismatch) -> bool:
    expected, got = m.options.get("MSS"), value_of(m.got.options, "MSS")
    return bool(m.got.flags & SYN) and None not in (expected, got) and expected != got


EXPLANATIONS: tuple[tuple[str, Callable[[Mismatch], bool], str], ...] = (
    # field, when the sentence applies, sentence
    ("flags", _is_listeners_answer, "a listener answers a SYN with SYN and ACK in one segment   RFC 9293 3.10.7.2"),
    ("flags", lambda m: m.resets and m.expected.flags ^ m.got.flags == ACK,
     "a reset carries ACK only if the segment that it answers does not   RFC 9293 3.5.2"),
    ("flags", _has_no_connection, "what arrives for no connection is answered with a reset   RFC 9293 3.5.2"),
    ("flags", _was_never_sent,
     "before a connection is open, an ACK of what was never sent is answered with a reset   RFC 9293 3.5.2"),
    ("flags", _challenges, "a SYN on an open connection is answered with an ACK, not with a reset   RFC 9293 3.10.7.4"),
    ("flags", lambda m: m.got.flags & _CONTROL == FIN | ACK and m.expected.flags & (FIN | ACK) != FIN | ACK,
     "closing sends FIN, always together with ACK   RFC 9293 3.6, 3.10.4"),
    ("flags", _comes_before_own_fin,
     "a FIN is acknowledged by itself, and the other side's FIN follows when its application closes   RFC 9293 3.6"),
    ("flags", lambda m: m.expected.flags | ACK == m.got.flags != m.expected.flags and not m.got.flags & RST,
     "after the first SYN every segment carries ACK   RFC 9293 3.1"),
    ("seq", lambda m: bool(m.got.flags & SYN) and m.got.seq == m.bases.kernel,
     "a SYN carries the initial sequence number, and so does each retransmission of it   RFC 9293 3.4.1"),
    ("seq", lambda m: m.resets and not m.got.flags & ACK,
     "a reset that answers a segment with ACK takes its seq from that ack   RFC 9293 3.5.2"),
    ("seq", lambda m: m.resets and bool(m.got.flags & ACK),
     "a reset that answers a segment without ACK has the sequence number zero   RFC 9293 3.5.2"),
    ("seq", _follows,
     "a segment starts where the one before it ended; SYN and FIN take one number each   RFC 9293 3.4"),
    ("ack", lambda m: not m.got.flags & ACK and m.expected.ack is not ZERO,
     "without ACK the acknowledgment number means nothing   RFC 9293 3.1"),
    ("ack", lambda m: m.acknowledges and m.caused_by(SYN, SYN | RST | FIN) and m.got.ack == m.peer_sent[-1].seq + 1,
     "a SYN takes up one sequence number, so its answer has ack = its seq + 1   RFC 9293 3.4"),
    ("ack", lambda m: m.resets and bool(m.got.flags & ACK),
     "a reset that answers a segment without ACK has ack = its seq + its length   RFC 9293 3.5.2"),
    ("ack", lambda m: m.got.flags & (ACK | RST) == ACK and any(each.end >= m.got.ack for each in m.peer_sent),
     "ack is the next sequence number expected: all bytes before it came, SYN and FIN count one each   RFC 9293 3.4"),
    ("window", lambda m: bool(m.got.flags & SYN), "the window of a segment with SYN is never scaled   RFC 7323 2.2"),
    ("options", _differs_in_mss, "each side announces its own MSS   RFC 9293 3.7.1"),
    ("options", lambda m: not m.got.flags & (SYN | RST) and bool(m.options.keys() & {"MSS", "WScale", "SAckOK"}),
     "MSS, window scale and SACK-permitted stand in a SYN only   RFC 9293 3.2, RFC 7323 2.2"),
    ("payload", lambda m: len(m.expected.payload or b"") == len(m.got.payload),
     "bytes arrive once, in order and unchanged   RFC 9293 3.4"),
    ("urgent", lambda m: not m.got.flags & URG, "the urgent pointer means something only with URG   RFC 9293 3.1"),
)  # fmt: skip
"""The first sentence that applies to a differing field explains it."""


def explanation(recording: Recording, check: CheckMade, state: State | None) -> str:
    """The sentence, with its section, for the first differing field that an explanation applies to; "" if none.

    `state` is the kernel's state now.
    """
    mismatch = Mismatch.of(recording, check, state)
    differing = [row.field for row in recording.rows(check) if not row.agrees]
    return "" if mismatch is None else next(filter(None, (sentence(field, mismatch) for field in differing)), "")


def sentence(field: str, mismatch: Mismatch) -> str:
    """The sentence for one differing field; "" for none."""
    found = (text for name, applies, text in EXPLANATIONS if name == field and applies(mismatch))
    return next(found, "")
