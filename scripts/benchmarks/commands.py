"""What is measured from outside, on processes as a user starts them."""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

LAB = str(Path(__file__).resolve().parents[1] / "lab")
ONE_SCENARIO = "handshake.kernel_as_server"
_DEADLINE_S = 600
_PACKETDRILL_SCRIPT = """\
0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 setsockopt(3, SOL_SOCKET, SO_REUSEADDR, [1], 4) = 0
+0 bind(3, ..., ...) = 0
+0 listen(3, 16) = 0
+0 < S 0:0(0) win 65535 <mss 1460>
+0 > S. 0:0(0) ack 1 <mss 1460>
+0 < . 1:1(0) ack 1 win 65535
+0 accept(3, ..., ...) = 4
+0 close(4) = 0
+0 > F. 1:1(0) ack 1
+0 < . 1:1(0) ack 2 win 65535
+0 < F. 1:1(0) ack 2 win 65535
+0 > . 2:2(0) ack 2
"""
# Linux counts what a process was before exec(2), too. So a small process starts the one to be measured, and tells its
# peak memory (KiB) as the last word of its messages.
_TELL_PEAK = """
import resource, subprocess, sys
status = subprocess.run(sys.argv[1:]).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
sys.exit(status)
"""


class CommandFailed(Exception):
    """A command that had to succeed did not; says what it printed last."""


class Finished(NamedTuple):
    """A process that has ended."""

    status: int
    out: str
    messages: str
    seconds: float


def run(*command: str) -> Finished:
    """Start a command, wait for its end."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as messages:
        began = time.perf_counter()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=messages)
        ended = select.poll()
        ended.register(watched := os.pidfd_open(process.pid), select.POLLIN)
        in_time = bool(ended.poll(_DEADLINE_S * 1000))
        os.close(watched)
        if not in_time:
            process.kill()
        _, status = os.waitpid(process.pid, 0)
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        messages.seek(0)
        return Finished(process.returncode, out.read(), messages.read(), seconds)


def succeeded(*command: str) -> Finished:
    """The same; CommandFailed when its exit status is not 0."""
    finished = run(*command)
    if finished.status:
        last = (finished.messages or finished.out).strip()[-2000:]
        raise CommandFailed(f"{' '.join(command)} ended with exit status {finished.status}:\n{last}")
    return finished


def cold_seconds(count: int, *arguments: str) -> float:
    """Median time of `lab` with these arguments, each time a new process; one before that fills the caches."""
    succeeded(LAB, *arguments)
    return median(succeeded(LAB, *arguments).seconds for _ in range(count))


class WholeRun(NamedTuple):
    """A `lab run`."""

    seconds: float
    slowest_scenario: float
    scenarios: int
    """Counted once for each address family."""
    peak_rss_bytes: int


def whole_run(folder: str, *patterns: str) -> WholeRun:
    """`lab run` saved in a folder, of everything unless patterns are given."""
    finished = succeeded(sys.executable, "-S", "-c", _TELL_PEAK, LAB, "run", "--out", folder, "--json", "-", *patterns)
    listed: list[dict[str, Any]] = json.loads(finished.out)["scenarios"]
    peak_rss_kib = int(finished.messages.split()[-1])
    return WholeRun(finished.seconds, max(each["seconds"] for each in listed), len(listed), peak_rss_kib * 1024)


def packetdrill_seconds(count: int) -> float | None:
    """Median time of packetdrill for one open-and-close cycle, process and all; None where there is no packetdrill."""
    program = shutil.which("packetdrill")
    if program is None:
        return None
    from lab.host.namespace import Namespace

    with tempfile.NamedTemporaryFile("w", suffix=".pkt") as script:
        script.write(_PACKETDRILL_SCRIPT)
        script.flush()
        namespace = Namespace()
        try:
            with namespace.entered():  # it changes the sysctls of the namespace that it is in
                succeeded(program, script.name)
                return median(succeeded(program, script.name).seconds for _ in range(count))
        finally:
            namespace.close()
