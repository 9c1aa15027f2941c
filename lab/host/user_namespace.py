"""Privileges of the lab: those of root, or of root in a user namespace of its own."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from lab.host.errors import MachineError
from lab.host.namespace import unshare_network
from lab.host.syscalls import CLONE_NEWUSER, unshare
from lab.record.saved.owners import is_in_first_user_namespace

SETTINGS = Path("/proc/sys")
_CAP_NET_ADMIN, _CAP_SYS_ADMIN = 1 << 12, 1 << 21


class Policy(NamedTuple):
    """A sysctl that can forbid user namespaces to ordinary users."""

    sysctl: str
    forbidding_value: str
    """The value that forbids them."""
    why: str
    allowing_value: str
    """A value that allows them."""


POLICIES = (
    Policy("user.max_user_namespaces", "0", "this machine does not allow user namespaces", "15000"),
    Policy("kernel.unprivileged_userns_clone", "0", "only root may create user namespaces, as Debian may set it", "1"),
    Policy(
        "kernel.apparmor_restrict_unprivileged_userns",
        "1",
        "AppArmor denies capabilities in user namespaces of ordinary users, as on Ubuntu since 23.10",
        "0",
    ),
)


def ensure_privileges() -> None:
    """Become root in a new user namespace, unless privileged already. Raises MachineError when that is forbidden.

    Root of a user namespace gets a network namespace: perhaps it could not return to the present one.
    """
    if not may_make_namespaces():
        become_root_of_own_user_namespace()
    elif not is_in_first_user_namespace():
        unshare_network()


def may_make_namespaces() -> bool:
    """Whether this process has CAP_NET_ADMIN and CAP_SYS_ADMIN in its user namespace (capabilities(7))."""
    needed = _CAP_NET_ADMIN | _CAP_SYS_ADMIN
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["CapEff"], 16) & needed == needed


def become_root_of_own_user_namespace() -> None:
    """Move this process, which must be single-threaded, into new user and network namespaces.

    Raises MachineError when the kernel or a sysctl does not allow that to ordinary users.
    """
    user, group = os.geteuid(), os.getegid()
    try:
        unshare(CLONE_NEWUSER)
        for name, text in (("setgroups", "deny"), ("uid_map", f"0 {user} 1"), ("gid_map", f"0 {group} 1")):
            Path("/proc/self", name).write_text(text)
    except OSError as refused:
        raise _permission_error(refused.strerror or str(refused)) from None
    if not may_make_namespaces():
        raise _permission_error("a new user namespace gives no privileges")
    unshare_network()


def forbidding_policy(settings: Path = SETTINGS) -> Policy | None:
    """The first sysctl that forbids user namespaces; None without one."""
    for each in POLICIES:
        with suppress(OSError):
            if settings.joinpath(*each.sysctl.split(".")).read_text().strip() == each.forbidding_value:
                return each
    return None


def _permission_error(how: str) -> MachineError:
    policy = forbidding_policy()
    remedy = "run the lab as root: sudo scripts/lab"
    if policy is not None:
        how += f": {policy.sysctl} is {policy.forbidding_value}, {policy.why}"
        remedy += f", or allow it: sudo sysctl -w {policy.sysctl}={policy.allowing_value}"
    return MachineError(f"this user is not root and cannot use a user namespace ({how})", remedy)
