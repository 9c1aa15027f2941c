"""One segment of a TCP endpoint. The rest is given and works."""

from __future__ import annotations

from lab.exercise.make.given import WithoutAnswerToSyn
from lab.tcp.flags import ACK, SYN  # noqa: F401  # you will need them
from lab.tcp.segment import Segment


class Endpoint(WithoutAnswerToSyn):
    """A TCP endpoint that asks you for one segment."""

    def answer_to_syn(self, syn: Segment) -> Segment:
        """The segment that answers the SYN `syn` in LISTEN: Segment(seq, ack, flags, window).

        `syn.seq` is the SYN's sequence number, `self.iss` your own initial one, `self.rcv_wnd` your window. Bits are
        joined with |: `SYN | ACK`.
        """
        raise NotImplementedError
