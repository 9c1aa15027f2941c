"""Lab API for scenarios: a kernel in a namespace of its own, the wire, and the user-space peers at the other end."""

from __future__ import annotations

import itertools
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from types import TracebackType
from typing import Self

from lab.author.kernel import Kernel, state_named
from lab.author.peer import Peer
from lab.author.router import Router
from lab.author.sockets import Listener
from lab.crowd.crowd import Crowds
from lab.host import sysctls
from lab.host.addresses import KERNEL_MAC, PEER_MAC, Addresses, AddressPool, ipv6_is_available
from lab.host.inet_diag import InetDiag
from lab.host.network import PEER_INTERFACE, Network
from lab.host.tracepoint import StateTracer
from lab.record.events import CheckKind, Recording, abbreviated
from lab.record.expectation import Row
from lab.record.nearest import did_you_mean
from lab.session.errors import Inconclusive, NotApplicable, ScenarioError
from lab.session.kernel_states import KernelStates
from lab.session.readings import Readings
from lab.session.recorder import Recorder
from lab.session.switchboard import Switchboard, Waiting
from lab.session.tolerance import ATTEMPTS, EARLY_S
from lab.tcp.endpoint import Config
from lab.tcp.sequence import Seq
from lab.tcp.state import State
from lab.wire import crafting
from lab.wire.faults import Fault
from lab.wire.icmp import Echo
from lab.wire.link import PacketLink

_FIRST_PORT = 40001
_cpus = itertools.count()


class Lab:
    """A kernel to experiment with, as a context manager. A scenario gets one that is already entered."""

    kernel: Kernel
    recording: Recording
    network: Network
    """The namespaces and the wire between them, for tools and tests."""
    switchboard: Switchboard
    """Link, conversations and recorder of this lab, for tools and tests."""

    def __init__(
        self,
        family: int = 4,
        *,
        pool: AddressPool | None = None,
        tracer: StateTracer | None = None,
        sysctls: Mapping[str, str] | None = None,
        full: bool = False,
        network: Network | None = None,
        readings: Readings | None = None,
        router: bool = False,
    ) -> None:
        """`family` is 4 or 6. `sysctls` are set in the kernel's namespace on top of the pinned baseline.

        `pool` and `tracer` may be shared with other labs; without a tracer, states come from inet_diag alone. `network`
        replaces the new network that a lab makes by default. All values read from the kernel pass through `readings`,
        where `lab mutate` alters one. With `router` a third namespace forwards between both ends.
        """
        if family not in (4, 6):
            raise ValueError(f"family must be 4 or 6, not {family}")
        self.family = family
        self.full = full
        """`lab run --full`: timers run their whole length, and a scenario may wait for minutes."""
        self._pool = pool
        self._given = network
        self._readings = readings or Readings()
        self._routed = router
        self._router: Router | None = None
        self._tracer = tracer
        self._settings = dict(sysctls or {})
        self._undo = ExitStack()
        self._ports = itertools.count(_FIRST_PORT)

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            self._set_up(undo)
            self._undo = undo.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._undo.close()

    def peer(
        self,
        to: Listener | int | None = None,
        *,
        port: int | None = None,
        second_address: bool = False,
        iss: int = int(Config().iss),
        mss: int | None = 1460,
        window: int = 65535,
        window_scale: int | None = None,
        timestamps: bool = False,
        sack_permitted: bool = False,
    ) -> Peer:
        """A user-space endpoint, towards the listener or port `to`, or waiting on `port` for the kernel to connect.

        `second_address` puts it at the peer's second address. The arguments from `iss` on are the
        sequence number, window and options of its SYN.
        """
        config = Config(
            iss=Seq(iss),
            mss=mss,
            default_mss=1220 if self.family == 6 else 536,
            window=window,
            window_scale=window_scale,
            timestamps=timestamps,
            sack_permitted=sack_permitted,
        )
        own = next(self._ports) if port is None else port
        address = self._pair.second_peer if second_address else self._pair.peer
        return Peer(self.switchboard, self.kernel, address, own, to, config)

    @property
    def router(self) -> Router:
        """Router between the kernel and the peers; ScenarioError unless the scenario is marked with `router=True`."""
        if self._router is None:
            raise ScenarioError("this lab has no router: mark its scenario with @scenario(router=True)")
        return self._router

    def crowd(self, like: Peer, count: int, answered: int | None = None) -> None:
        """Repeat the connection of the peer `like` with `count` more peers, on other ports and with other numbers.

        Every segment of the kernel must be like the one that `like` received. `answered` is the number of SYNs that
        the kernel answers (default: all). For the other peers nothing follows the SYN.
        """
        listener = like.listener.descriptor if like.listener is not None and like.socket is not None else None
        self._crowds.run(like.conversation, listener, count, answered)

    def own_peer_addresses(self) -> None:
        """From now on the kernel of the peers' machine owns their addresses, and answers in their place too.

        It knows nothing of the peers' connections, so it resets them. Its segments are recorded as the peers' own.
        """
        if self._router is not None:
            raise ScenarioError("own_peer_addresses() needs a lab without a router")
        self._link.receive_both_ways()
        self.network.give_addresses_to_peer()

    def step(self, title: str, claims: str = "") -> None:
        """Begin a step of the scenario. `claims` lists the ids of the claims that it shows: "C47 C50".

        The checks of the step are the evidence for these claims.
        """
        _ensure_text(title=title, claims=claims)
        self._recorder.step(title, tuple(claims.split()))

    def measured(self, claim: str, value: object) -> None:
        """Record a measured value as evidence for a claim, for values that the segments of the step do not show."""
        _ensure_text(claim=claim)
        self._recorder.measured(claim, str(value))

    def conclude(self, claim: str, text: str) -> None:
        """Record a conclusion about a claim in words: what the checks of the step so far have shown."""
        _ensure_text(claim=claim, text=text)
        self._recorder.concluded(claim, text)

    def verify(self, subject: str, expected: object, got: object, why: str = "") -> None:
        """Check that two values are equal. `why` is the rule of the documents behind it, with its section."""
        if isinstance(got, State) and isinstance(expected, str):
            state_named(expected)
        self._check(subject, Row.of("value", expected, got), why)

    def verify_between(self, subject: str, least: float, got: float, most: float, why: str = "") -> None:
        """Check that a number lies between two others, both included."""
        expected = f"{least:g} to {most:g}"
        self._check(subject, Row("value", expected, f"{got:g}", least <= got <= most), why)

    def _check(self, subject: str, row: Row, why: str) -> None:
        _ensure_text(subject=subject, why=why)
        self._recorder.check(subject, (row,), summary=f"{subject}: not the expected value", why=why)

    def attempts(self) -> Iterator[Attempt]:
        """Repeat an action until it is done before a timer of the kernel fires.

        `for attempt in lab.attempts():` ends after the first attempt that was in time. If none was, the
        machine is too busy: raises Inconclusive. But if an attempt was shorter than any of these timers, the kernel
        is at fault: raises KernelDiffers.
        """
        shortest = math.inf
        for _ in range(ATTEMPTS):
            attempt = Attempt(self.kernel)
            yield attempt
            if not attempt.late:
                return
            shortest = min(shortest, attempt.duration)
        if shortest < EARLY_S:
            got = f"fired within {shortest * 1000:.1f} ms, {ATTEMPTS} times of {ATTEMPTS}"
            self._recorder.differs(
                "in time for a timer", (Row("timer", f"runs for {EARLY_S * 1000:g} ms at least", got, False),),
                summary="a timer of the kernel fires at once in every attempt", kind=CheckKind.TIMER,
            )  # fmt: skip
        raise Inconclusive(
            f"this machine is too busy: the lab was too late for a timer of the kernel in {ATTEMPTS} attempts,"
            f" the shortest of {shortest:.3f} s"
        )

    def crossing(self) -> AbstractContextManager[None]:
        """Hold back everything that the peers send in this block until its end.

        Two segments cross when each side sends before it has seen the other's.
        """
        return self.switchboard.holding()

    def deviation(self, rule: str, of_linux: str) -> AbstractContextManager[None]:
        """Expect the kernel to break this standing rule in the block, as Linux does; it fails if the rule is obeyed."""
        _ensure_text(rule=rule, of_linux=of_linux)
        return self.switchboard.deviating(rule, of_linux)

    def disturb(
        self,
        seed: int,
        *,
        to_kernel: Sequence[Fault] = (),
        from_kernel: Sequence[Fault] = (),
        mutations: Sequence[Fault] = (),
    ) -> None:
        """From now on the wire has these faults, and no others. `seed` decides those that depend on chance.

        The kernel's segments are judged before `from_kernel` faults change them. `mutations` change them before they
        are judged, as if the kernel had sent them so.
        """
        self.switchboard.disturb(seed, to_kernel, from_kernel, mutations)

    def settle(self) -> None:
        """Wait until the kernel has processed everything sent so far."""
        self.switchboard.fence()

    @property
    def waiting(self) -> Waiting | None:
        """What the scenario waits for at this moment, None if it does not wait. Any thread may read this."""
        return self.switchboard.waiting

    def catch_up(self) -> None:
        """Record the state changes that the tracepoint has reported since the last call."""
        self.switchboard.kernel_states.read_tracepoint()

    def look_around(self) -> None:
        """Record frames and changes of state that have arrived since the last call, without waiting."""
        while self.switchboard.receive(0):
            pass
        for conversation in self.switchboard.conversations.values():
            self.switchboard.kernel_states.observe_change(conversation.number)
        self.catch_up()

    def finish(self) -> None:
        """End the scenario: every segment of the kernel except retransmissions must have been expected.

        Those to a peer that answers by itself need not.
        """
        self._recorder.finished = True
        self.switchboard.fence()
        for conversation in self.switchboard.conversations.values():
            if conversation.engine is None:
                self.switchboard.expect_nothing_left(conversation, "nothing else was sent")

    def _set_up(self, undo: ExitStack) -> None:
        if self.family == 6 and not ipv6_is_available():
            raise NotApplicable("this kernel has no IPv6")
        crafting.load_scapy()
        undo.callback(_pin_to_one_cpu())
        addresses = self._given.addresses if self._given is not None else self._leased(undo)
        pair = self._pair = addresses.of(self.family)
        if self._tracer is not None:
            self._tracer.watch(pair.kernel, pair.second_kernel)
            undo.callback(self._tracer.forget, pair.kernel, pair.second_kernel)
        self.network = self._given or Network(addresses, routed=self._routed)
        undo.callback(self.network.close)
        self._set_sysctls()
        lookup = InetDiag(self.network.kernel)
        undo.callback(lookup.close)
        with self.network.peer.entered():
            link = self._link = PacketLink(PEER_INTERFACE)
        undo.callback(link.close)
        echo = Echo(self.family, pair.peer, pair.kernel, (PEER_MAC, KERNEL_MAC))
        states = KernelStates(self.recording, self._readings, pair.kernel, lookup, self._tracer)
        self.switchboard = Switchboard(self._readings.wrap(link), echo, self._recorder, states)
        self.kernel = Kernel(self.network.kernel, pair, self.switchboard)
        undo.callback(self.kernel.close)
        if self.network.router is not None:
            self._router = Router(self.network.router, self.switchboard)
            undo.callback(self._router.close)
        self._crowds = Crowds(self.switchboard, self.network.kernel, self.family)
        undo.callback(self._crowds.close)

    def _leased(self, undo: ExitStack) -> Addresses:
        if self._pool is None:
            self._pool = undo.enter_context(closing(AddressPool()))
        addresses = self._pool.acquire()
        undo.callback(self._pool.release, addresses)
        return addresses

    def _set_sysctls(self) -> None:
        witnesses = ("inet_diag", "tracepoint") if self._tracer is not None else ("inet_diag",)
        self.recording = Recording(self.family, time.monotonic_ns(), witnesses=witnesses)
        self._readings.begin(self.recording.events)
        self._recorder = Recorder(self.recording, self._readings)
        try:
            sysctls.apply(self.network.kernel, self._settings)
        except FileNotFoundError as missing:
            name = sysctls.name_of(missing.filename)
            # An optional setting is missing in an older kernel; any other name is misspelt.
            kind = NotApplicable if name in sysctls.OPTIONAL else ScenarioError
            known = [] if kind is NotApplicable else sysctls.names(self.network.kernel)
            raise kind(f"this kernel has no sysctl {name}{did_you_mean(name, known)}") from None
        except OSError as refused:
            raise ScenarioError(refused.strerror or str(refused)) from None
        self.recording.sysctls = sysctls.read(self.network.kernel, {**sysctls.BASELINE, **self._settings})


class Attempt:
    """One try to act before a timer of the kernel fires."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._counter = ""
        self._before = 0
        self._began_ns = time.monotonic_ns()
        self._ended_ns: int | None = None
        self.late = False
        """Whether the timer has fired first; then there is another attempt."""

    @contextmanager
    def before(self, counter: str) -> Iterator[None]:
        """Set `late` at the end of the block if the timer fired in it; `counter` is the timer's counter in nstat(8)."""
        self._counter, self._before = counter, self._kernel.counter(counter)
        self._began_ns = time.monotonic_ns()
        yield
        self.late = self.fired > 0
        self._ended_ns = time.monotonic_ns()

    @property
    def fired(self) -> int:
        """Number of times that the timer has fired since the block began."""
        return self._kernel.counter(self._counter) - self._before

    @property
    def duration(self) -> float:
        """Duration of the `before` block in seconds; until it has ended, the time since it or the attempt began."""
        return ((self._ended_ns or time.monotonic_ns()) - self._began_ns) / 1e9


def _ensure_text(**texts: object) -> None:
    """Raise ScenarioError for a value that is not a string: a recording of it could be neither shown nor saved."""
    for name, text in texts.items():
        if not isinstance(text, str):
            raise ScenarioError(f"{name} must be a string, not {abbreviated(text)}")


def _pin_to_one_cpu() -> Callable[[], None]:
    """Keep this thread on one CPU, so that frames stay in order. Returns a function that undoes this.

    A veth queues each frame on the CPU that sends it. Only frames sent from one CPU are sure to stay in order.
    """
    before = os.sched_getaffinity(0)
    cpus = sorted(before)
    os.sched_setaffinity(0, {cpus[next(_cpus) % len(cpus)]})
    return lambda: os.sched_setaffinity(0, before)
