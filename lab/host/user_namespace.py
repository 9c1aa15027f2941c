"""The privileges that the lab needs: root's, or those of a user namespace that an ordinary user may make."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from lab.host.errors import MachineError
from lab.host.syscalls import CLONE_NEWNET, CLONE_NEWUSER, unshare

SETTINGS = Path("/proc/sys")
_CAP_NET_ADMIN, _CAP_SYS_ADMIN = 1 << 12, 1 << 21


class Policy(NamedTuple):
    """A setting that can forbid user namespaces to ordinary users."""

    sysctl: str
    forbids: str
    """The value that does."""
    why: str
    mend: str
    """A value that allows them."""


POLICIES = (
    Policy("user.max_user_namespaces", "0", "this machine allows no user namespace at all", "15000"),
    Policy("kernel.unprivileged_userns_clone", "0", "this machine leaves user namespaces to root, as Debian may", "1"),
    Policy(
        "kernel.apparmor_restrict_unprivileged_userns",
        "1",
        "AppArmor takes away what can be done in user namespaces of ordinary users, as on Ubuntu since 23.10",
        "0",
    ),
)


def ensure_privileges() -> None:
    """Become root in a user namespace of this process's own, unless it is root; MachineError when that is forbidden."""
    if not may_make_namespaces():
        become_root_of_own_user_namespace()


def may_make_namespaces() -> bool:
    """Whether this process has CAP_NET_ADMIN and CAP_SYS_ADMIN in its user namespace (capabilities(7))."""
    needed = _CAP_NET_ADMIN | _CAP_SYS_ADMIN
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["CapEff"], 16) & needed == needed


def become_root_of_own_user_namespace() -> None:
    """Move this process, while it has one thread, into user and network namespaces that it owns.

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


def forbidding(settings: Path = SETTINGS) -> Policy | None:
    """The first setting that forbids user namespaces; None when none does, or none can be read."""
    for each in POLICIES:
        with suppress(OSError):
            if settings.joinpath(*each.sysctl.split(".")).read_text().strip() == each.forbids:
                return each
    return None


def _not_allowed(how: str) -> MachineError:
    policy = forbidding()
    why = f"{how}: {policy.sysctl} is {policy.forbids}, {policy.why}" if policy is not None else how
    mend = f", or allow it: sudo sysctl -w {policy.sysctl}={policy.mend}" if policy is not None else ""
    return MachineError(
        f"this user is not root and may not make a user namespace ({why})",
        f"run the lab as root: sudo scripts/lab{mend}",
    )
