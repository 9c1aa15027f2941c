"""Your TCP endpoint: one side of one connection, without sockets and without a clock.

The lab calls its methods and sends what `segments_to_send` returns to the real kernel. Write what the rung asks for,
and leave the rest for later rungs. What you print is shown beside the result.

Numbers: `segment.seq` is SEG.SEQ, `segment.ack` is SEG.ACK, `segment.length` is SEG.LEN: the bytes of
`segment.payload`, plus one for a SYN and one for a FIN. `Seq` numbers wrap at 2**32: `seq + 1` is right everywhere,
`a < b` asks for the order on the circle, `a - b` is the distance from b to a. To step back write `seq + -1`.

Bits: `segment.flags & SYN` is true for a segment with SYN; `SYN | ACK` are both bits.

A segment to send: Segment(seq, ack, flags, window, options, payload), the last two may be left out:

    Segment(self.iss, self.rcv_nxt, SYN | ACK, 65535)
    Segment(self.snd_nxt, self.rcv_nxt, ACK, 65535, (), b"hello")
"""

from __future__ import annotations

from lab.tcp.flags import ACK, FIN, PSH, RST, SYN  # noqa: F401  # you will need them
from lab.tcp.segment import Segment
from lab.tcp.sequence import Seq

MSL = 30.0
"""Maximum segment lifetime in seconds: TIME-WAIT lasts twice as long."""
RTO = 1.0
"""The first retransmission timeout in seconds; it doubles each time (RFC 6298 5.5)."""


class Endpoint:
    """One side of a connection. The variables have the names of RFC 9293 3.3.1."""

    def __init__(self, iss: Seq) -> None:
        """`iss`: the sequence number of your SYN."""
        self.state = "CLOSED"
        """A name of RFC 9293 3.3.2: "LISTEN", "SYN-RECEIVED", "ESTABLISHED", ..."""
        self.iss = iss
        self.snd_una = iss
        """The first sequence number that is not acknowledged."""
        self.snd_nxt = iss
        """The sequence number that you send next."""
        self.rcv_nxt = Seq(0)
        """The sequence number that you expect next."""

    # The user's calls (RFC 9293 3.10.1 to 3.10.4). `now` is in seconds after the start.

    def listen(self) -> None:
        """Wait for a connection."""
        raise NotImplementedError

    def connect(self, now: float) -> None:
        """Open a connection."""
        raise NotImplementedError

    def send(self, data: bytes, now: float) -> None:
        """Send these bytes."""
        raise NotImplementedError

    def close(self, now: float) -> None:
        """Send nothing more, after all data. Receiving goes on."""
        raise NotImplementedError

    def read(self) -> bytes:
        """The bytes that have come in order since the last call; b"" if there are none."""
        raise NotImplementedError

    # What the lab hands over and asks for.

    def receive(self, segment: Segment, now: float) -> None:
        """A segment of the kernel has arrived (RFC 9293 3.10.7)."""
        raise NotImplementedError

    def segments_to_send(self, now: float) -> list[Segment]:
        """What you owe, in order. It is asked for after each other call, and sent at once: forget it then."""
        return []

    def timer(self) -> float | None:
        """When you want `handle_timer` to be called, on the clock of `now`; None: no timer is running."""
        return None

    def handle_timer(self, now: float) -> None:
        """The time of `timer` has come (RFC 9293 3.10.8)."""
        raise NotImplementedError
