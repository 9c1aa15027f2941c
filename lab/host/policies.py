"""Why an ordinary user may not make a user namespace: the settings that forbid it, and how each is changed."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

SETTINGS = Path("/proc/sys")


class Policy(NamedTuple):
    """A setting with a value that forbids it."""

    sysctl: str
    forbids: str
    why: str
    mend: str
    """A value that allows it."""


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


def forbidding(settings: Path = SETTINGS) -> Policy | None:
    """The first setting that forbids it; None when none does, or none can be read."""
    return next((each for each in POLICIES if _value(settings, each.sysctl) == each.forbids), None)


def _value(settings: Path, name: str) -> str:
    try:
        return settings.joinpath(*name.split(".")).read_text().strip()
    except OSError:
        return ""
