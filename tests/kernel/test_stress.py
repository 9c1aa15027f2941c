"""Repeated runs say what went wrong as soon as it has, and count. How much goes wrong, no test says."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.kernel.helpers import ROOT, scenario_file

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.skipif(os.geteuid() != 0, reason="makes network namespaces: needs root"),
]


def stress(*patterns: str | Path) -> subprocess.CompletedProcess[str]:
    call = [ROOT / "scripts/stress", "--rounds", "2", "--at-once", "1", "--hogs", "0", *patterns]
    return subprocess.run(call, capture_output=True, text=True, timeout=300, check=False)


def test_what_passes_is_counted() -> None:
    done = stress("handshake.kernel_as_server")
    assert done.returncode == 0, done.stdout + done.stderr
    (line,) = done.stdout.splitlines()
    assert line.startswith("0 of 4 scenario runs failed, 0 could not be tried, 0 of 2 runs of the lab failed (2 rounds")


def test_a_run_that_is_stopped_again_and_again_may_only_be_inconclusive(tmp_path: Path) -> None:
    scenario_file(tmp_path, "raise Inconclusive('too slow')", "slow", "from lab import Inconclusive")
    done = stress("--stops", "handshake.kernel_as_server", tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("0 of 8 scenario runs failed, 4 could not be tried, 0 of 2 runs of the lab failed")
    assert "each stopped now and then" in done.stdout
    assert stress(tmp_path).returncode == 1, "without --stops every scenario has to have a verdict"


def test_a_failed_run_is_shown_in_full_for_each_round(tmp_path: Path) -> None:
    body = "peer = lab.peer(to=lab.kernel.listen(port=80))\npeer.send('S')\npeer.expect('SA', ack=7)"
    done = stress(scenario_file(tmp_path, body))
    assert done.returncode == 1
    first, second = done.stdout.split("round 2: a run ended with exit status 1\n")
    assert first.startswith("round 1: a run ended with exit status 1\n")
    for each in (first, second):
        assert "    the expectation did not hold: the kernel sent a different segment\n" in each
        assert "  listen(16) = 0, now LISTEN\n" in each
    assert second.splitlines()[-1].startswith(
        "4 of 4 scenario runs failed, 0 could not be tried, 2 of 2 runs of the lab failed (2 rounds, "
    )
