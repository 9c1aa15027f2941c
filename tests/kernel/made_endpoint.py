"""A learner's endpoint that passes every rung of `lab exercise make`; the tests break it in typical ways."""

from __future__ import annotations

from lab.tcp.flags import ACK, FIN, RST, SYN
from lab.tcp.segment import Segment
from lab.tcp.sequence import Seq

MSL = 30.0
RTO = 1.0


class Endpoint:
    def __init__(self, iss: Seq) -> None:
        self.state = "CLOSED"
        self.iss = self.snd_una = self.snd_nxt = iss
        self.rcv_nxt = Seq(0)
        self.snd_wnd = 0
        self.mss = 536
        self.owed: list[Segment] = []
        self.in_flight: list[Segment] = []
        self.outgoing = b""
        self.received = b""
        self.rto = RTO
        self.expires: float | None = None

    def listen(self) -> None:
        self.state = "LISTEN"

    def connect(self, now: float) -> None:
        self.state = "SYN-SENT"
        self.transmit(SYN, now)

    def send(self, data: bytes, now: float) -> None:
        self.outgoing += data
        self.fill_window(now)

    def close(self, now: float) -> None:
        self.state = "LAST-ACK" if self.state == "CLOSE-WAIT" else "FIN-WAIT-1"
        self.transmit(FIN | ACK, now)

    def read(self) -> bytes:
        data, self.received = self.received, b""
        return data

    def receive(self, segment: Segment, now: float) -> None:
        if segment.flags & RST:
            if segment.seq == self.rcv_nxt:
                self.state, self.expires = "CLOSED", None
        elif self.state == "CLOSED":
            self.owed.append(Segment(Seq(0), segment.end, RST | ACK))
        elif segment.flags & SYN:
            self.syn(segment, now)
        elif segment.seq != self.rcv_nxt:
            self.acknowledge()
        else:
            self.acknowledged(segment, now)
            self.text(segment, now)

    def syn(self, segment: Segment, now: float) -> None:
        self.rcv_nxt = segment.seq + 1
        self.snd_wnd = segment.window
        self.mss = next((int(str(value)) for name, value in segment.options if name == "MSS"), 536)
        if self.state == "LISTEN":
            self.state = "SYN-RECEIVED"
            self.transmit(SYN | ACK, now)
        elif self.state == "SYN-SENT":
            self.acknowledged(segment, now)
            self.state = "ESTABLISHED"
            self.acknowledge()

    def acknowledged(self, segment: Segment, now: float) -> None:
        self.snd_wnd = segment.window
        if segment.ack > self.snd_una:
            self.snd_una = segment.ack
            self.in_flight = [each for each in self.in_flight if each.end > segment.ack]
            self.rto = RTO
            self.expires = now + self.rto if self.in_flight else None
        if self.snd_una == self.snd_nxt:
            self.all_acknowledged(now)
        self.fill_window(now)

    def all_acknowledged(self, now: float) -> None:
        if self.state == "SYN-RECEIVED":
            self.state = "ESTABLISHED"
        elif self.state == "FIN-WAIT-1":
            self.state = "FIN-WAIT-2"
        elif self.state == "CLOSING":
            self.time_wait(now)
        elif self.state == "LAST-ACK":
            self.state = "CLOSED"

    def text(self, segment: Segment, now: float) -> None:
        self.received += segment.payload
        self.rcv_nxt = segment.end
        if segment.length:
            self.acknowledge()
        if segment.flags & FIN:
            if self.state == "ESTABLISHED":
                self.state = "CLOSE-WAIT"
            elif self.state == "FIN-WAIT-1":
                self.state = "CLOSING"
            elif self.state == "FIN-WAIT-2":
                self.time_wait(now)

    def time_wait(self, now: float) -> None:
        self.state = "TIME-WAIT"
        self.expires = now + 2 * MSL

    def fill_window(self, now: float) -> None:
        while self.outgoing and self.state in {"ESTABLISHED", "CLOSE-WAIT"}:
            room = self.snd_una + self.snd_wnd - self.snd_nxt
            size = min(room, self.mss)
            if size <= 0:
                return
            payload, self.outgoing = self.outgoing[:size], self.outgoing[size:]
            self.transmit(ACK, now, payload)

    def acknowledge(self) -> None:
        self.owed.append(Segment(self.snd_nxt, self.rcv_nxt, ACK, 65535))

    def transmit(self, flags: int, now: float, payload: bytes = b"") -> None:
        ack = self.rcv_nxt if flags & ACK else Seq(0)
        segment = Segment(self.snd_nxt, ack, flags, 65535, (), payload)
        self.snd_nxt = segment.end
        self.in_flight.append(segment)
        self.owed.append(segment)
        if self.expires is None:
            self.expires = now + self.rto

    def segments_to_send(self, now: float) -> list[Segment]:  # noqa: ARG002  # a part of the skeleton
        owed, self.owed = self.owed, []
        return owed

    def timer(self) -> float | None:
        return self.expires

    def handle_timer(self, now: float) -> None:
        if self.state == "TIME-WAIT":
            self.state, self.expires = "CLOSED", None
        else:
            self.owed.append(self.in_flight[0])
            self.rto *= 2
            self.expires = now + self.rto
