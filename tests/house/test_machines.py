"""The virtual machines' scripts, as far as they can be judged without booting one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from scripts.machines.guest import _with_dependencies as with_dependencies
from scripts.machines.kernel_matrix import Task, task_of
from scripts.machines.kernels import Offered, newest_of, order
from scripts.machines.roots import PROJECT
from scripts.machines.table import OfKernel, as_markdown
from scripts.machines.tools import Failed, Missing, run

ROOT = Path(__file__).resolve().parents[2]
KNOWN = sorted(
    (
        Offered(f"{version}-cloud-amd64", "somewhere")
        for version in ("6.12.9+deb12", "6.12.107+deb13", "6.1.0-50", "6.1.0-47", "5.10.0-32", "6.18.5+deb13")
    ),
    key=lambda each: order(each.release),
)


@pytest.mark.parametrize(
    ("series", "release"),
    [("6.12", "6.12.107+deb13"), ("6.1", "6.1.0-50"), ("5.10", "5.10.0-32"), ("6.12.9", "6.12.9+deb12")],
)
def test_a_series_means_its_newest_kernel(series: str, release: str) -> None:
    assert newest_of(series, KNOWN).release == f"{release}-cloud-amd64"


def test_a_series_that_nobody_has_is_answered_with_those_that_are_there() -> None:
    with pytest.raises(Missing, match=r"no suite has a cloud kernel 4\.19; there are 5\.10, 6\.1, 6\.12, 6\.18$"):
        newest_of("4.19", KNOWN)


def test_modules_are_loaded_behind_what_they_need(tmp_path: Path) -> None:
    (tmp_path / "modules.dep").write_text(
        "kernel/fs/ext4/ext4.ko.xz: kernel/fs/mbcache.ko kernel/fs/jbd2/jbd2.ko\n"
        "kernel/fs/mbcache.ko:\n"
        "kernel/fs/jbd2/jbd2.ko: kernel/lib/crc.ko\n"
        "kernel/lib/crc.ko:\n"
        "kernel/net/veth.ko:\n"
    )
    order = [path.name.split(".")[0] for path in with_dependencies(tmp_path, ("ext4", "virtio_blk"))]
    assert sorted(order) == ["crc", "ext4", "jbd2", "mbcache"]
    assert order.index("crc") < order.index("jbd2") < order.index("ext4")
    assert order.index("mbcache") < order.index("ext4")


def test_the_table_tells_first_where_kernels_differ() -> None:
    table = as_markdown(
        {
            "5.10": OfKernel([claim("C1", "shown"), claim("C2", "not run")], [], "2026-01-02"),
            "6.1": OfKernel([claim("C1", "shown"), claim("C2", "shown")], []),
        }
    )
    differing, _, everything = table.partition("## What has changed")
    assert "1 of 2 claims have the same verdict" in differing
    assert "kernels 5.10 (2026-01-02), 6.1." in differing
    assert "| C2 | holds | not run | shown |" in differing
    assert "C1" not in differing
    assert "| C1 | holds | shown | shown |" in everything
    assert "Everything passed under all of them." in everything


def test_the_table_tells_what_has_changed_and_since_when() -> None:
    since = [{"kernel": "6.5", "text": "Now so."}]

    def of(*measured: str) -> OfKernel:
        first, second, third, fourth = measured
        return OfKernel(
            [
                claim("C1", "shown", first),
                claim("C2", "shown", second),
                claim("C3", "shown", third, since),
                claim("C4", "shown", fourth, since),
            ],
            [],
        )

    table = as_markdown(
        {"5": of("1.0, 2 s", "R", "N", "N"), "6": of("9 s", "A | B", "N", "1"), "7": of("1 s", "A | B", "N", "1")}
    )
    changed = table.partition("## What has changed")[2].partition("## ")[0]
    assert [line for line in changed.splitlines() if line.startswith("| C")] == [
        r"| C2 | ? | R | A \| B | as before |",
        "| C4 | **6.5** Now so. | N | 1 | as before |",
    ]


def test_the_table_tells_what_a_kernel_cannot_do() -> None:
    def result(family: str, outcome: str, message: str = "") -> dict[str, str]:
        return {"id": "a.b", "family": family, "outcome": outcome, "message": message}

    runs = {
        "5.10-cloud-amd64": OfKernel([], [result("IPv4", "skip", "no sysctl"), result("IPv6", "skip", "no sysctl")]),
        "6.1-cloud-amd64": OfKernel([], [result("IPv4", "fail", "another timer"), result("IPv6", "pass")]),
    }
    assert [line for line in as_markdown(runs).splitlines() if "`a.b`" in line] == [
        "| `a.b` | fail | another timer | 6.1 (IPv4) |",
        "| `a.b` | skip | no sysctl | 5.10 (IPv4, IPv6) |",
    ]


def claim(name: str, verdict: str, measured: str = "", since: Sequence[dict[str, str]] = ()) -> dict[str, object]:
    return {"id": name, "kind": "holds", "verdict": verdict, "measured": measured, "since": since}


def test_a_step_that_fails_shows_the_end_of_its_output(tmp_path: Path) -> None:
    with pytest.raises(Failed, match=r"(?s)sh ended with 7, its output is in .*log:\nwhat went wrong"):
        run(["sh", "-c", "echo what went wrong; exit 7"], tmp_path / "log")


@pytest.mark.parametrize("script", ["vm-test", "kernel-matrix"])
def test_a_machine_without_the_tools_is_told_what_to_type(script: str, tmp_path: Path) -> None:
    (tmp_path / "python3").symlink_to(Path(sys.executable).resolve())
    for tool in ("bash", "readlink", "env"):
        (tmp_path / tool).symlink_to(shutil.which(tool) or "")
    done = subprocess.run(
        [ROOT / "scripts" / script],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 3
    wanted = "sudo apt-get install" if os.geteuid() == 0 else "call this with sudo"
    assert f"{script} cannot run here: " in done.stderr
    assert wanted in done.stderr or "only x86-64" in done.stderr


@pytest.mark.parametrize("status", [0, 1])
@pytest.mark.parametrize(
    ("task", "script", "asked"),
    [
        (task_of("", 3000), "fuzz", "--connections 3000"),
        (task_of("", 0, exercises=True), "lab", "exercise verify"),
    ],
    ids=["fuzz", "exercises"],
)
def test_a_guest_keeps_what_is_said_and_its_status(
    task: Task, script: str, asked: str, status: int, tmp_path: Path
) -> None:
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / script).write_text(f'#!/bin/sh\necho "asked: $*"\nexit {status}\n')
    (tmp_path / "scripts" / script).chmod(0o755)
    job = task.job.replace(PROJECT, str(tmp_path)).replace("/results", str(tmp_path))
    done = subprocess.run(["bash", "-c", job], capture_output=True, text=True, check=False)
    assert done.returncode == status
    assert done.stdout == (tmp_path / task.result).read_text() == f"asked: {asked}\n"
    assert task.folder != task_of("", 0).folder, "tables are made of what is there"
    assert task.deadline_s > task_of("", 0).deadline_s
