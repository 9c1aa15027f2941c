"""System calls that Python 3.11 lacks, called through the C library."""

from __future__ import annotations

import ctypes
import os
import platform
import struct

CLONE_NEWUSER = 0x1000_0000
CLONE_NEWNET = 0x4000_0000
CLONE_NEWIPC, CLONE_NEWPID = 0x0800_0000, 0x2000_0000
MS_BIND, MS_REC, MS_SHARED = 0x1000, 0x4000, 0x10_0000

_libc = ctypes.CDLL(None, use_errno=True)

# Numbers above 423 are the same on every architecture; perf_event_open is older and differs.
_FSOPEN, _FSCONFIG, _FSMOUNT = 430, 431, 432
_PERF_EVENT_OPEN = {"x86_64": 298, "aarch64": 241, "riscv64": 241, "ppc64le": 319, "s390x": 331}
_FSCONFIG_CMD_CREATE = 6
_CAPABILITY_VERSION_3 = 0x2008_0522
_CLOEXEC = 1


def unshare(flags: int) -> None:
    """Move the calling thread into new namespaces (unshare(2)). Raises OSError when the kernel refuses."""
    _checked(_libc.unshare(flags), "unshare")


def setns(descriptor: int, kind: int) -> None:
    """Move the calling thread into the namespace of `descriptor` (setns(2))."""
    _checked(_libc.setns(descriptor, kind), "setns")


def mount_detached(filesystem: str) -> int:
    """Mount `filesystem` without a mount point; it lasts as long as the descriptor (fsmount(2), Linux 5.2)."""
    context = _syscall(_FSOPEN, ctypes.c_char_p(filesystem.encode()), _CLOEXEC)
    try:
        _syscall(_FSCONFIG, context, _FSCONFIG_CMD_CREATE, None, None, 0)
        return _syscall(_FSMOUNT, context, _CLOEXEC, 0)
    finally:
        os.close(context)


def mount(source: str, target: str, flags: int) -> None:
    """Mount `source` at `target` (mount(2)); `flags` say how: MS_*."""
    _checked(_libc.mount(source.encode(), target.encode(), None, ctypes.c_ulong(flags), None), f"mount {target}")


def unmount(path: str) -> None:
    """Unmount `path`, even if it is in use (umount2(2) with MNT_DETACH)."""
    _checked(_libc.umount2(path.encode(), 2), f"umount {path}")


def end_with_parent(number: int) -> None:
    """Send this process a signal when the thread that has forked it ends (PR_SET_PDEATHSIG of prctl(2))."""
    _checked(_libc.prctl(1, ctypes.c_ulong(number), 0, 0, 0), "prctl")


def forbid_new_privileges() -> None:
    """No program that this process runs gets privileges by its file (PR_SET_NO_NEW_PRIVS of prctl(2))."""
    _checked(_libc.prctl(38, ctypes.c_ulong(1), 0, 0, 0), "prctl")


def drop_capabilities() -> None:
    """Give up all capabilities of this thread (capset(2))."""
    header = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0)
    _checked(_libc.capset(header, bytes(24)), "capset")


def perf_event_open(attributes: bytes, cpu: int) -> int:
    """A descriptor for an event on one CPU, for all tasks (perf_event_open(2))."""
    number = _PERF_EVENT_OPEN.get(platform.machine())
    if number is None:
        raise OSError(f"perf_event_open has no known number on {platform.machine()}")
    buffer = ctypes.create_string_buffer(attributes, len(attributes))
    return _syscall(number, buffer, -1, cpu, -1, 8)  # 8: close on exec


def _syscall(number: int, *arguments: object) -> int:
    return _checked(_libc.syscall(ctypes.c_long(number), *arguments), f"system call {number}")


def _checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result
