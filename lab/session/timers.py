"""Linux's retransmission schedules and timers, computed from its settings: pure functions, all times in seconds.

`settings` are the sysctls, with the options of one socket laid over them by `settings_of`.
For a sysctl that an older kernel lacks, the behaviour of that kernel is assumed. The rules are those of
net/ipv4/tcp_timer.c and inet_connection_sock.c in Linux.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import NamedTuple

from lab.session.tolerance import LONGEST_JIFFY_S, Window
from lab.tcp.state import State

TIME_WAIT_S = 60.0
"""Duration of TIME-WAIT: TCP_TIMEWAIT_LEN, a constant of Linux that no setting changes."""

_SHORTEST_JIFFY_S = 0.001  # with CONFIG_HZ=1000
_INITIAL_RTO_MS = 1000  # TCP_TIMEOUT_INIT, RFC 6298 2.1: before any measurement
_MODEL_RTO_MS = 200  # TCP_RTO_MIN: Linux computes the time to give up from it, whatever tcp_rto_min_us is
_MAX_RTO_MS = 120_000  # TCP_RTO_MAX: before tcp_rto_max_ms (Linux 6.15), and always for a connection request
_MIN_RTO_US = 200_000  # TCP_RTO_MIN: before tcp_rto_min_us (Linux 6.11)
_FALLBACK_RTO_S = 3.0  # TCP_TIMEOUT_FALLBACK
_MIN_RTOS = 3.5  # tcp_fin_time(): FIN-WAIT-2 has to outlast a retransmission of the other side's FIN
_ORPHAN_RETRIES = 8  # meaning of tcp_orphan_retries = 0: more than 100 s with the shortest RTO


_SYSCTLS_OF_OPTIONS = {
    "TCP_SYNCNT": ("tcp_syn_retries", "tcp_synack_retries"),
    "TCP_LINGER2": ("tcp_fin_timeout",),
    "TCP_RTO_MIN_US": ("tcp_rto_min_us",),
    "TCP_RTO_MAX_MS": ("tcp_rto_max_ms",),
    "TCP_KEEPIDLE": ("tcp_keepalive_time",),
    "TCP_KEEPINTVL": ("tcp_keepalive_intvl",),
    "TCP_KEEPCNT": ("tcp_keepalive_probes",),
    "TCP_USER_TIMEOUT": ("user_timeout",),  # no sysctl has this and the next two
    "TCP_DEFER_ACCEPT": ("defer_accept",),
    "SO_KEEPALIVE": ("keepalive",),
}
"""The sysctls that a socket option replaces for its socket; 0 and less leave the sysctl in force."""


def settings_of(sysctls: Mapping[str, str], options: Mapping[str, object]) -> Mapping[str, str]:
    """The settings of one socket: the sysctls, replaced by its own options."""
    own = {
        f"net.ipv4.{name}": str(value)
        for option, value in options.items()
        for name in _SYSCTLS_OF_OPTIONS.get(option, ())
        if isinstance(value, int) and value > 0
    }
    return {**sysctls, **own} if own else sysctls


class Expiry(NamedTuple):
    """One expiry of the retransmission timer."""

    at: float
    """Seconds after the first transmission."""
    last: bool
    """Whether the kernel gives up at this expiry, instead of sending a retransmission."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """Retransmissions of a segment that is never acknowledged, until the kernel gives up."""

    first_rto: float
    """Seconds until the first retransmission."""
    max_rto: float
    """The RTO doubles with each retransmission, up to this many seconds."""
    linear: int = 0
    """Number of retransmissions before the RTO begins to double."""
    limit: int | None = None
    """Maximum number of retransmissions; None: only the time limits them."""
    give_up_after: float | None = None
    """Seconds after the first transmission at which the kernel gives up; None: only `limit` counts."""
    from_retransmission: bool = False
    """Whether `give_up_after` counts from the first retransmission instead of the first transmission."""
    give_up_at_max_rto: float | None = None
    """Replaces `give_up_after` once the RTO has reached `max_rto` (for an orphaned socket)."""
    cut: bool = False
    """Whether each timeout after the first ends at `give_up_after` at the latest (for TCP_USER_TIMEOUT)."""
    probing: bool = False
    """Whether these are probes, which a timer sends from the first on: the first timeout is like the others."""
    silent: int = 0
    """Number of expiries before the first retransmission, which only double the RTO."""
    with_reset: bool = False
    """Whether the kernel sends a reset when it gives up."""

    def timeout(self, retransmissions: int, elapsed: float = 0.0) -> float:
        """Seconds from the last transmission to the next expiry that sends or gives up, after so many retransmissions.

        `elapsed` are the seconds from where `give_up_after` counts to the last transmission.
        """
        if retransmissions == 0 and self.silent:
            return sum(map(self._rto, range(self.silent + 1)))
        rto = self._rto(retransmissions + self.silent)
        if self.cut and (retransmissions or self.probing) and self.give_up_after is not None:
            rto = min(rto, max(0.0, self.give_up_after - elapsed))
        return rto

    def _rto(self, expiries: int) -> float:
        return min(self.first_rto * 2.0 ** max(0, expiries - self.linear), self.max_rto)

    def gives_up(self, retransmissions: int, since_first: float, since_retransmission: float) -> bool:
        """Whether the next expiry is the last; times since first transmission and first retransmission in seconds."""
        if retransmissions == 0 and not self.probing:
            return self.limit == 0
        if self.limit is not None and retransmissions >= self.limit:
            return True
        give_up_after = self.give_up_after
        if self.give_up_at_max_rto is not None and self.timeout(retransmissions) >= self.max_rto:
            give_up_after = self.give_up_at_max_rto
        elapsed = since_retransmission if self.from_retransmission else since_first
        return give_up_after is not None and elapsed >= give_up_after

    def after(self, expiries: int) -> float:
        """Seconds from the first transmission until so many expiries have passed, or the kernel has given up."""
        return max((expiry.at for expiry in islice(self.expiries(), expiries)), default=0.0)

    def expiries(self) -> Iterator[Expiry]:
        """Yield all expiries that send a retransmission or give up, assuming that every timer is on time."""
        at = first_retransmission = 0.0
        sent = 0
        while True:
            at += self.timeout(sent, at - first_retransmission if self.from_retransmission else at)
            last = self.gives_up(sent, at, at - first_retransmission)
            yield Expiry(at, last)
            if last:
                return
            sent += 1
            first_retransmission = first_retransmission or at

    @property
    def retransmissions(self) -> int:
        """Number of retransmissions."""
        return sum(not expiry.last for expiry in self.expiries())

    @property
    def length(self) -> float:
        """Seconds until the kernel gives up."""
        return next(expiry.at for expiry in self.expiries() if expiry.last)

    def __str__(self) -> str:
        return times_text([expiry.at for expiry in self.expiries() if not expiry.last], self.length)


def times_text(times: Iterable[float], gave_up: float | None) -> str:
    """Times of retransmissions and of giving up as text: `1.0, 3.0 s, given up after 7.0 s`."""
    listed = ", ".join(f"{at:.1f}" for at in times)
    parts = [f"{listed} s" if listed else "none"]
    if gave_up is not None:
        parts.append(f"given up after {gave_up:.1f} s")
    return ", ".join(parts)


def syn_schedule(settings: Mapping[str, str]) -> Schedule:
    """Schedule of the SYN of connect(2): first some retransmissions a second apart (since Linux 6.5), then doubling."""
    linear = _number(settings, "tcp_syn_linear_timeouts", 0)
    retries = _number(settings, "tcp_syn_retries", 6)
    return _until_user_timeout(settings, _INITIAL_RTO_MS / 1000, retries, _INITIAL_RTO_MS, linear, retries + linear)


def syn_ack_schedule(settings: Mapping[str, str], *, acknowledged: bool = False) -> Schedule:
    """Schedule of a listener's SYN+ACK: a connection request has a timer of its own, which ignores tcp_rto_max_ms.

    With TCP_DEFER_ACCEPT an `acknowledged` request waits for data in silence, and the SYN+ACK is sent again only at the
    end of that time; it has been rounded up to expiries of the timer.
    """
    limit, silent = _number(settings, "tcp_synack_retries", 5), 0
    first, longest = _INITIAL_RTO_MS / 1000, _MAX_RTO_MS / 1000
    deferred = _number(settings, "defer_accept", 0)
    if deferred and acknowledged:
        waiting = Schedule(first, longest)
        expiries, at = 1, waiting.timeout(0)
        while at < deferred:
            at += waiting.timeout(expiries)
            expiries += 1
        silent = expiries - 1
        limit = max(limit, expiries)
    return Schedule(first, longest, limit=limit - silent, silent=silent)


def crossed_syn_ack_schedule(settings: Mapping[str, str]) -> Schedule:
    """Schedule of the SYN+ACK after a simultaneous open: it continues the timer of the SYN, but is never linear."""
    retries = _number(settings, "tcp_syn_retries", 6)
    return _until_user_timeout(settings, _INITIAL_RTO_MS / 1000, retries, _INITIAL_RTO_MS, limit=retries)


def synchronized_schedule(settings: Mapping[str, str], rto: float, *, orphan: bool) -> Schedule:
    """Schedule of data or a FIN, with an RTO of `rto` seconds; no program has an `orphan` open any more."""
    longest = _max_rto_ms(settings)
    retries = _number(settings, "tcp_retries2", 15)
    at_max_rto = None
    if orphan:
        chosen = _number(settings, "tcp_orphan_retries", 0)
        retries = chosen or _ORPHAN_RETRIES
        at_max_rto = _time_for_retries(chosen, _MODEL_RTO_MS, longest)
    schedule = _until_user_timeout(settings, rto, retries, _MODEL_RTO_MS)
    return replace(schedule, from_retransmission=True, give_up_at_max_rto=None if schedule.cut else at_max_rto)


def probe_schedule(settings: Mapping[str, str], rto: float, backoff: int, sent: int, *, orphan: bool) -> Schedule:
    """Schedule of zero-window probes after `sent` of them, with an RTO of `rto` seconds doubled `backoff` times.

    Each acknowledgment of a probe begins the count anew (RFC 9293 3.8.6.1), but not the doubling.
    """
    longest, own = _max_rto_ms(settings) / 1000, _number(settings, "user_timeout", 0) / 1000
    first = min(max(rto, _MODEL_RTO_MS / 1000) * 2.0**backoff, longest)
    most = _number(settings, "tcp_retries2", 15)
    if orphan:
        most = _number(settings, "tcp_orphan_retries", 0) or _ORPHAN_RETRIES
    limit = max(0, most - sent)
    return Schedule(first, longest, limit=limit, give_up_after=own or None, cut=bool(own), probing=True)


def keepalive_schedule(settings: Mapping[str, str], sent: int) -> Schedule:
    """Schedule of keep-alive probes after `sent` of them: equal intervals, and a reset at the end."""
    interval, most = _number(settings, "tcp_keepalive_intvl", 75), _number(settings, "tcp_keepalive_probes", 9)
    own = _number(settings, "user_timeout", 0) / 1000
    idle = _number(settings, "tcp_keepalive_time", 7200)
    return Schedule(
        interval,
        interval,
        limit=None if own else max(0, most - sent),
        give_up_after=own - idle if own else None,  # TCP_USER_TIMEOUT counts from the last segment of the peer
        probing=True,
        with_reset=True,
    )


def first_timeout(settings: Mapping[str, str], round_trip: float) -> Window:
    """The RTO after the first measurement of a round trip (RFC 6298 2.2); Linux rounds it up to whole jiffies.

    Four times RTTVAR is then twice the round trip. Linux has a minimum for that term, the RFC one for the RTO.
    Without a measurement (0) the RTO is three seconds (RFC 6298 5.7).
    """
    if not round_trip:
        return Window(_FALLBACK_RTO_S, _FALLBACK_RTO_S + LONGEST_JIFFY_S)
    least = round_trip + max(2 * round_trip, bounds(settings).earliest)
    return Window(least, least + LONGEST_JIFFY_S)


def bounds(settings: Mapping[str, str]) -> Window:
    """The minimum and the maximum RTO."""
    return Window(_number(settings, "tcp_rto_min_us", _MIN_RTO_US) / 1e6, _max_rto_ms(settings) / 1000)


def soonest_retransmission(settings: Mapping[str, str], *, syn: bool, soon: bool) -> float:
    """Least time from a transmission to a retransmission by a timer; `soon`: Linux's shortest timer may run."""
    if soon:
        return 2 * _SHORTEST_JIFFY_S  # TCP_TIMEOUT_MIN
    return _INITIAL_RTO_MS / 1000 if syn else bounds(settings).earliest


def longest_timeout(settings: Mapping[str, str], round_trip: float) -> float:
    """The largest RTO if no round trip took longer: neither SRTT nor RTTVAR is larger then (RFC 6298 2.3).

    After a retransmission no round trip is measured, but the RTO has doubled, by no more than the time elapsed.
    """
    return 2 * round_trip + max(4 * round_trip, bounds(settings).earliest) + LONGEST_JIFFY_S


def fin_wait_2(settings: Mapping[str, str], linger: float | None = None, rto: float = 0.0) -> tuple[float, ...]:
    """How long an orphan stays in FIN-WAIT-2: its timers, one after the other, in seconds.

    The time is tcp_fin_timeout, or `linger` (TCP_LINGER2), and at least 3.5 RTOs. With more than 60 s the full socket
    stays for the excess, and then a mini-socket for the excess again, at least 3.5 RTOs: 62 s give 2 s and 2 s.
    """
    chosen = float(_number(settings, "tcp_fin_timeout", 60)) if linger is None else linger
    seconds = max(chosen, _MIN_RTOS * rto)
    above = seconds - TIME_WAIT_S
    return (above, max(above, _MIN_RTOS * rto)) if above > 0 else (seconds,)


def lifetime(settings: Mapping[str, str], state: State, *, unacknowledged: bool = False) -> float:
    """The shortest time after which timers alone end a connection in this state; infinite if there is none.

    `unacknowledged`: the kernel waits for an acknowledgment of data.
    """
    if state is State.TIME_WAIT:
        return TIME_WAIT_S
    if state is State.FIN_WAIT_2:
        return min(fin_wait_2(settings))
    if state is State.SYN_SENT:
        return syn_schedule(settings).length
    if state is State.SYN_RECEIVED:
        return min(syn_ack_schedule(settings).length, crossed_syn_ack_schedule(settings).length)
    if unacknowledged or state in (State.FIN_WAIT_1, State.CLOSING, State.LAST_ACK):
        rto = bounds(settings).earliest
        return min(synchronized_schedule(settings, rto, orphan=orphan).length for orphan in (False, True))
    if _number(settings, "keepalive", 0):
        return _number(settings, "tcp_keepalive_time", 7200) + keepalive_schedule(settings, 1).length
    return math.inf


def _until_user_timeout(
    settings: Mapping[str, str], rto: float, retries: int, model_ms: int, linear: int = 0, limit: int | None = None
) -> Schedule:
    """Schedule that gives up after TCP_USER_TIMEOUT, or without it after the time that so many retries take."""
    own, longest = _number(settings, "user_timeout", 0), _max_rto_ms(settings)
    give_up_after = own / 1000 if own else _time_for_retries(retries, model_ms, longest)
    return Schedule(rto, longest / 1000, linear, limit, give_up_after, cut=bool(own))


def _time_for_retries(retries: int, first_ms: int, longest_ms: int) -> float:
    """Seconds for so many retries and the timeout after the last, with an RTO that doubles from `first_ms`."""
    doublings = (longest_ms // first_ms).bit_length() - 1
    if retries <= doublings:
        return ((2 << retries) - 1) * first_ms / 1000
    return (((2 << doublings) - 1) * first_ms + (retries - doublings) * longest_ms) / 1000


def _max_rto_ms(settings: Mapping[str, str]) -> int:
    return _number(settings, "tcp_rto_max_ms", _MAX_RTO_MS)


def _number(settings: Mapping[str, str], name: str, missing: int) -> int:
    return int(settings.get(f"net.ipv4.{name}", missing))
