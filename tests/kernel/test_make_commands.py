"""The command `lab exercise make`: files, progress, exit codes, `--watch`, and an ordinary user."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

from lab.exercise.make.files import skeleton
from lab.exercise.make.rungs import RUNGS
from lab.exercise.progress import Progress
from tests.kernel.helpers import DEADLINE_S, as_an_ordinary_user, read_until, run_lab, started_lab

ACKNOWLEDGMENT = Path("tcp-lab/make/acknowledgment.py")
WRONG, RIGHT = "return segment.seq + 1", "return segment.end"


def written(folder: Path, body: str) -> None:
    """Write the function of the first rung."""
    source = skeleton(RUNGS["R01"], "en").replace("raise NotImplementedError", body)
    (folder / ACKNOWLEDGMENT).write_text(source, encoding="utf-8")


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run_lab("exercise", "make", *arguments, cwd=folder)


def test_from_the_skeleton_to_the_next_rung(tmp_path: Path) -> None:
    first = make(tmp_path)
    assert first.returncode == 0
    assert first.stdout.startswith("R01  The ACK number\n")
    assert f"{ACKNOWLEDGMENT} is new" in first.stdout
    assert (tmp_path / ACKNOWLEDGMENT).read_text(encoding="utf-8") == skeleton(RUNGS["R01"], "en")

    written(tmp_path, WRONG)
    second = make(tmp_path)
    assert second.returncode == 1
    assert "R01  not yet" in second.stdout

    written(tmp_path, RIGHT)
    third = make(tmp_path, "r01")
    assert third.returncode == 0
    assert "R01  passed" in third.stdout
    assert "Next: R02  The answer to a SYN. Type: lab exercise make R02" in third.stdout
    assert Progress(tmp_path / "tcp-lab").rungs == {"R01"}
    assert make(tmp_path).stdout.startswith("R02  The answer to a SYN\n")
    listed = make(tmp_path, "--list").stdout.splitlines()
    assert [line.split()[:2] for line in listed[:2]] == [["passed", "R01"], ["open", "R02"]]
    assert len(listed) == len(RUNGS)


def test_a_file_of_the_learner_is_never_written_over(tmp_path: Path) -> None:
    make(tmp_path)
    written(tmp_path, RIGHT)
    before = (tmp_path / ACKNOWLEDGMENT).read_bytes()
    make(tmp_path)
    assert (tmp_path / ACKNOWLEDGMENT).read_bytes() == before


def test_several_rungs_and_one_is_not_passed(tmp_path: Path) -> None:
    make(tmp_path, "R01", "R02")
    written(tmp_path, RIGHT)
    done = make(tmp_path, "R01", "R02")
    assert done.returncode == 1
    assert "R01  passed" in done.stdout
    assert "R02  not yet\nanswer_to_syn() is not written yet" in done.stdout


def test_in_chinese(tmp_path: Path) -> None:
    run_lab("--lang", "zh", "exercise", "make", cwd=tmp_path)
    assert "确认" in (tmp_path / ACKNOWLEDGMENT).read_text(encoding="utf-8")
    done = run_lab("--lang", "zh", "exercise", "make", "-6", cwd=tmp_path)
    assert done.returncode == 1
    assert "R01  尚未通过\nacknowledgment_number() 尚未编写" in done.stdout


def test_a_rung_that_there_is_not(tmp_path: Path) -> None:
    done = make(tmp_path, "R99")
    assert (done.returncode, done.stderr) == (2, "there is no rung R99; `lab exercise make --list` names them\n")


@pytest.mark.parametrize("what", ["a link", "a folder", "not text", "too large"])
def test_a_file_that_cannot_be_read(tmp_path: Path, what: str) -> None:
    file = tmp_path / ACKNOWLEDGMENT
    file.parent.mkdir(parents=True)
    if what == "a link":
        file.symlink_to("/etc/passwd")
    elif what == "a folder":
        file.mkdir()
    else:
        file.write_bytes(b"\xff\xfe" if what == "not text" else b"#" * 1_000_001)
    done = make(tmp_path)
    assert done.returncode == 3
    assert done.stderr.startswith(f"{ACKNOWLEDGMENT}: ")
    assert "root:" not in done.stdout + done.stderr


def test_watching_checks_each_time_the_file_is_saved(tmp_path: Path) -> None:
    with started_lab("exercise", "make", "--watch", mark="watching", cwd=tmp_path) as process:
        read_until(process, "Watching")
        written(tmp_path, WRONG)
        read_until(process, "R01  not yet")
        written(tmp_path, RIGHT)
        read_until(process, "R01  passed")
        process.send_signal(signal.SIGINT)
        assert process.wait(DEADLINE_S) == 130


def test_an_ordinary_user_makes_too(tmp_path: Path) -> None:
    """Where user namespaces are allowed: there is no other user then, but no privilege and no file either.

    The checkout's owner may be root, whom no limit keeps from forking: that is tested with another user elsewhere.
    """
    folder = tmp_path / "open"
    folder.mkdir()
    for each in (folder, *tmp_path.parents[:-1], tmp_path):
        each.chmod(0o777 if each == folder else each.stat().st_mode | 0o555)
    with started_lab("exercise", "make", mark="ordinary", cwd=folder, preexec=as_an_ordinary_user()) as process:
        process.communicate(timeout=DEADLINE_S)
    source = """
from lab.exercise.make.given import WithoutAcknowledgmentNumber
import os
class Endpoint(WithoutAcknowledgmentNumber):
    def acknowledgment_number(self, segment):
        for attempt in (lambda: open("x", "w"), lambda: os.listdir("/etc"), lambda: os.kill(-1, 9)):
            try: print(attempt())
            except OSError as refused: print(type(refused).__name__)
        return segment.end
"""
    (folder / ACKNOWLEDGMENT).write_text(source, encoding="utf-8")
    with started_lab("exercise", "make", mark="ordinary", cwd=folder, preexec=as_an_ordinary_user()) as process:
        out, err = process.communicate(timeout=DEADLINE_S)
    if process.returncode == 3:
        assert "cannot use a user namespace" in err
        return
    assert "R01  passed" in out
    printed = [line.strip() for line in out.partition("printed\n")[2].splitlines() if line.strip()]
    assert printed[:3] == ["FileNotFoundError", "FileNotFoundError", "ProcessLookupError"]
