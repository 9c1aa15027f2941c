"""Scheduling delay: CPU time that is taken away, and wake-ups that come late."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from lab.host.scheduling_delay import NO_DELAY, DelayMeter

TICKS = os.sysconf("SC_CLK_TCK")


def stat(file: Path, *stolen: float) -> None:
    """As proc_stat(5) has it, with so many seconds stolen from each CPU."""
    cpus = [f"cpu{number} 1 2 3 4 5 6 7 {seconds * TICKS:.0f} 0 0" for number, seconds in enumerate(stolen)]
    file.write_text("\n".join(["cpu  9 9 9 9 9 9 9 9999 0 0", *cpus, "intr 1 2 3", ""]))


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("lab.host.scheduling_delay.PROC_STAT", tmp_path / "stat")
    stat(tmp_path / "stat", 5, 7)
    return tmp_path / "stat"


def test_nothing_was_lost(file: Path) -> None:
    meter = DelayMeter()
    meter.note(time.monotonic_ns() + 1_000_000_000)
    assert file.exists()
    assert meter.since(0) == NO_DELAY


def test_what_was_stolen_from_the_cpu_that_lost_most(file: Path) -> None:
    meter = DelayMeter()
    stat(file, 5.5, 7.2)
    assert meter.since(time.monotonic_ns()).stolen == pytest.approx(0.5)


def test_only_what_was_stolen_since_the_last_note_before(file: Path) -> None:
    meter = DelayMeter()
    stat(file, 6, 7)
    meter.note(time.monotonic_ns())
    began_ns = time.monotonic_ns()
    stat(file, 6.25, 7)
    meter.note(time.monotonic_ns())
    assert meter.since(began_ns).stolen == pytest.approx(0.25)
    assert meter.since(0).stolen == pytest.approx(1.25)


def test_the_latest_wake_up(file: Path) -> None:
    meter = DelayMeter()
    for seconds in 0.2, 0.5, 0.3:
        meter.note(time.monotonic_ns() - int(seconds * 1e9))
    assert file.exists()
    assert meter.since(0).late >= 0.5
    assert meter.since(time.monotonic_ns()).late == 0


def test_a_kernel_that_does_not_tell(file: Path) -> None:
    file.unlink()
    assert DelayMeter().since(0) == NO_DELAY
