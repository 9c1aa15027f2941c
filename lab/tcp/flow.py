"""A connection seen from outside: what both sides have sent."""

from __future__ import annotations

from dataclasses import dataclass, field

from lab.tcp.flags import ACK, ECE, FIN, RST, SYN
from lab.tcp.options import MAX_SHIFT, Offer, timestamp
from lab.tcp.segment import Segment
from lab.tcp.sequence import Seq

_KEPT_TEXT = 1 << 20
_COOKIE_WINDOW = 16
"""Linux rounds the first window to segments. A socket made from a SYN cookie rounds with another MSS: the window is
smaller, by less than this part of it."""
MAX_WINDOW = 1 << 30
"""The largest window (RFC 7323 2.3): a number that is further ahead is not acceptable to the other side."""
_NOTHING = Offer()


@dataclass(slots=True)
class Half:
    """Summary of what one side of a connection has sent. Any segment is accepted, even an invalid one."""

    iss: Seq | None = None
    """Sequence number of its SYN."""
    active: bool = False
    """It has sent a SYN without ACK."""
    accurate_ecn: bool = False
    """Its SYNs asked for AccECN, or agreed to it (RFC 9768 3.1)."""
    offer: Offer = _NOTHING
    """The options of all its SYNs combined."""
    nxt: Seq | None = None
    """The highest sequence number sent, plus one."""
    fin_end: Seq | None = None
    """The sequence number after its FIN."""
    ack: Seq | None = None
    """The highest acknowledgment number sent."""
    edge: Seq | None = None
    """The highest right edge of any window that it announced."""
    window: int | None = None
    """The window field of the last segment with ACK; None if that was a SYN, whose window is never scaled."""
    shift: int = 0
    """The window scale in use for the windows that it announces."""
    tsval: int | None = None
    """The last TSval."""
    unstamped: bool = False
    """It has sent a segment without timestamps after its SYN."""
    unstamped_syn: bool = False
    """It has sent a SYN without timestamps."""
    synchronized: bool = False
    """It has sent something other than SYN and RST."""
    reset: bool = False
    """It has sent a RST, perhaps only to answer a segment that belongs to no connection."""
    was_reset: bool = False
    """It has ended this connection with a RST."""
    by_cookie: bool = False
    """It has made this connection from a SYN cookie, as far as that shows."""
    text: bytearray = field(default_factory=bytearray)
    """The last bytes sent."""
    text_start: Seq = field(default_factory=lambda: Seq(0))
    """The sequence number of the first byte of `text`."""
    acks: set[int] = field(default_factory=set)
    """Every acknowledgment number that it ever sent."""
    opening_acks: set[int] = field(default_factory=set)
    """Those of them in segments without SYN and RST, which can be the third of a handshake."""
    opening_ends: set[int] = field(default_factory=set)
    """SEG.SEQ and SEG.SEQ + SEG.LEN of these segments."""
    ends: set[int] = field(default_factory=set)
    """SEG.SEQ + SEG.LEN of every segment that it ever sent."""
    windows: set[int] = field(default_factory=set)
    """Every window that it ever announced, in bytes."""
    tsvals: set[int] = field(default_factory=set)
    """Every TSval that it ever sent."""

    def successor(self) -> Half:
        """This side of a new connection. It keeps the old numbers, as a RST may still answer older segments."""
        return Half(acks=self.acks, ends=self.ends, windows=self.windows, tsvals=self.tsvals)

    def account(self, segment: Segment, *, is_refused: bool = False) -> None:
        """Add one segment that this side has sent."""
        flags, end, stamp = segment.flags, segment.end, timestamp(segment.options)
        self.ends.add(end)
        if flags & (SYN | FIN):  # a SYN can be accepted without what follows it, and text without the FIN after it
            self.ends.update((segment.text_start, segment.text_start + len(segment.payload)))
        if stamp is not None:
            self.tsval = stamp[0]
            self.tsvals.update(
                value[0] for name, value in segment.options if name == "Timestamp" and isinstance(value, tuple)
            )
        if flags & ACK:
            self.acks.add(segment.ack)
        if flags & RST:
            self.reset = True
            # In SYN-SENT and SYN-RECEIVED a RST in the other side's numbers rejects one segment, not the connection.
            self.was_reset |= segment.seq == self.nxt and (self.synchronized or bool(flags & ACK))
            return
        if flags & ACK:
            self._account_ack(segment)
        if flags & SYN:
            self._account_syn(segment, is_refused)
            self.unstamped_syn |= stamp is None and not is_refused
        else:
            self._account_synchronized(segment, end)
            self.unstamped |= stamp is None
        if flags & FIN:
            self.fin_end = end
        if segment.payload:
            self._account_text(segment)
        if self.nxt is None or 0 < end - self.nxt <= MAX_WINDOW:
            self.nxt = end

    def _account_synchronized(self, segment: Segment, end: Seq) -> None:
        self.synchronized = True
        if segment.flags & ACK:
            self.opening_acks.add(segment.ack)
            self.opening_ends.add(segment.seq)
            self.opening_ends.add(end)

    def _account_syn(self, segment: Segment, is_refused: bool) -> None:
        if self.iss is None:
            self.iss = segment.seq
            self.text_start = segment.seq + 1
        if is_refused:
            return
        self.active |= not segment.flags & ACK
        self.accurate_ecn |= asks_for_accurate_ecn(segment.flags)
        new, old = Offer.of(segment.options), self.offer
        self.offer = Offer(
            max(new.mss or 0, old.mss or 0) or None,
            old.shift if new.shift is None else new.shift,
            new.sack_permitted or old.sack_permitted,
            old.tsval if new.tsval is None else new.tsval,
            new.fast_open or old.fast_open,
        )

    def _account_ack(self, segment: Segment) -> None:
        ack, is_syn = segment.ack, segment.flags & SYN
        window = segment.window << (0 if is_syn else self.shift)
        edge = ack + window
        if self.ack is None or 0 < ack - self.ack <= MAX_WINDOW:
            self.ack = ack
        if self.edge is None or 0 < edge - self.edge <= MAX_WINDOW:
            self.edge = edge
        self.windows.add(window)
        self.window = None if is_syn else segment.window

    def _account_text(self, segment: Segment) -> None:
        start = segment.text_start
        known = start - self.text_start
        if not 0 <= known <= len(self.text):
            self.text, self.text_start, known = bytearray(), start, 0
        self.text += segment.payload[len(self.text) - known :]
        if len(self.text) > _KEPT_TEXT:
            self.text_start += _KEPT_TEXT // 2
            del self.text[: _KEPT_TEXT // 2]


def asks_for_accurate_ecn(flags: int) -> bool:
    """Whether a SYN asks for AccECN, or a SYN,ACK agrees to it, by its AE, CWR and ECE bits (RFC 9768 3.1.2)."""
    ace = flags // ECE & 7
    return ace not in (0, 1, 5, 7) if flags & ACK else ace == 7


class Flow:
    """What both sides of one connection (4-tuple) have sent so far: ours, and the checked side's ("theirs").

    `default_mss` is 536 over IPv4 and 1220 over IPv6. When a new connection replaces an old one between the same ports
    (a new ISS in answer to our SYN, or after a reset or two FINs), the accounting starts anew.
    """

    def __init__(self, default_mss: int = 536) -> None:
        self.default_mss = default_mss
        self.ours, self.theirs = Half(), Half()
        self._our_syns: list[Half] = []
        """Candidates for `ours`, one per later SYN of ours with a new ISS. The SYN that is answered decides."""
        self._answered = True
        """We have sent no SYN since the last SYN of the checked side."""

    @property
    def timestamps(self) -> bool:
        """Whether both SYNs had the timestamps option (RFC 7323 3.2)."""
        return self.ours.offer.tsval is not None and self.theirs.offer.tsval is not None

    def sent(self, segment: Segment) -> None:
        """Account for a segment that our side has sent, valid or not."""
        if segment.flags & (SYN | RST) == SYN:
            self._answered = False
            last = self._our_syns[-1] if self._our_syns else self.ours
            if self.ours.iss is not None and segment.seq not in (self.ours.iss, last.iss):
                self._our_syns.append(self.ours.successor())
        if self._our_syns:
            self._our_syns[-1].account(segment, is_refused=self._refuses(segment))
            if segment.flags & SYN and segment.seq != self.ours.iss:
                return
        self.ours.account(segment, is_refused=self._refuses(segment))
        if segment.flags & SYN:
            self._scale_windows()

    def _refuses(self, segment: Segment) -> bool:
        """Whether it is a SYN,ACK that does not acknowledge the other side's SYN: its options count for nothing."""
        iss = self.theirs.iss
        return segment.flags & (SYN | ACK) == SYN | ACK and iss is not None and segment.ack != iss + 1

    def received(self, segment: Segment) -> None:
        """Account for a segment that the checked side has sent. Call `recognise` with it first."""
        self.theirs.account(segment)
        if segment.flags & SYN:
            self._scale_windows()

    def is_retransmission(self, segment: Segment) -> bool:
        """Whether all sequence numbers of `segment` were received before. Call this before `received`."""
        theirs, flags = self.theirs, segment.flags
        if theirs.nxt is None or flags & RST or not segment.length:
            return False
        if flags & SYN:
            return segment.seq == theirs.iss
        return segment.end <= theirs.nxt and (theirs.iss is None or segment.seq > theirs.iss)

    def recognise(self, segment: Segment) -> None:
        """Start anew if this segment of the checked side opens a new connection, or is the first after its SYN."""
        if segment.flags & (SYN | RST) == SYN:
            self._recognise_syn(segment)
        elif segment.flags & (SYN | ACK) == ACK and not self.theirs.synchronized:
            if self.theirs.active:
                self._recognise_taken(segment)
            elif self.theirs.nxt is not None:
                self._recognise_cookie(segment)

    def _recognise_taken(self, segment: Segment) -> None:
        """Continue with our SYN,ACK that this segment acknowledges: SYN-SENT may have refused others before it."""
        taken = [each for each in self._our_syns if each.iss is not None and segment.ack == each.iss + 1]
        if taken:
            self.ours = taken[-1]
            self._our_syns.clear()
            self._scale_windows()

    def _recognise_cookie(self, segment: Segment) -> None:
        """Take over the numbers of the first segment after a SYN,ACK.

        If the SYN,ACK carried a SYN cookie, Linux makes the socket from our ACK alone: our ACK decides both initial
        sequence numbers (the cookie's low bits hold the MSS, so more than one is right) and whether there are
        timestamps, and the window is computed anew.
        """
        ours, theirs = self.ours, self.theirs
        edge = segment.ack + (segment.window << theirs.shift)
        goes_back = theirs.ack is not None and segment.ack - theirs.ack < 0 and segment.ack in ours.opening_ends
        shrinks = theirs.edge is not None and 0 < theirs.edge - edge <= max(theirs.windows) // _COOKIE_WINDOW
        probes = segment.seq == theirs.iss and not segment.length  # at SND.UNA - 1
        renumbered = segment.seq != theirs.nxt and not probes and segment.seq in ours.opening_acks
        if goes_back:
            theirs.ack = theirs.edge = None
        if shrinks:
            theirs.edge = None
        if renumbered:
            theirs.iss, theirs.nxt, theirs.text_start = segment.seq + -1, segment.seq, segment.seq
        stamped = timestamp(segment.options) is not None
        if stamped != self.timestamps and (ours.tsvals if stamped else ours.unstamped):
            tsval = 0 if stamped else None
            ours.offer, theirs.offer = ours.offer._replace(tsval=tsval), theirs.offer._replace(tsval=tsval)
        theirs.by_cookie |= goes_back or shrinks or renumbered
        if theirs.by_cookie:
            theirs.tsval = None  # and its clock can be another one

    def _recognise_syn(self, syn: Segment) -> None:
        ours, theirs = self.ours, self.theirs
        over = ours.reset or theirs.reset or (ours.fin_end is not None and theirs.fin_end is not None)
        if syn.seq == theirs.iss:
            if syn.flags & ACK:  # a SYN that is sent again answers nothing
                self._adopt_answered(syn)
            self._answered = True
            return
        passive = syn.flags & ACK and not self._answered and not theirs.active
        if theirs.iss is not None and not passive and not over:
            return
        if theirs.nxt is not None or theirs.reset:
            self.theirs = theirs.successor()
        if not self._adopt_answered(syn):
            if over and not syn.flags & ACK:
                self.ours = ours.successor()
            if not (syn.flags & ACK and ours.iss is not None and syn.ack == ours.iss + 1):
                self._our_syns.clear()
        self._answered = not self._our_syns  # SYN cookies answer each SYN

    def _adopt_answered(self, syn: Segment) -> bool:
        """Continue with the later SYN of ours that the other side's SYN answers; whether there is one."""
        for at, candidate in reversed(tuple(enumerate(self._our_syns))):
            if not syn.flags & ACK or (candidate.iss is not None and syn.ack == candidate.iss + 1):
                self.ours = candidate
                del self._our_syns[: at + 1]
                return True
        return False

    def _scale_windows(self) -> None:
        ours, theirs = self.ours.offer.shift, self.theirs.offer.shift
        if ours is not None and theirs is not None:
            self.ours.shift, self.theirs.shift = min(ours, MAX_SHIFT), min(theirs, MAX_SHIFT)
