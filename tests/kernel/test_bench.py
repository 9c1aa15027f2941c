"""A tiny benchmark writes everything that it documents. How fast anything is, no test says."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
BENCH = ROOT / "scripts/bench"

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.skipif(os.geteuid() != 0, reason="makes network namespaces: needs root"),
]


def bench(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    call = [BENCH, *arguments]
    return subprocess.run(call, cwd=cwd, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess[str], dict[str, Any]]:
    folder = tmp_path_factory.mktemp("bench")
    done = bench("--quick", "--full", "--json", "result.json", cwd=folder)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done, json.loads((folder / "result.json").read_text())


def test_the_json_has_every_documented_number(
    quick: tuple[subprocess.CompletedProcess[str], dict[str, Any]],
) -> None:
    _, measured = quick
    assert set(measured) == {
        *("environment", "ratios", "seconds", "peak_rss_bytes", "report_bytes", "growth", "bounds"),
    }
    assert {"api_over_struct", "scapy_over_api", "sr1_over_api", "api_over_kernel", "run_full_over_slowest"} <= set(
        measured["ratios"]
    )
    assert set(measured["seconds"]) >= {
        *("fence_p50", "setup", "help_cold", "run_one_cold", "run_all", "slowest_scenario"),
        *("write_views", "show_large_cold", "show_largest_cold", "port_exhaustion_whole_range", "half_open"),
        *("run_full", "slowest_scenario_full"),
        *("cycle_api", "cycle_struct", "cycle_scapy", "cycle_sr1", "cycle_kernel"),
    }
    assert all(value > 0 for value in [*measured["ratios"].values(), *measured["seconds"].values()])
    assert measured["peak_rss_bytes"] > 10_000_000
    assert set(measured["growth"]) == {
        *("last_over_first_block", "kept_bytes_per_cycle", "leaked_bytes_per_cycle", "block_seconds_per_cycle"),
    }
    assert measured["environment"]["quick"] is True


def test_the_exit_status_says_whether_all_bounds_are_met(
    quick: tuple[subprocess.CompletedProcess[str], dict[str, Any]],
) -> None:
    done, measured = quick
    missed = [bound["name"] for bound in measured["bounds"] if not bound["met"]]
    assert done.returncode == bool(missed)
    last = done.stdout.splitlines()[-1]
    assert last == (f"NOT met: {', '.join(missed)}" if missed else "all bounds are met")


def test_the_table_names_each_number_with_its_bound_and_verdict(
    quick: tuple[subprocess.CompletedProcess[str], dict[str, Any]],
) -> None:
    done, measured = quick
    lines = {line.split()[0]: line for line in done.stdout.splitlines() if line}
    assert lines["name"].split() == ["name", "median", "unit", "bound", "verdict"]
    for bound in measured["bounds"]:
        line = lines[bound["name"]]
        assert bound["bound"] in line
        assert line.endswith("NOT met") == (not bound["met"])


def test_wrong_usage_has_its_own_exit_status(tmp_path: Path) -> None:
    done = bench("--slow", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--slow" in done.stderr
