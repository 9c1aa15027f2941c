"""The eleven connection states, spelled as RFC 9293 3.3.2 spells them."""

from __future__ import annotations

from enum import Enum


class State(Enum):
    """A connection state; the value is the RFC's spelling."""

    CLOSED = "CLOSED"
    LISTEN = "LISTEN"
    SYN_SENT = "SYN-SENT"
    SYN_RECEIVED = "SYN-RECEIVED"
    ESTABLISHED = "ESTABLISHED"
    FIN_WAIT_1 = "FIN-WAIT-1"
    FIN_WAIT_2 = "FIN-WAIT-2"
    CLOSE_WAIT = "CLOSE-WAIT"
    CLOSING = "CLOSING"
    LAST_ACK = "LAST-ACK"
    TIME_WAIT = "TIME-WAIT"

    @property
    def both_names(self) -> str:
        """The RFC's spelling, and the one of `ss` where that is another: "SYN-RECEIVED (ss: SYN-RECV)"."""
        other = _SS_NAMES.get(self.value)
        return f"{self.value} (ss: {other})" if other else self.value

    def __str__(self) -> str:
        return self.value


_SS_NAMES = {"CLOSED": "UNCONN", "SYN-RECEIVED": "SYN-RECV", "ESTABLISHED": "ESTAB"}
