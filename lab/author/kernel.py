"""Kernel API for scenarios: sockets and settings, the states of its connections, their timers and how they end."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Concatenate, NoReturn, ParamSpec

from lab.author.sockets import Connection, Listener, Remote, Socket
from lab.host import sysctls, veth
from lab.host.addresses import Pair
from lab.host.clock import kernel_monotonic_ns
from lab.host.namespace import Namespace
from lab.host.network import KERNEL_INTERFACE
from lab.host.socket_options import Value
from lab.host.sockets import CallResult, KernelSocket
from lab.record.events import CheckKind
from lab.record.expectation import Row
from lab.record.kernel_state import TIMERS, KernelState
from lab.record.nearest import did_you_mean
from lab.session import timers
from lab.session.errors import Inconclusive, ScenarioError
from lab.session.polling import poll_until_gone
from lab.session.switchboard import Switchboard
from lab.session.timers import Schedule
from lab.session.tolerance import EARLY_S, GRACE_NS, Window, window
from lab.tcp.state import State

P = ParamSpec("P")

_SHORTEST_PAUSE_NS, _LONGEST_PAUSE_NS = 2_000_000, 16_000_000
_OF_CONNECTIONS = tuple(state for state in State if state is not State.LISTEN)
_AGREEING = {state: (Row("state", state.value, state.value, True),) for state in State}
_STATES: dict[str, State] = {state: state for state in State}


class Kernel:
    """The kernel under test. Calls return at once, or wait until a deadline."""

    def __init__(self, namespace: Namespace, pair: Pair, switchboard: Switchboard) -> None:
        self._namespace = namespace
        self._pair = pair
        self._switchboard = switchboard
        self._states = switchboard.kernel_states
        self._recorder = switchboard.recorder
        self._open: list[Socket] = []
        self._mtu: int | None = None
        """MTU of the kernel's interface; None if it has to be read."""

    # Sockets.

    def listen(
        self,
        port: int,
        backlog: int = 16,
        options: Mapping[str, Value] | None = None,
        error: str = "",
        *,
        second_address: bool = False,
    ) -> Listener:
        """A listening socket, with these socket options: {"TCP_DEFER_ACCEPT": 1}.

        `error` is the errno with which bind(2) must fail; then the socket does not listen.
        """
        opened = self._socket()
        address = self._pair.second_kernel if second_address else self._pair.kernel
        listener = Listener(opened, self._switchboard, address, port)
        self._open.append(listener)
        for name, value in (options or {}).items():
            listener.set_option(name, value)
        listener.call("bind", opened.bind(address, port), port, error=error)
        if not error:
            listener.call("listen", opened.listen(backlog), backlog)
        return listener

    def connect(
        self,
        to: Remote,
        port: int = 0,
        options: Mapping[str, Value] | None = None,
        error: str = "EINPROGRESS",
        *,
        second_address: bool = False,
    ) -> Connection:
        """Begin to connect to a peer, from a port of the kernel's choice unless one is given.

        `error` is the errno with which connect(2) must return; it returns at once.
        """
        opened = self._socket()
        connection = Connection(opened, self._switchboard)
        self._open.append(connection)
        for name, value in (options or {}).items():
            connection.set_option(name, value)
        if port or second_address:
            address = self._pair.second_kernel if second_address else self._pair.kernel
            connection.call("bind", opened.bind(address, port), port)
        result = opened.connect(to.conversation.address, to.conversation.port)
        if error == "EADDRNOTAVAIL" != result.error:
            self._ensure_crowds_last(State.TIME_WAIT)  # some of its ports may be free again
        connection.call("connect", result, to.conversation.port, error=error)
        if result.error in {"", "EINPROGRESS"}:
            connection.belongs_to(to.conversation)
            to.socket = connection
        return connection

    def close(self) -> None:
        """Close all sockets that the scenario left open; nothing is recorded."""
        for each in self._open:
            each.release()

    def _socket(self) -> KernelSocket:
        return KernelSocket.open(self._namespace, self._pair.family)

    # Settings and counters.

    @property
    def address(self) -> str:
        """First address of the kernel; it connects from this one by default."""
        return self._pair.kernel

    @property
    def mss(self) -> int:
        """The MSS that the kernel announces: the interface's MTU less the IP and TCP headers (RFC 9293 3.7.1)."""
        if self._mtu is None:
            self._mtu = veth.mtu(self._namespace, KERNEL_INTERFACE)
        return self._mtu - (60 if self._pair.family == 6 else 40)

    @property
    def window_scale(self) -> int:
        """The window scale that the kernel offers: the least with which its largest receive buffer fits 16 bits.

        The largest buffer is the last number of tcp_rmem, or net.core.rmem_max (the limit of SO_RCVBUF) if larger.
        """
        largest = int(self._recorder.recording.sysctls["net.ipv4.tcp_rmem"].split()[2])
        with closing(self._socket()) as any_socket:
            return self.shift_for(max(largest, any_socket.max_receive_buffer()))

    def shift_for(self, window: int) -> int:
        """The smallest window scale with which `window` bytes fit the 16 bits of the window field; at most 14."""
        return next((shift for shift in range(14) if window >> shift <= 0xFFFF), 14)

    def set_mtu(self, size: int) -> None:
        """From now on the interface takes IP packets of at most `size` bytes; `mss` follows."""
        self._mtu = None
        self._set("set_mtu", (size,), veth.set_mtu, KERNEL_INTERFACE, size)

    def set_route(self, **metrics: int) -> None:
        """From now on the route to the peers has these metrics, as ip-route(8) names them: `advmss=1111`."""
        shown = tuple(part for item in metrics.items() for part in item)
        self._set("set_route", shown, veth.set_route_metrics, KERNEL_INTERFACE, self._pair, metrics)

    def sysctl(self, name: str, value: str | int | None = None, *, missing: str = "") -> str:
        """Return a setting of this kernel's namespace; with a `value`, first set it for the rest of the scenario.

        `missing` is returned if this kernel lacks the setting: the value that describes how such a kernel behaves.
        """
        if value is not None:
            try:
                self._set("sysctl", (name, value), sysctls.apply, {name: str(value)})
            except FileNotFoundError:
                self._no_sysctl(name)
        found = sysctls.read(self._namespace, [name])
        if name not in found:
            if missing:
                return missing
            self._no_sysctl(name)
        self._recorder.recording.sysctls[name] = found[name]
        return found[name]

    @property
    def clock_ms(self) -> int:
        """The kernel's monotonic clock in milliseconds; TSval advances with it."""
        return kernel_monotonic_ns() // 1_000_000

    def counter(self, name: str) -> int:
        """Value of a counter of this kernel's namespace, by its name in nstat(8); ScenarioError if there is none."""
        found = self._namespace.counters()
        if name not in found:
            raise ScenarioError(f"this kernel has no counter {name}{did_you_mean(name, found)}")
        return self._recorder.readings.observed("counter", found[name])

    def _no_sysctl(self, name: str) -> NoReturn:
        raise ScenarioError(
            f"this kernel has no sysctl {name}{did_you_mean(name, sysctls.names(self._namespace))}"
        ) from None

    def _set(
        self, name: str, shown: tuple[object, ...], change: Callable[Concatenate[Namespace, P], None],
        *arguments: P.args, **named: P.kwargs,
    ) -> None:  # fmt: skip
        try:
            change(self._namespace, *arguments, **named)
        except FileNotFoundError:
            raise
        except OSError as refused:
            raise ScenarioError(refused.strerror or str(refused)) from None
        self._recorder.call(name, shown, CallResult(), None)

    # States and timers of its connections.

    @property
    def state(self) -> State:
        """State of its connection to a peer; with several, of the one that is not closed. ScenarioError if unclear."""
        peers = self._switchboard.conversations.values()
        states = [self._states.observe_change(each.number).state for each in peers]
        alive = [state for state in states if state is not State.CLOSED]
        if len(alive) > 1 or not states:
            raise ScenarioError(f"the kernel has {len(alive)} connections: use inet_diag(peer).state")
        return alive[0] if alive else State.CLOSED

    def expect_state(self, of: Remote | Listener, state: State | str, within: float = 0.0) -> None:
        """The kernel must have the connection to this peer (or this listener) in that state.

        If not, it is queried again after the kernel has processed everything sent so far. `within` is how many seconds
        to wait for a state that a timer brings.
        """
        wanted = state_named(state)
        seen = self._look(of).state
        if seen is not wanted:
            seen = self._poll_state(of, wanted, within)
        if seen is State.CLOSED is not wanted and not isinstance(of, Listener):
            self._ensure_timers_have_not_ended_it(of, wanted)
        number = None if isinstance(of, Listener) else of.conversation.number
        self._recorder.check(
            "state",
            _AGREEING[wanted] if seen is wanted else (Row("state", wanted.value, seen.value, False),),
            summary=f"the kernel is in state {seen.both_names}"
            + (f" after waiting {within:g} s for {wanted}" if within else ""),
            kind=CheckKind.STATE,
            connection=number,
            state=seen,
        )

    def expect_timer(self, of: Remote, timer: str, seconds: float = 0.0) -> None:
        """The kernel must run this timer for the connection to this peer ("" for none), set to so many seconds.

        The last segment of the connection has set the timer: the time since then is subtracted. If the kernel has
        retransmitted meanwhile, the timer must be set to the next timeout of its schedule instead.
        """
        if timer not in TIMERS.values():
            known = ", ".join(filter(None, TIMERS.values()))
            raise ScenarioError(f"{timer!r} is not a timer, use one of {known}{did_you_mean(timer, TIMERS.values())}")
        seen, now_ns = self._look(of), time.monotonic_ns()
        asked = seconds
        if timer == "retransmission" == seen.timer and seen.retransmits:
            seconds = self.schedule(of).timeout(seen.retransmits)
        expected = f"{timer}, {seconds:g} s" if timer else "none"
        got = f"{seen.timer}, {seen.expires_ms / 1000:g} s" if seen.timer else "none"
        number, history = of.conversation.number, self._switchboard.history
        left = seconds - (now_ns - history.timer_set_ns(number)) / 1e9
        least = window(left, self._switchboard.delays.since(history.last_segment_ns(number))).earliest
        agrees = seen.timer == timer and (not timer or least <= seen.expires_ms / 1000 <= seconds + EARLY_S)
        if timer and not agrees:
            self._ensure_in_time(of, asked)  # otherwise it may have expired, and another one may run
        self._recorder.check(
            "timer", (Row("timer", expected, got, agrees),), connection=number, state=seen.state,
            summary="the kernel runs another timer", kind=CheckKind.TIMER,
        )  # fmt: skip

    def expect_gone(self, of: Remote, after: float) -> float:
        """The connection to this peer must be gone so many seconds after its last segment, and not earlier.

        Returns the measured number of seconds.
        """
        switchboard, conversation = self._switchboard, of.conversation
        number, history = conversation.number, switchboard.history
        began_ns = history.last_segment_ns(number)
        earliest_ns, latest_ns = window(after).after(began_ns)
        with switchboard.waiting_for("the end of the connection", began_ns, latest_ns):
            polled = poll_until_gone(
                switchboard, conversation, began_ns, earliest_ns, latest_ns + GRACE_NS, ignore_retransmissions=True
            )
        since_cause = (began_ns - history.timer_set_ns(number)) / 1e9
        allowed = window(after, switchboard.delays.since(began_ns), set_before=since_cause)
        earliest_ns, latest_ns = allowed.after(began_ns)
        switchboard.expect_nothing_left(conversation, "nothing until the end of the connection")
        seconds = ((polled.gone_ns or time.monotonic_ns()) - began_ns) / 1e9
        on_time = polled.gone_ns is not None and polled.gone_ns >= earliest_ns and polled.alive_ns <= latest_ns
        expected = f"{allowed.earliest:.2f} to {allowed.latest:.2f} s"
        got = f"{seconds:.2f} s" if polled.gone_ns else f"not after {seconds:.2f} s"
        self._recorder.check(
            "gone", (Row("gone", expected, got, on_time),), connection=number,
            state=polled.alive.state if polled.alive and not polled.gone_ns else None,
            summary="the connection does not end when it should", kind=CheckKind.TIMER,
        )  # fmt: skip
        return seconds

    def schedule(self, of: Remote) -> Schedule:
        """Schedule of retransmissions for the kernel's last segment to this peer.

        It is computed from the sysctls, the options that the scenario has set on the socket, and the running timer.
        """
        seen, conversation = self._look(of), of.conversation
        settings, info = self._settings(of), self.tcp_info(of)
        if seen.state is State.SYN_SENT:
            return timers.syn_schedule(settings)
        if seen.state is State.SYN_RECEIVED:
            if info:
                return timers.crossed_syn_ack_schedule(settings)
            acknowledged = self._switchboard.history.has_acknowledged(conversation.number)
            return timers.syn_ack_schedule(settings, acknowledged=acknowledged)
        unread = len(conversation.inbox)
        if seen.timer == "keepalive" and conversation.options.get("SO_KEEPALIVE"):
            return timers.keepalive_schedule(settings, max(0, seen.retransmits - unread))
        if seen.timer == "zero-window probe" and info:
            backoff, sent = max(0, info["backoff"] - unread), max(0, info["probes"] - unread)
            return timers.probe_schedule(settings, info["rto"] / 1e6, backoff, sent, orphan=not seen.inode)
        if not info or not info["rto"]:
            if info or seen.state is State.CLOSED:  # a socket that is being dismantled has an RTO of 0
                self._ensure_in_time(of, timers.bounds(settings).earliest)
            raise ScenarioError(f"the kernel is in {seen.state} and has nothing to retransmit")
        rto = info["rto"] / 1e6 * 2.0 ** -info["backoff"]
        least, most = timers.bounds(settings)
        self._recorder.check(
            "RTO", (Row("RTO", f"{least:g} to {most:g} s", f"{rto:g} s", least <= rto <= most),),
            connection=conversation.number, state=seen.state, kind=CheckKind.TIMER,
            summary="the kernel's retransmission timeout is out of its bounds",
            why="the timeout has a minimum and a maximum   RFC 6298 2.4, 2.5",
        )  # fmt: skip
        return timers.synchronized_schedule(settings, rto, orphan=not seen.inode)

    def first_timeout(self, round_trip: float) -> Window:
        """Bounds of the RTO after one measured round trip, all in seconds; Linux rounds it up to whole jiffies.

        `round_trip` is 0 if none was measured, because a SYN or SYN+ACK was sent twice.
        """
        return timers.first_timeout(self._recorder.recording.sysctls, round_trip)

    def fin_wait_2_timers(self, of: Remote, seconds: float | None = None) -> tuple[float, ...]:
        """Timers of this peer's connection as an orphan in FIN-WAIT-2, one after the other, in seconds.

        Their length is that of TCP_LINGER2 or tcp_fin_timeout, or `seconds`, but at least 3.5 RTOs. That is more only
        after a long round trip on a busy machine. TCP_INFO has the RTO of a full socket. Without one the length is
        computed from the running timer, up to what the longest round trip explains.
        """
        settings, info = self._settings(of), self.tcp_info(of)
        if info:
            return timers.fin_wait_2(settings, seconds, info["rto"] / 1e6)
        least = timers.fin_wait_2(settings, seconds)
        if len(least) > 1:  # the first timer was that of the full socket, which is gone
            self._ensure_in_time(of, least[0])
        number, history = of.conversation.number, self._switchboard.history
        rto = timers.longest_timeout(settings, history.longest_round_trip(number))
        most = timers.fin_wait_2(settings, seconds, rto)
        if most == least:
            return least
        longest = most[0] if len(most) == len(least) else timers.TIME_WAIT_S
        now_ns = time.monotonic_ns()  # read before the query: `set_to` may be a little too small, never too large
        set_to = self._look(of).expires_ms / 1000 + (now_ns - history.last_segment_ns(number)) / 1e9
        return (min(max(set_to, least[0]), longest),) * len(least)

    def _settings(self, of: Remote) -> Mapping[str, str]:
        return timers.settings_of(self._recorder.recording.sysctls, of.conversation.options)

    def inet_diag(self, of: Remote) -> KernelState:
        """State, timer and queues of the connection to this peer, read by inet_diag as ss(8) does."""
        return self._look(of)

    def tcp_info(self, of: Remote) -> dict[str, int]:
        """TCP_INFO of the connection to this peer, also when no program has it open any more.

        {} without a full socket: for a connection request, for a mini-socket such as in TIME-WAIT, or if it is gone.
        """
        return self._states.tcp_info(of.conversation.number)

    def count(self, state: State | str | None = None) -> int:
        """Number of connections in that state, after the kernel has processed everything sent so far.

        Without a state: all connections, including requests and those in TIME-WAIT, but no listeners.
        """
        states = [state_named(state)] if state is not None else _OF_CONNECTIONS
        self._switchboard.fence()
        found = self._states.all_in(*states)
        self._ensure_crowds_last(*states)
        return len(found)

    def timers(self, state: State | str) -> set[str]:
        """Names of the timers that run for connections in that state, with "" if one has no timer."""
        self._switchboard.fence()
        found = self._states.all_in(state_named(state))
        self._ensure_crowds_last(state_named(state))
        return {each.timer for each in found}

    def _ensure_crowds_last(self, *states: State) -> None:
        """Raise Inconclusive if timers may have ended some connections of a crowd by now, but not all."""
        now_ns, sysctls = time.monotonic_ns(), self._recorder.recording.sysctls
        for crowd in self._switchboard.crowd_times:
            settings = timers.settings_of(sysctls, crowd.options)
            for seconds in {timers.lifetime(settings, state) for state in states} - {math.inf}:
                if window(seconds).after(crowd.began_ns)[0] <= now_ns <= window(seconds).after(crowd.ended_ns)[1]:
                    raise Inconclusive(
                        f"this machine took so long that timers of {seconds:g} s may have ended some of the connections"
                    )

    def _ensure_timers_have_not_ended_it(self, of: Remote, wanted: State) -> None:
        """Raise Inconclusive if the connection may have been in this state, and timers may have ended it since."""
        number, history = of.conversation.number, self._switchboard.history
        waiting_ns = history.unacknowledged_ns(number)
        seconds = timers.lifetime(self._settings(of), wanted, unacknowledged=waiting_ns is not None)
        self._ensure_in_time(of, seconds - EARLY_S, waiting_ns)

    def _ensure_in_time(self, of: Remote, seconds: float, since_ns: int | None = None) -> None:
        """Raise Inconclusive if a timer of `seconds` may have expired, since its last segment or `since_ns`."""
        if since_ns is None:
            since_ns = self._switchboard.history.last_segment_ns(of.conversation.number)
        later = (time.monotonic_ns() - since_ns) / 1e9
        if later > seconds:
            raise Inconclusive(
                f"this machine was held up for {later:.1f} s, and the kernel's timer expired before it was read"
            )

    def _poll_state(self, at: Remote | Listener, wanted: State, within: float) -> State:
        if not self._switchboard.cut:
            self._switchboard.fence()
        seen = self._look(at)
        now_ns = time.monotonic_ns()
        deadline_ns, pause_ns = now_ns + int(within * 1e9), _SHORTEST_PAUSE_NS
        with self._switchboard.waiting_for(wanted.value, now_ns, deadline_ns):
            while seen.state is not wanted and now_ns < deadline_ns:
                # Until the timer fires only a segment changes the state, and a segment ends the wait.
                wake_ns = now_ns + max(pause_ns, seen.expires_ms * 1_000_000)
                if not self._switchboard.wait(min(wake_ns, deadline_ns)):
                    pause_ns = min(2 * pause_ns, _LONGEST_PAUSE_NS)
                now_ns = time.monotonic_ns()  # read before the state: what the deadline has brought is seen
                number = at.conversation.number if not isinstance(at, Listener) else None
                seen = self._look(at) if number is None else self._states.observe_change(number)
        return seen.state

    def _look(self, at: Remote | Listener) -> KernelState:
        if isinstance(at, Listener):
            return self._states.observe_listener(at.address, at.port)
        conversation = at.conversation
        if conversation.number < 0:
            raise ScenarioError(
                f"the peer on port {conversation.port} has no connection yet, so the kernel has no state for it"
            )
        return self._states.observe(conversation.number)


def state_named(named: State | str) -> State:
    """The state of this name in RFC 9293; ScenarioError if there is none."""
    wanted = _STATES.get(named)
    if wanted is None:
        raise ScenarioError(f"{named!r} is not a state, use one of {', '.join(State)}{did_you_mean(named, State)}")
    return wanted
