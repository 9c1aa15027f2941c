"""Users whose files a process can rely on: root, its own user, the user who called sudo, and the owner of the lab."""

from __future__ import annotations

import os
import stat
from pathlib import Path

_ALL_USERS = ["0", "0", "4294967295"]
"""uid_map of the first user namespace. In any other, a file of a user who is not mapped seems to be nobody's."""
_ACL = "system.posix_acl_access"


def sudo_user() -> tuple[int, int] | None:
    """User and group of the user who called sudo; None without sudo."""
    user, group = os.environ.get("SUDO_UID", ""), os.environ.get("SUDO_GID", "")
    return (int(user), int(group)) if os.geteuid() == 0 and user.isdigit() and group.isdigit() else None


def is_in_first_user_namespace() -> bool:
    """Whether root of this process is root of the machine, and every file has its owner."""
    return Path("/proc/self/uid_map").read_text().split() == _ALL_USERS


def link_of_another_user(path: Path) -> Path | None:
    """The first folder above an absolute path that is a symbolic link of a user who is not trusted."""
    trusted = _trusted()
    links = (each for each in reversed(path.parents) if each.is_symlink())
    return next((each for each in links if each.lstat().st_uid not in trusted), None)


def why_not_as_root(file: Path) -> str:
    """Why root must not execute a file: another user can change it. "" if none can, or for an ordinary user.

    `file` is absolute, without symbolic links. In a folder with the sticky bit users can only change their own files.
    """
    if os.geteuid() != 0 or not is_in_first_user_namespace():
        return ""
    cache = file.parent / "__pycache__"
    for path in (file, *([cache] if cache.exists() else []), *file.parents):
        status = path.stat()
        if status.st_uid not in _trusted():
            return f"{path} belongs to user {status.st_uid}"
        if status.st_mode & stat.S_ISVTX and path not in (file.parent, cache):
            continue
        if status.st_mode & stat.S_IWOTH:
            return f"every user can write to {path}"
        if status.st_mode & stat.S_IWGRP and (_ACL in os.listxattr(path) or not _members(status.st_gid) <= _trusted()):
            return f"other users of group {status.st_gid} can write to {path}"
    return ""


def _trusted() -> set[int]:
    sudo = sudo_user()
    return {0, os.geteuid(), Path(__file__).stat().st_uid, *(sudo[:1] if sudo else ())}


def _members(group: int) -> set[int]:
    import grp
    import pwd

    try:
        named = set(grp.getgrgid(group).gr_mem)
    except KeyError:  # a group without a name has no other members
        named = set()
    return {each.pw_uid for each in pwd.getpwall() if each.pw_gid == group or each.pw_name in named}
