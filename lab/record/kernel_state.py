"""The kernel's state of a connection as data, usable without Linux on a saved recording."""

from __future__ import annotations

from typing import NamedTuple

from lab.tcp.state import State

# Linux's state numbers (net/tcp_states.h).
BY_NUMBER: dict[int, State] = {
    1: State.ESTABLISHED,
    2: State.SYN_SENT,
    3: State.SYN_RECEIVED,
    4: State.FIN_WAIT_1,
    5: State.FIN_WAIT_2,
    6: State.TIME_WAIT,
    7: State.CLOSED,
    8: State.CLOSE_WAIT,
    9: State.LAST_ACK,
    10: State.LISTEN,
    11: State.CLOSING,
    12: State.SYN_RECEIVED,  # TCP_NEW_SYN_RECV: a connection request without a socket of its own
}

TIMERS = {0: "", 1: "retransmission", 2: "keepalive", 3: "time-wait", 4: "zero-window probe"}


class KernelState(NamedTuple):
    """State of a connection as inet_diag reports it."""

    state: State
    timer_number: int = 0
    """Number of the running timer in inet_diag; `timer` is its name."""
    expires_ms: int = 0
    """Milliseconds until that timer fires."""
    retransmits: int = 0
    receive_queue: int = 0
    """Unread bytes; for a listener the number of connections not accepted yet."""
    send_queue: int = 0
    """Unacknowledged bytes; for a listener its backlog."""
    inode: int = 0
    """0 when no descriptor refers to the socket any more."""

    @property
    def timer(self) -> str:
        """Name of the running timer: "", "retransmission", "keepalive", "time-wait" or "zero-window probe"."""
        return TIMERS.get(self.timer_number, str(self.timer_number))


CLOSED = KernelState(State.CLOSED)
