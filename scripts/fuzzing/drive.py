"""Drives plans against the kernel: many connections in one lab, one after the other."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Self

from lab.author.lab import Lab
from lab.author.sockets import Connection, Listener
from lab.host import sysctls
from lab.host.addresses import AddressPool
from lab.host.errors import MachineError
from lab.record.events import CheckKind, CheckMade, FrameSeen
from lab.report.evidence import direction, segment_text
from lab.session.errors import KernelDiffers, ScenarioError
from lab.session.readings import Readings
from lab.tcp.sequence import Seq
from scripts.fuzzing.plans import Call, Fence, Number, Pause, Plan, Read, Send, Start, Step

CONNECTIONS_PER_LAB = 200
"""A recording only grows."""
_FIRST_PORT, _PORTS = 1000, 30_000
_CLOSED_PORT = 999
SETTINGS = {"net.ipv4.tcp_rto_min_us": "20000"}
"""Retransmission timers run while a plan does."""
_VARIANTS: tuple[dict[str, str], ...] = (
    {},
    {"net.ipv4.tcp_timestamps": "0"},
    {"net.ipv4.tcp_sack": "0"},
    {"net.ipv4.tcp_window_scaling": "0"},
    {"net.ipv4.tcp_ecn": "1"},
    {"net.ipv4.tcp_syncookies": "2"},
    {"net.ipv4.tcp_dsack": "0", "net.ipv4.tcp_rfc1337": "1"},
    {"net.ipv4.tcp_rmem": "4096 8192 16384"},
)
"""Settings of one lab after the other."""
_MOST_LINES = 40
_TIMEOUT_S = 0.02
"""For what a start expects: with a window of 0, say, it does not come."""


class Impatient(Readings):
    """Waits no longer than a start needs."""

    def timeout(self, seconds: float) -> float:
        """The shorter one."""
        return min(seconds, _TIMEOUT_S)


class Accused(Exception):
    """The kernel broke a standing rule on the connection of this plan, or the lab says so wrongly."""

    def __init__(self, lab: Lab, check: CheckMade, plan: Plan, settings: dict[str, str]) -> None:
        rule = check.rows[0]
        sentences = f"{rule.field}: {rule.got}", f"IPv{lab.family}, settings {settings or 'of the lab'}", str(plan)
        super().__init__("\n".join([*sentences, exchange(lab, check)]))
        self.rule = rule.field


class Driver:
    """A kernel, and one plan after the other."""

    def __init__(self, family: int, prepare: Callable[[Lab], None] = lambda _: None) -> None:
        """`prepare` is called with each new lab; it can make its kernel break a rule."""
        self._family, self._prepare = family, prepare
        self._undo, self._labs = ExitStack(), ExitStack()
        self._pool = AddressPool()
        self._undo.callback(self._pool.close)
        self._undo.callback(self._labs.close)
        self._lab: Lab | None = None
        self._plans: dict[int, Plan] = {}
        self._variants = itertools.cycle(_VARIANTS)
        self._variant = next(self._variants)
        self.connections = 0
        """Number of connections so far."""
        self.trouble = ""
        """Why this machine could not make a lab; no plan is run from then on."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._undo.close()

    def run(self, plan: Plan) -> None:
        """Run one plan. Raises Accused when the kernel breaks a rule, on this connection or an earlier one."""
        if len(self._plans) >= CONNECTIONS_PER_LAB:
            self._lab, self._variant = None, next(self._variants)
        if self.trouble:
            return
        try:
            lab = self._lab = self._lab or self._new_lab()
        except MachineError as error:
            self.trouble = str(error)
            return
        self.connections += 1
        try:
            with One(lab, plan, _FIRST_PORT + self.connections % _PORTS) as one:
                self._plans[one.peer.conversation.number] = plan
                one.run()
        except KernelDiffers as difference:
            check = difference.check
            self._lab = None  # what the plan has left in it would disturb the next one
            raise Accused(lab, check, self._plans.get(check.connection or 0, plan), self._variant) from None

    def _new_lab(self) -> Lab:
        self._labs.close()
        self._plans.clear()
        settings = {name: value for name, value in SETTINGS.items() if not sysctls.missing_here({name: value})}
        lab = Lab(self._family, pool=self._pool, readings=Impatient(), sysctls={**settings, **self._variant})
        self._labs.enter_context(lab)
        self._prepare(lab)
        return lab


class One:
    """One connection of a plan."""

    def __init__(self, lab: Lab, plan: Plan, port: int) -> None:
        self._lab, self._plan = lab, plan
        self._kernel_opens = plan.start in (Start.CONNECT, Start.CONNECTED)
        self._listener: Listener | None = None
        self._socket: Connection | None = None
        offer = plan.offer._asdict()
        if self._kernel_opens:
            self.peer = lab.peer(port=port, **offer)
        elif plan.start is Start.CLOSED_PORT:
            self.peer = lab.peer(to=_CLOSED_PORT, port=port, **offer)
        else:
            self._listener = lab.kernel.listen(port)
            self.peer = lab.peer(to=self._listener, port=port, **offer)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Reset what is left, so that the next connection has the kernel to itself."""
        if kind is not None:
            return
        self._lab.settle()
        while self._listener is not None and (accepted := self._accept()) is not None:
            accepted.abort()
        for each in (self._socket, self._listener):
            if each is not None:
                with _only_rules():
                    each.close()
        self._lab.settle()

    def run(self) -> None:
        """The start, then step by step."""
        with _only_rules():
            self._start()
        for step in self._plan.steps:
            with _only_rules():
                self._do(step)

    def _start(self) -> None:
        start, peer = self._plan.start, self.peer
        if start is Start.CONNECT:
            self._socket = self._lab.kernel.connect(to=peer)
            peer.expect("S", seq=0)
        elif start is Start.CONNECTED:
            self._socket = self._lab.kernel.connect(to=peer)
            peer.open()
        elif start not in (Start.NOTHING, Start.CLOSED_PORT):
            if start is not Start.SYN_RECEIVED:
                self._socket = peer.open()
            if start != Start.ESTABLISHED:
                getattr(peer, start.value)()

    def _do(self, step: Step) -> None:
        match step:
            case Read():
                self._lab.look_around()
            case Fence():
                self._lab.settle()
            case Pause(milliseconds):
                self.peer.expect_silence(during=milliseconds / 1000)
            case Call():
                self._call(step)
            case Send():
                self._send(step)

    def _send(self, step: Send) -> None:
        if self.peer.conversation.ends is None:
            return
        conversation = self.peer.conversation
        endpoint, flow, bases = conversation.endpoint, conversation.flow, conversation.bases
        seqs = {"nxt": endpoint.snd_nxt, "una": endpoint.snd_una, "iss": bases.peer, "edge": flow.theirs.edge}
        acks = {"nxt": endpoint.rcv_nxt, "una": flow.ours.ack, "iss": bases.kernel, "edge": flow.ours.edge}
        with suppress(ValueError):  # options that do not fit a header
            self.peer.send(
                step.letters,
                seq=_relative(step.seq, seqs, bases.peer),
                ack=_relative(step.ack, acks, bases.kernel),
                window=step.window,
                options=step.options,
                payload=bytes(step.payload),
                urgent=step.urgent or None,
            )

    def _call(self, step: Call) -> None:
        if step.name == "accept":
            self._socket = self._socket or self._accept()
        elif self._socket is not None:
            match step.name:
                case "send":
                    self._socket.send(bytes(step.size), error="")
                case "recv":
                    self._socket.recv(step.size, within=0.0)
                case "shutdown":
                    self._socket.shutdown("write")
                case "abort":
                    self._socket.abort()
                case "close":
                    self._socket.close()

    def _accept(self) -> Connection | None:
        if self._listener is None:
            return None
        try:
            return self._listener.accept(within=0.0)
        except KernelDiffers as difference:
            _raise_rule(difference)
            return None


@contextmanager
def _only_rules() -> Iterator[None]:
    """Ignore all but broken rules: a call may fail, and what a start expects may not come."""
    try:
        yield
    except KernelDiffers as difference:
        _raise_rule(difference)
    except ScenarioError:
        pass


def _raise_rule(difference: KernelDiffers) -> None:
    if difference.check.kind is CheckKind.RULE or "connections" in difference.check.subject:
        raise difference


def _relative(number: Number, bases: dict[str, Seq | None], base: Seq) -> int | None:
    if number == Number("nxt", 0):
        return None
    found = bases[number.base]
    if found is None:
        found = bases["nxt"]
    assert found is not None  # the model always has one
    return (found - base) + number.offset


def exchange(lab: Lab, check: CheckMade) -> str:
    """The last segments of the accused connection, in the words of the ladder."""
    lines = [
        f"{(event.time_ns - lab.recording.started_ns) / 1e6:10.3f}  {direction(event.from_peer)}"
        f"  {event.segment.letters:<4} {segment_text(event.segment, event.bases, event.from_peer)}"
        for _, event in lab.recording.in_order
        if isinstance(event, FrameSeen) and event.segment is not None and event.connection == check.connection
    ]
    return "\n".join(lines[-_MOST_LINES:])
