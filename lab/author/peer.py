"""Peer API for scenarios: the user-space end of a connection, by single segments or whole handshakes and closes."""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Iterable
from typing import Any, NoReturn, Self

from lab.author.application import Application
from lab.author.kernel import Kernel
from lab.author.sockets import Connection, Listener
from lab.host.addresses import KERNEL_MAC, PEER_MAC
from lab.record.events import CheckKind
from lab.record.expectation import Expected, Row, agrees, as_options, ensure_numbers, octets
from lab.session.conversation import Conversation
from lab.session.errors import ScenarioError
from lab.session.retransmissions import Retransmissions, RetransmissionWatch
from lab.session.switchboard import Switchboard
from lab.session.tolerance import DEADLINE_S
from lab.tcp import flags
from lab.tcp.endpoint import Config
from lab.tcp.options import Option
from lab.tcp.output import next_segment
from lab.tcp.segment import Segment
from lab.tcp.state import State
from lab.wire import crafting, icmp, ip
from lab.wire.frames import Endpoints, decode


class Peer:
    """One user-space TCP endpoint. Numbers are relative to each side's initial sequence number.

    `open` is a whole handshake, `close` a whole close. A method with the name of a state brings the kernel's side into
    that state, and returns the peer.
    """

    __slots__ = ("_heard_ns", "_sent_ns", "_switchboard", "conversation", "kernel", "listener", "socket")

    def __init__(
        self,
        switchboard: Switchboard,
        kernel: Kernel,
        address: str,
        port: int,
        to: Listener | int | None,
        config: Config,
    ) -> None:
        """`to` is the listener or port of the kernel at the other end; None: wait for the kernel to connect."""
        self._switchboard = switchboard
        self.kernel = kernel
        self.conversation = Conversation(address, port, config)
        self.listener = to if isinstance(to, Listener) else None
        if self.listener is not None:
            self.conversation.options = self.listener.options
        self.socket: Connection | None = None
        """The kernel's socket of this connection, once the scenario has it."""
        self._sent_ns = self._heard_ns = 0
        if to is None:
            switchboard.listen(self.conversation)
        else:
            kernel_end = (to.address, to.port) if isinstance(to, Listener) else (kernel.address, to)
            switchboard.join(self.conversation, Endpoints.of(*kernel_end, address, port))

    @property
    def address(self) -> str:
        """The peer's address."""
        return self.conversation.address

    @property
    def port(self) -> int:
        """The peer's port."""
        return self.conversation.port

    @property
    def kernel_port(self) -> int:
        """The kernel's port, 0 until it is known."""
        return self.conversation.kernel_port

    @property
    def state(self) -> State:
        """The peer's state, by its model."""
        return self._switchboard.recorder.readings.observed("peer", self.conversation.endpoint.state)

    @property
    def received(self) -> bytes:
        """The bytes that have arrived in order since this was last read."""
        return self._switchboard.recorder.readings.observed("text", self.conversation.endpoint.read())

    @property
    def sent_at(self) -> float:
        """When the peer sent its last segment, in seconds of CLOCK_MONOTONIC; 0 before the first."""
        return self._sent_ns / 1e9

    @property
    def received_at(self) -> float:
        """When the last expected segment arrived, in seconds of CLOCK_MONOTONIC; 0 before the first."""
        return self._heard_ns / 1e9

    # Segment by segment.

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

        Fields left out are what the model would send next: seq = SND.NXT, ack = RCV.NXT, its window and options.
        """
        if not isinstance(what, str):
            self._send_packet(what)
            return
        conversation = self.conversation
        if conversation.engine is not None:
            raise ScenarioError("this peer answers by itself: its application can connect, send, close and abort")
        data = octets(payload)
        ensure_numbers(seq=seq, ack=ack, window=window, urgent=urgent)
        segment = next_segment(conversation.endpoint, flags.bits(what), data, time.monotonic())
        if any(field is not None for field in (seq, ack, window, options, urgent)):
            segment = Segment(
                segment.seq if seq is None else conversation.bases.peer + seq,
                segment.ack if ack is None else conversation.bases.kernel + ack,
                segment.flags,
                segment.window if window is None else window,
                segment.options if options is None else as_options(options),
                data,
                0 if urgent is None else urgent,
            )
        if conversation.ends is None:
            self._not_connected()
        self._sent_ns = self._switchboard.send_segment(conversation, segment)

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

        Other fields are compared when given. A retransmission is skipped, unless it is the segment that was
        expected. Waits up to `within` seconds. Returns the segment with its absolute numbers.
        """
        expected = Expected.of(letters, options, payload, seq=seq, ack=ack, window=window, urgent=urgent)
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
        """Skip segments of the kernel until this one comes. The standing rules hold for the skipped segments too."""
        expected = Expected.of(letters, options, payload, seq=seq, ack=ack, window=window, urgent=urgent)
        return self._await(letters, within, expected, skipping=True)

    def expect_silence(self, during: float = 0.0) -> None:
        """The kernel must not have sent anything in response to the segments so far.

        An echo request proves this without waiting: the kernel answers it after all its immediate responses. With
        `during` its timers must not send anything either, for so many seconds.
        """
        self._ensure_in_contact()
        until_ns = math.inf
        if during:
            until_ns = time.monotonic_ns() + int(during * 1e9)
            self._switchboard.wait_for_new_segment(self.conversation, until_ns, "silence")
        self._switchboard.fence()
        # What a timer has sent later, while a machine that is held up did not look, is the scenario's next segment.
        self._switchboard.expect_nothing_left(self.conversation, "silence", CheckKind.SILENCE, until_ns)

    def expect_retransmissions(self, letters: str, count: int | None = None) -> Retransmissions:
        """The kernel retransmits its segment with these control bits, unchanged and each time when it is due.

        All retransmissions must come, and then the connection must be gone, when the kernel's settings say so. With
        `count` only so many are checked. The segment itself must have been expected before, or lost by the wire. For a
        peer that permits SACK the kernel's first retransmission is a tail loss probe, which has another schedule.
        """
        # The schedule depends on the segment, so it is computed when the watch has found that.
        schedule = functools.partial(self.kernel.schedule, self)
        return RetransmissionWatch(self._switchboard, self.conversation, letters, schedule).run(count)

    def send_icmp(self, error: str) -> None:
        """A router on the way tells the kernel, by ICMP, that its last segment could not be delivered.

        `error` is one of the names in `lab.wire.icmp`: "host unreachable", "time exceeded" and so on.
        """
        sent = self._switchboard.history.new_frames(self.conversation.number)
        if not sent:
            raise ScenarioError("the kernel has sent nothing on this connection that an ICMP error could be about")
        self._switchboard.send(icmp.build_error(error, sent[-1]), self.conversation, None)

    def packets(self) -> list[Any]:
        """All frames of the kernel on this connection except retransmissions, as Scapy packets."""
        frames = self._switchboard.history.new_frames(self.conversation.number)
        return [crafting.packet_of(frame) for frame in frames]

    def answer_by_itself(self) -> Application:
        """From now on the peer's model of TCP answers the kernel, and its timers send again what is lost.

        The scenario makes the user calls of the returned application. It may still expect segments of the kernel, and
        need not. The peer works whenever the lab waits for something.
        """
        return Application(self._switchboard, self.conversation)

    # A whole handshake, a whole close, and the way into each state.

    def open(self) -> Connection:
        """Do the handshake, whichever side opens; return the kernel's socket of the new connection."""
        if self.listener is not None:
            self.syn_received()
            self.send("A")
            self.kernel.expect_state(self, State.ESTABLISHED)
            self.listener.accept(of=self)
        else:
            self.expect("S", seq=0)
            self.send("SA")
            self.expect("A", seq=1, ack=1)
            self._own_socket().expect_connected()
            self.kernel.expect_state(self, State.ESTABLISHED)
        return self._own_socket()

    def close(self) -> None:
        """Close both directions. The peer closes first, but second if the kernel's application has already closed."""
        if self._is_established:
            self.close_wait()
            self.last_ack()
            self.send("A")
            self.kernel.expect_state(self, State.CLOSED)
        else:
            self.time_wait()

    def syn_received(self) -> Self:
        """Bring the kernel into SYN-RECEIVED: it has answered the peer's SYN and waits for the ACK."""
        self.send("S")
        self.expect("SA", seq=0, ack=1)
        self.kernel.expect_state(self, State.SYN_RECEIVED)
        return self

    def established(self) -> Self:
        """Bring the kernel into ESTABLISHED: the handshake is complete on both sides."""
        self.open()
        return self

    def close_wait(self) -> Self:
        """Bring the kernel into CLOSE-WAIT: the peer has closed, the kernel's application has not."""
        self._need_established("close_wait()")
        self.send("FA")
        self.expect("A", ack=self._after_own_fin())
        self.kernel.expect_state(self, State.CLOSE_WAIT)
        return self

    def last_ack(self) -> Self:
        """Bring the kernel into LAST-ACK: it has closed after the peer, and its FIN is not acknowledged yet."""
        if self._is_established:
            self.close_wait()
        self._own_socket().close()
        self.expect("FA", ack=self._after_own_fin())
        self.kernel.expect_state(self, State.LAST_ACK)
        return self

    def fin_wait_1(self) -> Self:
        """Bring the kernel into FIN-WAIT-1: its application has closed first, its FIN is not acknowledged yet."""
        self._need_established("fin_wait_1()")
        self._own_socket().shutdown("write")
        self.expect("FA")
        self.kernel.expect_state(self, State.FIN_WAIT_1)
        return self

    def fin_wait_2(self) -> Self:
        """Bring the kernel into FIN-WAIT-2: its FIN is acknowledged, the peer has not closed."""
        self.fin_wait_1()
        self.send("A")
        self.kernel.expect_state(self, State.FIN_WAIT_2)
        return self

    def closing(self) -> Self:
        """Bring the kernel into CLOSING: the FINs of both sides have crossed, the kernel's is not acknowledged yet."""
        self.fin_wait_1()
        self.send("FA", ack=self._kernel_fin())
        self.expect("A", ack=self._after_own_fin())
        self.kernel.expect_state(self, State.CLOSING)
        return self

    def time_wait(self) -> Self:
        """Bring the kernel into TIME-WAIT: it has closed first, the peer second, and everything is acknowledged."""
        if self._is_established:
            self.fin_wait_2()
        self.send("FA")
        self.expect("A", ack=self._after_own_fin())
        self.kernel.expect_state(self, State.TIME_WAIT)
        return self

    @property
    def _is_established(self) -> bool:
        return self.conversation.endpoint.state is State.ESTABLISHED

    def _need_established(self, movement: str) -> None:
        if not self._is_established:
            state = self.conversation.endpoint.state
            raise ScenarioError(f"{movement} starts from an open connection, and this peer is in {state}; open() it")

    def _own_socket(self) -> Connection:
        if self.socket is None:
            raise ScenarioError("the kernel has no socket for this connection yet: open() it, or accept() it")
        return self.socket

    def _after_own_fin(self) -> int:
        return self.conversation.endpoint.snd_nxt - self.conversation.bases.peer

    def _kernel_fin(self) -> int:
        return self.conversation.endpoint.rcv_nxt - self.conversation.bases.kernel - 1

    def _await(self, letters: str, within: float, expected: Expected, *, skipping: bool) -> Segment:
        self._ensure_in_contact()
        letters = str(letters)  # it may be ANY
        switchboard, conversation = self._switchboard, self.conversation
        recorder = switchboard.recorder
        deadline_ns = time.monotonic_ns() + int(recorder.readings.timeout(within) * 1e9)
        while True:
            if not conversation.inbox and not switchboard.wait_for_segment(conversation, deadline_ns, letters):
                self._nothing_came(letters, within)
            at = conversation.inbox.pop(0)
            frame, segment = switchboard.history.frame_and_segment(at)
            if agrees(expected, segment, frame.bases):
                recorder.segment_agrees(letters, expected, conversation.number, at)
                self._heard_ns = frame.time_ns
                return segment
            if not (skipping or frame.retransmission):
                recorder.segment_differs(letters, expected, conversation.number, at, self.kernel.inet_diag(self).state)

    def _ensure_in_contact(self) -> None:
        """Raise ScenarioError if the kernel has no connection to this peer yet, and so cannot send it anything."""
        if self.conversation.ends is None and self.socket is None:
            self._not_connected()

    def _not_connected(self) -> NoReturn:
        raise ScenarioError(
            f"the peer on port {self.port} has no connection yet: let the kernel connect to it and expect its SYN,"
            " or make the peer with lab.peer(to=listener)"
        )

    def _nothing_came(self, letters: str, within: float) -> NoReturn:
        connected = self.conversation.number >= 0
        self._switchboard.recorder.differs(
            letters,
            (Row("segment", letters, "none", False),),
            summary=f"waited {within:g} s for {letters}, and the kernel sent no such segment",
            connection=self.conversation.number if connected else None,
            state=self.kernel.inet_diag(self).state if connected else None,
            kind=CheckKind.SEGMENT,
        )

    def _send_packet(self, packet: Any) -> None:
        if not crafting.is_packet(packet):
            raise ScenarioError(f"send() takes control bits such as 'SA' or a Scapy packet, not {packet!r}")
        if self.conversation.ends is None:
            self._not_connected()
        data = crafting.frame_of(packet, PEER_MAC, KERNEL_MAC)
        family, other = self._switchboard.recorder.recording.family, ip.family_in(data)
        if other not in (family, None):
            raise ScenarioError(f"this run is over IPv{family}, so an IPv{other} packet would not reach the kernel")
        seen = decode(data)
        self._sent_ns = self._switchboard.send(data, self.conversation, seen.segment if seen else None)
