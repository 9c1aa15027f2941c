"""One function of a TCP endpoint. The rest is given and works."""

from __future__ import annotations

from lab.exercise.make.given import WithoutAcknowledgmentNumber
from lab.tcp.segment import Segment
from lab.tcp.sequence import Seq


class Endpoint(WithoutAcknowledgmentNumber):
    """A TCP endpoint that asks you for one number."""

    def acknowledgment_number(self, segment: Segment) -> Seq:
        """The number that acknowledges `segment`, which came in order: the sequence number that is expected next.

        `segment.seq` is its sequence number, `segment.payload` its bytes. It may have SYN or FIN: `segment.letters` is
        "S", "SA", "A", "PA", "FA", ... Numbers wrap by themselves: `segment.seq + 7` is right everywhere.
        """
        raise NotImplementedError
