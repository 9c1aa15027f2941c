"""The eleven connection states, spelled as RFC 9293 3.3.2 spells them."""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """Connection state. It equals the RFC's spelling of it: `peer.state == "FIN-WAIT-1"`."""

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
        other = _SS_NAMES.get(self)
        return f"{self} (ss: {other})" if other else str(self)


_SS_NAMES = {
    State.CLOSED: "UNCONN",
    State.SYN_RECEIVED: "SYN-RECV",
    State.ESTABLISHED: "ESTAB",
}
