"""Tolerance for timers on a busy machine, computed from the measured scheduling delay, and only here.

A timer may be early by two jiffies (ticks of the kernel's clock, up to 10 ms long), plus the CPU time that a hypervisor
took. It may be late by the rounding of Linux's timer wheels (a long timer ends at a longer tick), plus a quarter of a
second, plus the measured delay.
"""

from __future__ import annotations

from typing import NamedTuple

from lab.host.scheduling_delay import NO_DELAY, SchedulingDelay

DEADLINE_S = 10.0
"""How long the lab waits for a segment or the end of a system call that needs no timer of the kernel; far longer than
any delay of an ACK."""
GRACE_NS = 2_000_000_000
"""How long the lab goes on waiting for an event that is too late, to be able to report how late it is."""
ATTEMPTS = 50
"""Number of attempts for a scenario that has to act before a kernel timer fires, see `Lab.attempts`."""
TRIES = 3
"""Number of times that a whole scenario is run while the machine is too slow for it."""

LONGEST_JIFFY_S = 0.01
EARLY_S = 2 * LONGEST_JIFFY_S
"""A timer set late in a jiffy is up to a jiffy shorter; jiffies that are counted late shorten it by another."""
_LATE_SHARE = 8 / 63
"""Long timers use coarser wheels: a timer of more than 63 ticks goes to the next wheel, whose tick is 8 times as long,
and fires at the end of its tick."""
_LATE_S = 0.25
"""Allowance for delays that are not measured. With 30 runnable processes on 2 processors none of 400 timers was 5 ms
later than the wheels' rounding; where a hypervisor steals CPU time some are, and that is measured."""
_STALE_S = 0.05
"""A retransmission can be late because jiffies are counted late: with two busy processes by 22 ms. The next timer, set
in the same jiffies, is shorter by as much."""


class Window(NamedTuple):
    """Interval in which a timer may fire, in seconds after it was set."""

    earliest: float
    latest: float

    def after(self, began_ns: int) -> tuple[int, int]:
        """The same interval in ns, for a timer set at `began_ns`."""
        return began_ns + int(self.earliest * 1e9), began_ns + int(self.latest * 1e9)


def window(seconds: float, delay: SchedulingDelay = NO_DELAY, *, set_before: float = 0.0) -> Window:
    """The interval in which a timer of so many seconds may fire.

    `delay` is the scheduling delay measured meanwhile; jiffies of stolen CPU time are not counted. The timer was set up
    to `set_before` seconds before the window's origin.
    """
    latest = seconds * (1 + _LATE_SHARE) + _LATE_S + max(delay)
    return Window(seconds - EARLY_S - delay.stolen - set_before, latest)


def stale_jiffies(late: float, delay: SchedulingDelay) -> float:
    """How many seconds before its segment a timer can have been set, if the timer before it was `late` seconds late."""
    return min(late, _STALE_S + delay.late)
