"""How long this machine has kept things waiting: CPU time that a hypervisor took away, and its own late wake-ups.

A timer of the kernel cannot be more punctual than the machine. What is measured here is what a check of a timer allows
for, so that a busy machine and a quiet one come to the same verdict.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import NamedTuple

_STAT = Path("/proc/stat")
_STEAL = 8
"""The field of a CPU's line in proc_stat(5)."""
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


class HoldUp(NamedTuple):
    """What became of some time, in seconds."""

    stolen: float = 0.0
    """No less than what was taken away from any one CPU: a timer that counts ticks may be early by it, too."""
    late: float = 0.0
    """By how much the latest of our own wake-ups was late."""


NONE = HoldUp()


class HoldUps:
    """Keeps account from the moment it is made."""

    def __init__(self) -> None:
        self._stolen = [(time.monotonic_ns(), _stolen())]
        self._late: list[tuple[int, float]] = []

    def note(self, due_ns: int) -> None:
        """Something was due at `due_ns` (CLOCK_MONOTONIC), and it is now that we got to it."""
        now_ns = time.monotonic_ns()
        if now_ns > due_ns:
            self._late.append((now_ns, (now_ns - due_ns) / 1e9))
        self._stolen.append((now_ns, _stolen()))

    def since(self, began_ns: int) -> HoldUp:
        """What there was since then, by the last account before it."""
        known = next((stolen for at_ns, stolen in reversed(self._stolen) if at_ns <= began_ns), self._stolen[0][1])
        ticks = max((now - before for now, before in zip(_stolen(), known, strict=False)), default=0)
        late = max((late for at_ns, late in self._late if at_ns >= began_ns), default=0.0)
        return HoldUp(ticks / _TICKS_PER_SECOND, late)


def _stolen() -> tuple[int, ...]:
    """In ticks, for each CPU; none where the kernel does not tell."""
    try:
        lines = _STAT.read_text().splitlines()
    except OSError:
        return ()
    return tuple(int(line.split()[_STEAL]) for line in lines if line.startswith("cpu") and line[3].isdigit())
