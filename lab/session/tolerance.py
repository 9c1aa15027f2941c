"""What a busy machine is allowed: measured scheduling delay turned into a tolerance for timers. Decided here alone.

No timer may be early, but for the resolution of jiffies. One may be late by what the timer wheels of Linux round up to,
by a quarter of a second, and by what the machine lost meanwhile.
"""

from __future__ import annotations

from typing import NamedTuple

from lab.host.scheduling_delay import NO_DELAY, SchedulingDelay

DEADLINE_S = 10.0
"""How long the lab waits for a segment or the end of a system call that the kernel has a reason to bring; far above any
delay of an ACK."""
GRACE_NS = 2_000_000_000
"""How much longer the lab waits for what is too late already, to be able to say how late."""
ATTEMPTS = 50
"""How often a scenario is tried that has to act before a timer of the kernel fires, see `Lab.attempts`."""

LONGEST_JIFFY_S = 0.01
EARLY_S = 2 * LONGEST_JIFFY_S
"""Timers count in jiffies: one that is set late in a jiffy is that much shorter, and jiffies may be counted late."""
_LATE_SHARE = 8 / 63
"""Long timers wait in coarser wheels: from 63 ticks of a wheel on the next one takes over, whose tick is 8 times as
long, and a timer fires with the end of the tick that it falls into."""
_LATE_S = 0.25
"""For delays that are not measured. With 30 processes that want to run on 2 processors no timer of 400 was 5 ms later
than the wheels make it; where a hypervisor takes the processors away some are, and that is measured."""
_STALE_S = 0.05
"""A retransmission may be late because jiffies are: beside two busy processes by 22 ms. The next timer, set in the same
jiffies, is short by as much."""


class Window(NamedTuple):
    """When a timer may fire, in seconds after it was set."""

    earliest: float
    latest: float

    def after(self, began_ns: int) -> tuple[int, int]:
        """The same in ns of the clock on which it was set at `began_ns`."""
        return began_ns + int(self.earliest * 1e9), began_ns + int(self.latest * 1e9)


def window(seconds: float, delay: SchedulingDelay = NO_DELAY, *, set_before: float = 0.0) -> Window:
    """When a timer of so many seconds may fire.

    `delay` is the scheduling delay measured meanwhile; while a CPU is taken away its jiffies are not counted either.
    The timer was set up to `set_before` seconds before the moment from which the window counts.
    """
    latest = seconds * (1 + _LATE_SHARE) + _LATE_S + max(delay)
    return Window(seconds - EARLY_S - delay.stolen - set_before, latest)


def stale_jiffies(late: float, delay: SchedulingDelay) -> float:
    """How many seconds before its segment a timer may have been set, when the one before was `late` seconds late."""
    return min(late, _STALE_S + delay.late)
