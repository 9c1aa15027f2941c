"""The model on its own against the kernel: an endpoint that decides itself what leaves, over a wire with faults."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import ExitStack, closing
from dataclasses import replace

from lab.host import sysctls
from lab.host.addresses import KERNEL_MAC, PEER_MAC, AddressPool
from lab.host.inet_diag import InetDiag
from lab.host.network import PEER_INTERFACE, Network
from lab.host.sockets import KernelSocket
from lab.tcp.endpoint import Config, Endpoint
from lab.tcp.flow import Flow
from lab.tcp.input import segment_arrives
from lab.tcp.output import segments_owed
from lab.tcp.rules import Breach, judge
from lab.tcp.segment import Segment
from lab.tcp.state import State
from lab.wire.faults import Fault, FaultyLink
from lab.wire.frames import Encoder, decode
from lab.wire.ip import packed
from lab.wire.link import Frame, Link, PacketLink

KERNEL_PORT, PEER_PORT = 80, 40001
DEADLINE_S = 60.0
LONGEST_WAIT_S = 0.01
QUICK = {"net.ipv4.tcp_rto_min_us": "20000", "net.ipv4.tcp_rto_max_ms": "1000"}
AT_REST = State.CLOSED, State.TIME_WAIT


class Judge:
    """A link that holds what really leaves the kernel against the standing rules; faults come after it."""

    def __init__(self, link: Link, flow: Flow) -> None:
        self._link, self._flow = link, flow
        self.breaches: list[Breach] = []
        self.kernels: list[Segment] = []

    def send(self, data: bytes) -> int:
        time_ns = self._link.send(data)
        seen = decode(data)
        assert seen is not None
        self._flow.sent(seen.segment)
        return time_ns

    def receive(self, deadline_ns: int) -> Frame | None:
        frame = self._link.receive(deadline_ns)
        seen = decode(frame.data) if frame else None
        if frame and seen:
            self.breaches += judge(self._flow, seen.segment)
            self.kernels.append(seen.segment)
        return frame


class Conversation:
    """One connection, opened, used in both directions and closed. `run` returns once both sides are at rest."""

    def __init__(
        self, network: Network, family: int, config: Config, seed: int = 0, faults: Iterable[Fault] = ()
    ) -> None:
        self.undo = ExitStack()
        self._network = network
        self._pair = network.addresses.of(family)
        chosen = tuple(faults)
        default_mss = 1220 if family == 6 else 536
        self.endpoint = Endpoint(replace(config, default_mss=default_mss))
        with network.peer.entered():
            link = self.undo.enter_context(closing(PacketLink(PEER_INTERFACE)))
        self.judge = Judge(link, Flow(default_mss))
        self._link = FaultyLink(self.judge, seed, chosen, chosen)
        self._encoder = Encoder(packed(self._pair.peer), packed(self._pair.kernel), PEER_MAC, KERNEL_MAC)
        self._lookup = self.undo.enter_context(closing(InetDiag(network.kernel)))
        self._socket = self.undo.enter_context(closing(KernelSocket.open(network.kernel, family)))
        self._socket.bind(self._pair.kernel, KERNEL_PORT).unwrap()
        self._application: KernelSocket | None = None
        self.to_peer, self.to_kernel = bytearray(), bytearray()

    @property
    def kernel_state(self) -> State:
        pair = self._pair
        return self._lookup.of(pair.family, pair.kernel, KERNEL_PORT, pair.peer, PEER_PORT).state

    def run(self, from_peer: bytes, from_kernel: bytes, *, peer_opens: bool, peer_closes_first: bool) -> None:
        until = time.monotonic() + DEADLINE_S
        unsent = self._open(from_peer, from_kernel, peer_opens)
        while not (self.endpoint.state in AT_REST and self.kernel_state in AT_REST):
            now = time.monotonic()
            assert now < until, f"{self.endpoint.state} and {self.kernel_state} after {DEADLINE_S} s"
            unsent = self._act(unsent, peer_opens)
            self._close(peer_closes_first, len(from_peer), len(from_kernel), now)
            for segment in segments_owed(self.endpoint, now):
                self._link.send(self._encoder.encode(PEER_PORT, KERNEL_PORT, segment))
            # The application has no frame of its own to wake this loop, so no wait for one is long.
            wake = min(now + LONGEST_WAIT_S, self.endpoint.next_timeout() or until)
            frame = self._link.receive(max(1, int(wake * 1e9)))
            seen = decode(frame.data) if frame else None
            if seen:
                segment_arrives(self.endpoint, seen.segment, time.monotonic())
            self.endpoint.handle_timeout(time.monotonic())
            self.to_peer += self.endpoint.read()

    def _open(self, from_peer: bytes, from_kernel: bytes, peer_opens: bool) -> bytes:
        now = time.monotonic()
        if peer_opens:
            self._socket.listen(1).unwrap()
            self.endpoint.connect(now)
        else:
            self.endpoint.listen()
            assert self._socket.connect(self._pair.peer, PEER_PORT).error == "EINPROGRESS"
        self._from_peer = from_peer
        return from_kernel

    def _act(self, unsent: bytes, peer_opens: bool) -> bytes:
        """Both applications do what they can at once; what the kernel's has still to send."""
        if self.endpoint.state is State.ESTABLISHED and self._from_peer:
            self.endpoint.send(self._from_peer, time.monotonic())
            self._from_peer = b""
        if self._application is None:
            if not peer_opens:
                self._application = self._socket
            elif accepted := self._socket.accept(0.0).value:
                self._application = self.undo.enter_context(closing(accepted))
        if self._application is None:
            return unsent
        while part := self._application.recv(65536, 0.0).value:
            self.to_kernel += part
        return unsent[self._application.send(unsent).value or 0 :] if unsent else unsent

    def _close(self, peer_closes_first: bool, from_peer: int, from_kernel: int, now: float) -> None:
        """Who closes first does so when everything has arrived, the other one when it learns of that."""
        if self._application is None or (len(self.to_kernel), len(self.to_peer)) != (from_peer, from_kernel):
            return
        if self.endpoint.state is (State.ESTABLISHED if peer_closes_first else State.CLOSE_WAIT):
            self.endpoint.close(now)
        if self.kernel_state is (State.CLOSE_WAIT if peer_closes_first else State.ESTABLISHED):
            self._application.shutdown("write")


def converse(
    pool: AddressPool, family: int, config: Config, *, peer_opens: bool, peer_closes_first: bool, size: int,
    seed: int = 0, faults: Iterable[Fault] = (),
) -> Conversation:  # fmt: skip
    """Run one conversation of `size` bytes in each direction in namespaces of its own; they are gone afterwards."""
    addresses = pool.acquire()
    from_peer, from_kernel = bytes(range(251)) * (size // 251 + 1), bytes(range(255, 2, -1)) * (size // 253 + 1)
    with closing(Network(addresses)) as network:
        sysctls.apply(network.kernel, QUICK, frozenset(QUICK))
        conversation = Conversation(network, family, config, seed, faults)
        with conversation.undo:
            conversation.run(
                from_peer[:size], from_kernel[:size], peer_opens=peer_opens, peer_closes_first=peer_closes_first
            )
            assert conversation.to_kernel == from_peer[:size]
            assert conversation.to_peer == from_kernel[:size]
    pool.release(addresses)
    return conversation
