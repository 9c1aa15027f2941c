"""The user-space end of a connection, segment by segment, in an author's words."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NoReturn

from lab.host.addresses import KERNEL_MAC, PEER_MAC
from lab.record.events import CheckKind
from lab.record.expectation import Bases, Expected, Row, agrees, as_options
from lab.session.errors import ScenarioError
from lab.session.patience import DEADLINE_S
from lab.session.switchboard import Exchange
from lab.tcp import flags
from lab.tcp.endpoint import Config, Endpoint
from lab.tcp.flow import Flow
from lab.tcp.options import Option
from lab.tcp.output import next_segment
from lab.tcp.segment import Segment
from lab.tcp.sequence import Seq
from lab.tcp.state import State
from lab.wire import crafting
from lab.wire.frames import Endpoints, decode, packed

if TYPE_CHECKING:
    from lab.author.kernel import Kernel
    from lab.author.sockets import Connection, Listener


_SOONEST_TIMER_NS = 1_000_000
"""No retransmission timer of Linux is shorter (tail loss probes take 2 jiffies): a copy sooner than that is none."""


class Dialogue:
    """What one user-space endpoint says and hears. Numbers are relative to each side's initial sequence number."""

    __slots__ = (
        "_encoder", "_exchange", "_heard_ns", "_kernel_iss", "_last_copy", "_sent_ns", "address", "bases", "endpoint",
        "flow", "inbox", "kernel", "kernel_port", "listener", "number", "port", "socket",
    )  # fmt: skip

    def __init__(
        self,
        exchange: Exchange,
        kernel: Kernel,
        address: str,
        port: int,
        to: Listener | int | None,
        config: Config,
    ) -> None:
        self.address = address
        self.port = port
        self.kernel_port = 0
        """The other end's port, 0 until it is known."""
        self.socket: Connection | None = None
        """The kernel's socket of this connection, once the scenario has it."""
        self.kernel = kernel
        self.endpoint = Endpoint(config)
        self.inbox: list[int] = []
        """Indices of the frames that came and were not asked for yet."""
        self.number = -1
        self._sent_ns = self._heard_ns = 0
        self._exchange = exchange
        self.flow = Flow(config.default_mss)
        self._kernel_iss: Seq | None = None
        self._last_copy: dict[Seq, tuple[int, int]] = {}
        self.bases = Bases(Seq(0), config.iss)
        self.listener = None if isinstance(to, int) else to
        if to is None:
            self.endpoint.listen()
            exchange.listen(self, packed(address), port)
        elif isinstance(to, int):
            self.meet(Endpoints.of(kernel.address, to, address, port))
        else:
            self.meet(Endpoints.of(to.address, to.port, address, port))

    @property
    def state(self) -> State:
        """The state that this side is in, by the model."""
        return self._exchange.journal.hear("peer", self.endpoint.state)

    @property
    def received(self) -> bytes:
        """The bytes that have come in order since the last time this was read."""
        return self._exchange.journal.hear("text", self.endpoint.read())

    @property
    def sent_at(self) -> float:
        """When it sent its last segment, in seconds of a clock that only runs forward; 0 before the first."""
        return self._sent_ns / 1e9

    @property
    def heard_at(self) -> float:
        """When the segment arrived that it expected last, on the same clock; 0 before the first."""
        return self._heard_ns / 1e9

    def send(
        self,
        what: Any,
        *,
        seq: int | None = None,
        ack: int | None = None,
        window: int | None = None,
        options: Iterable[Option] | None = None,
        payload: bytes | str = b"",
        urgent: int | None = None,
    ) -> None:
        """Send a segment given by its control bits ("S", "FA"), or any Scapy packet exactly as crafted.

        What is left out is what the model would send next: seq = SND.NXT, ack = RCV.NXT, its window and options.
        """
        if not isinstance(what, str):
            self._send_packet(what)
            return
        data = payload.encode() if isinstance(payload, str) else payload
        segment = next_segment(self.endpoint, flags.bits(what), data, time.monotonic())
        if any(field is not None for field in (seq, ack, window, options, urgent)):
            segment = Segment(
                segment.seq if seq is None else self.bases.peer + seq,
                segment.ack if ack is None else self.bases.kernel + ack,
                segment.flags,
                segment.window if window is None else window,
                segment.options if options is None else as_options(options),
                data,
                0 if urgent is None else urgent,
            )
        if not self.kernel_port:
            self._not_connected()
        self._sent_ns = self._exchange.send(self._encoder.encode(self.port, self.kernel_port, segment), self, segment)

    def expect(
        self,
        letters: str,
        *,
        seq: int | None = None,
        ack: int | None = None,
        window: int | None = None,
        options: Iterable[Option] | None = None,
        payload: bytes | str | None = b"",
        urgent: int | None = None,
        within: float = DEADLINE_S,
    ) -> Segment:
        """The kernel's next segment must be this one: exactly these control bits and this payload (default: none).

        Other fields are compared when given. A retransmission that the kernel is entitled to is passed over, unless it
        is what was expected. Waits up to `within` seconds. Returns the segment with its absolute numbers.
        """
        expected = _expected(letters, seq, ack, window, options, payload, urgent)
        return self._await(letters, within, expected, skipping=False)

    def skip_until(
        self,
        letters: str,
        *,
        seq: int | None = None,
        ack: int | None = None,
        window: int | None = None,
        options: Iterable[Option] | None = None,
        payload: bytes | str | None = b"",
        urgent: int | None = None,
        within: float = DEADLINE_S,
    ) -> Segment:
        """Pass over segments of the kernel until this one comes (the standing rules hold for those in between too)."""
        expected = _expected(letters, seq, ack, window, options, payload, urgent)
        return self._await(letters, within, expected, skipping=True)

    def expect_silence(self, during: float = 0.0) -> None:
        """The kernel has nothing to say to what was sent so far.

        Proven, not waited for: an echo request sent now is answered after anything that the kernel says at once. What
        its timers send later is another question: `during` waits that many seconds for it.
        """
        if self.socket is None and not self.kernel_port:
            self._not_connected()
        if during:
            self.hears_news(time.monotonic_ns() + int(during * 1e9), "silence")
        self._exchange.fence()
        self.expect_nothing_left("silence", CheckKind.SILENCE)

    def expect_nothing_left(self, subject: str, kind: CheckKind = CheckKind.NOTHING_LEFT) -> None:
        """No segment is here that the scenario has not asked for, retransmissions apart."""
        left = [at for at in self.inbox if not self._exchange.spoken.frame(at).retransmission]
        self.inbox.clear()
        journal = self._exchange.journal
        if not left:
            journal.agrees(subject, (Row("segment", "none", "none", True),), connection=self.number, kind=kind)
            return
        got = ", ".join(self._exchange.spoken.arrival(at)[1].letters or "no flags" for at in left)
        journal.differs(
            subject,
            (Row("segment", "none", got, False),),
            summary="the kernel sent a segment where the scenario expects none",
            connection=self.number,
            frame=left[0],
            state=self._exchange.timeline.look(self.number).state,
            kind=kind,
        )

    # What the exchange needs.

    def meet(self, ends: Endpoints) -> None:
        """Now the kernel's end is known; `ends` are those of what it sends."""
        self.number = self._exchange.join(self, ends)
        self.kernel_port = ends.source_port
        self._encoder = self._exchange.encoder(ends)

    def hears(self, deadline_ns: int, what: str) -> bool:
        """Wait until a segment is there that nobody has asked for; whether one was by the deadline."""
        exchange = self._exchange
        while not self.inbox and exchange.receive(0):
            pass
        if self.inbox:
            return True
        with exchange.waiting_for(what, time.monotonic_ns(), deadline_ns):
            while not self.inbox:
                if not exchange.wait(deadline_ns):
                    return False
        return True

    def hears_news(self, deadline_ns: int, what: str) -> bool:
        """The same for a segment that is no retransmission; such ones are passed over."""
        while self.hears(deadline_ns, what):
            if not self._exchange.spoken.frame(self.inbox[0]).retransmission:
                return True
            self.inbox.pop(0)
        return False

    def recognise(self, segment: Segment, time_ns: int) -> bool:
        """Whether this segment, which takes up sequence numbers, is a retransmission; to be asked before the rules."""
        syn = segment.flags & flags.SYN
        again = False
        if self.flow.is_retransmission(segment):
            last_ns, last_flags = self._last_copy.get(segment.seq, (0, 0))
            # A SYN+ACK after a SYN says something new, though it has the same sequence number. Without the bits that
            # asked for ECN it does not: a copy leaves them out (RFC 3168 6.1.1.1).
            same = not syn or not (segment.flags ^ last_flags) & flags.ACK
            again = time_ns - last_ns >= _SOONEST_TIMER_NS and same
        self._last_copy[segment.seq] = time_ns, segment.flags
        if syn and segment.seq != self._kernel_iss:
            self._kernel_iss = segment.seq
            self.bases = Bases(segment.seq, self.bases.peer)
        return again

    def _await(self, letters: str, within: float, expected: Expected, *, skipping: bool) -> Segment:
        if not self.kernel_port and self.socket is None:
            self._not_connected()
        exchange = self._exchange
        deadline_ns = time.monotonic_ns() + int(exchange.journal.patience(within) * 1e9)
        while True:
            if not self.inbox and not self.hears(deadline_ns, letters):
                self._nothing_came(letters, within)
            at = self.inbox.pop(0)
            frame, segment = exchange.spoken.arrival(at)
            if agrees(expected, segment, frame.bases):
                exchange.journal.segment_agrees(letters, expected, self.number, at)
                self._heard_ns = frame.time_ns
                return segment
            if not (skipping or frame.retransmission):
                exchange.journal.segment_differs(letters, expected, self.number, at, self.kernel.look(self))

    def _not_connected(self) -> NoReturn:
        raise ScenarioError(
            f"the peer on port {self.port} has no connection yet: let the kernel connect to it and expect its SYN,"
            " or make it with to=listener"
        )

    def _nothing_came(self, letters: str, within: float) -> NoReturn:
        connected = self.number >= 0
        self._exchange.journal.differs(
            letters,
            (Row("segment", letters, "none", False),),
            summary=f"the kernel sent no such segment within {within:g} s",
            connection=self.number if connected else None,
            state=self.kernel.look(self) if connected else None,
            kind=CheckKind.SEGMENT,
        )

    def _send_packet(self, packet: Any) -> None:
        if not crafting.is_packet(packet):
            raise ScenarioError(f"send() takes control bits such as 'SA' or a Scapy packet, not {packet!r}")
        if not self.kernel_port:
            self._not_connected()
        data = crafting.frame_of(packet, PEER_MAC, KERNEL_MAC)
        seen = decode(data)
        self._sent_ns = self._exchange.send(data, self, seen.segment if seen else None)


def _expected(
    letters: str,
    seq: int | None,
    ack: int | None,
    window: int | None,
    options: Iterable[Option] | None,
    payload: bytes | str | None,
    urgent: int | None,
) -> Expected:
    if isinstance(payload, str):
        payload = payload.encode()
    listed = None if options is None else as_options(options)
    return Expected(flags.bits(letters), seq, ack, window, listed, payload, urgent)
