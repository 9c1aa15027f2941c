"""Network namespaces held by a descriptor: without a name they are gone with it, so a killed run leaves nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.host.errors import MachineError
from lab.host.policies import forbidding
from lab.host.syscalls import CLONE_NEWNET, CLONE_NEWUSER, setns, unshare

_OWN = "/proc/thread-self/ns/net"


class Namespace:
    """A network namespace. Sockets made inside `entered()` stay in it wherever they are used."""

    __slots__ = ("_descriptor",)

    def __init__(self, path: Path | None = None) -> None:
        """A new one without a name, or the one that `ip netns` shows under `path` (OSError when there is none)."""
        self._descriptor = _make() if path is None else os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def fileno(self) -> int:
        """The descriptor that keeps the namespace alive."""
        return self._descriptor

    @contextmanager
    def entered(self) -> Iterator[None]:
        """The calling thread is inside for the length of the block, and back home whatever happens in it."""
        home = os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
        setns(self._descriptor, CLONE_NEWNET)
        try:
            yield
        finally:
            setns(home, CLONE_NEWNET)
            os.close(home)

    def close(self) -> None:
        """Let go; the kernel dismantles the namespace once no socket is left in it."""
        os.close(self._descriptor)


def _make() -> int:
    home = os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
    try:
        unshare(CLONE_NEWNET)
        descriptor = os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
        setns(home, CLONE_NEWNET)
    except PermissionError:
        raise MachineError(
            "making a network namespace is not permitted", "run the lab as root: sudo scripts/lab"
        ) from None
    finally:
        os.close(home)
    return descriptor


def become_root_of_own_user_namespace() -> None:
    """Without privileges: move this process, while it has one thread, into user and network namespaces that it owns.

    MachineError when the kernel or its policy does not allow that to ordinary users.
    """
    user, group = os.geteuid(), os.getegid()
    try:
        unshare(CLONE_NEWUSER | CLONE_NEWNET)
        for name, text in (("setgroups", "deny"), ("uid_map", f"0 {user} 1"), ("gid_map", f"0 {group} 1")):
            Path("/proc/self", name).write_text(text)
    except OSError as refused:
        raise _not_allowed(refused.strerror or str(refused)) from None
    if not may_make_namespaces():
        raise _not_allowed("one was made, but it gives no privileges")


def _not_allowed(how: str) -> MachineError:
    policy = forbidding()
    why = f"{how}: {policy.sysctl} is {policy.forbids}, {policy.why}" if policy is not None else how
    mend = f", or allow it: sudo sysctl -w {policy.sysctl}={policy.mend}" if policy is not None else ""
    return MachineError(
        f"this user is not root and may not make a user namespace ({why})",
        f"run the lab as root: sudo scripts/lab{mend}",
    )


def may_make_namespaces() -> bool:
    """Whether this process has CAP_NET_ADMIN and CAP_SYS_ADMIN in its user namespace (capabilities(7))."""
    needed = 1 << 12 | 1 << 21
    for line in Path("/proc/self/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == "CapEff":
            return int(value, 16) & needed == needed
    return False
