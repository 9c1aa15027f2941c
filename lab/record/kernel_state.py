"""What the kernel says of a connection, as data: it can be read where there is no Linux, from a saved recording."""

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

_TIMERS = {0: "", 1: "retransmission", 2: "keepalive", 3: "time-wait", 4: "zero-window probe"}


class KernelState(NamedTuple):
    """What inet_diag reports of one connection."""

    state: State
    timer_number: int = 0
    """Which timer runs, as inet_diag counts them; `timer` says it in words."""
    expires_ms: int = 0
    """Until that timer fires."""
    retransmits: int = 0
    receive_queue: int = 0
    """Bytes not read yet; for a listener the connections not accepted yet."""
    send_queue: int = 0
    """Bytes not acknowledged yet; for a listener its backlog."""
    inode: int = 0
    """0 when no descriptor refers to it any more."""

    @property
    def timer(self) -> str:
        """Which timer runs: "", "retransmission", "keepalive", "time-wait" or "zero-window probe"."""
        return _TIMERS.get(self.timer_number, str(self.timer_number))


CLOSED = KernelState(State.CLOSED)
