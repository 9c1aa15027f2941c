"""The ladder of `lab watch`: segments between the namespaces of `lab up`, and states of their kernels, as they come."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager

from lab.cli.messages import warn
from lab.cli.printer import screen_of
from lab.host import playground
from lab.host.addresses import PEER_MAC
from lab.host.errors import MachineError
from lab.host.inet_diag import InetDiag
from lab.host.network import KERNEL_INTERFACE, Network
from lab.host.tracepoint import StateTracer, Transition, ipv6_bytes
from lab.report.growing import GrowingLadder, StateChange
from lab.report.i18n import Translator
from lab.report.text import ladder_lines
from lab.tcp.state import State
from lab.wire.frames import Endpoints
from lab.wire.ip import written
from lab.wire.link import PacketLink

_INTERVAL_NS = 100_000_000
"""Time between two looks at states and at the playground while no segment comes."""
_IPV4_MAPPED = ipv6_bytes("0.0.0.0")[:12]
_MOST_FRAMES = 1000
"""Frames that are read before rungs are printed again."""


def follow(network: Network, *, two_kernels: bool, translate: Translator) -> None:
    """Print a ladder that grows, until the playground of this network is removed."""
    ladder, has_heading = GrowingLadder(), False
    peer_mac = bytes.fromhex(PEER_MAC.replace(":", ""))
    with _witnesses(network, two_kernels) as witnesses:
        with network.kernel.entered():
            link = PacketLink(KERNEL_INTERFACE, both_ways=True)
        with closing(link):
            while playground.is_current(network):
                now_ns = time.monotonic_ns()
                deadline_ns = now_ns + _INTERVAL_NS
                for _ in range(_MOST_FRAMES):
                    frame = link.receive(deadline_ns)
                    if frame is None:
                        break
                    ladder.frame(frame.time_ns, frame.data, from_peer=frame.data[6:12] == peer_mac)
                    now_ns, deadline_ns = frame.time_ns, 0  # then only what has come already
                for each in witnesses:
                    ladder.change(*each.changes(ladder.open))
                grown = ladder.complete(now_ns)
                if grown.rungs:
                    lines = ladder_lines(grown, screen_of(sys.stdout), translate, headed=not has_heading)
                    print("\n".join(lines), flush=True)
                    has_heading = True


@contextmanager
def _witnesses(network: Network, two_kernels: bool) -> Iterator[list[_Witness]]:
    """A witness for each kernel that owns addresses here. Without the tracepoint states are only polled."""
    with ExitStack() as undo:
        tracer = None
        try:
            tracer = undo.enter_context(closing(StateTracer()))
        except MachineError as missing:
            warn(missing.why)
        yield [_Witness(network, of_peer, tracer, undo) for of_peer in ((False, True) if two_kernels else (False,))]


class _Witness:
    """States of the connections of one kernel of the playground."""

    def __init__(self, network: Network, of_peer: bool, tracer: StateTracer | None, undo: ExitStack) -> None:

        self._of_peer = of_peer
        self._lookup = undo.enter_context(closing(InetDiag(network.peer if of_peer else network.kernel)))
        pairs = [pair.swapped if of_peer else pair for pair in network.addresses]
        self._address = pairs[0].kernel
        self._tracer = tracer
        if tracer is not None:
            tracer.watch(*(address for pair in pairs for address in (pair.kernel, pair.second_kernel)))

    def changes(self, connections: Iterable[Endpoints]) -> Iterator[StateChange]:
        """Yield the changes since the last call, then the states of these connections as they are now."""
        for seen in self._tracer.take(self._address) if self._tracer is not None else ():
            if seen.remote_port:  # not a listener
                ends = self._ends_of(seen)
                # "CLOSED" can mean that a mini-socket has replaced the socket.
                state = self._look(ends) if seen.new is State.CLOSED else seen.new
                yield StateChange(seen.time_ns, self._of_peer, ends, state)
        for ends in connections:
            yield StateChange(time.monotonic_ns(), self._of_peer, ends, self._look(ends))

    def _ends_of(self, seen: Transition) -> Endpoints:
        local, remote = (each.removeprefix(_IPV4_MAPPED) for each in (seen.local, seen.remote))
        own, far = (local, seen.local_port), (remote, seen.remote_port)
        return Endpoints(*far, *own) if self._of_peer else Endpoints(*own, *far)

    def _look(self, ends: Endpoints) -> State:
        one, other = (written(ends.source), ends.source_port), (written(ends.destination), ends.destination_port)
        own, far = (other, one) if self._of_peer else (one, other)
        return self._lookup.of(4 if len(ends.source) == 4 else 6, *own, *far).state
