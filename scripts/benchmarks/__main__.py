"""`scripts/bench`: how fast and how large the lab is, beside hand-written struct, Scapy, `sr1` and the kernel alone."""
# ruff: noqa: T201  # printing is what it is for

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from scripts.benchmarks import commands
from scripts.benchmarks.commands import CommandFailed

MET, NOT_MET, CANNOT_RUN = 0, 1, 3


class Size(NamedTuple):
    """How often each thing is measured."""

    rounds: int
    fast: int
    """Cycles in a block, and with Scapy: a block should outlast a scheduler's tick, but not by much."""
    slow: int
    cold: int
    setups: int
    fences: int
    blocks: int
    block: int
    frames: int
    """In the recording that is opened."""
    ports: str
    """That the kernel connects from until none is left."""
    half_open: int
    """Connections that a listener gets to know."""
    patterns: tuple[str, ...] = ()
    """What the whole run is."""


FULL = Size(
    rounds=25, fast=60, slow=4, cold=9, setups=15, fences=1000, blocks=10, block=100, frames=100_000,
    ports="32768 60999", half_open=10_000,
)  # fmt: skip
QUICK = Size(3, 3, 1, 1, 2, 20, 2, 5, 1000, "45000 45099", 100, patterns=(commands.ONE_SCENARIO,))


class Row(NamedTuple):
    """One line of the table."""

    name: str
    value: float
    unit: str
    at_most: float | None = None
    at_least: float | None = None

    @property
    def bound(self) -> str:
        """As it is printed."""
        if self.at_most is not None:
            return f"<= {_number(self.at_most)}"
        return f">= {_number(self.at_least)}" if self.at_least is not None else ""

    @property
    def met(self) -> bool:
        """Whether the value keeps to the bound; without one always."""
        if self.at_most is not None:
            return self.value <= self.at_most
        return self.at_least is None or self.value >= self.at_least


def main() -> int:
    """Measure, print, write; the exit status."""
    options = _parser().parse_args()
    size = QUICK if options.quick else FULL
    try:
        with tempfile.TemporaryDirectory() as place:
            measured = _measure(size, place)
        if options.full:
            _progress("the whole run with timers of their whole length")
            _measure_full(measured, size)
    except CommandFailed as failed:
        print(failed, file=sys.stderr)
        return CANNOT_RUN
    rows = _rows(measured)
    measured["bounds"] = [
        {"name": row.name, "value": row.value, "unit": row.unit, "bound": row.bound, "met": row.met}
        for row in rows
        if row.bound
    ]
    _print_table(rows)
    if options.json:
        Path(options.json).write_text(json.dumps(measured, indent=2) + "\n")
    missed = [row.name for row in rows if not row.met]
    print(f"\nNOT met: {', '.join(missed)}" if missed else "\nall bounds are met")
    return NOT_MET if missed else MET


def _measure(size: Size, place: str) -> dict[str, Any]:
    # From outside first: this process must still be small then, see `commands.Finished.peak_rss_bytes`.
    _progress("cold starts")
    seconds = {
        "help_cold": commands.cold_seconds(size.cold, "--help"),
        "run_one_cold": commands.cold_seconds(size.cold, "run", "--no-out", commands.ONE_SCENARIO),
    }
    _progress("the whole run")
    saved = Path(place, "run", "run.json")
    whole = commands.whole_run(str(saved.parent), *size.patterns)
    seconds |= {"run_all": whole.seconds, "slowest_scenario": whole.slowest_scenario}

    from lab.author.runner import settle_garbage_collector
    from lab.wire.crafting import load_scapy
    from scripts.benchmarks import labs, views

    load_scapy()
    settle_garbage_collector()  # as `lab run` does
    with labs.shared() as shared:
        _progress("growth")
        growth = labs.growth(shared, size.blocks, size.block)
        _progress("set-up and fence")
        seconds["setup"] = labs.setup_seconds(shared, size.setups)
        seconds["fence_p50"] = labs.fence_seconds(shared, size.fences)
        _progress("crowds")
        seconds["port_exhaustion_whole_range"] = max(
            labs.exhaustion_seconds(shared, each, size.ports) for each in (4, 6)
        )
        seconds["half_open"] = labs.half_open_seconds(shared, size.half_open)
        traced = shared[1] is not None
    _progress("cycles in five ways")
    cycles = labs.cycle_seconds(size.rounds, size.fast, size.slow)
    seconds |= {f"cycle_{name}": median(each) for name, each in cycles.items()}

    def ratio(over: str, under: str) -> float:
        return median(a / b for a, b in zip(cycles[over], cycles[under], strict=True))

    ratios = {
        "api_over_struct": ratio("api", "struct"),
        "scapy_over_api": ratio("scapy", "api"),
        "sr1_over_api": ratio("sr1", "api"),
        "api_over_kernel": ratio("api", "kernel"),
    }
    _progress("saved runs")
    written = views.write_views(saved)
    seconds["write_views"] = written.seconds
    largest = views.enlarge(saved, size.frames, larger := Path(place, "large.json"))
    seconds["show_large_cold"] = commands.cold_seconds(size.cold, "show", str(larger))
    seconds["show_largest_cold"] = commands.cold_seconds(size.cold, "show", str(larger), largest)
    packetdrill = commands.packetdrill_seconds(size.cold)
    if packetdrill is not None:
        seconds["packetdrill_cold"] = packetdrill
        ratios["run_one_over_packetdrill"] = seconds["run_one_cold"] / packetdrill
    return {
        "environment": _environment(traced, quick=bool(size.patterns)),
        "ratios": ratios,
        "seconds": seconds,
        "peak_rss_bytes": whole.peak_rss_bytes,
        "report_bytes": written.report_bytes,
        "growth": growth,
    }


def _measure_full(measured: dict[str, Any], size: Size) -> None:
    with tempfile.TemporaryDirectory() as place:
        whole = commands.whole_run(place, "--full", *size.patterns)
    measured["seconds"] |= {"run_full": whole.seconds, "slowest_scenario_full": whole.slowest_scenario}
    measured["ratios"]["run_full_over_slowest"] = whole.seconds / whole.slowest_scenario


def _rows(measured: dict[str, Any]) -> list[Row]:
    """The table: what is demanded stands beside what was measured, here and nowhere else."""
    ratios, seconds, growth = measured["ratios"], measured["seconds"], measured["growth"]
    rows = [
        Row("api_over_struct", ratios["api_over_struct"], "x", at_most=8),
        Row("scapy_over_api", ratios["scapy_over_api"], "x", at_least=7),
        Row("sr1_over_api", ratios["sr1_over_api"], "x"),
        Row("api_over_kernel", ratios["api_over_kernel"], "x"),
        *(Row(f"cycle_{name}", seconds[f"cycle_{name}"] * 1e6, "us") for name in _ways(seconds)),
        Row("fence_p50", seconds["fence_p50"] * 1e3, "ms", at_most=1),
        Row("setup", seconds["setup"] * 1e3, "ms", at_most=100),
        Row("help_cold", seconds["help_cold"], "s", at_most=0.3),
        Row("run_one_cold", seconds["run_one_cold"], "s", at_most=1.0),
        Row("slowest_scenario", seconds["slowest_scenario"], "s"),
        Row("run_all", seconds["run_all"], "s", at_most=30),
        Row("port_exhaustion_whole_range", seconds["port_exhaustion_whole_range"], "s", at_most=15),
        Row("half_open", seconds["half_open"], "s"),
        Row("write_views", seconds["write_views"], "s", at_most=seconds["run_all"]),
        Row("report", measured["report_bytes"] / 1e6, "MB", at_most=3),
        Row("show_large_cold", seconds["show_large_cold"], "s", at_most=3),
        Row("show_largest_cold", seconds["show_largest_cold"], "s", at_most=3),
        Row("peak_rss", measured["peak_rss_bytes"] / 1e6, "MB", at_most=120),
        Row("last_over_first_block", growth["last_over_first_block"], "x", at_most=1.5),
        Row("kept_per_cycle", growth["kept_bytes_per_cycle"], "bytes"),
        Row("leaked_per_cycle", growth["leaked_bytes_per_cycle"], "bytes", at_most=4096),
    ]
    if "run_full" in seconds:
        rows.append(Row("run_full", seconds["run_full"], "s"))
        rows.append(Row("run_full_over_slowest", ratios["run_full_over_slowest"], "x", at_most=1.2))
    if "packetdrill_cold" in seconds:
        rows.append(Row("packetdrill_cold", seconds["packetdrill_cold"], "s"))
        rows.append(Row("run_one_over_packetdrill", ratios["run_one_over_packetdrill"], "x"))
    return rows


def _ways(seconds: dict[str, float]) -> list[str]:
    return [name.removeprefix("cycle_") for name in seconds if name.startswith("cycle_")]


def _environment(traced: bool, quick: bool) -> dict[str, Any]:
    from importlib.metadata import version

    return {
        "kernel": platform.release(),
        "machine": platform.machine(),
        "cpus": len(os.sched_getaffinity(0)),
        "load": os.getloadavg()[0],
        "python": platform.python_version(),
        "scapy": version("scapy"),
        "witnesses": ["inet_diag", "tracepoint"] if traced else ["inet_diag"],
        "quick": quick,
    }


def _print_table(rows: list[Row]) -> None:
    print(f"{'name':<28}{'median':>10}  {'unit':<7}{'bound':<10}verdict")
    for row in rows:
        verdict = "" if not row.bound else "met" if row.met else "NOT met"
        print(f"{row.name:<28}{_number(row.value):>10}  {row.unit:<7}{row.bound:<10}{verdict}".rstrip())


def _number(value: float) -> str:
    """Three significant digits, without an exponent."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _progress(what: str) -> None:
    if sys.stderr.isatty():
        print(f"measuring {what} ...", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", metavar="FILE", help="write everything that was measured, as JSON")
    parser.add_argument("--quick", action="store_true", help="few repetitions, and one scenario for the whole run")
    parser.add_argument("--full", action="store_true", help="also run all timers for their whole length: minutes")
    return parser


if __name__ == "__main__":
    sys.exit(main())
