"""`lab run` for CI systems: JUnit XML, and annotations for GitHub Actions."""

from __future__ import annotations

import subprocess
from pathlib import Path
from xml.etree import ElementTree as ET

from tests.kernel.helpers import COMMAND, DEADLINE_S, environment, run_lab, scenario_file

PASSING = "lab.peer(to=81).send('R')"
FAILING = "lab.peer(to=81).expect('S', within=0.0)"


def test_junit_and_annotations_of_a_run(tmp_path: Path) -> None:
    scenario_file(tmp_path, PASSING, "one")
    scenario_file(tmp_path, FAILING, "two")
    call = [*COMMAND, "run", "-4", "-q", "--no-out", "--junit", "junit.xml", str(tmp_path)]
    summary = tmp_path / "summary.md"
    summary.write_text("### Another step\n\n")
    github = {"GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": str(tmp_path), "GITHUB_STEP_SUMMARY": str(summary)}
    env = {**environment(), **github}
    done = subprocess.run(call, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    assert done.returncode == 1
    root = ET.parse(tmp_path / "junit.xml").getroot()
    assert {name: root.get(name) for name in ("tests", "failures", "errors")} == {
        "tests": "2", "failures": "1", "errors": "0",
    }  # fmt: skip
    assert [case.get("classname") for case in root.iter("testcase")] == ["one", "two"]
    assert (
        "::error file=two.py,line=6,title=two.two IPv4::waited 0 s for S, and the kernel sent no such segment%0A"
        in done.stdout
    )
    first, _, title, *table = summary.read_text().splitlines()
    assert first == "### Another step"
    assert title.startswith("### TCP packet lab: 1 passed, 1 failed; ")
    assert "| two.two IPv4 | fail | segment: expected S, got none |" in table


def test_outside_of_github_actions_nothing_is_annotated(tmp_path: Path) -> None:
    file = scenario_file(tmp_path, FAILING, "two")
    assert "::error" not in run_lab("run", "-4", file).stdout


def test_junit_on_standard_output_is_alone_there(tmp_path: Path) -> None:
    scenario_file(tmp_path, PASSING, "one")
    scenario_file(tmp_path, FAILING, "two")
    done = run_lab("run", "-4", "--junit", "-", tmp_path)
    assert done.returncode == 1
    cases = {
        case.get("classname"): len(case.findall("failure")) for case in ET.fromstring(done.stdout).iter("testcase")
    }
    assert cases == {"one": 0, "two": 1}
    assert "FAIL two.two  IPv4" in done.stderr
    assert "1 passed, 1 failed" in done.stderr


def test_json_and_junit_cannot_both_be_standard_output() -> None:
    done = run_lab("run", "-4", "--junit", "-", "--json", "-", "handshake")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "--json - and --junit - cannot both be written to standard output\n"


def test_a_junit_file_that_cannot_be_written_is_wrong_usage(tmp_path: Path) -> None:
    file = scenario_file(tmp_path, PASSING, "one")
    done = run_lab("run", "-4", "--junit", "no/such/folder/file", file)
    assert (done.returncode, done.stderr) == (2, "cannot write no/such/folder/file: No such file or directory\n")
