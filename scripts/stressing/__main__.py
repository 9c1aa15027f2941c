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
from typing import Any

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
    failures: list[str] = []
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch, _busy(asked.hogs):
        for number in range(asked.rounds):
            for status, run in _round(Path(scratch), asked.at_once, asked.patterns):
                counts["runs"] += 1
                counts["failed runs"] += status != 0
                if run is None:
                    failures.append(f"round {number + 1}: a run ended with {status} and no results")
                    continue
                counts["scenarios"] += len(run["scenarios"])
                counts["checks"] += run["summary"]["checks"]
                failures += [f"round {number + 1}: {_told(each)}" for each in run["scenarios"] if _is_bad(each)]
            print(f"round {number + 1} of {asked.rounds}: {len(failures)} failures so far", file=sys.stderr, flush=True)
    for failure in failures:
        print(failure)
    print(
        f"{len(failures)} of {counts['scenarios']:,} scenario runs failed, {counts['failed runs']} of {counts['runs']}"
        f" runs of the lab ({asked.at_once} at a time beside {asked.hogs} busy processes on {os.cpu_count()} CPUs);"
        f" {counts['checks']:,} checks in {time.monotonic() - began:.0f} s"
    )
    return int(bool(failures or counts["failed runs"]))


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


def _round(scratch: Path, at_once: int, patterns: list[str]) -> list[tuple[int, dict[str, Any] | None]]:
    """Exit status and results of so many runs that begin together."""
    files = [scratch / f"{number}.json" for number in range(at_once)]
    for file in files:
        file.unlink(missing_ok=True)
    runs = [
        subprocess.Popen(
            [LAB, "run", "-q", "--no-out", "--json", file, *patterns],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for file in files
    ]
    ended = []
    for run, file in zip(runs, files, strict=True):
        status = run.wait(_DEADLINE_S)
        ended.append((status, json.loads(file.read_text()) if file.exists() else None))
    return ended


def _is_bad(scenario: dict[str, Any]) -> bool:
    return scenario["outcome"] in {"fail", "error"}


def _told(scenario: dict[str, Any]) -> str:
    place = scenario.get("where", "")
    return f"{scenario['outcome']} {scenario['id']} {scenario['family']}: {scenario.get('message', '')} {place}".strip()


if __name__ == "__main__":
    sys.exit(main())
