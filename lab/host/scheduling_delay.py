"""Scheduling delay of this machine: CPU time that a hypervisor took away, and wake-ups of the lab that came late.

A timer of the kernel cannot be more punctual than the machine. A check of a timer allows for the delay measured here,
so that a busy machine and a quiet one come to the same verdict.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import NamedTuple

PROC_STAT = Path("/proc/stat")
_STEAL = 8
"""The field of a CPU's line in proc_stat(5)."""
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


class SchedulingDelay(NamedTuple):
    """The delay within some time, in seconds."""

    stolen: float = 0.0
    """CPU time taken from the CPU that lost most of it: a timer that counts ticks may be early by it, too."""
    late: float = 0.0
    """Of the lab's wake-up that was latest."""


NO_DELAY = SchedulingDelay()


class DelayMeter:
    """Measures the scheduling delay from the moment it is made."""

    def __init__(self) -> None:
        self._stolen = [(time.monotonic_ns(), _stolen())]
        self._late: list[tuple[int, float]] = []

    def note(self, due_ns: int) -> None:
        """The lab was to wake up at `due_ns` (CLOCK_MONOTONIC), and is awake now."""
        now_ns = time.monotonic_ns()
        if now_ns > due_ns:
            self._late.append((now_ns, (now_ns - due_ns) / 1e9))
        self._stolen.append((now_ns, _stolen()))

    def since(self, began_ns: int) -> SchedulingDelay:
        """The delay since then, stolen time counted from the last `note` before it."""
        known = next((stolen for at_ns, stolen in reversed(self._stolen) if at_ns <= began_ns), self._stolen[0][1])
        ticks = max((now - before for now, before in zip(_stolen(), known, strict=False)), default=0)
        late = max((late for at_ns, late in self._late if at_ns >= began_ns), default=0.0)
        return SchedulingDelay(stolen=ticks / _TICKS_PER_SECOND, late=late)


def _stolen() -> tuple[int, ...]:
    """Stolen ticks of each CPU; none where the kernel does not tell."""
    try:
        lines = PROC_STAT.read_text().splitlines()
    except OSError:
        return ()
    return tuple(int(line.split()[_STEAL]) for line in lines if line.startswith("cpu") and line[3].isdigit())
