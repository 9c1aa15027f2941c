"""What the kernel says of its connections, in an author's words: their states, their timers, and how they end."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from lab.record.events import CheckKind
from lab.record.expectation import Row
from lab.record.kernel_state import KernelState
from lab.session import timers
from lab.session.errors import NotApplicable, ScenarioError
from lab.session.polling import look_until_gone
from lab.session.switchboard import Exchange
from lab.tcp.state import State

if TYPE_CHECKING:
    from lab.author.sockets import Listener
    from lab.session.dialogue import Dialogue
    from lab.session.timers import Schedule, Window

_SHORTEST_PAUSE_NS, _LONGEST_PAUSE_NS = 2_000_000, 16_000_000


class Observed:
    """A kernel that is looked at: by inet_diag whenever somebody asks, by the tracepoint all the time."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._timeline = exchange.timeline
        self._journal = exchange.journal

    def expect_state(self, of: Dialogue | Listener, state: State | str, within: float = 0.0) -> None:
        """The kernel says that the connection to this peer (or this listener) is in that state.

        If it is not, everything sent so far is fenced and the kernel asked once more; `within` waits that many seconds
        for a state that a timer brings.
        """
        wanted = _state(state)
        seen = self._look(of).state
        if seen is not wanted:
            seen = self._look_again(of, wanted, within)
        if seen is wanted:
            self._journal.agrees("state", _AGREEING[wanted], of.number, CheckKind.STATE)
        else:
            rows = (Row("state", wanted.value, seen.value, False),)
            summary = f"the kernel is in state {seen.both_names}"
            self._journal.differs(
                "state", rows, summary=summary, connection=of.number, state=seen, kind=CheckKind.STATE
            )

    def expect_timer(self, of: Dialogue, timer: str, seconds: float = 0.0) -> None:
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
        began_ns = self._last_segment_ns(of)
        left = seconds - (now_ns - self._exchange.spoken.set_ns(of.number)) / 1e9
        least = timers.window(left, self._exchange.hold_ups.since(began_ns)).earliest
        agrees = seen.timer == timer and (not timer or least <= seen.expires_ms / 1000 <= seconds + timers.EARLY_S)
        self._journal.verify_row(
            "timer", Row("timer", expected, got, agrees), connection=of.number, state=seen.state,
            summary="the kernel runs another timer", kind=CheckKind.TIMER,
        )  # fmt: skip

    def expect_gone(self, of: Dialogue, after: float) -> float:
        """Nothing is left of the connection to this peer so many seconds after its last segment, and not before.

        Returns after how many seconds it was gone.
        """
        began_ns = self._last_segment_ns(of)
        earliest_ns, latest_ns = timers.window(after).after(began_ns)
        with self._exchange.waiting_for("its end", began_ns, latest_ns):
            looks = look_until_gone(of, self._timeline, began_ns, earliest_ns, latest_ns + timers.GRACE_NS, news=True)
        allowed = timers.window(after, self._exchange.hold_ups.since(began_ns))
        since_cause = (began_ns - self._exchange.spoken.set_ns(of.number)) / 1e9
        allowed = allowed._replace(earliest=allowed.earliest - since_cause)
        earliest_ns, latest_ns = allowed.after(began_ns)
        of.expect_nothing_left("nothing until the end of the connection")
        seconds = ((looks.gone_ns or time.monotonic_ns()) - began_ns) / 1e9
        on_time = looks.gone_ns is not None and looks.gone_ns >= earliest_ns and looks.alive_ns <= latest_ns
        expected = f"{allowed.earliest:.2f} to {allowed.latest:.2f} s"
        got = f"{seconds:.2f} s" if looks.gone_ns else f"not after {seconds:.2f} s"
        self._journal.verify_row(
            "gone", Row("gone", expected, got, on_time), connection=of.number,
            state=looks.alive.state if looks.alive and not looks.gone_ns else None,
            summary="the connection does not end when it should", kind=CheckKind.TIMER,
        )  # fmt: skip
        return seconds

    def schedule(self, of: Dialogue) -> Schedule:
        """When the segment that the kernel has sent last to this peer will be sent again, by the kernel's settings."""
        seen = self._look(of)
        settings, info = self._journal.recording.sysctls, self.tcp_info(of)
        if seen.state is State.SYN_SENT:
            return timers.of_syn(settings)
        if seen.state is State.SYN_RECEIVED:
            return timers.of_crossed_syn_ack(settings) if info else timers.of_syn_ack(settings)
        if not info or not info["rto"]:
            if info or seen.state is State.CLOSED:  # a socket that is being dismantled has an RTO of 0
                self._ensure_in_time(of, timers.bounds(settings).earliest)
            raise ScenarioError(f"the kernel is in {seen.state} and has nothing that it would send again")
        rto = info["rto"] / 1e6 * 2.0 ** -info["backoff"]
        least, most = timers.bounds(settings)
        self._journal.verify_row(
            "RTO", Row("RTO", f"{least:g} to {most:g} s", f"{rto:g} s", least <= rto <= most), connection=of.number,
            state=seen.state, summary="the kernel's retransmission timeout is out of its bounds",
            why="the timeout has a least and a greatest value   RFC 6298 2.4, 2.5", kind=CheckKind.TIMER,
        )  # fmt: skip
        return timers.of_synchronized(settings, rto, orphan=not seen.inode)

    def first_timeout(self, round_trip: float) -> Window:
        """The RTO of a connection of which one round trip was measured, all in seconds; it is in whole jiffies.

        0 when none was, because a SYN or SYN+ACK was sent twice.
        """
        return timers.first_timeout(self._journal.recording.sysctls, round_trip)

    def fin_wait_2_timers(self, of: Dialogue, seconds: float | None = None) -> tuple[float, ...]:
        """How many seconds the orphan that speaks with this peer stays in FIN-WAIT-2: its timers, one after the other.

        So the kernel's settings say, or `seconds` of TCP_LINGER2. Linux takes 3.5 RTOs at least, which are more only
        where a machine was held up between a segment and its acknowledgment. Where the socket is whole it says so; else
        what counts is the timer that runs, as far as that round trip explains it.
        """
        settings = self._journal.recording.sysctls
        info = self.tcp_info(of)
        if info:
            return timers.fin_wait_2(settings, seconds, info["rto"] / 1e6)
        least = timers.fin_wait_2(settings, seconds)
        if len(least) > 1:  # the first of them is a whole socket's, which is not there any more
            self._ensure_in_time(of, least[0])
        rto = timers.longest_timeout(settings, self._exchange.spoken.longest_round_trip(of.number))
        most = timers.fin_wait_2(settings, seconds, rto)
        if most == least:
            return least
        longest = most[0] if len(most) == len(least) else timers.TIME_WAIT_S
        now_ns = time.monotonic_ns()  # before the look: rather less than was set, which what is left still fits
        told = self._look(of).expires_ms / 1000 + (now_ns - self._last_segment_ns(of)) / 1e9
        return (min(max(told, least[0]), longest),) * len(least)

    def look(self, at: Dialogue) -> State:
        """The kernel's state of the connection to this peer, now."""
        return self._look(at).state

    def details(self, at: Dialogue) -> KernelState:
        """Everything that inet_diag says of the connection to this peer: state, timer, queues."""
        return self._look(at)

    def tcp_info(self, of: Dialogue) -> dict[str, int]:
        """TCP_INFO of the connection to this peer, also when no program has it open any more.

        {} for what is no whole socket: a connection request, TIME-WAIT, nothing at all.
        """
        return self._timeline.tcp_info(of.number)

    def count(self, state: State | str | None = None) -> int:
        """How many connections are in that state, once the kernel has dealt with everything sent so far.

        Without a state all connections, requests and what waits in TIME-WAIT included; a listener is none.
        """
        self._exchange.fence()
        return len(self._timeline.all_in(*([_state(state)] if state is not None else _OF_CONNECTIONS)))

    def timers(self, state: State | str) -> set[str]:
        """The timers that run for connections in that state, "" where one has none."""
        self._exchange.fence()
        return {each.timer for each in self._timeline.all_in(_state(state))}

    def _last_segment_ns(self, of: Dialogue) -> int:
        """When the last segment went over the wire, from whichever side."""
        return self._exchange.spoken.last_ns(of.number)

    def _ensure_in_time(self, of: Dialogue, seconds: float) -> None:
        """NotApplicable when a timer of so many seconds may have run out before anybody looked at the connection."""
        later = (time.monotonic_ns() - self._last_segment_ns(of)) / 1e9
        if later > seconds:
            raise NotApplicable(
                f"this machine was held up for {later:.1f} s, and the kernel's timer was over before anybody could look"
            )

    def _look_again(self, at: Dialogue | Listener, wanted: State, within: float) -> State:
        if not self._exchange.cut:
            self._exchange.fence()
        seen = self._look(at)
        now_ns = time.monotonic_ns()
        deadline_ns, pause_ns = now_ns + int(within * 1e9), _SHORTEST_PAUSE_NS
        with self._exchange.waiting_for(wanted.value, now_ns, deadline_ns):
            while seen.state is not wanted and now_ns < deadline_ns:
                # Until its timer fires nothing but a segment changes the state, and a segment ends the wait.
                wake_ns = now_ns + max(pause_ns, seen.expires_ms * 1_000_000)
                if not self._exchange.wait(min(wake_ns, deadline_ns)):
                    pause_ns = min(2 * pause_ns, _LONGEST_PAUSE_NS)
                seen = self._look(at) if at.number is None else self._timeline.glance(at.number)
                now_ns = time.monotonic_ns()
        return seen.state

    def _look(self, at: Dialogue | Listener) -> KernelState:
        number = at.number
        if number is None:
            return self._timeline.look_at_listener(at.address, at.port)
        if number < 0:
            raise ScenarioError(f"the peer on port {at.port} has no connection yet, so the kernel has no state for it")
        return self._timeline.look(number)


_OF_CONNECTIONS = tuple(state for state in State if state is not State.LISTEN)
_AGREEING = {state: (Row("state", state.value, state.value, True),) for state in State}
_STATES: dict[State | str, State] = {**{state.value: state for state in State}, **{state: state for state in State}}


def _state(named: State | str) -> State:
    wanted = _STATES.get(named)
    if wanted is None:
        raise ScenarioError(f"{named!r} is not a state, use one of {', '.join(each.value for each in State)}")
    return wanted
