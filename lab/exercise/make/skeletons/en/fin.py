"""One segment of a TCP endpoint. The rest is given and works."""

from __future__ import annotations

from lab.exercise.make.given import WithoutFin
from lab.tcp.flags import ACK, FIN  # noqa: F401  # you will need them
from lab.tcp.segment import Segment


class Endpoint(WithoutFin):
    """A TCP endpoint that asks you for one segment."""

    def fin(self) -> Segment:
        """The segment that says: I send nothing more. Segment(seq, ack, flags, window).

        `self.snd_nxt` is the sequence number that you send next, `self.rcv_nxt` the one that you expect next,
        `self.iss` your initial one, `self.rcv_wnd` your window.
        """
        raise NotImplementedError
