"""A minimal Debian root with a checkout of the lab in it, and a disk made of it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from scripts.machines.kernels import Kernel
from scripts.machines.tools import CHECKOUT, run

USER = "student"
PROJECT = f"/home/{USER}/tcp-packet-lab"
_SPARE_MIB, _INODES = 3000, 400_000
_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
_INCLUDED = "ca-certificates,iproute2,kmod,procps"
_INIT = """#!/bin/sh
# The first process of the guest: runs /job, hands /results over, and switches the machine off.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8
mount -t tmpfs tmpfs /tmp
mount -t tmpfs tmpfs /run
mkdir -p /dev/pts /dev/shm /results
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
ln -sf /proc/self/fd /dev/fd
hostname guest
echo GUEST-UP
if [ -r /environment ]; then set -a; . /environment; set +a; fi
/bin/bash /job </dev/null
status=$?
tar -C /results -cf /dev/vdb .
sync
echo "GUEST-STATUS $status"
echo o >/proc/sysrq-trigger
sleep 60
"""


def bootstrap(folder: Path, suite: str, log: Path) -> None:
    """A fresh root: Debian's least, plus certificates, ip, kmod and ps."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    run(["mmdebstrap", "--variant=minbase", f"--include={_INCLUDED}", suite, folder], log)
    (folder / "init-guest").write_text(_INIT)
    (folder / "init-guest").chmod(0o755)
    (folder / "etc/resolv.conf").write_text("nameserver 10.0.2.3\n")
    (folder / "etc/hosts").write_text("127.0.0.1 localhost guest\n::1 localhost\n")
    add_user(folder, USER)
    hand_over_settings(folder)


def add_checkout(folder: Path, log: Path) -> None:
    """Clone this checkout's HEAD, as a new user would."""
    target = folder / PROJECT.lstrip("/")
    clone(target, log)
    for path in (target, *target.rglob("*")):
        os.chown(path, 1000, 1000, follow_symlinks=False)


def clone(target: Path, log: Path) -> None:
    """This checkout's HEAD, cloned to there; what was there goes."""
    shutil.rmtree(target, ignore_errors=True)
    run(["git", "-c", "safe.directory=*", "clone", "--quiet", "--no-hardlinks", CHECKOUT, target], log)


def make_disk(root: Path, kernel: Kernel, job: str, disk: Path, log: Path) -> None:
    """An ext4 image of the root, with this kernel's modules and this job, and room to work in."""
    add_modules(root, kernel)
    (root / "job").write_text(job)
    used = sum(path.lstat().st_blocks for path in root.rglob("*")) // 2048
    disk.parent.mkdir(parents=True, exist_ok=True)
    make_file_system(root, disk, used + _SPARE_MIB, log)


def add_modules(root: Path, kernel: Kernel) -> None:
    """This kernel's modules, instead of those that the root has."""
    modules = root / "lib/modules"
    shutil.rmtree(modules, ignore_errors=True)
    shutil.copytree(
        kernel.modules, modules / kernel.release, symlinks=True, ignore=shutil.ignore_patterns("build", "source")
    )


def make_file_system(root: Path, image: Path, size_mib: int, log: Path) -> None:
    """A new ext4 image of the root."""
    image.unlink(missing_ok=True)
    run(["mke2fs", "-q", "-t", "ext4", "-N", str(_INODES), "-d", root, image, f"{size_mib}M"], log)


def add_user(folder: Path, name: str) -> Path:
    """A first user who may use sudo and has no password; their home."""
    with (folder / "etc/passwd").open("a") as file:
        file.write(f"{name}:x:1000:1000::/home/{name}:/bin/bash\n")
    with (folder / "etc/group").open("a") as file:
        file.write(f"{name}:x:1000:\n")
    with (folder / "etc/shadow").open("a") as file:
        file.write(f"{name}:*:20000:0:99999:7:::\n")
    home = folder / "home" / name
    home.mkdir(parents=True)
    os.chown(home, 1000, 1000)
    sudoers = folder / "etc/sudoers.d"
    sudoers.mkdir(exist_ok=True)
    (sudoers / name).write_text(f"{name} ALL=(ALL) NOPASSWD: ALL\n")
    (sudoers / name).chmod(0o440)
    return home


def hand_over_settings(folder: Path) -> None:
    """What this machine needs to reach its package registries, the guest needs too: certificates, pip's settings."""
    lines = []
    if _CERTIFICATES.exists():
        shutil.copy(_CERTIFICATES, folder / "etc/ssl/certs/host.crt")
        lines.append("PIP_CERT=/etc/ssl/certs/host.crt")
    lines += [f"{name}={value}" for name, value in os.environ.items() if name in {"PIP_INDEX_URL", "PIP_TRUSTED_HOST"}]
    lines.append("PIP_DEFAULT_TIMEOUT=600")
    (folder / "environment").write_text("".join(f"{line}\n" for line in lines))
