"""Polling a connection until it is gone."""

from __future__ import annotations

import time
from typing import NamedTuple

from lab.record.kernel_state import KernelState
from lab.session.conversation import Conversation
from lab.session.switchboard import Switchboard
from lab.tcp.state import State

_SHORTEST_PAUSE_NS, _LONGEST_PAUSE_NS = 1_000_000, 16_000_000
_NEAR_NS = 50_000_000


class Polled(NamedTuple):
    """Result of polling a connection; times in ns of CLOCK_MONOTONIC."""

    gone_ns: int | None
    """When the connection was first found gone; None when a segment or the deadline came first."""
    alive_ns: int
    """When it was last found to exist."""
    alive: KernelState | None
    """Its state at `alive_ns`; None if it was gone at the first query."""


def poll_until_gone(
    switchboard: Switchboard,
    conversation: Conversation,
    since_ns: int,
    earliest_ns: int,
    deadline_ns: int,
    *,
    ignore_retransmissions: bool = False,
) -> Polled:
    """Poll a connection, which existed at `since_ns`, until it is gone, a segment comes, or the deadline passes.

    Before `earliest_ns` each pause is half of the time left, so that an end that is too early is noticed; after it
    pauses are short. With `ignore_retransmissions` a retransmission does not stop the polling.
    """
    wait = switchboard.wait_for_new_segment if ignore_retransmissions else switchboard.wait_for_segment
    alive_ns, alive, pause_ns = since_ns, None, _SHORTEST_PAUSE_NS
    while True:
        now_ns = time.monotonic_ns()
        if now_ns < earliest_ns:
            wake_ns = (now_ns + earliest_ns) // 2 if earliest_ns - now_ns > _NEAR_NS else earliest_ns
        else:
            wake_ns, pause_ns = now_ns + pause_ns, min(2 * pause_ns, _LONGEST_PAUSE_NS)
        # The link is read once more after the deadline, and after the connection was found gone: a segment from before
        # that may have come since it was last read.
        if wait(conversation, min(wake_ns, deadline_ns), "") or alive_ns >= deadline_ns:
            return Polled(None, alive_ns, alive)
        now_ns, found = time.monotonic_ns(), switchboard.kernel_states.observe_change(conversation.number)
        if found.state is State.CLOSED:
            return Polled(None if wait(conversation, now_ns, "") else now_ns, alive_ns, alive)
        alive_ns, alive = now_ns, found
