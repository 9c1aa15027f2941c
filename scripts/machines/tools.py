"""What the machines need from the host: programs, a work folder, and a clock for the phases."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
WORK = CHECKOUT / "build" / "machines"
"""Downloads, roots, disks and consoles; may be deleted at any time."""

_PACKAGES = {  # program: Debian's package
    "qemu-system-x86_64": "qemu-system-x86",
    "mmdebstrap": "mmdebstrap",
    "busybox": "busybox-static",
    "mke2fs": "e2fsprogs",
    "cpio": "cpio",
    "depmod": "kmod",
    "zstd": "zstd",
    "dpkg-deb": "dpkg",
    "apt-get": "apt",
}


class Missing(Exception):
    """The host lacks something; says what and how to get it."""


class Failed(Exception):
    """A step did not work; says which, and where its output is."""


def exit_status(name: str, work: Callable[[], int], *more: str) -> int:
    """What a script ends with: what its work returns, 1 when that failed, 3 when the host lacks something."""
    try:
        need_host(*more)
        return work()
    except Missing as missing:
        print(f"{name} cannot run here: {missing}", file=sys.stderr)
        return 3
    except Failed as failed:
        print(f"{name} failed: {failed}", file=sys.stderr)
        return 1


def need_host(*more: str) -> None:
    """Missing unless this is root on an x86-64 Debian or Ubuntu with all programs, and these too."""
    if os.geteuid() != 0:
        raise Missing("making a root file system needs root; call this with sudo")
    if os.uname().machine != "x86_64":
        raise Missing(f"only x86-64 guests are made here, this is {os.uname().machine}")
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
    os.environ["PATH"] = path
    wanted = {**_PACKAGES, **{program: program for program in more}}
    packages = sorted({package for program, package in wanted.items() if not shutil.which(program)})
    if packages:
        raise Missing(f"programs are missing; type: sudo apt-get install {' '.join(packages)}")


def run(command: Sequence[str | Path], log: Path, *, more: Mapping[str, str] | None = None) -> None:
    """Run a program with its output in `log`; Failed when its exit status is not 0. `more` adds to its environment."""
    with log.open("ab") as file:
        done = subprocess.run(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT,
            env={**os.environ, **(more or {})}, check=False,
        )  # fmt: skip
    if done.returncode:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-8:])
        raise Failed(f"{Path(str(command[0])).name} ended with {done.returncode}, its output is in {log}:\n{tail}")


class Phases:
    """How long each phase took, told as it ends."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time a block."""
        began = time.monotonic()
        yield
        self.add(name, time.monotonic() - began)

    def add(self, name: str, seconds: float) -> None:
        """A phase that was timed elsewhere."""
        self.seconds[name] = seconds
        print(f"{name:<44} {seconds:8.1f} s", flush=True)
