"""A hundred runs die of five causes, at moments that chance chooses: nothing is left, and nothing only looks whole."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from lab.record.saved.document import Unreadable, load
from lab.record.saved.folder import RUN_FILE, NoRun, find
from tests.kernel.helpers import COMMAND, environment, processes_marked, run_lab, scenario_file
from tests.kernel.remains import drain, session_of, unchanged_host

pytestmark = pytest.mark.usefixtures("whole_machine")

SEED = 6
KINDS = ("SIGKILL", "SIGTERM", "SIGINT", "disk", "pipe")
OF_EACH = 20
GROUP_SIZE = 5
DEADLINE_S = 120.0
SCENARIOS = ("handshake.*", "closing.kernel_closes_first", "fin_wait_2.an_owner_waits_for_ever")
LAST_BEFORE_SAVING = "states seen"
ON_A_SMALL_DISK = """
mount -t tmpfs -o size="$1"k tmpfs "$PWD" && cd "$PWD" || exit 99
kept=$2; shift 2
"$@"
status=$?
cp -a . "$kept"
exit $status
"""
OUTPUT_THERE_TOO = ON_A_SMALL_DISK.replace('"$@"\n', '"$@" >output\n')


class Death(NamedTuple):
    """How a run is to end."""

    number: int
    kind: str
    share: float
    """Of its life, or of the disk that a whole run takes: so far it gets."""
    saving: bool
    """The life is counted from when it begins to be saved."""

    @property
    def mark(self) -> str:
        """By which its processes are recognised."""
        return f"dying {self.number}"


class Whole(NamedTuple):
    """What a run takes at least that nothing happens to, among others."""

    life_s: float = 0.0
    saving_s: float = 0.0
    disk_kib: float = 0.0


class Fate(NamedTuple):
    """What became of it."""

    death: Death
    code: int
    whole: bool
    left: list[str]
    said: str


def deaths() -> list[Death]:
    """The shares of each kind are spread evenly, so that no part of a life is left out; every third dies late."""
    chance = random.Random(SEED)
    planned = [
        (kind, (at + chance.random()) / OF_EACH, kind.startswith("SIG") and at % 3 == 0)
        for kind in KINDS
        for at in range(OF_EACH)
    ]
    chance.shuffle(planned)
    return [Death(number, *each) for number, each in enumerate(planned)]


def command(death: Death, place: Path, whole: Whole) -> list[str]:
    """The run, maybe on a disk that is too small for it."""
    run = [*COMMAND, "run", "-4", "--out", "saved", *SCENARIOS]
    if death.kind == "disk":
        script = OUTPUT_THERE_TOO if death.number % 2 else ON_A_SMALL_DISK
        size = max(4, int(death.share * whole.disk_kib))
        return ["unshare", "--mount", "sh", "-c", script, "sh", str(size), str(place / "kept"), *run]
    return run


@contextmanager
def started(arguments: list[str], mark: str, place: Path) -> Iterator[subprocess.Popen[str]]:
    """A process with a home of its own, whose errors go to a file; ended with all of its group in any case."""
    for folder in ("home", "temporary", "here", "kept"):
        (place / folder).mkdir(parents=True)
    inherited = {name: value for name, value in environment(mark).items() if not name.startswith("XDG_")}
    own = {"HOME": str(place / "home"), "TMPDIR": str(place / "temporary")}
    with (place / "errors").open("wb") as errors:
        process = subprocess.Popen(
            arguments,
            cwd=place / "here",
            env={**inherited, **own, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONFAULTHANDLER": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
        )
    with process:
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def end_of(process: subprocess.Popen[str], what: object, errors: Path) -> int:
    """Its exit code; when it outlives the deadline, where each of its threads stands."""
    until = time.monotonic() + DEADLINE_S
    try:
        if process.stdout is not None and not process.stdout.closed:
            drain(process, DEADLINE_S)
        return process.wait(max(0.0, until - time.monotonic()))
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGABRT)
        process.wait(DEADLINE_S)
        pytest.fail(f"seed {SEED}, {what}: still there after {DEADLINE_S:g} s\n{errors.read_text(errors='replace')}")


def lives(place: Path) -> Whole:
    """A run that ends by itself, and what it took."""
    run = [*COMMAND, "run", "-4", "--out", "saved", *SCENARIOS]
    with started(run, "living", place) as process:
        began = time.monotonic()
        told = drain(process, DEADLINE_S, LAST_BEFORE_SAVING)
        saving = time.monotonic()
        assert LAST_BEFORE_SAVING in told, told + (place / "errors").read_text()
        code = end_of(process, "a run that nothing happens to", place / "errors")
        ended = time.monotonic()
    assert code in (0, 1)  # on a busy machine a timer may be late
    assert is_whole(place / "here/saved")
    disk = sum(-(-file.stat().st_size // 4096) * 4 for file in (place / "here/saved").iterdir())
    return Whole(ended - began, ended - saving, disk)


def dies(death: Death, place: Path, whole: Whole) -> Fate:
    """A run that comes to its end; what became of it, and what is left."""
    with started(command(death, place, whole), death.mark, place) as process:
        if death.kind.startswith("SIG") or death.kind == "pipe":
            if death.saving:
                drain(process, DEADLINE_S, LAST_BEFORE_SAVING)
            drain(process, death.share * (whole.saving_s if death.saving else whole.life_s))
        if death.kind.startswith("SIG"):
            with suppress(ProcessLookupError):  # it was quicker
                os.killpg(process.pid, getattr(signal, death.kind))
        elif death.kind == "pipe":
            assert process.stdout is not None
            process.stdout.close()
        code = end_of(process, death, place / "errors")
    found = place / ("kept" if death.kind == "disk" else "here") / "saved"
    is_there = is_whole(found)
    left = left_of(death.mark, process.pid, place)
    killed = death.kind in ("SIGKILL", "SIGTERM")
    if not is_there and not killed and found.exists():  # who can still do something takes back what is half-written
        left += [str(file) for file in found.iterdir()]
    return Fate(death, code, is_there, left, (place / "errors").read_text(errors="replace"))


def is_whole(folder: Path) -> bool:
    """Whether `lab show` finds a run here, with all that belongs to it; what only looks so is an error."""
    try:
        run = load(find(folder))
    except NoRun:
        return False
    assert run.results
    for result in run.results:
        assert result.recording is None or result.recording.events
        assert (folder / f"{result.scenario.id}-IPv{result.family}.pcapng").exists() == (result.recording is not None)
    return True


def left_of(mark: str, session: int, place: Path) -> list[str]:
    """Processes, and files anywhere but in the output folder.

    A namespace without a name and a lease have an end with the last process or mount that holds them, and mounts are
    the host's.
    """
    left = [f"process {each}" for each in {*processes_marked(mark), *session_of(session)}]
    for folder, allowed in (("home", set()), ("temporary", set()), ("here", {"saved"}), ("kept", {"saved", "output"})):
        left += [str(file) for file in (place / folder).iterdir() if file.name not in allowed]
    return left


def test_a_hundred_dying_runs_leave_nothing(tmp_path: Path) -> None:
    with unchanged_host(), ThreadPoolExecutor(GROUP_SIZE) as pool:
        measured = list(pool.map(lambda number: lives(tmp_path / f"living {number}"), range(GROUP_SIZE)))
        whole = Whole(*(min(values) for values in zip(*measured, strict=True)))
        fates = list(pool.map(lambda death: dies(death, tmp_path / death.mark, whole), deaths()))
    for fate in fates:
        assert not fate.left, f"seed {SEED}, {fate}"
        assert fate.whole or fate.code != 0, f"seed {SEED}, it ended well and is not there: {fate}"
    for kind in KINDS:
        ended_early = any(fate.death.kind == kind and not fate.whole for fate in fates)
        assert ended_early, f"seed {SEED}, each {kind} came too late: {whole}"


def test_what_is_left_is_found(tmp_path: Path) -> None:
    with started([sys.executable, "-c", "print('x'); input()"], "left", tmp_path) as here:
        (tmp_path / "home/file").touch()
        (tmp_path / "here/saved").touch()
        found = left_of("left", here.pid, tmp_path)
    assert [re.sub(r"\d+", "N", each) for each in found] == [
        "process N", re.sub(r"\d+", "N", str(tmp_path / "home/file")),
    ]  # fmt: skip


def test_a_run_that_only_looks_whole_is_found(tmp_path: Path) -> None:
    """Cut anywhere, the file is refused; so is one whose captures are missing."""
    file = scenario_file(tmp_path, "lab.peer(to=81).send('R')", "one")
    assert run_lab("run", "-q", "-4", "--out", tmp_path / "saved", file).returncode == 0
    assert is_whole(tmp_path / "saved")
    (capture,) = (tmp_path / "saved").glob("*.pcapng")
    capture.rename(tmp_path / "elsewhere")
    with pytest.raises(AssertionError):
        is_whole(tmp_path / "saved")
    data = (tmp_path / "saved" / RUN_FILE).read_bytes()
    for size in range(0, len(data), 97):
        (tmp_path / "saved" / RUN_FILE).write_bytes(data[:size])
        with pytest.raises(Unreadable):
            is_whole(tmp_path / "saved")
