"""Wrong usage, broken scenario files and scenarios that raise: the messages, and that all others still run."""

from __future__ import annotations

import json
import os
import re
import subprocess
from functools import partial
from pathlib import Path

import pytest

from tests.kernel.helpers import COMMAND, environment, run_lab, scenario_file

PASSING = "lab.peer(to=81).send('R')"


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["frobnicate"], "No such command 'frobnicate'"),
        (["run", "--frobnicate"], "No such option '--frobnicate'"),
        (["run", "no_such_scenario"], "no scenario matches 'no_such_scenario'; `lab list` shows them all"),
        (["run", "C999"], "no scenario matches 'C999'; did you mean C99?\n"),
        (["run", "its_window_is_not_scled"], "did you mean its_window_is_not_scaled?\n"),
        (["run", "hanshake"], "no scenario matches 'hanshake'; did you mean handshake"),
        (["run", "no/such/file.py"], "there is no file or folder no/such/file.py"),
        (["list", "no_such_scenario"], "no scenario matches 'no_such_scenario'"),
        (
            ["run", "-q", "nobody_listens", "--json", "/no/such/folder/file"],
            "cannot write /no/such/folder/file: No such",
        ),
    ],
    ids=[
        "command",
        "option",
        "pattern",
        "claim",
        "one name for a scenario",
        "misspelt pattern",
        "file",
        "pattern of list",
        "JSON file",
    ],
)
def test_wrong_usage_is_exit_2_and_says_what_is_wrong(arguments: list[str], why: str) -> None:
    done = run_lab(*arguments)
    assert done.returncode == 2
    assert why in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", [["list"], ["list", "--json"], ["claims", "--help"], ["doctor"]], ids=" ".join)
@pytest.mark.parametrize("unbuffered", ["", "1"], ids=["in one piece", "line by line"])
def test_output_to_a_full_disk_or_a_closed_pipe(command: list[str], unbuffered: str) -> None:
    """A full disk is reported, a closed pipe is not. The exit code of neither is a verdict."""
    run = partial(subprocess.run, [*COMMAND, *command], stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    buffering = {**environment(), "PYTHONUNBUFFERED": unbuffered}
    with Path("/dev/full").open("w") as full:
        done = run(stdout=full, env=buffering)
    assert (done.returncode, done.stderr.splitlines()) == (
        3,
        [
            "the lab cannot run here: no space is left on the device",
            "free some space, or write elsewhere",
        ],
    )
    reader, writer = os.pipe()
    os.close(reader)
    done = run(stdout=writer, env=buffering)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize("closed", [1, 2], ids=["standard output", "standard error"])
def test_a_closed_stream_is_ignored(closed: int) -> None:
    run = [*COMMAND, "run", "-q", "-4", "--no-out", "nobody_listens"]
    closing = ["sh", "-c", f'"$@" {closed}>&-', "sh", *run]
    done = subprocess.run(closing, env=environment(), capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert ("1 passed" in done.stdout) == (closed == 2)


def test_an_unknown_pattern_does_not_stop_the_known_ones() -> None:
    done = run_lab("run", "-q", "nobody_listens", "no_such_scenario")
    assert done.returncode == 2
    assert "no scenario matches 'no_such_scenario'" in done.stdout
    assert "2 passed; " in done.stdout


@pytest.fixture
def trouble(tmp_path: Path) -> Path:
    """A folder of files, each broken in a different way, and one correct file."""
    scenario_file(tmp_path, PASSING, "fine")
    scenario_file(tmp_path, "peer = lab.peer(to=81)\nraise RuntimeError('no idea')", "raises")
    scenario_file(tmp_path, "lab.peer(port=80).send('S')", "outside")
    (tmp_path / "syntax.py").write_text("from lab import Lab, scenario\n\n\ndef broken(:\n")
    (tmp_path / "importing.py").write_text("\nimport no_such_module\n")
    return tmp_path


def test_each_trouble_names_file_and_line_and_the_others_run(trouble: Path) -> None:
    done = run_lab("run", "-4", "--json", trouble / "out.json", trouble)
    text = done.stdout
    assert done.returncode == 3
    assert "Traceback" not in text + done.stderr
    assert re.findall(r"^(\w+) (\w+)\.\w+  IPv4", text, re.MULTILINE) == [
        ("pass", "fine"),
        ("ERROR", "outside"),
        ("ERROR", "raises"),
    ]
    assert f"  {trouble}/outside.py:6: the peer on port 80 has no connection yet" in text
    assert f"  {trouble}/raises.py:7: RuntimeError: no idea\n" in text
    assert f"ERROR {trouble}/syntax.py:4: SyntaxError: invalid syntax" in text
    assert f"ERROR {trouble}/importing.py:2: ModuleNotFoundError: No module named 'no_such_module'\n" in text
    assert "\n1 passed, 4 errors; " in text

    told = json.loads((trouble / "out.json").read_text())
    outcomes = {each["id"].split(".")[0]: (each["outcome"], each.get("where")) for each in told["scenarios"]}
    assert outcomes == {
        "fine": ("pass", None),
        "outside": ("error", f"{trouble}/outside.py:6"),
        "raises": ("error", f"{trouble}/raises.py:7"),
        "syntax": ("error", f"{trouble}/syntax.py:4"),
        "importing": ("error", f"{trouble}/importing.py:2"),
    }


def test_a_difference_weighs_more_than_an_error(trouble: Path) -> None:
    scenario_file(trouble, "lab.peer(to=81).expect('S', within=0.0)", "differs")
    assert run_lab("run", "-q", "-4", trouble).returncode == 1


def test_any_exception_in_a_file_is_an_error_of_that_file(tmp_path: Path) -> None:
    (tmp_path / "exits.py").write_text("import sys\nsys.exit(0)\n")
    scenario_file(tmp_path, "import sys\nsys.exit(0)", "leaves")
    scenario_file(tmp_path, PASSING, "fine")
    done = run_lab("run", "-4", tmp_path)
    assert done.returncode == 3
    assert f"ERROR {tmp_path}/exits.py:2: SystemExit: 0\n" in done.stdout
    assert f"  {tmp_path}/leaves.py:7: SystemExit: 0\n" in done.stdout
    assert "\n1 passed, 2 errors; " in done.stdout


def test_a_scenario_that_takes_all_memory_ends_the_run_and_is_named(tmp_path: Path) -> None:
    """An exit that waited for running threads would never end."""
    scenario_file(tmp_path, "import threading\nthreading.Event().wait()", "first")
    file = scenario_file(tmp_path, "bytes(2**62)", "takes_all")
    done = run_lab("run", "-4", tmp_path / "first.py", file)
    assert (done.returncode, done.stdout) == (3, "")
    said = "the lab cannot run here: it has run out of memory in 'takes_all.takes_all', line 6\n"
    assert done.stderr == said + "allow it more: ulimit -v shows a limit\n"


def test_a_folder_without_scenarios_is_reported(tmp_path: Path) -> None:
    done = run_lab("run", tmp_path)
    assert done.returncode == 2
    assert f"{tmp_path} has no scenarios: a scenario is a function with @scenario above it" in done.stdout


@pytest.mark.parametrize(
    ("decorator", "why"),
    [
        ("@scenario()", "TypeError: scenario() missing 1 required keyword-only argument: 'section'"),
        ("@scenario(section='x', families=[5])", "ValueError: families must be 4, 6 or both, not (5,)"),
    ],
    ids=["no section", "family 5"],
)
def test_a_wrong_decorator_names_its_line(tmp_path: Path, decorator: str, why: str) -> None:
    file = tmp_path / "decorated.py"
    file.write_text(f"from lab import Lab, scenario\n\n{decorator}\ndef one(lab: Lab) -> None:\n    pass\n")
    done = run_lab("run", file)
    assert done.returncode == 3
    assert f"ERROR {file}:3: " in done.stdout
    assert why in done.stdout


def test_a_scenario_for_the_other_family_is_skipped_with_a_message(tmp_path: Path) -> None:
    file = tmp_path / "four.py"
    file.write_text(
        "from lab import Lab, scenario\n\n\n"
        '@scenario(section="none", families=(4,))\ndef only_ipv4(lab: Lab) -> None:\n    """IPv4."""\n'
    )
    done = run_lab("run", "-6", file)
    assert done.returncode == 0
    assert "skip four.only_ipv4  IPv6" in done.stdout
    assert "the scenario is for the other address family" in done.stdout


@pytest.mark.parametrize(
    ("name", "outcome", "code"),
    [("net.ipv4.tcp_sakc", "error", 3), ("net.ipv4.tcp_sack", "pass", 0)],
    ids=["misspelt", "right"],
)
def test_a_misspelt_sysctl_is_an_error_not_a_skip(tmp_path: Path, name: str, outcome: str, code: int) -> None:
    file = tmp_path / "setting.py"
    file.write_text(
        "from lab import Lab, scenario\n\n\n"
        f'@scenario(section="none", sysctls={{"{name}": 1}})\ndef setting(lab: Lab) -> None:\n'
        '    """A setting."""\n    lab.verify("family", 4, lab.family)\n'
    )
    done = run_lab("run", "-4", "--json", "-", file)
    assert done.returncode == code
    assert [each["outcome"] for each in json.loads(done.stdout)["scenarios"]] == [outcome]


@pytest.mark.parametrize(
    ("setting", "why"),
    [
        ("net.ipv4.tcp_congestion_control=nosuch", "the kernel has no 'nosuch'"),
        ("net.ipv4.tcp_sack=abc", "Invalid argument"),
        ("net.ipv4.tcp_available_congestion_control=reno", "Permission denied"),
        ("net.ipv4.tcp_rmem=1 x", "Invalid argument"),
    ],
)
def test_a_refused_setting_is_one_error_of_the_run(setting: str, why: str) -> None:
    name, _, value = setting.partition("=")
    done = run_lab("run", "--sysctl", setting, "handshake")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == (
        f"the lab cannot run here: sysctl {name} = {value!r}: {why}\n"
        "give a value that this kernel accepts, see ip-sysctl\n"
    )


def test_a_refused_setting_of_a_scenario_is_an_error_of_the_scenario(tmp_path: Path) -> None:
    body = "lab.kernel.sysctl('net.ipv4.tcp_congestion_control', 'nosuch')"
    done = run_lab("run", "-4", scenario_file(tmp_path, body))
    assert done.returncode == 3
    assert "sysctl net.ipv4.tcp_congestion_control = 'nosuch': the kernel has no 'nosuch'" in done.stdout


def test_mistakes_in_files_are_told_in_the_language_of_the_command(tmp_path: Path) -> None:
    scenario_file(tmp_path, PASSING, "fine").with_suffix(".zh.toml").write_text('"{} s" = "秒"\n')
    (tmp_path / "exits.py").write_text("import sys\nsys.exit(0)\n")
    done = run_lab("run", "-4", tmp_path, "gone", "--lang", "zh")
    assert done.returncode == 3
    assert f"出错 {tmp_path}/exits.py:2: SystemExit: 0\n" in done.stdout
    assert f"出错 {tmp_path}/fine.zh.toml:1: '{{}} s' 有 1 个计算出的部分，而译文 '秒' 与之不一致\n" in done.stdout
    assert "没有与 gone 匹配的场景；`lab list` 列出所有场景\n" in done.stdout + done.stderr
