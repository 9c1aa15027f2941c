"""Folders of saved runs: creating one for each run, writing files atomically, finding a run."""

from __future__ import annotations

import errno
import itertools
import os
import secrets
import stat
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from lab.record.nearest import did_you_mean
from lab.record.saved.owners import link_of_another_user, sudo_user

RUN_FILE = "run.json"
DEFAULT_PARENT = Path("out")
LATEST = "latest"
"""Names the newest run."""
NAME_BY_TIME = "%Y-%m-%dT%H-%M-%S"
"""Default name of a run's folder."""
_UMASK = os.umask(0o077)
"""The process's umask when this module is loaded: a scenario may change it later."""
os.umask(_UMASK)


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
        named = path if path is not None else DEFAULT_PARENT / datetime.now().astimezone().strftime(NAME_BY_TIME)
        self._place = named.parent
        self.path = _absolute(named)
        if self._wanted is not None and (named.is_symlink() or (named.exists() and not _is_empty_folder(named))):
            raise NotWritable(named, "it exists already, and a saved run is never overwritten")
        tried = next(each for each in (self.path, *self.path.parents) if each.exists()) / f".{secrets.token_hex(4)}"
        try:
            tried.mkdir()
            tried.rmdir()
        except OSError as refused:
            raise NotWritable(named, refused.strerror or str(refused)) from None

    @property
    def named(self) -> Path:
        """The path as it was named: below the working directory in which the lab was started, or absolute."""
        return self._place / self.path.name

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
                if not parent.is_dir():
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
            raise NotWritable(self.named, refused.strerror or str(refused)) from None

    def _remove(self) -> None:
        for path in self._written:
            path.unlink(missing_ok=True)
        with suppress(OSError):  # another program has written to it
            for path in reversed(self._made):
                path.rmdir()

    def _mkdir(self, path: Path, *, may_be_there: bool) -> None:
        try:
            _mkdir(path)
        except FileExistsError:
            if not may_be_there:
                raise
            return
        self._made.append(path)


def ensure_folder(path: Path) -> Path:
    """Make a folder and its parents where missing; return the absolute path.

    Under sudo, new folders belong to the user who called sudo. Raises NotWritable if that fails, and for a symbolic
    link.
    """
    folder = _absolute(path)
    if folder.is_symlink():
        raise NotWritable(path, "it is a symbolic link")
    try:
        for each in reversed((folder, *folder.parents)):
            if not each.is_dir():
                _mkdir(each)
    except OSError as refused:
        raise NotWritable(path, refused.strerror or str(refused)) from None
    return folder


def _mkdir(path: Path) -> None:
    path.mkdir()
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        _give(descriptor, 0o777 & ~_UMASK, sudo_user())
    finally:
        os.close(descriptor)


def ensure_writable(path: Path) -> Path:
    """The absolute path, for `put` later on. Raises NotWritable if a file cannot be written there now."""
    file = _absolute(path)
    try:
        if not _is_special(file):
            temporary = _beside(file)
            try:
                os.close(_create(temporary, file))
            finally:
                temporary.unlink(missing_ok=True)
        elif not os.access(file, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as refused:
        raise NotWritable(path, refused.strerror or str(refused)) from None
    return file


def put(path: Path, pieces: Iterable[bytes]) -> None:
    """Write a file atomically. Under sudo, a new file belongs to the user who called sudo.

    A device or a pipe is written to, not replaced. Raises NotWritable when writing fails.
    """
    try:
        if _is_special(path):
            follow = 0 if path.is_symlink() else os.O_NOFOLLOW
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | follow), "wb") as device:
                device.writelines(pieces)
            return
        temporary = _beside(path)
        try:  # from before it is made: Ctrl-C can come at once
            with os.fdopen(_create(temporary, path), "wb") as file:
                file.writelines(pieces)
            temporary.rename(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as refused:
        raise NotWritable(path, refused.strerror or str(refused)) from None


def find(named: Path | None = None) -> Path:
    """The file of a run: `named` itself, or in the folder `named`, or the newest in a folder below it.

    A name that is no path here is that of a run below `out`. Without a name, or with `latest`: the newest below `out`.
    Raises NoRun if there is none.
    """
    place = DEFAULT_PARENT if named is None else named
    if named is not None and not named.exists():
        if len(named.parts) != 1:
            raise NoRun(f"there is no file or folder {named}")
        place = DEFAULT_PARENT if str(named) == LATEST else DEFAULT_PARENT / named
        if place != DEFAULT_PARENT and not place.exists():
            near = did_you_mean(named, names_of_runs())
            raise NoRun(f"there is no file or folder {named}, and no saved run of that name{near}")
    if place.is_file():
        return place
    if (place / RUN_FILE).exists():
        return place / RUN_FILE
    runs = saved_runs(place)
    if not runs:
        raise NoRun(f"there is no saved run below {place.absolute()}; `lab run` saves one")
    return runs[0]


def saved_runs(place: Path = DEFAULT_PARENT) -> list[Path]:
    """The files of the runs in folders below a place, the newest first."""
    return sorted(place.glob(f"*/{RUN_FILE}"), key=lambda file: (file.stat().st_mtime_ns, file), reverse=True)


def names_of_runs() -> list[str]:
    """`latest`, and the names of the runs below `out`, the newest first."""
    return [LATEST, *(file.parent.name for file in saved_runs())]


def names_a_run(word: str) -> bool:
    """Whether a word of a command line is a run, not the name of a scenario, which has no slash."""
    is_path = "/" in word or word.endswith(".json") or Path(word).exists()
    return is_path or word == LATEST or (DEFAULT_PARENT / word / RUN_FILE).exists()


def _is_empty_folder(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())


def _absolute(path: Path) -> Path:
    """The absolute path. Raises NotWritable if the working directory is gone.

    Also raises it if a folder above the path is a symbolic link of another user.
    """
    try:
        link = link_of_another_user(path.absolute())
    except OSError as refused:
        raise NotWritable(path, refused.strerror or str(refused)) from None
    if link is not None:
        raise NotWritable(path, f"{link} is a symbolic link of another user")
    return path.absolute()


def _is_special(file: Path) -> bool:
    """Whether it is a device, a pipe, or a name for one, such as /dev/stdout. Raises OSError for other links."""
    if file.is_symlink():
        folder = file.parent.resolve()
        if folder == Path("/dev") or folder.match("/proc/*/fd"):
            return True
        raise OSError(errno.ELOOP, "it is a symbolic link; name the file that it points to")
    if file.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    return file.exists() and not file.is_file()


def _beside(file: Path) -> Path:
    """A path of its own in the folder of `file`, for what will take its place."""
    return file.with_name(f".{file.name}.{secrets.token_hex(4)}")


def _create(temporary: Path, file: Path) -> int:
    """Descriptor of a new file at `temporary`, with the owner and mode of `file`, if that exists."""
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    if file.exists():
        before = file.stat()
        _give(descriptor, stat.S_IMODE(before.st_mode) & 0o777, (before.st_uid, before.st_gid))
    else:
        _give(descriptor, 0o666 & ~_UMASK, sudo_user())
    return descriptor


def _give(descriptor: int, mode: int, owner: tuple[int, int] | None) -> None:
    with suppress(OSError):  # a file system without owners
        if owner is not None:
            os.fchown(descriptor, *owner)
    os.fchmod(descriptor, mode)
