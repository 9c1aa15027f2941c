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
    """What polling a connection came to; times in ns of CLOCK_MONOTONIC."""

    gone_ns: int | None
    """It was gone then; None when a segment came first, or the deadline."""
    alive_ns: int
    """It was still there then."""
    alive: KernelState | None
    """What the kernel said of it then; None if it was gone at the first look."""


def poll_until_gone(
    switchboard: Switchboard,
    conversation: Conversation,
    since_ns: int,
    earliest_ns: int,
    deadline_ns: int,
    *,
    only_news: bool = False,
) -> Polled:
    """Poll a connection, which was there at `since_ns`, until it is gone, a segment comes, or the deadline.

    Until `earliest_ns` it is polled each time when half of what is left has gone by, so that an end that comes too
    early shows; after that often. With `only_news` a retransmission does not end it.
    """
    wait = switchboard.wait_for_news if only_news else switchboard.wait_for_segment
    alive_ns, alive, pause_ns = since_ns, None, _SHORTEST_PAUSE_NS
    while True:
        now_ns = time.monotonic_ns()
        if now_ns < earliest_ns:
            wake_ns = (now_ns + earliest_ns) // 2 if earliest_ns - now_ns > _NEAR_NS else earliest_ns
        else:
            wake_ns, pause_ns = now_ns + pause_ns, min(2 * pause_ns, _LONGEST_PAUSE_NS)
        if alive_ns >= deadline_ns or wait(conversation, min(wake_ns, deadline_ns), ""):
            return Polled(None, alive_ns, alive)
        now_ns, found = time.monotonic_ns(), switchboard.kernel_states.glance(conversation.number)
        if found.state is State.CLOSED:
            return Polled(now_ns, alive_ns, alive)
        alive_ns, alive = now_ns, found
