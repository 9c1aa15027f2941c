"""The retransmission timeout (RFC 6298), all in seconds."""

from __future__ import annotations

_ALPHA, _BETA, _K = 1 / 8, 1 / 4, 4
_GRANULARITY_S = 0.001
_AFTER_LOST_SYN_S = 3.0


class RetransmissionTimeout:
    """The RTO of one connection, computed from measured round trips and from timeouts (RFC 6298 2, 5.5-5.7)."""

    def __init__(self, initial: float, minimum: float, maximum: float) -> None:
        self.value = initial
        self.srtt: float | None = None
        self.rttvar = 0.0
        self.timeouts = 0
        """Number of timeouts since the last acknowledgment."""
        self._initial, self._minimum, self._maximum = initial, minimum, maximum

    def measure(self, round_trip: float) -> None:
        """Update from the round trip of a segment sent only once (section 2.2, 2.3; Karn's algorithm, section 3)."""
        if self.srtt is None:
            self.srtt, self.rttvar = round_trip, round_trip / 2
        else:
            self.rttvar += _BETA * (abs(self.srtt - round_trip) - self.rttvar)
            self.srtt += _ALPHA * (round_trip - self.srtt)
        wanted = self.srtt + max(_GRANULARITY_S, _K * self.rttvar)
        self.value = min(max(wanted, self._minimum), self._maximum)

    def expire(self) -> None:
        """Back off after a timeout (section 5.5)."""
        self.timeouts += 1
        self.value = min(self.value * 2, self._maximum)

    def syn_acknowledged(self) -> None:
        """If the SYN timed out, set the RTO for data to at least 3 s (section 5.7)."""
        if self.timeouts:
            self.value = min(max(_AFTER_LOST_SYN_S, self._initial), self._maximum)
