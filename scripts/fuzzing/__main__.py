"""Random connections with the real kernel, judged by all standing rules: does one accuse it?"""
# ruff: noqa: T201  # printing is what it is for

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context

from lab.host.syscalls import end_with_parent
from scripts.fuzzing.job import fuzz

NONE_ACCUSED, ACCUSED, CANNOT_RUN = 0, 1, 3
_JOBS_PER_CPU = 3
"""A plan mostly waits."""
_BATCH = 1000
"""Connections of one job: Hypothesis keeps every plan that it has made."""


def main() -> int:
    """The command; its exit status: 0 no accusation, 1 at least one, 3 it could not go on."""
    parser = argparse.ArgumentParser(prog="fuzz", description=__doc__)
    parser.add_argument("--connections", type=int, default=10_000, metavar="N", help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=None, help="repeat a run (default: a new one)")
    asked = parser.parse_args()
    if os.geteuid() != 0:
        print(f"the lab needs root; type: sudo {sys.argv[0]}", file=sys.stderr)
        return CANNOT_RUN
    first = int(time.time()) if asked.seed is None else asked.seed
    batches = [min(_BATCH, asked.connections - done) for done in range(0, asked.connections, _BATCH)]
    began, done, accused, troubled = time.monotonic(), 0, 0, 0
    at_once = (os.cpu_count() or 1) * _JOBS_PER_CPU
    with ProcessPoolExecutor(at_once, get_context("spawn"), end_with_parent, (signal.SIGKILL,)) as pool:
        jobs = {pool.submit(fuzz, (4, 6)[seed % 2], size, seed): seed for seed, size in enumerate(batches, first)}
        for job in as_completed(jobs):
            report = job.result()
            done += report.connections
            if report.accusation:
                accused += 1
                print(
                    f"a rule was broken (--seed {jobs[job]} --connections {_BATCH}):\n{report.accusation}", flush=True
                )
            if report.trouble:
                troubled += 1
                print(f"ended early (--seed {jobs[job]}): {report.trouble}", file=sys.stderr)
            print(f"{done:,} connections, {accused} accusations", file=sys.stderr)
    print(
        f"{done:,} connections under Linux {os.uname().release}, {accused} accusations"
        f" (seed {first}) in {time.monotonic() - began:.0f} s"
    )
    return ACCUSED if accused else CANNOT_RUN if troubled else NONE_ACCUSED


if __name__ == "__main__":
    sys.exit(main())
