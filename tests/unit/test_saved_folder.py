"""A saved run is whole or not there, belongs to who asked for it, and is never overwritten."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.record.saved.folder import NoRun, NotWritable, RunFolder, ensure_writable, find, names_a_run, put, saved_runs

NOBODY = 65534


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SUDO_UID", raising=False)
    monkeypatch.delenv("SUDO_GID", raising=False)
    return tmp_path


def saved(path: Path | None = None) -> Path:
    with RunFolder(path) as folder:
        folder.write("run.json", [b"whole", b" file"])
    return folder.named


def everything_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_each_run_has_a_fresh_folder_named_by_the_time(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.record.saved.folder.NAME_BY_TIME", "2026-11-22T22-19-33")
    paths = [saved() for _ in range(3)]
    assert [str(path) for path in paths] == [f"out/2026-11-22T22-19-33{count}" for count in ("", "-2", "-3")]
    assert [(here / path / "run.json").read_bytes() for path in paths] == [b"whole file"] * 3
    assert find() == paths[-1] / "run.json"


def test_nothing_is_there_before_there_is_something_to_write(here: Path) -> None:
    folder = RunFolder()
    assert everything_in(here) == []
    with folder:
        assert everything_in(here) == ["out", str(folder.named)]


def test_a_named_folder_is_made_with_what_it_lies_in(here: Path) -> None:
    assert saved(Path("a/b/c")) == Path("a/b/c")
    assert everything_in(here) == ["a", "a/b", "a/b/c", "a/b/c/run.json"]


def test_an_empty_folder_can_be_named(here: Path) -> None:
    (here / "empty").mkdir()
    saved(Path("empty"))
    assert everything_in(here) == ["empty", "empty/run.json"]


@pytest.mark.parametrize("there", ["file", "folder", "dangling"])
def test_what_is_there_is_not_overwritten(here: Path, there: str) -> None:
    (here / "file").write_text("mine")
    (here / "folder").mkdir()
    (here / "folder/mine").touch()
    (here / "dangling").symlink_to(here / "nowhere")
    with pytest.raises(NotWritable, match=f"cannot write {there}: it exists already, and a saved run is never"):
        RunFolder(Path(there))
    assert everything_in(here) == ["dangling", "file", "folder", "folder/mine"]


def test_a_folder_that_somebody_makes_in_the_meantime_is_left_alone(here: Path) -> None:
    folder = RunFolder(Path("taken"))
    (here / "taken").mkdir()
    (here / "taken/mine").touch()
    with pytest.raises(NotWritable, match="cannot write taken: File exists"), folder:
        pass
    assert everything_in(here) == ["taken", "taken/mine"]


def test_below_a_file_nothing_can_be_made(here: Path) -> None:
    (here / "out").touch()
    with pytest.raises(NotWritable, match="Not a directory"), RunFolder():
        pass
    assert everything_in(here) == ["out"]


def test_a_folder_that_may_not_be_written_is_told_at_once(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(path: Path) -> None:
        assert path.parent == here
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "mkdir", refused)
    with pytest.raises(NotWritable, match=r"cannot write out/.*: Permission denied"):
        RunFolder()


def half(then: BaseException) -> Iterator[bytes]:
    yield b"half"
    raise then


def save_in_vain(then: BaseException) -> None:
    with RunFolder(Path("a/b")) as folder:
        folder.write("first.pcapng", [b"whole"])
        folder.write("run.json", half(then))


def test_a_full_disk_is_told_and_everything_is_taken_back(here: Path) -> None:
    with pytest.raises(NotWritable, match=r"cannot write .*/a/b/run\.json: No space left on device"):
        save_in_vain(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    assert everything_in(here) == []


def test_an_interrupted_save_is_taken_back(here: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        save_in_vain(KeyboardInterrupt())
    assert everything_in(here) == []


def test_ctrl_c_right_after_a_file_got_its_name_takes_it_back_too(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rename = Path.rename

    def interrupted(self: Path, target: Path) -> Path:
        if target.name == "run.json":
            rename(self, target)
            raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        saved(Path("a"))
    assert everything_in(here) == []


def test_ctrl_c_right_after_a_file_was_made_takes_it_back_too(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fchmod", interrupted)
    with pytest.raises(KeyboardInterrupt):
        put(here / "report.html", [b"page"])
    with pytest.raises(KeyboardInterrupt):
        ensure_writable(here / "report.html")
    assert everything_in(here) == []


def test_nobody_finds_a_file_under_its_name_before_it_is_whole(here: Path) -> None:
    seen: list[str] = []

    def looking() -> Iterator[bytes]:
        seen.extend(path.name for path in (here / "a").iterdir())
        yield b"whole"

    with RunFolder(Path("a")) as folder:
        folder.write("run.json", looking())
    [name] = seen
    assert name.startswith(".run.json.")
    assert everything_in(here) == ["a", "a/run.json"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_everything_made_belongs_to_who_typed_sudo(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_UID", str(NOBODY))
    monkeypatch.setenv("SUDO_GID", str(NOBODY))
    (here / "theirs").mkdir()
    saved(Path("theirs/out/now"))
    owners = {name: ((here / name).stat().st_uid, (here / name).stat().st_gid) for name in everything_in(here)}
    given = (NOBODY, NOBODY)
    assert owners == {
        "theirs": (0, 0), "theirs/out": given, "theirs/out/now": given, "theirs/out/now/run.json": given,
    }  # fmt: skip


def test_without_privileges_the_variables_of_sudo_mean_nothing(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_UID", "12345")
    monkeypatch.setenv("SUDO_GID", "12345")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    owner = here.stat().st_uid
    assert (saved() / "run.json").stat().st_uid == owner


# Which run is meant.


def test_a_run_is_found_by_its_file_by_its_folder_or_as_the_newest(here: Path) -> None:
    for name, time_s in ("b", 100), ("a", 300), ("c", 200):
        os.utime(saved(Path("out") / name) / "run.json", (time_s, time_s))
    (here / "out/unfinished").mkdir()
    assert find() == Path("out/a/run.json")
    assert find(Path("out/c")) == Path("out/c/run.json")
    assert find(Path("out")) == Path("out/a/run.json")
    assert find(Path("out/c/run.json")) == Path("out/c/run.json")
    assert find(Path("latest")) == Path("out/a/run.json")
    assert find(Path("c")) == Path("out/c/run.json")
    assert [file.parent.name for file in saved_runs()] == ["a", "c", "b"]


def test_what_is_here_comes_before_a_run_of_that_name_below_out() -> None:
    for name in "a", "latest":
        saved(Path("out") / name)
        saved(Path(name))
        assert find(Path(name)) == Path(name) / "run.json"


def test_a_misspelt_name_of_a_run_is_told_with_the_nearest() -> None:
    saved(Path("out/2026-11-28T06-19-24"))
    with pytest.raises(NoRun, match=r"no saved run of that name; did you mean 2026-11-28T06-19-24\?"):
        find(Path("2026-11-28T06-19-23"))


@pytest.mark.parametrize(
    ("word", "is_run"),
    [("latest", True), ("2026", True), ("unfinished", False), ("handshake", False), ("a/b", True), ("x.json", True)],
)
def test_a_word_is_a_run_or_a_pattern(here: Path, word: str, is_run: bool) -> None:
    saved(Path("out/2026"))
    (here / "out/unfinished").mkdir()
    assert names_a_run(word) == is_run


@pytest.mark.parametrize(
    ("named", "why"),
    [
        (None, "there is no saved run below {here}/out; `lab run` saves one"),
        (Path("empty"), "there is no saved run below {here}/empty; `lab run` saves one"),
        (Path("gone"), "there is no file or folder gone, and no saved run of that name"),
    ],
)
def test_a_run_that_is_not_there_is_told(here: Path, named: Path | None, why: str) -> None:
    (here / "empty").mkdir()
    with pytest.raises(NoRun) as told:
        find(named)
    assert str(told.value) == why.format(here=here)
