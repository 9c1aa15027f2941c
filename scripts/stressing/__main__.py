"""Many runs of the lab side by side, beside processes that want the CPU all to themselves: how many of them fail?"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

LAB = Path(__file__).resolve().parents[1] / "lab"
_DEADLINE_S = 1800
_CANNOT_RUN = 3


def main() -> int:
    """Run, print the figure; the exit status is 0 when nothing failed, 1 when something did, 3 when nothing ran."""
    parser = argparse.ArgumentParser(prog="stress", description=__doc__)
    parser.add_argument("patterns", nargs="*", metavar="PATTERN", help="run only these scenarios")
    parser.add_argument("--rounds", type=int, default=20, help="default: %(default)s")
    parser.add_argument(
        "--at-once", type=int, default=8, metavar="RUNS", help="runs side by side; default: %(default)s"
    )
    parser.add_argument("--hogs", type=int, default=2, help="busy processes beside them; default: %(default)s")
    parser.add_argument("--stops", action="store_true", help="stop each run for 1 to 5 s at random moments (SIGSTOP)")
    asked = parser.parse_args()
    if os.geteuid() != 0:
        print(f"the lab needs root; type: sudo {sys.argv[0]}", file=sys.stderr)
        return 3
    counts: Counter[str] = Counter()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch, _busy(asked.hogs):
        for number in range(1, asked.rounds + 1):
            for ended in _round(Path(scratch), asked.at_once, asked.patterns, stops=asked.stops):
                counts["runs"] += 1
                counts["scenarios"] += len(ended.results["scenarios"])
                counts["failures"] += ended.failures
                counts["skipped"] += ended.results["summary"]["inconclusive"]
                counts["checks"] += ended.results["summary"]["checks"]
                could_not_try = ended.status == _CANNOT_RUN and not ended.failures and ended.results is not _NOTHING
                if ended.status and not (asked.stops and could_not_try):
                    counts["failed runs"] += 1
                    print(f"round {number}: a run ended with exit status {ended.status}\n{ended.said}", flush=True)
            print(f"round {number} of {asked.rounds}: {counts['failures']} failures so far", file=sys.stderr)
    conditions = f"{asked.rounds} rounds, {asked.at_once} at a time beside {asked.hogs} busy processes"
    conditions += ", each stopped now and then" if asked.stops else ""
    print(
        f"{counts['failures']} of {counts['scenarios']:,} scenario runs failed, {counts['skipped']} could not be tried,"
        f" {counts['failed runs']} of {counts['runs']} runs of the lab failed ({conditions} on {os.cpu_count()} CPUs);"
        f" {counts['checks']:,} checks in {time.monotonic() - began:.0f} s"
    )
    return int(bool(counts["failed runs"]))


@contextmanager
def _busy(count: int) -> Iterator[None]:
    """Processes that do nothing but take CPU time."""
    hogs = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for hog in hogs:
            hog.kill()
            hog.wait()


class _Ended(NamedTuple):
    """What a run leaves."""

    status: int
    said: str
    results: dict[str, Any]

    @property
    def failures(self) -> int:
        """Number of scenario runs that failed."""
        return sum(each["outcome"] in {"fail", "error"} for each in self.results["scenarios"])


_NOTHING: dict[str, Any] = {"scenarios": [], "summary": {"checks": 0, "inconclusive": 0}}


def _stop_now_and_then(runs: list[subprocess.Popen[bytes]]) -> None:
    """Until all have ended: a run goes on for 0.5 to 5 s, and is stopped for 1 to 5 s."""
    due = {run: time.monotonic() + random.uniform(0.5, 5) for run in runs}
    stopped: set[subprocess.Popen[bytes]] = set()
    while due:
        run = min(due, key=lambda each: due[each])
        time.sleep(max(0.0, due[run] - time.monotonic()))
        if run.poll() is not None:
            del due[run]
            continue
        run.send_signal(signal.SIGCONT if run in stopped else signal.SIGSTOP)
        stopped ^= {run}
        due[run] = time.monotonic() + (random.uniform(1, 5) if run in stopped else random.uniform(0.5, 5))


def _round(scratch: Path, at_once: int, patterns: list[str], *, stops: bool) -> list[_Ended]:
    """So many runs that begin together."""
    folders = [Path(tempfile.mkdtemp(dir=scratch)) for _ in range(at_once)]
    runs = []
    for folder in folders:
        with (folder / "said").open("w") as said:
            command: list[str | Path] = [LAB, "run", "-q", "--no-out", "--json", folder / "results", *patterns]
            runs.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT))
    if stops:
        _stop_now_and_then(runs)
    ended = []
    for run, folder in zip(runs, folders, strict=True):
        status, results = run.wait(_DEADLINE_S), folder / "results"
        found = json.loads(results.read_text()) if results.exists() else _NOTHING
        ended.append(_Ended(status, (folder / "said").read_text(), found))
    return ended


if __name__ == "__main__":
    sys.exit(main())
