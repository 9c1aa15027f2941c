"""The kernel's own monotonic clock, which a process in a time namespace sees with an offset (time_namespaces(7))."""

from __future__ import annotations

import time
from functools import cache
from pathlib import Path


def kernel_monotonic_ns() -> int:
    """Nanoseconds of CLOCK_MONOTONIC as the kernel counts them, in TSval for example."""
    return time.monotonic_ns() - offset_ns()


@cache
def offset_ns() -> int:
    """To be added to a time of the kernel for CLOCK_MONOTONIC of this process; 0 outside of time namespaces."""
    try:
        lines = Path("/proc/self/timens_offsets").read_text().splitlines()
    except OSError:  # before Linux 5.6, or without CONFIG_TIME_NS
        return 0
    seconds, nanoseconds = next(line.split()[1:] for line in lines if line.startswith("monotonic"))
    return int(seconds) * 1_000_000_000 + int(nanoseconds)
