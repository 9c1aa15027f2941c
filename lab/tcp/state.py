"""The eleven connection states, spelled as in RFC 9293 3.3.2."""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """Connection state. It compares equal to its name in the RFC: `peer.state == "FIN-WAIT-1"`."""

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
        """The name in the RFC, and the name in `ss` if it differs: "SYN-RECEIVED (ss: SYN-RECV)"."""
        other = _SS_NAMES.get(self)
        return f"{self} (ss: {other})" if other else str(self)

    @classmethod
    def called(cls, name: str) -> State | None:
        """The state of that name, in any case: "time-wait", "SYN_RECEIVED", or as `ss` writes it ("ESTAB")."""
        word = name.upper().replace("_", "-")
        return next((each for each in cls if word in (each, _SS_NAMES.get(each))), None)


_SS_NAMES = {
    State.CLOSED: "UNCONN",
    State.SYN_RECEIVED: "SYN-RECV",
    State.ESTABLISHED: "ESTAB",
}

OPEN = frozenset(
    {State.ESTABLISHED, State.FIN_WAIT_1, State.FIN_WAIT_2, State.CLOSE_WAIT, State.CLOSING, State.LAST_ACK}
)
"""States of an open connection: the synchronized ones of RFC 9293 3.5.2 group 3, without TIME-WAIT."""
