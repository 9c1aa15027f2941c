"""Files that commands write: tried before the run, never through a planted link, never moved by a scenario."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest

from tests.kernel.helpers import COMMAND, environment, run_lab, scenario_file

PASSING = "lab.peer(to=81).send('R')"
FAILING = "lab.peer(to=81).expect('S', within=0.0)"
NOBODY = 65534


def files_in(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """The folder of a saved run."""
    folder = tmp_path / "saved"
    assert run_lab("run", "-4", "--out", folder, scenario_file(tmp_path, PASSING, "one")).returncode == 0
    return folder


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file that only root can read, to which links point."""
    file = tmp_path / "secret"
    file.write_text("mine")
    file.chmod(0o600)
    return file


def is_untouched(secret: Path) -> bool:
    return secret.read_text() == "mine" and stat.S_IMODE(secret.stat().st_mode) == 0o600


@pytest.mark.parametrize("option", ["--json", "--junit"])
def test_a_run_writes_through_no_link(tmp_path: Path, secret: Path, option: str) -> None:
    (tmp_path / "link").symlink_to(secret)
    done = run_lab("run", "-4", option, tmp_path / "link", scenario_file(tmp_path, PASSING, "one"))
    assert (done.returncode, done.stdout) == (2, "")
    assert f"cannot write {tmp_path}/link: it is a symbolic link; name the file that it points to" in done.stderr
    assert is_untouched(secret)


@pytest.mark.parametrize("command", [["report"], ["report", "-o"], ["show", "-o"]], ids=" ".join)
def test_a_view_writes_through_no_link(saved: Path, secret: Path, command: list[str]) -> None:
    link = saved / "report.html"
    link.symlink_to(secret)
    done = run_lab(command[0], saved, *(["-o", str(link)] if "-o" in command else []))
    assert (done.returncode, done.stdout) == (3, "")
    assert "it is a symbolic link" in done.stderr
    assert is_untouched(secret)


def test_a_run_is_not_saved_below_a_link(tmp_path: Path) -> None:
    scenario = scenario_file(tmp_path, PASSING, "one")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    assert run_lab("run", "--out", tmp_path / "link", scenario).returncode == 3
    os.lchown(tmp_path / "link", NOBODY, NOBODY)
    done = run_lab("run", "--out", tmp_path / "link/run", scenario)
    assert (done.returncode, done.stdout) == (3, "")
    assert f"{tmp_path}/link is a symbolic link of another user" in done.stderr
    assert files_in(tmp_path / "elsewhere") == set()


def test_a_replaced_file_keeps_its_owner_and_mode(saved: Path) -> None:
    page = saved / "report.html"
    page.touch()
    page.chmod(0o600)
    os.chown(page, NOBODY, NOBODY)
    assert run_lab("report", saved).returncode == 0
    assert (stat.S_IMODE(page.stat().st_mode), page.stat().st_uid) == (0o600, NOBODY)
    assert page.stat().st_size > 100_000


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/dev/null"])
def test_devices_and_pipes_are_written_not_replaced(tmp_path: Path, name: str) -> None:
    before = Path(name).lstat().st_ino
    done = run_lab("run", "-4", "-q", "--json", name, scenario_file(tmp_path, PASSING, "one"))
    assert done.returncode == 0, done.stderr
    assert ('"scenarios"' in done.stdout) == (name != "/dev/null")
    assert Path(name).lstat().st_ino == before or name == "/dev/fd/1"


@pytest.mark.parametrize("option", ["--json", "--junit", "--out"])
@pytest.mark.parametrize("place", ["/proc/nothing", "file/below"])
def test_what_cannot_be_written_is_noticed_before_the_run(tmp_path: Path, option: str, place: str) -> None:
    file = scenario_file(tmp_path, FAILING, "one")
    (tmp_path / "file").touch()
    call = [*COMMAND, "run", "-4", option, place, *(["--no-out"] if option != "--out" else []), str(file)]
    done = subprocess.run(call, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == (3 if option == "--out" else 2)
    assert done.stdout == ""
    assert f"cannot write {place}" in done.stderr.splitlines()[0]


@pytest.mark.parametrize(("body", "code"), [(PASSING, 3), (FAILING, 1)], ids=["passing", "failing"])
def test_what_cannot_be_written_after_the_run_hides_no_difference(tmp_path: Path, body: str, code: int) -> None:
    """The scenario removes the folders of all files, in which they could be written before."""
    (tmp_path / "gone").mkdir()
    file = scenario_file(tmp_path, f"Path('gone').rmdir()\n{body}", "one", "from pathlib import Path")
    call = [*COMMAND, "run", "-4", "--json", "gone/json", "--junit", "gone/junit", "--out", "saved", str(file)]
    done = subprocess.run(call, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert [line.split(":")[0] for line in done.stderr.splitlines()] == [
        f"cannot write {tmp_path}/gone/json", f"cannot write {tmp_path}/gone/junit",
    ]  # fmt: skip
    assert "saved/run.json" in files_in(tmp_path)


@pytest.mark.parametrize(("body", "code"), [(PASSING, 3), (FAILING, 1)], ids=["passing", "failing"])
def test_json_to_a_full_disk_hides_no_difference(tmp_path: Path, body: str, code: int) -> None:
    call = [*COMMAND, "run", "-4", "--no-out", "--json", "-", str(scenario_file(tmp_path, body, "one"))]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(call, env=environment(), stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == code
    assert "cannot write to standard output: No space left on device" in done.stderr


MOVING = """
import os
import sys
os.makedirs("elsewhere", exist_ok=True)
os.chdir("elsewhere")
os.umask({umask})
"""


@pytest.mark.parametrize("umask", [0o000, 0o777])
@pytest.mark.parametrize("where", ["in the file", "in the scenario"])
def test_a_scenario_moves_no_output(tmp_path: Path, umask: int, where: str) -> None:
    moving, two = MOVING.format(umask=umask), scenario_file(tmp_path, PASSING, "two")
    in_file = where == "in the file"
    scenario_file(tmp_path, PASSING if in_file else f"{moving}\n{PASSING}", "one", moving if in_file else "")
    call = [*COMMAND, "run", "-4", "--json", "json", "--junit", "junit", "./one.py", two.name]
    done = subprocess.run(call, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "\nsaved in out/20" in done.stdout
    assert not any((tmp_path / "elsewhere").iterdir())
    made = [path for path in tmp_path.rglob("*") if path.name in {"json", "junit", "run.json", "one.one-IPv4.pcapng"}]
    usual = os.umask(0o077)
    os.umask(usual)
    assert [stat.S_IMODE(path.stat().st_mode) for path in made] == [0o666 & ~usual] * 4
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "out").rglob("20*")} == {0o777 & ~usual}


def test_a_made_up_name_of_a_scenario_moves_no_output(tmp_path: Path) -> None:
    names = ["../../up", "/abs", "..", "a\x1b[2Jb", "x" * 400]
    file = scenario_file(tmp_path, PASSING, "one")
    file.write_text(f"{file.read_text()}\nfor name in {names!r}:\n    globals()[name] = one\n")
    (tmp_path / "here").mkdir()
    before = files_in(tmp_path)
    call = [*COMMAND, "run", "-4", "--out", "saved", "--junit", "junit", str(file)]
    done = subprocess.run(call, cwd=tmp_path / "here", env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout
    shown = run_lab("show", "saved", "-o", "drawn/", cwd=tmp_path / "here")
    assert shown.returncode == 0, shown.stderr
    made = files_in(tmp_path) - before
    assert {Path(each).parent for each in made} == {Path("here"), Path("here/saved"), Path("here/drawn")}
    assert len(made) == 2 + 2 * (1 + len(names))


# What root executes.


def folder_like_a_pattern(place: Path) -> Path:
    (place / "handshake").mkdir()
    scenario_file(place / "handshake", PASSING, "planted", "import sys; print('executed', file=sys.stderr)")
    return place


@pytest.mark.parametrize("command", ["run", "list", "coverage", "mutate"])
def test_a_folder_called_like_a_pattern_is_not_executed(tmp_path: Path, command: str) -> None:
    done = run_lab(command, "handshake.kernel_as_server", cwd=folder_like_a_pattern(tmp_path))
    assert "executed" not in done.stderr
    (tmp_path / "handshake").rename(tmp_path / "nothing_here")
    done = run_lab(command, "nothing_here", cwd=tmp_path)
    assert done.returncode == 2
    assert "executed" not in done.stderr
    assert "no scenario matches 'nothing_here'; `lab list` shows them all; ./nothing_here names" in (
        done.stdout + done.stderr
    )


@pytest.mark.parametrize("named", ["./handshake", "handshake/", "handshake/planted.py", "../handshake"])
def test_what_looks_like_a_path_names_a_file_or_a_folder(tmp_path: Path, named: str) -> None:
    place = folder_like_a_pattern(tmp_path)
    done = run_lab("list", named, cwd=place / "handshake" if named.startswith("..") else place)
    assert (done.returncode, done.stderr) == (0, "executed\n")
    assert done.stdout.split() == ["planted", "planted", "planted"]


@pytest.mark.parametrize("command", ["run", "list", "mutate"])
@pytest.mark.parametrize("what", ["file", "folder", "group", "owner", "cache"])
def test_root_executes_nothing_that_another_user_can_change(tmp_path: Path, what: str, command: str) -> None:
    folder = folder_like_a_pattern(tmp_path) / "handshake"
    file = folder / "planted.py"
    match what:
        case "file":
            file.chmod(0o666)
        case "folder":
            folder.chmod(0o1777)
        case "group":
            os.chown(folder, 0, 1)
            folder.chmod(0o775)
        case "owner":
            os.chown(file, NOBODY, NOBODY)
        case "cache":
            (folder / "__pycache__").mkdir(mode=0o700)
            os.chown(folder / "__pycache__", NOBODY, NOBODY)
    done = run_lab(command, "./handshake/", cwd=tmp_path)
    assert done.returncode == 3
    assert "executed" not in done.stderr
    assert "ERROR handshake/planted.py:1: root executes no file that another user can change: " in (
        done.stdout + done.stderr
    )


def test_files_of_the_user_of_sudo_are_executed(tmp_path: Path) -> None:
    folder = folder_like_a_pattern(tmp_path) / "handshake"
    for path in folder, folder / "planted.py":
        os.chown(path, NOBODY, NOBODY)
    call = [*COMMAND, "list", "./handshake"]
    env = {**environment(), "SUDO_UID": str(NOBODY), "SUDO_GID": str(NOBODY)}
    done = subprocess.run(call, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.split()[:2]) == (0, ["planted", "planted"])


def test_places_are_shown_as_before_a_scenario_moved(tmp_path: Path) -> None:
    body = "os.mkdir('gone')\nos.chdir('gone')\nos.rmdir('../gone')\nraise RuntimeError"
    scenario_file(tmp_path, body, "one", "import os")
    call = [*COMMAND, "run", "-4", "--no-out", "./one.py"]
    done = subprocess.run(call, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (3, "")
    assert "  one.py:9: RuntimeError\n" in done.stdout
