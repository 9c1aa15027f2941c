"""`lab show --format`: a saved ladder as a file, in text, SVG and mermaid."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from lab.record.results import Outcome, Result, Run, Scenario
from lab.record.saved.document import lines_of
from tests.unit.stories import Story, a_long_one
from tests.unit.test_text import eventful

ROOT = Path(__file__).resolve().parents[2]


def run_of(*stories: Story) -> Run:
    """A run with a result for each story, over the address family of its recording."""
    results = []
    for story in stories:
        described = Scenario("made.up", "A title", "RFC 9293", (4, 6), {}, {}, False, False, Path("made.py"), 3)
        results.append(Result(described, story.recording.family, Outcome.PASS, 0.1, story.recording))
    return Run(results, environment={"kernel": "6.18", "sysctls": {}}, version="0", began="2026-01-01T00:00:00+00:00")


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    over_ipv6 = Story(6)
    over_ipv6.handshake()
    file = tmp_path_factory.mktemp("saved") / "run.json"
    file.write_text("".join(lines_of(run_of(eventful(), over_ipv6))), encoding="utf-8")
    return file


def show(*arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "lab", "show", *arguments]
    return subprocess.run(
        command,
        env={"PYTHONPATH": str(ROOT), "LANG": "C.UTF-8", "PATH": "/usr/bin", **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_text_is_the_ladder_alone(saved: Path) -> None:
    done = show(saved, "-6", "--format", "text")
    assert (done.returncode, done.stderr) == (0, "")
    head, *lines = done.stdout.splitlines()
    assert head.split()[:3] == ["ms", "peer", "kernel"]
    assert len(lines) == 5


@pytest.mark.parametrize("form", [[], ["--format", "text"], ["--plain"]])
def test_a_long_ladder_shows_its_ends_unless_all_is_requested(tmp_path: Path, form: list[str]) -> None:
    long = Story()
    long.recording = a_long_one(3000)
    file = tmp_path / "run.json"
    file.write_text("".join(lines_of(run_of(long))))
    lines = show(file, "made.up", *form).stdout.splitlines()
    every = show(file, "made.up", "--all", *form).stdout.splitlines()
    (gap,) = (at for at, line in enumerate(lines) if "lines are left out here" in line)
    assert len(every) - len(lines) == int(re.sub(r"\D", "", lines[gap])) - 1 > 900
    assert lines[:gap] == every[:gap]
    assert lines[gap + 1 :] == every[gap + 1 - len(lines) :]


def test_one_svg_goes_to_standard_output(saved: Path) -> None:
    done = show(saved, "-6", "--format", "svg")
    assert done.returncode == 0
    assert ET.fromstring(done.stdout).tag == "{http://www.w3.org/2000/svg}svg"


def test_several_svgs_need_a_folder(saved: Path, tmp_path: Path) -> None:
    done = show(saved, "--format", "svg")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("an SVG file holds one ladder and 2 match: ")
    done = show(saved, "--format", "svg", "-o", f"{tmp_path}/new/")
    written = [tmp_path / f"new/made.up-IPv{family}.svg" for family in (4, 6)]
    assert (done.returncode, done.stdout.split()) == (0, [str(file) for file in written])
    assert all(ET.parse(file).getroot().attrib["class"] == "ladder" for file in written)


def test_mermaid_into_a_file(saved: Path, tmp_path: Path) -> None:
    assert show(saved, "-4", "--format", "mermaid", "-o", tmp_path / "a.mmd").returncode == 0
    assert (tmp_path / "a.mmd").read_text(encoding="utf-8").startswith("sequenceDiagram\n")


def test_chinese_sentences_on_a_terminal_without_chinese(saved: Path) -> None:
    arguments = (saved, "-6", "--format", "text", "--plain", "--lang", "zh")
    assert "对端发送 SYN" in show(*arguments).stdout
    done = show(*arguments, PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    assert r"\u5bf9\u7aef" in done.stdout


def test_a_file_that_cannot_be_written_is_named(saved: Path) -> None:
    done = show(saved, "-6", "-o", "/proc/nothing")
    assert (done.returncode, done.stderr) == (3, "cannot write /proc/nothing: No such file or directory\n")
