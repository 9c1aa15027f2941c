"""Endpoints of which a learner writes one function: the lab's model, with that function in its place."""

from __future__ import annotations

from lab.session.engine import ModelEngine
from lab.tcp.endpoint import Config, Endpoint
from lab.tcp.flags import ACK, FIN, RST, SYN
from lab.tcp.segment import Segment
from lab.tcp.sequence import Seq
from lab.tcp.state import State


class ModelEndpoint(ModelEngine):
    """The lab's model in the shape that the rungs drive: an engine with user calls. Times are in seconds."""

    def __init__(self, iss: Seq) -> None:
        super().__init__(Endpoint(Config(iss=iss)))

    # The variables of RFC 9293 3.3.1.

    @property
    def state(self) -> State:
        """The connection's state."""
        return self.endpoint.state

    @property
    def iss(self) -> Seq:
        """The initial sequence number of this side."""
        return self.endpoint.iss

    @property
    def snd_nxt(self) -> Seq:
        """The sequence number that is sent next."""
        return self.endpoint.snd_nxt

    @property
    def rcv_nxt(self) -> Seq:
        """The sequence number that is expected next."""
        return self.endpoint.rcv_nxt

    @property
    def rcv_wnd(self) -> int:
        """The window: how many bytes more this side can receive."""
        return self.endpoint.rcv_wnd

    # User calls.

    def listen(self) -> None:
        """Wait for a connection."""
        self.endpoint.listen()

    def connect(self, now: float) -> None:
        """Open a connection."""
        self.endpoint.connect(now)

    def send(self, data: bytes, now: float) -> None:
        """Send these bytes."""
        self.endpoint.send(data, now)

    def close(self, now: float) -> None:
        """Close this side, after all data."""
        self.endpoint.close(now)

    def read(self) -> bytes:
        """The bytes that came in order since the last call."""
        return self.endpoint.read()


class WithoutAcknowledgmentNumber(ModelEndpoint):
    """Lacks the number that acknowledges a segment."""

    _acknowledged: Seq | None = None

    def acknowledgment_number(self, segment: Segment) -> Seq:
        """The ACK number after a segment that came in order."""
        raise NotImplementedError

    def receive(self, segment: Segment, now: float) -> None:
        """Process a segment of the other side."""
        super().receive(segment, now)
        if segment.length and not segment.flags & RST:
            self._acknowledged = self.acknowledgment_number(segment)

    def segments_to_send(self, now: float) -> list[Segment]:
        """The segments that are owed, with the learner's number in those with ACK."""
        return [self._written(each) for each in super().segments_to_send(now)]

    def _written(self, segment: Segment) -> Segment:
        if self._acknowledged is None or segment.flags & (ACK | RST) != ACK:
            return segment
        return segment._replace(ack=self._acknowledged)


class WithoutAnswerToSyn(ModelEndpoint):
    """Lacks the answer to a SYN in LISTEN."""

    _answer: Segment | None = None

    def answer_to_syn(self, syn: Segment) -> Segment:
        """The segment that answers a SYN in LISTEN."""
        raise NotImplementedError

    def receive(self, segment: Segment, now: float) -> None:
        """Process a segment of the other side."""
        if self.state is State.LISTEN and segment.flags & (SYN | ACK | RST) == SYN:
            self._answer = self.answer_to_syn(segment)
        super().receive(segment, now)

    def segments_to_send(self, now: float) -> list[Segment]:
        """The segments that are owed, with the learner's SYN+ACK."""
        return [self._answer if each.flags & SYN and self._answer else each for each in super().segments_to_send(now)]


class WithoutFin(ModelEndpoint):
    """Lacks the segment that closes its side."""

    _fin: Segment | None = None

    def fin(self) -> Segment:
        """The segment that closes this side."""
        raise NotImplementedError

    def segments_to_send(self, now: float) -> list[Segment]:
        """The segments that are owed, with the learner's FIN."""
        if self.endpoint.fin_owed and not self.endpoint.outgoing:
            self._fin = self.fin()
        return [self._fin if each.flags & FIN and self._fin else each for each in super().segments_to_send(now)]
