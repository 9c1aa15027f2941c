"""When the kernel sends a segment again, and when it gives up: computed from its settings, as Linux does it.

Nothing here waits or asks: a mapping of sysctls goes in, seconds come out. A setting that an older kernel lacks counts
as what that kernel does without it. The rules are those of net/ipv4/tcp_timer.c and inet_connection_sock.c in Linux.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from lab.session.tolerance import LONGEST_JIFFY_S, Window

TIME_WAIT_S = 60.0
"""How long a connection stays in TIME-WAIT: a constant of Linux (TCP_TIMEWAIT_LEN), whatever the settings are."""

_FIRST_OF_A_SYN_MS = 1000  # TCP_TIMEOUT_INIT, RFC 6298 2.1: nothing is known of the way yet
_FIRST_OF_THE_MODEL_MS = 200  # TCP_RTO_MIN: what patience is counted in, whatever tcp_rto_min_us says
_LONGEST_MS = 120_000  # TCP_RTO_MAX: without tcp_rto_max_ms (before Linux 6.15), and always for a connection request
_SHORTEST_US = 200_000  # TCP_RTO_MIN: without tcp_rto_min_us (before Linux 6.11)
_UNMEASURED_S = 3.0  # TCP_TIMEOUT_FALLBACK
_LEAST_RTOS = 3.5  # tcp_fin_time(): FIN-WAIT-2 is to outlast a FIN of the other side that is sent again
_ORPHAN_RETRIES = 8  # what tcp_orphan_retries = 0 stands for: more than 100 s with the shortest RTO


class Expiry(NamedTuple):
    """One expiry of the retransmission timer, in seconds after the segment was sent first."""

    at: float
    last: bool
    """No copy is sent then: the kernel gives up."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """How often a segment that is never acknowledged is sent again, and when the kernel gives up."""

    first: float
    """Seconds until the first copy (the RTO)."""
    longest: float
    """The RTO doubles with each copy, up to this many seconds."""
    linear: int = 0
    """So many copies are sent before the RTO begins to double."""
    most: int | None = None
    """No more copies than that."""
    patience: float | None = None
    """Nor any once so many seconds have passed, since the segment was sent first or since its first copy."""
    from_copy: bool = False
    """Patience counts from the first copy."""
    patience_at_longest: float | None = None
    """The patience that is left once the RTO has reached its longest (with a socket that no program has any more)."""

    def timeout(self, copies: int) -> float:
        """Seconds from the last transmission to the next expiry, after so many copies."""
        return min(self.first * 2.0 ** max(0, copies - self.linear), self.longest)

    def gives_up(self, copies: int, since_first: float, since_copy: float) -> bool:
        """Whether the next expiry is the last, so many seconds after the first transmission and the first copy."""
        if copies == 0:
            return self.most == 0
        if self.most is not None and copies >= self.most:
            return True
        patience = self.patience
        if self.patience_at_longest is not None and self.timeout(copies) >= self.longest:
            patience = self.patience_at_longest
        return patience is not None and (since_copy if self.from_copy else since_first) >= patience

    def after(self, expiries: int) -> float:
        """Seconds until so many expiries have passed."""
        return sum(map(self.timeout, range(expiries)))

    def expiries(self) -> Iterator[Expiry]:
        """All of them, if every timer is on time."""
        at = first_copy = 0.0
        copies = 0
        while True:
            at += self.timeout(copies)
            last = self.gives_up(copies, at, at - first_copy)
            yield Expiry(at, last)
            if last:
                return
            copies += 1
            first_copy = first_copy or at

    @property
    def copies(self) -> int:
        """How many."""
        return sum(not expiry.last for expiry in self.expiries())

    @property
    def length(self) -> float:
        """Seconds until the kernel gives up."""
        return next(expiry.at for expiry in self.expiries() if expiry.last)

    def __str__(self) -> str:
        return told([expiry.at for expiry in self.expiries() if not expiry.last], self.length)


def told(copies: Iterable[float], gave_up: float | None) -> str:
    """`1.0, 3.0 s, given up after 7.0 s`."""
    listed = ", ".join(f"{at:.1f}" for at in copies)
    parts = [f"{listed} s" if listed else "no copy"]
    if gave_up is not None:
        parts.append(f"given up after {gave_up:.1f} s")
    return ", ".join(parts)


def of_syn(settings: Mapping[str, str]) -> Schedule:
    """The SYN of connect(2): some copies a second apart (since Linux 6.5), then ever more slowly."""
    linear = _number(settings, "tcp_syn_linear_timeouts", 0)
    retries = _number(settings, "tcp_syn_retries", 6)
    first, longest = _FIRST_OF_A_SYN_MS, _longest_ms(settings)
    return Schedule(
        first / 1000, longest / 1000, linear, most=retries + linear, patience=_patience(retries, first, longest)
    )


def of_syn_ack(settings: Mapping[str, str]) -> Schedule:
    """The SYN+ACK of a listener: a connection request has a timer of its own, which no longest RTO shortens."""
    return Schedule(_FIRST_OF_A_SYN_MS / 1000, _LONGEST_MS / 1000, most=_number(settings, "tcp_synack_retries", 5))


def of_crossed_syn_ack(settings: Mapping[str, str]) -> Schedule:
    """The SYN+ACK after two SYNs have crossed: it goes on with the timer and the patience of the SYN, never linear."""
    retries = _number(settings, "tcp_syn_retries", 6)
    first, longest = _FIRST_OF_A_SYN_MS, _longest_ms(settings)
    return Schedule(first / 1000, longest / 1000, most=retries, patience=_patience(retries, first, longest))


def of_synchronized(settings: Mapping[str, str], rto: float, *, orphan: bool) -> Schedule:
    """Data or a FIN of a connection whose RTO is `rto` seconds; an orphan is one that no program has open any more."""
    longest = _longest_ms(settings)
    retries = _number(settings, "tcp_retries2", 15)
    hopeless = None
    if orphan:
        chosen = _number(settings, "tcp_orphan_retries", 0)
        retries = chosen or _ORPHAN_RETRIES
        hopeless = _patience(chosen, _FIRST_OF_THE_MODEL_MS, longest)
    patience = _patience(retries, _FIRST_OF_THE_MODEL_MS, longest)
    return Schedule(rto, longest / 1000, patience=patience, from_copy=True, patience_at_longest=hopeless)


def first_timeout(settings: Mapping[str, str], round_trip: float) -> Window:
    """The RTO after the first measurement of a round trip (RFC 6298 2.2); Linux rounds it up to whole jiffies.

    Four times RTTVAR is twice the round trip then, and what has a lower bound is that, not the RTO as in the RFC.
    Without a measurement, 0, it begins at three seconds (RFC 6298 5.7).
    """
    if not round_trip:
        return Window(_UNMEASURED_S, _UNMEASURED_S + LONGEST_JIFFY_S)
    least = round_trip + max(2 * round_trip, bounds(settings).earliest)
    return Window(least, least + LONGEST_JIFFY_S)


def bounds(settings: Mapping[str, str]) -> Window:
    """The shortest and the longest RTO that there can be."""
    return Window(_number(settings, "tcp_rto_min_us", _SHORTEST_US) / 1e6, _longest_ms(settings) / 1000)


def longest_timeout(settings: Mapping[str, str], round_trip: float) -> float:
    """What the RTO is at most when no round trip took longer: SRTT is no longer then, nor is RTTVAR (RFC 6298 2.3).

    Where the segment was sent again meanwhile nothing was measured, but the RTO has doubled, in all by no more than the
    time that went by.
    """
    return 2 * round_trip + max(4 * round_trip, bounds(settings).earliest) + LONGEST_JIFFY_S


def fin_wait_2(settings: Mapping[str, str], linger: float | None = None, rto: float = 0.0) -> tuple[float, ...]:
    """How long an orphan stays in FIN-WAIT-2: its timers, one after the other, in seconds.

    That is tcp_fin_timeout, or `linger` (TCP_LINGER2), and at least 3.5 times the RTO. What there is above a minute is
    spent as a whole socket, and once more as a small one, for which 3.5 times the RTO is the least, too: 62 s are 2 s
    and 2 s.
    """
    chosen = float(_number(settings, "tcp_fin_timeout", 60)) if linger is None else linger
    seconds = max(chosen, _LEAST_RTOS * rto)
    above = seconds - TIME_WAIT_S
    return (above, max(above, _LEAST_RTOS * rto)) if above > 0 else (seconds,)


def _patience(retries: int, first_ms: int, longest_ms: int) -> float:
    """How long so many retries and the wait behind the last of them take, with an RTO that doubles from `first_ms`."""
    doublings = (longest_ms // first_ms).bit_length() - 1
    if retries <= doublings:
        return ((2 << retries) - 1) * first_ms / 1000
    return (((2 << doublings) - 1) * first_ms + (retries - doublings) * longest_ms) / 1000


def _longest_ms(settings: Mapping[str, str]) -> int:
    return _number(settings, "tcp_rto_max_ms", _LONGEST_MS)


def _number(settings: Mapping[str, str], name: str, missing: int) -> int:
    return int(settings.get(f"net.ipv4.{name}", missing))
