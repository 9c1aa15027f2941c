"""Folders of saved runs: creating one for each run, writing files atomically, finding a run."""

from __future__ import annotations

import itertools
import os
import secrets
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

RUN_FILE = "run.json"
DEFAULT_PARENT = Path("out")
NAME_BY_TIME = "%Y-%m-%dT%H-%M-%S"
"""Default name of a run's folder."""


class NotWritable(Exception):
    """A file or folder cannot be written; the message names the path and the reason in one line."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"cannot write {path}: {why}")


class NoRun(Exception):
    """No saved run was found; the message names the place."""


class RunFolder:
    """The folder of one run, a context manager: it is created at the start of the block.

    If the block raises, everything that it has created is removed.
    """

    def __init__(self, path: Path | None = None) -> None:
        """Default path: a new folder in `out`, named by the time. Raises NotWritable if writing is sure to fail."""
        self._wanted = path
        self._made: list[Path] = []
        self._written: list[Path] = []
        self.path = path if path is not None else DEFAULT_PARENT / datetime.now().astimezone().strftime(NAME_BY_TIME)
        if path is not None and (path.is_symlink() or path.exists()) and not _is_empty_folder(path):
            raise NotWritable(path, "it exists already, and a saved run is never overwritten")
        there = next(each for each in (self.path, *self.path.absolute().parents) if each.is_dir())
        if not os.access(there, os.W_OK | os.X_OK):
            raise NotWritable(self.path, f"there is no permission to write in {there.absolute()}")

    def __enter__(self) -> Self:
        self._make()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, trace: TracebackType | None
    ) -> None:
        if raised is not None:
            self._remove()

    def write(self, name: str, pieces: Iterable[bytes]) -> None:
        """Write a file atomically. Raises NotWritable when that fails."""
        self._written.append(self.path / name)  # before writing, as Ctrl-C can interrupt it
        put(self.path / name, pieces)

    def _make(self) -> None:
        try:
            for parent in reversed(self.path.parents):
                self._mkdir(parent, may_be_there=True)
            if self._wanted is not None:
                self._mkdir(self.path, may_be_there=_is_empty_folder(self.path))
                return
            first = self.path
            for count in itertools.count(2):
                with suppress(FileExistsError):
                    self._mkdir(self.path, may_be_there=False)
                    return
                self.path = first.with_name(f"{first.name}-{count}")
        except OSError as refused:
            self._remove()
            raise NotWritable(self.path, refused.strerror or str(refused)) from None

    def _remove(self) -> None:
        for path in self._written:
            path.unlink(missing_ok=True)
        with suppress(OSError):  # another program has written to it
            for path in reversed(self._made):
                path.rmdir()

    def _mkdir(self, path: Path, *, may_be_there: bool) -> None:
        try:
            path.mkdir()
        except FileExistsError:
            if not may_be_there:
                raise
            return
        self._made.append(path)
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            _chown_to_sudo_user(descriptor)
        finally:
            os.close(descriptor)


def put(path: Path, pieces: Iterable[bytes]) -> None:
    """Write a file atomically; under sudo it belongs to the user who called sudo.

    A device or a pipe is written to, not replaced. Raises NotWritable when writing fails.
    """
    path = path.resolve() if path.is_file() else path
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            with path.open("wb") as device:
                device.writelines(pieces)
            return
        try:
            with temporary.open("xb") as file:
                _chown_to_sudo_user(file.fileno())
                file.writelines(pieces)
            temporary.rename(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as refused:
        raise NotWritable(path, refused.strerror or str(refused)) from None


def find(named: Path | None = None) -> Path:
    """The file of a run: `named` itself, or in the folder `named`, or the newest in a folder below it.

    Without a name: the newest below `out`. Raises NoRun if there is none.
    """
    place = DEFAULT_PARENT if named is None else named
    if named is not None and not named.exists():
        raise NoRun(f"there is no file or folder {named}")
    if place.is_file():
        return place
    if (place / RUN_FILE).exists():
        return place / RUN_FILE
    runs = sorted(place.glob(f"*/{RUN_FILE}"), key=lambda file: (file.stat().st_mtime_ns, file))
    if not runs:
        raise NoRun(f"there is no saved run below {place.absolute()}; `lab run` saves one")
    return runs[-1]


def _is_empty_folder(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())


def _chown_to_sudo_user(descriptor: int) -> None:
    owner = _sudo_user()
    if owner is not None:
        with suppress(OSError):  # a file system without owners
            os.fchown(descriptor, *owner)


def _sudo_user() -> tuple[int, int] | None:
    """User and group of the user who called sudo; None without sudo."""
    user, group = os.environ.get("SUDO_UID", ""), os.environ.get("SUDO_GID", "")
    return (int(user), int(group)) if os.geteuid() == 0 and user.isdigit() and group.isdigit() else None
