"""Scheduling delay of this machine: CPU time stolen by a hypervisor, and late wake-ups of the lab.

The kernel's timers cannot be more exact than the machine. Checks of timers allow for the delay measured here, so that
a busy machine and an idle one give the same verdict.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import NamedTuple

PROC_STAT = Path("/proc/stat")
_STEAL = 8
"""Index of the steal time in a CPU's line of proc_stat(5)."""
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


class SchedulingDelay(NamedTuple):
    """The largest delays during some interval, in seconds."""

    stolen: float = 0.0
    """The largest stolen time of any CPU. A timer that counts jiffies can also be early by as much."""
    late: float = 0.0
    """The largest delay of any wake-up of the lab."""


NO_DELAY = SchedulingDelay()


class DelayMeter:
    """Measures the scheduling delay from its creation on."""

    def __init__(self) -> None:
        self._stolen = [(time.monotonic_ns(), _stolen())]
        self._late: list[tuple[int, float]] = []

    def note(self, due_ns: int) -> None:
        """Record a wake-up that was due at `due_ns` (CLOCK_MONOTONIC) and happened now."""
        now_ns = time.monotonic_ns()
        if now_ns > due_ns:
            self._late.append((now_ns, (now_ns - due_ns) / 1e9))
        self._stolen.append((now_ns, _stolen()))

    def since(self, began_ns: int) -> SchedulingDelay:
        """The delay since `began_ns`; stolen time counts from the last `note` before that."""
        known = next((stolen for at_ns, stolen in reversed(self._stolen) if at_ns <= began_ns), self._stolen[0][1])
        ticks = max((now - before for now, before in zip(_stolen(), known, strict=False)), default=0)
        late = max((late for at_ns, late in self._late if at_ns >= began_ns), default=0.0)
        return SchedulingDelay(stolen=ticks / _TICKS_PER_SECOND, late=late)


def _stolen() -> tuple[int, ...]:
    """Stolen ticks of each CPU; empty where the kernel does not report them."""
    try:
        lines = PROC_STAT.read_text().splitlines()
    except OSError:
        return ()
    return tuple(int(line.split()[_STEAL]) for line in lines if line.startswith("cpu") and line[3].isdigit())
