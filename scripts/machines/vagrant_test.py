"""A real `vagrant up` of this checkout's Vagrantfile with a box made here, without KVM and without the internet.

Everything runs in a change of root with a network of its own: Vagrant, libvirt and QEMU are Debian's, the box is a
minimal Debian with one of Debian's kernels, and nothing of it touches the host's network. Takes some fifteen minutes.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
from pathlib import Path

from scripts.machines.guest import BEGIN_INIT, END_INIT, Guest
from scripts.machines.kernels import Kernel, fetch, newest_of, offered
from scripts.machines.roots import add_modules, add_user, clone, hand_over_settings, make_file_system
from scripts.machines.tools import WORK, Failed, Phases, exit_status, run

_HOST_PACKAGES = (
    "vagrant,vagrant-libvirt,libvirt-daemon-system,libvirt-clients,qemu-system-x86,qemu-utils,dnsmasq-base,iptables,"
    "rsync,openssh-client,kmod,iproute2,ca-certificates,ebtables,procps"
)
_BOX_PACKAGES = (
    "systemd-sysv,udev,dbus,openssh-server,sudo,rsync,iproute2,iputils-ping,ifupdown,isc-dhcp-client,kmod,"
    "ca-certificates,procps"
)
_BOX_GIB = 4
_BOX_VAGRANTFILE = """
Vagrant.configure("2") do |config|
  config.vm.boot_timeout = 1200
  config.vm.provider "libvirt" do |libvirt|
    libvirt.driver = "qemu"
    libvirt.kernel = "/box/vmlinuz"
    libvirt.initrd = "/box/initrd"
    libvirt.cmd_line = "root=/dev/vda rw console=ttyS0 net.ifnames=0 mitigations=off quiet"
    libvirt.graphics_type = "none"
    libvirt.video_type = "none"
    libvirt.cpu_mode = "custom"
    libvirt.cpu_model = "Nehalem"
    libvirt.cpu_feature :name => "cx16", :policy => "disable"
  end
end
"""
_INIT = f"""{BEGIN_INIT}
until [ -b /dev/vda ]; do sleep 0.2; done
mount -t ext4 /dev/vda /root
{END_INIT} /sbin/init
"""
_SESSION = """
set -eu
mount -t proc proc /proc
mount -t tmpfs tmpfs /run
mkdir -p /dev/net /run/libvirt
[ -e /dev/net/tun ] || mknod /dev/net/tun c 10 200
ip link set lo up
until ip route | grep -q default; do sleep 0.2; done
virtlogd -d
libvirtd -d
until virsh -c qemu:///system list >/dev/null 2>&1; do sleep 0.5; done
export VAGRANT_CHECKPOINT_DISABLE=1 HOME=/root VAGRANT_DEFAULT_PROVIDER=libvirt
cd /project
phase() { name=$1; began=$(date +%s); shift; "$@"; echo "PHASE-ENDED $name $(($(date +%s) - began)) 0"; }
ruby -c Vagrantfile
phase validate vagrant validate
phase box vagrant box add --force --name debian/bookworm64 /box/lab.box
phase up vagrant up --provider=libvirt
phase lab-run vagrant ssh -c 'sudo /vagrant/scripts/lab run -q handshake closing'
phase destroy vagrant destroy -f
echo VAGRANT-DONE
"""


def main() -> int:
    """The command; its exit status: 0 all went well, 1 something did not, 3 it could not be tried."""
    parser = argparse.ArgumentParser(prog="vagrant-test", description=__doc__)
    parser.add_argument("--kernel", default="6.1", help="the series of the box's kernel (default: %(default)s)")
    asked = parser.parse_args()
    return exit_status(parser.prog, lambda: _try(asked.kernel, Phases()), "slirp4netns")


def _try(series: str, phases: Phases) -> int:
    folder = WORK / "vagrant"
    folder.mkdir(parents=True, exist_ok=True)
    log, host = folder / "log", folder / "host"
    with phases.phase(f"kernel {series}"):
        kernel = fetch(newest_of(series, offered()))
    with phases.phase("Vagrant and libvirt in a root of their own"):
        if not (host / "complete").exists():
            shutil.rmtree(host, ignore_errors=True)
            run(["mmdebstrap", "--variant=minbase", f"--include={_HOST_PACKAGES}", "bookworm", host], log)
            (host / "complete").touch()
        _prepare_host(host, log)
    with phases.phase("box"):
        _make_box(folder, host / "box", kernel, log)
    return _session(folder, host, phases)


def _prepare_host(host: Path, log: Path) -> None:
    (host / "etc/libvirt/qemu.conf").write_text(
        'user = "root"\ngroup = "root"\nsecurity_driver = "none"\ncgroup_controllers = []\nnamespaces = []\n'
    )
    (host / "etc/resolv.conf").write_text("nameserver 10.0.2.3\n")
    clone(host / "project", log)
    (host / "session").write_text(_SESSION)


def _make_box(folder: Path, box: Path, kernel: Kernel, log: Path) -> None:
    """A box for libvirt: a disk without a boot loader, and a Vagrantfile that names kernel and initial file system."""
    root = folder / "box-root"
    shutil.rmtree(root, ignore_errors=True)
    run(["mmdebstrap", "--variant=minbase", f"--include={_BOX_PACKAGES}", "bookworm", root], log)
    _add_vagrants_user(root, box.parent)
    (root / "etc/network/interfaces").write_text("auto lo\niface lo inet loopback\nauto eth0\niface eth0 inet dhcp\n")
    (root / "etc/hostname").write_text("lab\n")
    (root / "etc/hosts").write_text("127.0.0.1 localhost lab\n")
    hand_over_settings(root)
    shutil.move(root / "environment", root / "etc/environment")
    add_modules(root, kernel)
    shutil.rmtree(box, ignore_errors=True)
    box.mkdir()
    make_file_system(root, box / "box.raw", _BOX_GIB * 1024, log)
    run(["chroot", box.parent, "qemu-img", "convert", "-O", "qcow2", "/box/box.raw", "/box/box.img"], log)
    (box / "box.raw").unlink()
    shutil.copy(kernel.image, box / "vmlinuz")
    initrd = Guest(kernel, folder / "initrd").initrd(_INIT)
    shutil.copy(initrd, box / "initrd")
    (box / "metadata.json").write_text(json.dumps({"provider": "libvirt", "format": "qcow2", "virtual_size": _BOX_GIB}))
    (box / "Vagrantfile").write_text(_BOX_VAGRANTFILE)
    with gzip.open(box / "lab.box", "wb", compresslevel=1) as packed, tarfile.open(fileobj=packed, mode="w") as tar:
        for name in ("metadata.json", "Vagrantfile", "box.img"):
            tar.add(box / name, arcname=name)
    (box / "box.img").unlink()


def _add_vagrants_user(root: Path, host: Path) -> None:
    keys = next(host.glob("usr/share/**/keys/vagrant.pub"), None)
    if keys is None:
        raise Failed(f"Vagrant's public key is not in {host}")
    ssh = add_user(root, "vagrant") / ".ssh"
    ssh.mkdir()
    shutil.copy(keys, ssh / "authorized_keys")
    for path in (ssh.parent, ssh, ssh / "authorized_keys"):
        os.chown(path, 1000, 1000)
        path.chmod(0o700 if path.is_dir() else 0o600)


def _session(folder: Path, host: Path, phases: Phases) -> int:
    """Everything that Vagrant does, in namespaces that end with it; slirp4netns is the way out."""
    console = folder / "console.log"
    command = 'mount --rbind /sys "$1/sys"; mount --rbind /dev "$1/dev"; exec chroot "$1" /bin/bash /session'
    with console.open("wb") as output:
        inside = subprocess.Popen(
            ["unshare", "-mnpf", "--kill-child", "--propagation", "private", "bash", "-c", command, "-", str(host)],
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"},
        )  # fmt: skip
        uplink = subprocess.Popen(
            ["slirp4netns", "--configure", "--mtu=1500", "--disable-host-loopback", _first_child(inside.pid), "tap0"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            inside.wait(3600)
        finally:
            inside.kill()
            uplink.kill()
    text = console.read_text(errors="replace")
    for line in text.splitlines():
        if line.startswith("PHASE-ENDED"):
            _, name, seconds, _ = line.split()
            phases.add(f"vagrant: {name}", float(seconds))
    if "VAGRANT-DONE" not in text:
        raise Failed(f"Vagrant did not get to the end; see {console}:\n" + "\n".join(text.splitlines()[-12:]))
    return 0


def _first_child(process: int) -> str:
    """The process that is first in the new namespaces."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
        if children:
            return children[0]
        time.sleep(0.05)
    raise Failed("unshare started nothing")


if __name__ == "__main__":
    sys.exit(main())
