"""The user-space end of a connection: segment by segment, or in whole movements with everything in them checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from lab.session.dialogue import Dialogue
from lab.session.errors import ScenarioError
from lab.session.retransmissions import Copies, Watch
from lab.tcp.state import State
from lab.wire import crafting, icmp

if TYPE_CHECKING:
    from lab.author.sockets import Connection


class Peer(Dialogue):
    """One user-space TCP endpoint.

    Of its movements `open` and `close` leave both sides at rest. Those with the name of a state bring the kernel's side
    of the connection into it, and return the peer.
    """

    __slots__ = ()

    def open(self) -> Connection:
        """Three segments, from whichever side opens; returns the kernel's socket of the new connection."""
        if self.listener is not None:
            self.syn_received()
            self.send("A")
            self.kernel.expect_state(self, State.ESTABLISHED)
            accepted = self.socket = self.listener.accept()
            accepted.belongs_to(self)
        else:
            self.expect("S", seq=0)
            self.send("SA")
            self.expect("A", seq=1, ack=1)
            self._own_socket().expect_connected()
            self.kernel.expect_state(self, State.ESTABLISHED)
        return self._own_socket()

    def close(self) -> None:
        """Four segments: this side closes first, the kernel's application follows, or the other way round."""
        if self.endpoint.state is State.ESTABLISHED:
            self.close_wait()
            self.last_ack()
            self.send("A")
            self.kernel.expect_state(self, State.CLOSED)
        else:
            self.time_wait()

    def syn_received(self) -> Self:
        """The kernel has answered a SYN and waits for the third segment."""
        self.send("S")
        self.expect("SA", seq=0, ack=1)
        self.kernel.expect_state(self, State.SYN_RECEIVED)
        return self

    def established(self) -> Self:
        """The connection is open on both sides."""
        self.open()
        return self

    def close_wait(self) -> Self:
        """The peer has closed, the kernel's application has not."""
        self._need_established("close_wait()")
        self.send("FA")
        self.expect("A", ack=self._after_own_fin())
        self.kernel.expect_state(self, State.CLOSE_WAIT)
        return self

    def last_ack(self) -> Self:
        """The peer has closed, then the kernel's application; its FIN is not acknowledged yet."""
        if self.endpoint.state is State.ESTABLISHED:
            self.close_wait()
        self._own_socket().close()
        self.expect("FA", ack=self._after_own_fin())
        self.kernel.expect_state(self, State.LAST_ACK)
        return self

    def fin_wait_1(self) -> Self:
        """The kernel's application has closed first; its FIN is not acknowledged yet."""
        self._need_established("fin_wait_1()")
        self._own_socket().shutdown("write")
        self.expect("FA")
        self.kernel.expect_state(self, State.FIN_WAIT_1)
        return self

    def fin_wait_2(self) -> Self:
        """The kernel's FIN is acknowledged, the peer has not closed."""
        self.fin_wait_1()
        self.send("A")
        self.kernel.expect_state(self, State.FIN_WAIT_2)
        return self

    def closing(self) -> Self:
        """Both have closed at once: the FINs have crossed, neither is acknowledged yet."""
        self.fin_wait_1()
        self.send("FA", ack=self._kernel_fin())
        self.expect("A", ack=self._after_own_fin())
        self.kernel.expect_state(self, State.CLOSING)
        return self

    def time_wait(self) -> Self:
        """The kernel has closed first, the peer second, and everything is acknowledged."""
        if self.endpoint.state is State.ESTABLISHED:
            self.fin_wait_2()
        self.send("FA")
        self.expect("A", ack=self._after_own_fin())
        self.kernel.expect_state(self, State.TIME_WAIT)
        return self

    def expect_copies(self, letters: str, count: int | None = None) -> Copies:
        """The kernel sends its segment with these control bits again, unchanged and on time, since nobody answers it.

        All its copies must come and then the connection be gone, as the kernel's settings say; or the first `count`.
        The segment itself is one that was expected before, or one that the wire has lost. For a peer that permits SACK
        the kernel's first copy is a tail loss probe, which has another schedule.
        """
        return Watch(self, self._exchange, letters).run(count)

    def send_icmp(self, error: str) -> None:
        """A router on the way tells the kernel, by ICMP, that its last segment could not be delivered.

        `error` is one of the names in `lab.wire.icmp`: "host unreachable", "time exceeded" and so on.
        """
        heard = self._exchange.spoken.heard(self.number)
        if not heard:
            raise ScenarioError("the kernel has sent nothing on this connection that an ICMP error could be about")
        self._exchange.send(icmp.build_error(error, heard[-1]), self, None)

    def packets(self) -> list[Any]:
        """All that the kernel has sent on this connection, retransmissions apart, as Scapy packets."""
        return [crafting.packet_of(frame) for frame in self._exchange.spoken.heard(self.number)]

    def _need_established(self, movement: str) -> None:
        if self.endpoint.state is not State.ESTABLISHED:
            raise ScenarioError(
                f"{movement} starts from an open connection, and this peer is in {self.endpoint.state}; open() it"
            )

    def _own_socket(self) -> Connection:
        if self.socket is None:
            raise ScenarioError("the kernel has no socket for this connection yet: open() it, or accept() it")
        return self.socket

    def _after_own_fin(self) -> int:
        return self.endpoint.snd_nxt - self.bases.peer

    def _kernel_fin(self) -> int:
        return self.endpoint.rcv_nxt - self.bases.kernel - 1
