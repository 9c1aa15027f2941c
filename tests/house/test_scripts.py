"""The scripts set up once, notice what is stale or broken, and say in one line what they cannot do.

Python, pip and apt-get are stand-ins here that write down how they were called, so a set-up takes milliseconds and
needs neither a network nor root. That the real ones work is shown by every run of scripts/test on a fresh machine.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
NOBODY = 65534

PYTHON = """#!/bin/bash
echo "python $*" >>{place}/calls
case "$*" in
  *version_info*2]*) echo python3.11-venv ;;
  *version_info*) [[ ! -e {place}/old ]] ;;
  *ensurepip*) [[ ! -e {place}/no-ensurepip ]] ;;
  "-m venv "*) mkdir -p "$3/bin" "$3/lib/python3.11/site-packages" && ln -s "$0" "$3/bin/python" ;;
  *"-m pip install"*)
    while [[ -e {place}/slow ]]; do sleep 0.01; done
    if [[ -e {place}/offline ]]; then echo "no network" >&2; exit 1; fi
    if [[ -e {place}/killed ]]; then rm {place}/killed; kill -9 $PPID; fi ;;
  "-P -m "*) printf '<%s>' "$PWD" "${{@:3}}"; echo ;;
esac
"""
APT_GET = """#!/bin/bash
echo "apt-get $*" >>{place}/calls
case "$*" in
  *update*) touch {place}/lists ;;
  *install*) if [[ -e {place}/offline ]]; then echo "no network" >&2; exit 1; fi
    [[ -e {place}/lists ]] && rm -f {place}/no-ensurepip ;;
esac
"""


Process = subprocess.Popen[str]


@dataclass(frozen=True, slots=True)
class Machine:
    """A folder with a checkout, a PATH on which Python and apt-get are stand-ins, and a record of their calls."""

    place: Path
    language: str = ""
    """LANG of the calls."""

    @property
    def checkout(self) -> Path:
        return self.place / "checkout"

    def start(self, script: str | Path, *args: str, cwd: Path | None = None, root: bool = False) -> Process:
        return Process(
            [self.checkout / "scripts" / script, *args],
            cwd=cwd or self.place,
            env={"PATH": f"{self.place}/bin:/usr/bin:/bin", "LANG": self.language},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            user=NOBODY if os.geteuid() == 0 and not root else None,
        )

    def run(self, script: str | Path, *args: str, cwd: Path | None = None, root: bool = False) -> tuple[int, str, str]:
        """Return exit status, output and messages of one call."""
        process = self.start(script, *args, cwd=cwd, root=root)
        out, err = process.communicate(timeout=20)
        return process.returncode, out, err

    def write_script(self, name: str, text: str) -> None:
        script = self.checkout / "scripts" / name
        script.write_text(text)
        script.chmod(0o755)

    def has(self, what: str) -> None:
        (self.place / what).touch()

    def count(self, what: str) -> int:
        """Count the calls so far that contain these words."""
        return sum(what in line for line in (self.place / "calls").read_text().splitlines())

    def give_away(self) -> None:
        """Hand everything to an ordinary user, so that a test that runs as root sees what others see."""
        if os.geteuid() == 0:
            for path in [self.place, *self.place.rglob("*")]:
                os.chown(path, NOBODY, NOBODY, follow_symlinks=False)


@pytest.fixture
def machine() -> Iterator[Machine]:
    with tempfile.TemporaryDirectory() as folder:  # not tmp_path, which only its owner may enter
        machine = Machine(Path(folder).resolve())
        machine.place.chmod(0o755)
        (machine.place / "bin").mkdir()
        (machine.place / "calls").touch()
        (machine.place / "calls").chmod(0o666)
        for name, text in {"python3.11": PYTHON, "apt-get": APT_GET}.items():
            (machine.place / "bin" / name).write_text(text.format(place=folder))
            (machine.place / "bin" / name).chmod(0o755)
        (machine.place / "bin/python3").symlink_to("python3.11")
        shutil.copytree(SCRIPTS, machine.checkout / "scripts")
        (machine.checkout / "requirements.txt").write_text("scapy==2.8.0\n")
        (machine.checkout / "requirements-dev.txt").write_text("scapy==2.8.0\npytest==9.2.0\n")
        machine.give_away()
        yield machine


def set_up_once(machine: Machine) -> None:
    status, _, err = machine.run("lab")
    assert (status, machine.count("-m venv"), machine.count("-m pip")) == (0, 1, 1), err


def test_the_first_call_sets_up_in_one_line_and_the_second_starts_at_once(machine: Machine) -> None:
    status, out, err = machine.run("lab", "run", "two words")
    assert (status, out) == (0, f"<{machine.place}><lab><run><two words>\n")
    assert err.startswith("set-up: preparing ")
    assert err.count("\n") == 1
    calls = machine.count("")

    assert machine.run("lab", "run") == (0, f"<{machine.place}><lab><run>\n", "")
    assert machine.count("") == calls + 1, "only the lab itself was started"


def test_the_first_call_speaks_chinese_where_the_environment_asks_for_it(machine: Machine) -> None:
    status, _, err = replace(machine, language="zh_CN.UTF-8").run("lab", "run")
    assert (status, err) == (
        0,
        f"准备：正在 {machine.checkout}/.venv 中安装 requirements.txt 所固定的软件包（只此一次，约一分钟）\n",
    )


def test_the_pinned_packages_are_installed_by_hash_from_the_users_own_index(machine: Machine) -> None:
    set_up_once(machine)
    assert machine.count("--require-hashes") == 1
    assert machine.count("index") == 0


def test_the_checkout_is_on_the_environments_path(machine: Machine) -> None:
    set_up_once(machine)
    [path_file] = machine.checkout.glob(".venv/lib/python3*/site-packages/*.pth")
    assert path_file.read_text() == f"{machine.checkout}\n"


def test_symbolic_links_lead_to_the_same_checkout(machine: Machine) -> None:
    set_up_once(machine)
    (machine.place / "command").symlink_to(machine.checkout / "scripts/lab")
    (machine.place / "folder").symlink_to(machine.checkout)
    elsewhere = machine.place / "bin"
    for call in (machine.place / "command", machine.place / "folder/scripts/lab"):
        assert machine.run(call, "run", cwd=elsewhere) == (0, f"<{elsewhere}><lab><run>\n", "")


def test_a_changed_pin_causes_one_new_environment(machine: Machine) -> None:
    set_up_once(machine)
    (machine.checkout / "requirements.txt").write_text("scapy==2.8.1\n")
    for _ in range(2):
        assert machine.run("lab")[0] == 0
    assert machine.count("-m venv") == 2


def test_a_moved_checkout_causes_one_new_environment(machine: Machine) -> None:
    set_up_once(machine)
    moved = machine.checkout.rename(machine.place / "moved")
    for _ in range(2):
        assert machine.run(moved / "scripts/lab")[0] == 0
    assert machine.count("-m venv") == 2


def test_a_replaced_python_causes_one_new_environment(machine: Machine) -> None:
    set_up_once(machine)
    programs = machine.place / "bin"
    shutil.copy(programs / "python3.11", programs / "python3.12")
    (programs / "python3").unlink()
    (programs / "python3").symlink_to("python3.12")
    for _ in range(2):
        assert machine.run("lab")[0] == 0
    assert machine.count("-m venv") == 2


def test_a_folder_that_a_broken_venv_left_is_replaced(machine: Machine) -> None:
    (machine.checkout / ".venv/bin").mkdir(parents=True)
    (machine.checkout / ".venv/bin/python").symlink_to(machine.place / "bin/python3.11")
    machine.give_away()
    set_up_once(machine)


@pytest.mark.parametrize("script", ["lab", "test"])
def test_a_set_up_that_was_killed_is_repeated(machine: Machine, script: str) -> None:
    machine.has("killed")
    assert machine.run(script, "--version")[0] == -9
    assert machine.run(script, "--version")[0] == 0
    assert machine.count("-m venv") == 2


def test_test_tools_are_added_to_what_the_lab_uses(machine: Machine) -> None:
    set_up_once(machine)
    status, out, _ = machine.run("test", "tests/unit")
    assert (status, out) == (0, f"<{machine.checkout}><pytest><tests/unit>\n")
    assert (machine.count("-m venv"), machine.count("-m pip")) == (1, 2)


def test_test_tools_that_were_interrupted_do_not_stop_the_lab(machine: Machine) -> None:
    set_up_once(machine)
    machine.has("killed")
    assert machine.run("test", "tests/unit")[0] == -9
    assert machine.run("lab")[::2] == (0, "")
    assert machine.run("test", "tests/unit")[0] == 0
    assert machine.count("-m venv") == 2


def test_first_calls_at_the_same_time_share_one_set_up(machine: Machine) -> None:
    machine.has("slow")
    calls = [machine.start("lab") for _ in range(3)]
    first_words = sorted(call.stderr.readline().split()[1] for call in calls if call.stderr)
    (machine.place / "slow").unlink()
    for call in calls:
        call.communicate(timeout=20)
    assert [call.returncode for call in calls] == [0, 0, 0]
    assert first_words == ["preparing", "waiting", "waiting"]
    assert (machine.count("-m venv"), machine.count("-m pip")) == (1, 1)


def test_a_missing_network_is_told_apart_from_a_verdict(machine: Machine) -> None:
    machine.has("offline")
    status, out, err = machine.run("lab", "run")
    assert (status, out) == (3, "")
    assert "pip could not install requirements.txt" in err


def test_an_old_python_is_named(machine: Machine) -> None:
    machine.has("old")
    status, _, err = machine.run("lab", "run")
    assert status == 3
    assert err.startswith("set-up: python3 is missing or older than 3.11; ")
    assert err.count("\n") == 1


def test_without_root_a_missing_ensurepip_is_a_line_with_what_to_type(machine: Machine) -> None:
    machine.has("no-ensurepip")
    status, _, err = machine.run("lab", "run")
    assert (status, machine.count("apt-get")) == (3, 0)
    assert "type: sudo apt-get install python3.11-venv" in err
    assert err.count("\n") == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may install a system package")
def test_root_installs_a_missing_ensurepip_and_says_so(machine: Machine) -> None:
    machine.has("no-ensurepip")
    status, _, err = machine.run("lab", "run", root=True)
    assert status == 0, err
    assert machine.count("install python3.11-venv") == 2, "once in vain, and once after the package lists were fetched"
    assert err.splitlines()[0] == (
        "set-up: installing the system package python3.11-venv, which python3 needs for virtual environments"
    )


NEEDING = """#!/bin/bash
source "${0%/*}/setup.sh"
need_program no-such-program some-package "for this test"
need_program bash bash "which is there"
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may install a system package")
@pytest.mark.parametrize("fails", [False, True])
def test_a_missing_tool_of_the_tests_is_installed_or_told(machine: Machine, fails: bool) -> None:
    machine.write_script("needing", NEEDING)
    if fails:
        machine.has("offline")
    status, _, err = machine.run("needing", root=True)
    first, *others = err.splitlines()
    assert (status, first) == (0, "set-up: installing the system package some-package, for this test")
    assert machine.count("install some-package") == 2
    assert machine.count("install bash") == 0
    assert others[:1] == (["set-up: apt-get could not install some-package; it says: no network"] if fails else [])


def test_without_root_a_missing_tool_is_left_to_the_tests(machine: Machine) -> None:
    machine.write_script("needing", NEEDING)
    assert machine.run("needing") == (0, "", "")
    assert machine.count("apt-get") == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can leave an environment that others may not write")
def test_an_environment_of_root_is_used_by_others_but_not_changed(machine: Machine) -> None:
    assert machine.run("lab", "run", root=True)[0] == 0
    assert machine.run("lab", "run")[::2] == (0, "")
    status, _, err = machine.run("test", "tests/unit")
    assert status == 3
    assert "no permission to write" in err
    assert "type: sudo " in err


def test_the_whole_suite_asks_for_root_before_it_sets_anything_up(machine: Machine) -> None:
    status, _, err = machine.run("test")
    assert (status, machine.count("")) == (3, 0)
    assert "tests/kernel needs root; type: sudo " in err
