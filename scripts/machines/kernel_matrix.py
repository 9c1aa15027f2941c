"""The lab under several kernels in virtual machines, and tables of what each did: those run before are in them too."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from scripts.machines.guest import Booted, Guest, choose_accelerator
from scripts.machines.kernels import fetch, newest_of, offered, order
from scripts.machines.roots import PROJECT, add_checkout, bootstrap, make_disk
from scripts.machines.table import OfKernel, as_markdown
from scripts.machines.tools import CHECKOUT, WORK, Failed, Phases, exit_status, run

SERIES = ("5.10", "6.1", "6.12", "6.18", "7.3")
"""What is tried when nothing is asked for: the long-term kernels, and the newest one."""

_DEADLINE_S = 120
_EXERCISES_S = 600
_CONNECTIONS_PER_S = 10
"""Random connections of a busy guest at the host's speed."""


class Task(NamedTuple):
    """What the guests do."""

    folder: Path
    job: str
    """A script for bash."""
    result: str
    """What it leaves below /results, whatever the lab says of the kernel."""
    deadline_s: float
    """For a guest at the host's speed."""
    is_text: bool = False
    """The result is printed, and a guest that fails fails all; else tables are made of the results."""


def task_of(pattern: str, connections: int, *, exercises: bool = False) -> Task:
    """Run scenarios ("" for all), or so many random connections if that is not 0, or verify the exercises."""
    begin = f"set -o pipefail\ncd {PROJECT}\n"
    if connections:
        job = f"{begin}scripts/fuzz --connections {connections} | tee /results/fuzz\n"
        return Task(WORK / "fuzz", job, "fuzz", _DEADLINE_S + connections / _CONNECTIONS_PER_S, is_text=True)
    if exercises:
        job = f"{begin}scripts/lab exercise verify | tee /results/verify\n"
        return Task(WORK / "exercises", job, "verify", _EXERCISES_S, is_text=True)
    folder = f"matrix of {pattern.replace('/', ' ')}" if pattern else "matrix"
    return Task(WORK / folder, f"{begin}scripts/lab run -q --out /results/run {pattern}\n", "run", _DEADLINE_S)


def main() -> int:
    """The command; its exit status: 0 the results are there, 1 a guest failed or broke a rule, 3 not tried."""
    parser = argparse.ArgumentParser(prog="kernel-matrix", description=__doc__)
    parser.add_argument("versions", nargs="*", default=SERIES, metavar="VERSION", help=f"default: {' '.join(SERIES)}")
    parser.add_argument("--suite", default="bookworm", help="the Debian release of the root (default: %(default)s)")
    parser.add_argument("--pattern", default="", help="run only these scenarios")
    parser.add_argument(
        "--fuzz", type=int, default=0, metavar="N", help="run scripts/fuzz with N random connections instead"
    )
    parser.add_argument("--exercises", action="store_true", help="run lab exercise verify instead")
    parser.add_argument("--table", type=Path, metavar="FILE", help="write the table there as Markdown")
    parser.add_argument("--list", action="store_true", help="list the kernels that there are, and stop")
    asked = parser.parse_args()
    return exit_status(parser.prog, lambda: _try(asked))


def _try(asked: argparse.Namespace) -> int:
    known = offered()
    if asked.list:
        print("\n".join(f"{each.release:<32} {each.suite}" for each in known))
        return 0
    wanted = [newest_of(version, known) for version in asked.versions]
    phases, task = Phases(), task_of(asked.pattern, asked.fuzz, exercises=asked.exercises)
    folder = task.folder
    folder.mkdir(parents=True, exist_ok=True)
    kernels = []
    for each in wanted:
        with phases.phase(f"kernel {each.release} ({each.suite})"):
            kernels.append(fetch(each))
    accelerator = choose_accelerator(kernels[0], folder)
    root = folder / "root"
    with phases.phase(f"root of {asked.suite}, with the lab set up"):
        bootstrap(root, asked.suite, folder / "log")
        add_checkout(root, folder / "log")
        _set_up(root, folder / "log")
    guests = []
    for kernel in kernels:
        guest = Guest(kernel, folder / kernel.release, accelerator)
        make_disk(root, kernel, task.job, guest.folder / "disk", guest.folder / "log")
        guests.append(guest)
    failed = []
    # An emulated CPU is a thread of the host's: one guest per core, each with one CPU, gets most done.
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for guest, told in zip(guests, pool.map(lambda each: _boot(each, task), guests), strict=True):
            release = guest.kernel.release
            if isinstance(told, Failed):
                failed.append(release)
                print(f"{release}: {told}", file=sys.stderr)
                continue
            phases.add(f"run under {release}", told.seconds)
            if task.is_text:
                print((guest.folder / "results" / task.result).read_text(), end="")
                failed += [release] * bool(told.status)
    if task.is_text:
        return int(bool(failed))
    table = as_markdown(_recordings(folder))
    if asked.table:
        asked.table.write_text(table)
    else:
        print(table)
    return int(bool(failed))


def _boot(guest: Guest, task: Task) -> Booted | Failed:
    try:
        booted = guest.run(guest.folder / "disk", task.deadline_s, cpus=1)
    except Failed as failed:
        return failed
    finally:
        (guest.folder / "disk").unlink(missing_ok=True)
    if not (guest.folder / "results" / task.result).exists():
        return Failed(f"no {task.result} came back (exit status {booted.status}); see {guest.console}")
    return booted


def _set_up(root: Path, log: Path) -> None:
    """The lab's own provisioning, at the host's speed: in a change of root instead of a guest."""
    resolver = root / "etc/resolv.conf"
    guests = resolver.read_text()
    resolver.write_text(Path("/etc/resolv.conf").read_text())
    command = (
        'mount -t proc proc "$1/proc" && mount --rbind /sys "$1/sys" && mount --rbind /dev "$1/dev"'
        ' && mapfile -t settings <"$1/environment"'
        ' && exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root "${settings[@]}"'
        ' chroot "$1" "$2/scripts/provision"'
    )
    run(["unshare", "-m", "--propagation", "private", "bash", "-c", command, "-", root, PROJECT], log)
    resolver.write_text(guests)


def _recordings(folder: Path) -> dict[str, OfKernel]:
    """Those of today and of before by the kernel's release, oldest kernel first; what cannot be read is named."""
    found = {}
    for recording in sorted(folder.glob("*/results/run"), key=lambda each: order(each.parents[1].name)):
        try:
            found[recording.parents[1].name] = _read(recording)
        except Failed as why:
            print(why, file=sys.stderr)
    return found


def _read(recording: Path) -> OfKernel:
    when = datetime.fromtimestamp(recording.stat().st_mtime, UTC)
    results = _told("show", "--json", recording)["scenarios"]
    return OfKernel(_told("claims", "--json", "--from", recording), results, f"{when:%Y-%m-%d}")


def _told(*arguments: str | Path) -> Any:
    done = subprocess.run([CHECKOUT / "scripts/lab", *arguments], capture_output=True, text=True, check=False)
    if not done.stdout:
        raise Failed(f"lab {' '.join(map(str, arguments))}: {done.stderr.strip()}")
    return json.loads(done.stdout)


if __name__ == "__main__":
    sys.exit(main())
