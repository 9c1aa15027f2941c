"""Waiting for minutes: what a lab waits for, and when a connection was found to be gone."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from lab.tcp.state import State

if TYPE_CHECKING:
    from lab.record.kernel_state import KernelState
    from lab.session.dialogue import Dialogue
    from lab.session.kernel_states import Timeline

_SHORTEST_PAUSE_NS, _LONGEST_PAUSE_NS = 1_000_000, 16_000_000
_NEAR_NS = 50_000_000


class Waiting(NamedTuple):
    """What a lab waits for; times in ns of CLOCK_MONOTONIC."""

    what: str
    since_ns: int
    until_ns: int
    """At the latest."""


class Patient(NamedTuple):
    """Which scenario waits."""

    scenario: str
    """Its id."""
    family: int
    waiting: Waiting


class Looks(NamedTuple):
    """What looking at a connection again and again came to; times in ns of CLOCK_MONOTONIC."""

    gone_ns: int | None
    """It was gone then; None when a segment came first, or the deadline."""
    alive_ns: int
    """It was still there then."""
    alive: KernelState | None
    """What the kernel said of it then; None if it was gone at the first look."""


def look_until_gone(
    peer: Dialogue, timeline: Timeline, since_ns: int, earliest_ns: int, deadline_ns: int, *, news: bool = False
) -> Looks:
    """Look at a peer's connection, which was there at `since_ns`, until it is gone, a segment comes, or the deadline.

    Until `earliest_ns` it is looked at each time when half of what is left has gone by, so that an end that comes too
    early shows; after that often. What only repeats a segment is passed over when `news` is wanted.
    """
    hears = peer.hears_news if news else peer.hears
    alive_ns, alive, pause_ns = since_ns, None, _SHORTEST_PAUSE_NS
    while True:
        now_ns = time.monotonic_ns()
        if now_ns < earliest_ns:
            wake_ns = (now_ns + earliest_ns) // 2 if earliest_ns - now_ns > _NEAR_NS else earliest_ns
        else:
            wake_ns, pause_ns = now_ns + pause_ns, min(2 * pause_ns, _LONGEST_PAUSE_NS)
        if alive_ns >= deadline_ns or hears(min(wake_ns, deadline_ns), ""):
            return Looks(None, alive_ns, alive)
        now_ns, found = time.monotonic_ns(), timeline.glance(peer.number)
        if found.state is State.CLOSED:
            return Looks(now_ns, alive_ns, alive)
        alive_ns, alive = now_ns, found
