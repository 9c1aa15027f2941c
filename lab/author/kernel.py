"""Kernel API for scenarios: sockets and settings, the states of its connections, their timers and how they end."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Concatenate, ParamSpec

from lab.author.sockets import Connection, Listener, Remote, Socket
from lab.host import sysctls, veth
from lab.host.addresses import Pair
from lab.host.namespace import Namespace
from lab.host.network import KERNEL_INTERFACE
from lab.host.sockets import CallResult, KernelSocket
from lab.record.events import CheckKind
from lab.record.expectation import Row
from lab.record.kernel_state import KernelState
from lab.session import timers
from lab.session.errors import NotApplicable, ScenarioError
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
        """Once it was asked for, until it changes."""

    # Sockets.

    def listen(
        self,
        port: int,
        backlog: int = 16,
        options: Mapping[str, int] | None = None,
        error: str = "",
        *,
        second_address: bool = False,
    ) -> Listener:
        """A listening socket, with these socket options: {"TCP_DEFER_ACCEPT": 1}.

        `error` is the errno with which bind(2) fails, where it should; then there is no listener.
        """
        opened = self._socket()
        address = self._pair.second_kernel if second_address else self._pair.kernel
        listener = Listener(opened, self._recorder, address, port)
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
        options: Mapping[str, int] | None = None,
        error: str = "EINPROGRESS",
        *,
        second_address: bool = False,
    ) -> Connection:
        """Begin to connect to a peer, from a port of the kernel's choice unless one is given.

        `error` is the errno with which connect(2) returns at once, when it is not EINPROGRESS.
        """
        opened = self._socket()
        connection = Connection(opened, self._recorder)
        self._open.append(connection)
        for name, value in (options or {}).items():
            connection.set_option(name, value)
        if port or second_address:
            address = self._pair.second_kernel if second_address else self._pair.kernel
            connection.call("bind", opened.bind(address, port), port)
        result = opened.connect(to.conversation.address, to.conversation.port)
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
        """The MSS that it announces: the interface's MTU less the IP and TCP headers (RFC 9293 3.7.1)."""
        if self._mtu is None:
            self._mtu = veth.mtu(self._namespace, KERNEL_INTERFACE)
        return self._mtu - (60 if self._pair.family == 6 else 40)

    @property
    def window_scale(self) -> int:
        """The shift that it offers: the least that makes its largest receive buffer fit 16 bits (Linux's choice).

        The largest is the end of tcp_rmem, or what SO_RCVBUF may ask for (net.core.rmem_max) where that is more.
        """
        largest = int(self._recorder.recording.sysctls["net.ipv4.tcp_rmem"].split()[2])
        with closing(self._socket()) as any_socket:
            return self.shift_for(max(largest, any_socket.max_receive_buffer()))

    def shift_for(self, window: int) -> int:
        """The least window scale with which so many bytes fit the 16 bits of the window field; never above 14."""
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
        """A setting of this kernel's namespace; given a value, sets it for the rest of this scenario.

        `missing` is what a kernel does that does not have this setting.
        """
        if value is not None:
            try:
                self._set("sysctl", (name, value), sysctls.apply, {name: str(value)})
            except FileNotFoundError:
                raise ScenarioError(f"this kernel has no sysctl {name}") from None
        found = sysctls.read(self._namespace, [name])
        if name not in found:
            if missing:
                return missing
            raise ScenarioError(f"this kernel has no sysctl {name}")
        self._recorder.recording.sysctls[name] = found[name]
        return found[name]

    def counter(self, name: str) -> int:
        """Value of a counter of this kernel's namespace, by its name in nstat(8); ScenarioError if there is none."""
        found = self._namespace.counters()
        if name not in found:
            raise ScenarioError(f"this kernel has no counter {name}")
        return self._recorder.readings.observed("counter", found[name])

    def _set(
        self, name: str, shown: tuple[object, ...], change: Callable[Concatenate[Namespace, P], None],
        *arguments: P.args, **named: P.kwargs,
    ) -> None:  # fmt: skip
        try:
            change(self._namespace, *arguments, **named)
        except FileNotFoundError:
            raise
        except OSError as refused:
            raise ScenarioError(str(refused)) from None
        self._recorder.call(name, shown, CallResult(), None)

    # States and timers of its connections.

    def expect_state(self, of: Remote | Listener, state: State | str, within: float = 0.0) -> None:
        """The kernel says that the connection to this peer (or this listener) is in that state.

        If it is not, everything sent so far is fenced and the kernel asked once more; `within` waits that many seconds
        for a state that a timer brings.
        """
        wanted = _state(state)
        seen = self._look(of).state
        if seen is not wanted:
            seen = self._poll_state(of, wanted, within)
        number = None if isinstance(of, Listener) else of.conversation.number
        self._recorder.check(
            "state",
            _AGREEING[wanted] if seen is wanted else (Row("state", wanted.value, seen.value, False),),
            summary=f"the kernel is in state {seen.both_names}",
            kind=CheckKind.STATE,
            connection=number,
            state=seen,
        )

    def expect_timer(self, of: Remote, timer: str, seconds: float = 0.0) -> None:
        """The kernel runs this timer for the connection to this peer ("" for none), set to so many seconds.

        It was set by the last segment of the connection; what has gone by since then is taken into account, and that a
        retransmission timer may have been set anew meanwhile.
        """
        seen, now_ns = self._look(of), time.monotonic_ns()
        if timer and (seen.state is State.CLOSED or (timer, seen.timer) == ("keepalive", "time-wait")):
            self._ensure_in_time(of, seconds)  # the next one runs where there are two, see fin_wait_2_timers
        if timer == "retransmission" == seen.timer and seen.retransmits:
            seconds = self.schedule(of).timeout(seen.retransmits)
        expected = f"{timer}, {seconds:g} s" if timer else "none"
        got = f"{seen.timer}, {seen.expires_ms / 1000:g} s" if seen.timer else "none"
        number, history = of.conversation.number, self._switchboard.history
        left = seconds - (now_ns - history.timer_set_ns(number)) / 1e9
        least = window(left, self._switchboard.delays.since(history.last_segment_ns(number))).earliest
        agrees = seen.timer == timer and (not timer or least <= seen.expires_ms / 1000 <= seconds + EARLY_S)
        self._recorder.check(
            "timer", (Row("timer", expected, got, agrees),), connection=number, state=seen.state,
            summary="the kernel runs another timer", kind=CheckKind.TIMER,
        )  # fmt: skip

    def expect_gone(self, of: Remote, after: float) -> float:
        """Nothing is left of the connection to this peer so many seconds after its last segment, and not before.

        Returns after how many seconds it was gone.
        """
        switchboard, conversation = self._switchboard, of.conversation
        number, history = conversation.number, switchboard.history
        began_ns = history.last_segment_ns(number)
        earliest_ns, latest_ns = window(after).after(began_ns)
        with switchboard.waiting_for("its end", began_ns, latest_ns):
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
        """When the segment that the kernel has sent last to this peer will be sent again, by the kernel's settings."""
        seen = self._look(of)
        settings, info = self._recorder.recording.sysctls, self.tcp_info(of)
        if seen.state is State.SYN_SENT:
            return timers.syn_schedule(settings)
        if seen.state is State.SYN_RECEIVED:
            return timers.crossed_syn_ack_schedule(settings) if info else timers.syn_ack_schedule(settings)
        if not info or not info["rto"]:
            if info or seen.state is State.CLOSED:  # a socket that is being dismantled has an RTO of 0
                self._ensure_in_time(of, timers.bounds(settings).earliest)
            raise ScenarioError(f"the kernel is in {seen.state} and has nothing that it would send again")
        rto = info["rto"] / 1e6 * 2.0 ** -info["backoff"]
        least, most = timers.bounds(settings)
        self._recorder.check(
            "RTO", (Row("RTO", f"{least:g} to {most:g} s", f"{rto:g} s", least <= rto <= most),),
            connection=of.conversation.number, state=seen.state, kind=CheckKind.TIMER,
            summary="the kernel's retransmission timeout is out of its bounds",
            why="the timeout has a least and a greatest value   RFC 6298 2.4, 2.5",
        )  # fmt: skip
        return timers.synchronized_schedule(settings, rto, orphan=not seen.inode)

    def first_timeout(self, round_trip: float) -> Window:
        """The RTO of a connection of which one round trip was measured, all in seconds; it is in whole jiffies.

        0 when none was, because a SYN or SYN+ACK was sent twice.
        """
        return timers.first_timeout(self._recorder.recording.sysctls, round_trip)

    def fin_wait_2_timers(self, of: Remote, seconds: float | None = None) -> tuple[float, ...]:
        """Timers of the orphan at the other end in FIN-WAIT-2, one after the other, in seconds.

        So the kernel's settings say, or `seconds` of TCP_LINGER2. Linux takes 3.5 RTOs at least, which are more only
        where a machine was held up between a segment and its acknowledgment. Where the socket is whole it says so; else
        what counts is the timer that runs, as far as that round trip explains it.
        """
        settings = self._recorder.recording.sysctls
        info = self.tcp_info(of)
        if info:
            return timers.fin_wait_2(settings, seconds, info["rto"] / 1e6)
        least = timers.fin_wait_2(settings, seconds)
        if len(least) > 1:  # the first of them is a whole socket's, which is not there any more
            self._ensure_in_time(of, least[0])
        number, history = of.conversation.number, self._switchboard.history
        rto = timers.longest_timeout(settings, history.longest_round_trip(number))
        most = timers.fin_wait_2(settings, seconds, rto)
        if most == least:
            return least
        longest = most[0] if len(most) == len(least) else timers.TIME_WAIT_S
        now_ns = time.monotonic_ns()  # before the look: rather less than was set, which what is left still fits
        set_to = self._look(of).expires_ms / 1000 + (now_ns - history.last_segment_ns(number)) / 1e9
        return (min(max(set_to, least[0]), longest),) * len(least)

    def inet_diag(self, of: Remote) -> KernelState:
        """State, timer and queues of the connection to this peer, read by inet_diag as ss(8) does."""
        return self._look(of)

    def tcp_info(self, of: Remote) -> dict[str, int]:
        """TCP_INFO of the connection to this peer, also when no program has it open any more.

        {} for what is no whole socket: a connection request, TIME-WAIT, nothing at all.
        """
        return self._states.tcp_info(of.conversation.number)

    def count(self, state: State | str | None = None) -> int:
        """Number of connections in that state, after the kernel has dealt with everything sent so far.

        Without a state all connections, requests and what waits in TIME-WAIT included; a listener is none.
        """
        self._switchboard.fence()
        return len(self._states.all_in(*([_state(state)] if state is not None else _OF_CONNECTIONS)))

    def timers(self, state: State | str) -> set[str]:
        """The timers that run for connections in that state, "" where one has none."""
        self._switchboard.fence()
        return {each.timer for each in self._states.all_in(_state(state))}

    def _ensure_in_time(self, of: Remote, seconds: float) -> None:
        """Raise NotApplicable if a timer of `seconds` may have expired since the connection's last segment."""
        later = (time.monotonic_ns() - self._switchboard.history.last_segment_ns(of.conversation.number)) / 1e9
        if later > seconds:
            raise NotApplicable(
                f"this machine was held up for {later:.1f} s, and the kernel's timer was over before anybody could look"
            )

    def _poll_state(self, at: Remote | Listener, wanted: State, within: float) -> State:
        if not self._switchboard.cut:
            self._switchboard.fence()
        seen = self._look(at)
        now_ns = time.monotonic_ns()
        deadline_ns, pause_ns = now_ns + int(within * 1e9), _SHORTEST_PAUSE_NS
        with self._switchboard.waiting_for(wanted.value, now_ns, deadline_ns):
            while seen.state is not wanted and now_ns < deadline_ns:
                # Until its timer fires nothing but a segment changes the state, and a segment ends the wait.
                wake_ns = now_ns + max(pause_ns, seen.expires_ms * 1_000_000)
                if not self._switchboard.wait(min(wake_ns, deadline_ns)):
                    pause_ns = min(2 * pause_ns, _LONGEST_PAUSE_NS)
                number = at.conversation.number if not isinstance(at, Listener) else None
                seen = self._look(at) if number is None else self._states.observe_change(number)
                now_ns = time.monotonic_ns()
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


def _state(named: State | str) -> State:
    wanted = _STATES.get(named)
    if wanted is None:
        raise ScenarioError(f"{named!r} is not a state, use one of {', '.join(each.value for each in State)}")
    return wanted
