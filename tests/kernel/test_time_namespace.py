"""In a time namespace the lab's clock is not the kernel's: times of the kernel are converted."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from lab.record.events import StateSeen
from lab.record.saved.document import load
from lab.record.saved.folder import find
from tests.kernel.helpers import COMMAND, environment

SCENARIOS = ("syn.timestamps*", "handshake.kernel_as_server", "closing.kernel_closes_first")


@pytest.mark.skipif(not Path("/proc/self/ns/time").exists(), reason="this kernel has no time namespaces")
@pytest.mark.parametrize("offset", [-50, 100_000])
def test_the_clock_of_a_time_namespace_changes_nothing(tmp_path: Path, offset: int) -> None:
    shifted = ["unshare", "--time", f"--monotonic={offset}", f"--boottime={offset}"]
    call = [*shifted, *COMMAND, "run", "-q", "--out", str(tmp_path / "run"), *SCENARIOS]
    done = subprocess.run(call, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    for result in load(find(tmp_path / "run")).results:
        assert result.recording is not None
        seen = [event.time_ns for event in result.recording.events if isinstance(event, StateSeen)]
        assert result.recording.started_ns < min(seen)
        assert max(seen) < result.recording.started_ns + result.seconds * 1e9
