"""Boots a kernel with a disk in QEMU, without a boot loader: a small initial file system finds the disk."""

from __future__ import annotations

import lzma
import shutil
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

from scripts.machines.kernels import Kernel
from scripts.machines.tools import Failed, run

EMULATION_FACTOR = 30
"""How much slower an emulated guest may be: Python was seen to take 15 to 30 times as long."""

_EMULATED_CPU = "Nehalem,-cx16"
"""QEMU 7.2 emulates cmpxchg16b so that one boot of 6.12 in five ends in a double fault; newer models are slower."""

_DRIVERS = ("virtio_pci", "virtio_blk", "virtio_net", "ext4", "crc32c_generic", "crc32c-cryptoapi")
_APPLETS = ("sh", "mount", "insmod", "ip", "switch_root", "cat", "mkdir", "sleep")
BEGIN_INIT = """#!/bin/sh
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
for module in $(cat /modules/order); do insmod /modules/$module; done
"""
"""What the first process does before anything else."""
END_INIT = """
for each in proc sys dev; do mount --move /$each /root/$each; done
exec switch_root /root"""
"""How it goes over to the root that it has mounted; what follows is the first process there."""

_INIT = f"""{BEGIN_INIT}
ip link set lo up
ip link set eth0 up
ip addr add 10.0.2.15/24 dev eth0
ip route add default via 10.0.2.2
mount -t ext4 /dev/vda /root || echo "no disk"
{END_INIT} /init-guest
"""
_PROBE = """#!/bin/sh
mount -t proc proc /proc
echo GUEST-UP
echo o >/proc/sysrq-trigger
cat
"""


class Booted(NamedTuple):
    """How a guest's job ended."""

    status: int
    """The job's exit status."""
    up_seconds: float
    """From QEMU's start to the first process of the root."""
    seconds: float


class Guest:
    """One virtual machine: a kernel, a disk, and a folder for its console and results."""

    def __init__(self, kernel: Kernel, folder: Path, accelerator: str = "tcg") -> None:
        self.kernel, self.folder, self.accelerator = kernel, folder, accelerator
        folder.mkdir(parents=True, exist_ok=True)
        self.console = folder / "console.log"
        self._log = folder / "log"

    def run(self, disk: Path, deadline_s: float, *, cpus: int = 2, tell: bool = False) -> Booted:
        """Boot, run the disk's job, unpack what it left in /results; Failed when the guest does not come to an end.

        `deadline_s` is for a guest at the host's speed; an emulated one gets EMULATION_FACTOR times as long.
        """
        results, raw = self.folder / "results", self.folder / "results.raw"
        shutil.rmtree(results, ignore_errors=True)
        results.mkdir()
        with raw.open("wb") as file:
            file.truncate(1 << 30)
        factor = EMULATION_FACTOR if self.accelerator == "tcg" else 1
        drives = [
            "-drive", f"file={disk},if=virtio,format=raw,snapshot=on",
            "-drive", f"file={raw},if=virtio,format=raw",
            "-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net",
        ]  # fmt: skip
        began = time.monotonic()
        up, status = self._boot(self.initrd(_INIT), drives, deadline_s * factor, cpus, tell=tell)
        seconds = time.monotonic() - began
        if status is None:
            raise Failed(f"the guest ended without a word; its console is in {self.console}")
        run(["tar", "-C", results, "-xf", raw], self._log)
        raw.unlink()
        return Booted(status, up - began, seconds)

    def comes_up(self, deadline_s: float = 60.0) -> bool:
        """Whether this kernel gets as far as its first process under this accelerator."""
        try:
            up, _ = self._boot(self.initrd(_PROBE), [], deadline_s, 1, tell=False)
        except Failed:
            return False
        return up > 0

    def _boot(
        self, initrd: Path, drives: list[str], deadline_s: float, cpus: int, *, tell: bool
    ) -> tuple[float, int | None]:
        """When the guest was up (0: never), and the exit status of its job."""
        machine = ["-accel", "kvm", "-cpu", "host"] if self.accelerator == "kvm" else [
            "-accel", "tcg,thread=multi", "-cpu", _EMULATED_CPU,
        ]  # fmt: skip
        command = [
            "qemu-system-x86_64", *machine, "-smp", str(cpus), "-m", "3072", "-nodefaults", "-display", "none",
            "-serial", "stdio", "-no-reboot", "-kernel", str(self.kernel.image), "-initrd", str(initrd),
            "-append", "console=ttyS0 quiet mitigations=off panic=-1 net.ifnames=0", *drives,
        ]  # fmt: skip
        up, status = 0.0, None
        deadline = time.monotonic() + deadline_s
        with (
            self.console.open("wb") as console,
            subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            ) as qemu,
        ):
            assert qemu.stdout is not None
            try:
                for line in _lines_until(qemu, deadline):
                    console.write(line)
                    console.flush()
                    text = line.decode(errors="replace").strip()
                    if "GUEST-UP" in text:
                        up = time.monotonic()
                    elif text.startswith("GUEST-STATUS"):
                        status = int(text.split()[1])
                    elif tell:
                        print(f"  | {text}", flush=True)
            finally:
                qemu.kill()
        if time.monotonic() > deadline:
            raise Failed(f"the guest did not end within {deadline_s:.0f} s; its console is in {self.console}")
        return up, status

    def initrd(self, init: str) -> Path:
        """An initial file system: Busybox, the drivers that lead to the disk and the network, and this init."""
        tree = self.folder / "initrd"
        shutil.rmtree(tree, ignore_errors=True)
        for name in ("bin", "proc", "sys", "dev", "root", "modules"):
            (tree / name).mkdir(parents=True)
        shutil.copy(shutil.which("busybox") or "busybox", tree / "bin/busybox")
        for applet in _APPLETS:
            (tree / "bin" / applet).symlink_to("busybox")
        (tree / "init").write_text(init)
        (tree / "init").chmod(0o755)
        order = []
        for path in _with_dependencies(self.kernel.modules, _DRIVERS):
            name = path.name.split(".ko")[0] + ".ko"
            (tree / "modules" / name).write_bytes(_unpacked(path))
            order.append(name)
        (tree / "modules/order").write_text("\n".join(order) + "\n")
        packed = self.folder / "initrd.cpio"
        listed = "\n".join(str(path.relative_to(tree)) for path in sorted(tree.rglob("*")))
        with packed.open("wb") as file:
            subprocess.run(
                ["cpio", "--quiet", "-o", "-H", "newc", "-D", str(tree)], input=listed.encode(), stdout=file, check=True
            )
        shutil.rmtree(tree)
        return packed


def choose_accelerator(kernel: Kernel, folder: Path) -> str:
    """The accelerator, "kvm" or "tcg"; says why. A device that opens is not enough: a guest has to come up."""
    accelerator, why = _accelerator(kernel, folder)
    print(f"(accelerator {accelerator}: {why})")
    return accelerator


def _accelerator(kernel: Kernel, folder: Path) -> tuple[str, str]:
    if not Path("/dev/kvm").exists():
        return "tcg", "there is no /dev/kvm"
    flags = Path("/proc/cpuinfo").read_text().split()
    if "vmx" not in flags and "svm" not in flags:
        return "tcg", "the processor offers no virtualization here (neither vmx nor svm)"
    if Guest(kernel, folder, "kvm").comes_up():
        return "kvm", "a guest came up under KVM"
    return "tcg", "/dev/kvm is there, but no guest came up under KVM within a minute"


def _lines_until(qemu: subprocess.Popen[bytes], deadline: float):  # type: ignore[no-untyped-def]  # a generator of bytes
    import selectors

    assert qemu.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(qemu.stdout, selectors.EVENT_READ)
        rest = b""
        while time.monotonic() < deadline:
            if not selector.select(timeout=1.0):
                continue
            data = qemu.stdout.read1(65536)  # type: ignore[attr-defined]  # a pipe's reader has it
            if not data:
                return
            *lines, rest = (rest + data).split(b"\n")
            yield from (line + b"\n" for line in lines)


def _with_dependencies(modules: Path, wanted: tuple[str, ...]) -> list[Path]:
    """The files of these modules and of what they need, in the order of loading; built-in ones are left out."""
    table = {}
    for line in (modules / "modules.dep").read_text().splitlines():
        path, _, needs = line.partition(":")
        table[_module_name(path)] = (path, needs.split())
    order: list[Path] = []

    def add(name: str) -> None:
        if name not in table:
            return
        path, needs = table[name]
        for each in reversed(needs):
            add(_module_name(each))
        if modules / path not in order:
            order.append(modules / path)

    for name in wanted:
        add(name.replace("-", "_"))
    return order


def _module_name(path: str) -> str:
    return Path(path).name.split(".ko")[0].replace("-", "_")


def _unpacked(path: Path) -> bytes:
    if path.suffix == ".xz":
        return lzma.decompress(path.read_bytes())
    if path.suffix == ".zst":
        return subprocess.run(["zstd", "-dcq", str(path)], capture_output=True, check=True).stdout
    return path.read_bytes()
