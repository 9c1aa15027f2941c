"""Environment of a run: kernel, versions and settings that its verdicts depend on."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import lab
from lab.record.results import Result, Run


def new_run(*, full: bool = False) -> Run:
    """A run that begins now."""
    return Run(
        version=lab.__version__,
        began=datetime.now(UTC).isoformat(timespec="seconds"),
        wall_clock_offset_ns=time.time_ns() - time.monotonic_ns(),
        full=full,
    )


def environment_of(results: Iterable[Result]) -> dict[str, Any]:
    """Kernel release, library versions, the sources of the states, and the sysctls of the first recording."""
    system = platform.uname()
    recordings = [result.recording for result in results if result.recording]
    return {
        "kernel": system.release,
        "machine": system.machine,
        "system": system.system,
        "python": platform.python_version(),
        "scapy": version("scapy"),
        "pyroute2": version("pyroute2"),
        "witnesses": sorted({name for recording in recordings for name in recording.witnesses}),
        "sysctls": recordings[0].sysctls if recordings else {},
    }
