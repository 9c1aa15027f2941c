"""Linux's retransmission schedules and timers, computed from its sysctls: pure functions, all times in seconds.

For a sysctl that an older kernel lacks, the behaviour of that kernel is assumed. The rules are those of
net/ipv4/tcp_timer.c and inet_connection_sock.c in Linux.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from lab.session.tolerance import LONGEST_JIFFY_S, Window

TIME_WAIT_S = 60.0
"""Duration of TIME-WAIT: TCP_TIMEWAIT_LEN, a constant of Linux that no setting changes."""

_INITIAL_RTO_MS = 1000  # TCP_TIMEOUT_INIT, RFC 6298 2.1: before any measurement
_MODEL_RTO_MS = 200  # TCP_RTO_MIN: Linux computes the time to give up from it, whatever tcp_rto_min_us is
_MAX_RTO_MS = 120_000  # TCP_RTO_MAX: before tcp_rto_max_ms (Linux 6.15), and always for a connection request
_MIN_RTO_US = 200_000  # TCP_RTO_MIN: before tcp_rto_min_us (Linux 6.11)
_FALLBACK_RTO_S = 3.0  # TCP_TIMEOUT_FALLBACK
_MIN_RTOS = 3.5  # tcp_fin_time(): FIN-WAIT-2 has to outlast a retransmission of the other side's FIN
_ORPHAN_RETRIES = 8  # meaning of tcp_orphan_retries = 0: more than 100 s with the shortest RTO


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

    def timeout(self, retransmissions: int) -> float:
        """Seconds from the last transmission to the next expiry, after so many retransmissions."""
        return min(self.first_rto * 2.0 ** max(0, retransmissions - self.linear), self.max_rto)

    def gives_up(self, retransmissions: int, since_first: float, since_retransmission: float) -> bool:
        """Whether the next expiry is the last; times since first transmission and first retransmission in seconds."""
        if retransmissions == 0:
            return self.limit == 0
        if self.limit is not None and retransmissions >= self.limit:
            return True
        give_up_after = self.give_up_after
        if self.give_up_at_max_rto is not None and self.timeout(retransmissions) >= self.max_rto:
            give_up_after = self.give_up_at_max_rto
        elapsed = since_retransmission if self.from_retransmission else since_first
        return give_up_after is not None and elapsed >= give_up_after

    def after(self, expiries: int) -> float:
        """Seconds from the first transmission until so many expiries have passed."""
        return sum(map(self.timeout, range(expiries)))

    def expiries(self) -> Iterator[Expiry]:
        """Yield all expiries, assuming that every timer is on time."""
        at = first_retransmission = 0.0
        sent = 0
        while True:
            at += self.timeout(sent)
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
    first, longest = _INITIAL_RTO_MS, _max_rto_ms(settings)
    give_up_after = _time_for_retries(retries, first, longest)
    return Schedule(first / 1000, longest / 1000, linear, limit=retries + linear, give_up_after=give_up_after)


def syn_ack_schedule(settings: Mapping[str, str]) -> Schedule:
    """Schedule of a listener's SYN+ACK: a connection request has a timer of its own, which ignores tcp_rto_max_ms."""
    return Schedule(_INITIAL_RTO_MS / 1000, _MAX_RTO_MS / 1000, limit=_number(settings, "tcp_synack_retries", 5))


def crossed_syn_ack_schedule(settings: Mapping[str, str]) -> Schedule:
    """Schedule of the SYN+ACK after a simultaneous open: it continues the timer of the SYN, but is never linear."""
    retries = _number(settings, "tcp_syn_retries", 6)
    first, longest = _INITIAL_RTO_MS, _max_rto_ms(settings)
    give_up_after = _time_for_retries(retries, first, longest)
    return Schedule(first / 1000, longest / 1000, limit=retries, give_up_after=give_up_after)


def synchronized_schedule(settings: Mapping[str, str], rto: float, *, orphan: bool) -> Schedule:
    """Schedule of data or a FIN, with an RTO of `rto` seconds; no program has an `orphan` open any more."""
    longest = _max_rto_ms(settings)
    retries = _number(settings, "tcp_retries2", 15)
    at_max_rto = None
    if orphan:
        chosen = _number(settings, "tcp_orphan_retries", 0)
        retries = chosen or _ORPHAN_RETRIES
        at_max_rto = _time_for_retries(chosen, _MODEL_RTO_MS, longest)
    give_up_after = _time_for_retries(retries, _MODEL_RTO_MS, longest)
    return Schedule(
        rto, longest / 1000, give_up_after=give_up_after, from_retransmission=True, give_up_at_max_rto=at_max_rto
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
        return 2 * LONGEST_JIFFY_S  # TCP_TIMEOUT_MIN
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
