"""Many runs of the lab side by side, beside processes that want the CPU all to themselves: how many of them fail?"""

from __future__ import annotations

import argparse
import json
import os
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


def main() -> int:
    """Run, print the figure; the exit status is 0 when nothing failed, 1 when something did, 3 when nothing ran."""
    parser = argparse.ArgumentParser(prog="stress", description=__doc__)
    parser.add_argument("patterns", nargs="*", metavar="PATTERN", help="run only these scenarios")
    parser.add_argument("--rounds", type=int, default=20, help="default: %(default)s")
    parser.add_argument(
        "--at-once", type=int, default=8, metavar="RUNS", help="runs side by side; default: %(default)s"
    )
    parser.add_argument("--hogs", type=int, default=2, help="busy processes beside them; default: %(default)s")
    asked = parser.parse_args()
    if os.geteuid() != 0:
        print(f"the lab needs root; type: sudo {sys.argv[0]}", file=sys.stderr)
        return 3
    counts: Counter[str] = Counter()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch, _busy(asked.hogs):
        for number in range(1, asked.rounds + 1):
            for ended in _round(Path(scratch), asked.at_once, asked.patterns):
                counts["runs"] += 1
                counts["scenarios"] += len(ended.results["scenarios"])
                counts["failures"] += sum(each["outcome"] in {"fail", "error"} for each in ended.results["scenarios"])
                counts["skipped"] += ended.results["summary"]["inconclusive"]
                counts["checks"] += ended.results["summary"]["checks"]
                if ended.status:
                    counts["failed runs"] += 1
                    print(f"round {number}: a run ended with exit status {ended.status}\n{ended.said}", flush=True)
            print(f"round {number} of {asked.rounds}: {counts['failures']} failures so far", file=sys.stderr)
    conditions = f"{asked.rounds} rounds, {asked.at_once} at a time beside {asked.hogs} busy processes"
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


_NOTHING: dict[str, Any] = {"scenarios": [], "summary": {"checks": 0, "inconclusive": 0}}


def _round(scratch: Path, at_once: int, patterns: list[str]) -> list[_Ended]:
    """So many runs that begin together."""
    folders = [Path(tempfile.mkdtemp(dir=scratch)) for _ in range(at_once)]
    runs = []
    for folder in folders:
        with (folder / "said").open("w") as said:
            command: list[str | Path] = [LAB, "run", "-q", "--no-out", "--json", folder / "results", *patterns]
            runs.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT))
    ended = []
    for run, folder in zip(runs, folders, strict=True):
        status, results = run.wait(_DEADLINE_S), folder / "results"
        found = json.loads(results.read_text()) if results.exists() else _NOTHING
        ended.append(_Ended(status, (folder / "said").read_text(), found))
    return ended


if __name__ == "__main__":
    sys.exit(main())
