"""`lab run --out` and `lab show` as processes: where a run is saved, and the messages if it cannot be."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kernel.helpers import (
    COMMAND,
    DEADLINE_S,
    WAITING,
    environment,
    read_until,
    run_lab,
    scenario_file,
    started_lab,
)

PASSING = "lab.peer(to=81).send('R')"
FAILING = "lab.peer(to=81).expect('S', within=0.0)"
FULL_DISK = """
mount -t tmpfs -o size=64k tmpfs "$1" && cd "$1" && shift && head -c 60000 /dev/zero >filler && "$@"
status=$?
ls -A
exit $status
"""


@pytest.fixture
def one(tmp_path: Path) -> Path:
    return scenario_file(tmp_path, PASSING, "one")


def listed(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.suffix != ".py")


def run_saved(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """`lab run` as a shell command."""
    call = [*COMMAND, "run", *arguments]
    return subprocess.run(
        call, cwd=cwd, env=environment(), capture_output=True, text=True, timeout=DEADLINE_S, check=False
    )


def test_a_run_is_saved_below_the_current_folder_and_shown_from_there(one: Path) -> None:
    place = one.parent
    for count in 1, 2:
        done = run_saved(one, cwd=place)
        assert done.returncode == 0
        assert re.search(r"^saved in out/20.*\n  lab report  .*\n  lab list    ", done.stdout, re.MULTILINE)
        assert len([each for each in listed(place / "out") if each.endswith("/run.json")]) == count
    shown = run_lab("show", cwd=place)
    lines = shown.stdout.splitlines()
    assert (shown.returncode, shown.stderr) == (0, "")
    assert lines[0].startswith("run of 20")
    assert lines[1].split()[:5] == ["pass", "one.one", "IPv4+6", "2", "checks"]
    assert "\n2 passed; " in shown.stdout


def test_no_out_saves_nothing(one: Path) -> None:
    done = run_saved("--no-out", one, cwd=one.parent)
    assert (done.returncode, listed(one.parent)) == (0, [])


def test_an_empty_run_is_not_saved(tmp_path: Path) -> None:
    done = run_saved("no_such_scenario", cwd=tmp_path)
    assert (done.returncode, listed(tmp_path)) == (2, [])


def test_a_saved_run_is_not_overwritten_and_the_error_comes_before_the_run(one: Path) -> None:
    place = one.parent
    assert run_saved("--out", "here", one, cwd=place).returncode == 0
    before = (place / "here/run.json").read_bytes()
    done = run_saved("--out", "here", one, cwd=place)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.splitlines() == [
        "cannot write here: it exists already, and a saved run is never overwritten",
        "name another folder: --out DIR, or save nothing: --no-out",
    ]
    assert (place / "here/run.json").read_bytes() == before


@pytest.mark.parametrize(("body", "code"), [(PASSING, 3), (FAILING, 1)], ids=["passing", "failing"])
def test_on_a_full_disk_no_incomplete_file_is_left(tmp_path: Path, body: str, code: int) -> None:
    # With 4 KiB left, in a mount namespace that ends with the call.
    file = scenario_file(tmp_path, body, "one")
    (tmp_path / "full").mkdir()
    call = ["unshare", "--mount", "sh", "-c", FULL_DISK, "sh", str(tmp_path / "full"), *COMMAND, "run", "-q", str(file)]
    done = subprocess.run(call, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert re.fullmatch(
        r"the run is not saved: cannot write \S+/out/20\S+\.(json|pcapng): No space left on device\n", done.stderr
    )
    assert done.stdout.splitlines()[-1] == "filler"


def test_an_interrupted_run_saves_finished_results(tmp_path: Path) -> None:
    scenario_file(tmp_path, PASSING, "a")
    scenario_file(tmp_path, WAITING, "b")
    with started_lab("run", "-4", "--out", tmp_path / "saved", tmp_path, mark="interrupted") as process:
        read_until(process, "nothing else was sent")
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 130
    assert f"\nsaved in {tmp_path}/saved\n  lab report {tmp_path}/saved  " in out
    lines = run_lab("show", tmp_path / "saved").stdout.splitlines()
    assert ", interrupted, by version" in lines[0]
    assert {line.split()[1] for line in lines if line.startswith("pass")} == {"a.a"}


def test_an_interrupted_save_leaves_no_incomplete_file(one: Path) -> None:
    command = "from lab.record.saved.folder import RunFolder\nfrom lab.cli import main\nimport sys\n"
    command += "def write(self, name, pieces):\n    (self.path / name).touch()\n    raise KeyboardInterrupt\n"
    command += f"RunFolder.write = write\nsys.argv = ['lab', 'run', '-q', {str(one)!r}]\nmain()"
    call = [sys.executable, "-c", command]
    done = subprocess.run(call, cwd=one.parent, env=environment(), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, "interrupted; the run is not saved\n")


@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM"])
def test_a_killed_run_leaves_no_complete_file(tmp_path: Path, name: str) -> None:
    scenario_file(tmp_path, PASSING, "a")
    scenario_file(tmp_path, WAITING, "b")
    with started_lab("run", "-4", "--out", tmp_path / "saved", tmp_path, mark="killed") as process:
        read_until(process, "nothing else was sent")
        process.send_signal(getattr(signal, name))
        process.wait(timeout=DEADLINE_S)
    assert listed(tmp_path) == []


def test_all_files_belong_to_the_user_of_sudo(one: Path) -> None:
    env = {**environment(), "SUDO_UID": "1000", "SUDO_GID": "1001"}
    place = one.parent
    done = subprocess.run(
        [*COMMAND, "run", one], cwd=place, env=env, capture_output=True, timeout=DEADLINE_S, check=False
    )
    assert done.returncode == 0
    assert {(path.stat().st_uid, path.stat().st_gid) for path in (place / "out").rglob("*")} == {(1000, 1001)}
    assert ((place / "out").stat().st_uid, place.stat().st_uid) == (1000, os.getuid())


def test_show_prints_the_named_scenarios(tmp_path: Path) -> None:
    scenario_file(tmp_path, PASSING, "one")
    scenario_file(tmp_path, FAILING, "two")
    ran = run_lab("run", "--out", tmp_path / "saved", tmp_path)
    shown = run_lab("show", tmp_path / "saved", "two", "-4")
    assert shown.returncode == 0
    assert shown.stdout.startswith("FAIL two.two  IPv4  RFC 9293\n")
    assert shown.stdout in ran.stdout
    assert "    > lab.peer(to=81).expect('S', within=0.0)\n" in shown.stdout
    told = json.loads(run_lab("show", "--json", tmp_path / "saved", "t*").stdout)
    assert [(each["id"], each["family"]) for each in told["scenarios"]] == [("two.two", "IPv4"), ("two.two", "IPv6")]


def test_a_misspelt_latest_is_no_state(one: Path) -> None:
    run_lab("run", "-4", "--out", one.parent / "out/first", one)
    done = run_lab("show", "latst", cwd=one.parent)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "no scenario matches 'latst'; did you mean latest?\n"


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["no/such/run"], "there is no file or folder no/such/run"),
        (["saved", "nothing"], "no scenario matches 'nothing'; `lab show` shows them all"),
        (["cut.json"], "cut.json: its end is missing"),
        (["saved/nothing/"], "there is no file or folder saved/nothing"),
    ],
)
def test_a_run_that_cannot_be_shown_is_exit_2_and_a_message(one: Path, arguments: list[str], why: str) -> None:
    place = one.parent
    run_lab("run", "--out", place / "saved", one)
    (place / "cut.json").write_bytes((place / "saved/run.json").read_bytes()[:2000])
    done = run_lab("show", *arguments, cwd=place)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [why]
