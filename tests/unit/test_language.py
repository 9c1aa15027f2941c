"""Language of the command line: `--lang` in every command, else that of the environment, in all that is printed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main

from lab.cli import app
from lab.cli.language import language
from lab.record.saved.document import lines_of
from tests.unit.test_translations import STEP, translated_run

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = sorted(typer.main.get_command(app).commands)  # type: ignore[attr-defined]  # of a group


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("saved") / "run.json"
    file.write_text("".join(lines_of(translated_run())), encoding="utf-8")
    return file


def lab(*arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-m", "lab", *arguments],
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin", **variables},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["show", "--lang", "zh"], "zh"), (["--lang=zh", "show"], "zh"), (["show", "--lang", "en"], "en"),
        (["show", "--", "--lang", "zh"], "en"), (["show", "--lang"], "en"), (["show", "--lang", "fr"], "en"),
        ([], "en"),
    ],
)  # fmt: skip
def test_the_command_names_the_language(monkeypatch: pytest.MonkeyPatch, arguments: list[str], named: str) -> None:
    monkeypatch.setattr(sys, "argv", ["lab", *arguments])
    assert language() == named


def test_the_command_line_goes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    monkeypatch.setattr(sys, "argv", ["lab", "list"])
    assert language() == "zh"
    monkeypatch.setattr(sys, "argv", ["lab", "list", "--lang", "en"])
    assert language() == "en"


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_the_option_and_refuses_another_language(command: str) -> None:
    refused = lab(command, "--lang", "fr")
    assert refused.returncode == 2
    assert re.search("fr.*en.*zh", refused.stderr)


def test_a_saved_run_is_shown_in_the_language_of_the_environment(saved: Path) -> None:
    shown = lab("show", saved, "sample.one", LANG="zh_CN.UTF-8").stdout
    assert "示例标题" in shown
    assert "第一步" in shown
    assert STEP not in shown
    assert "第一步" in lab("show", saved, "sample.one", "--plain", "--lang", "zh", LANG="C.UTF-8").stdout
    assert STEP in lab("show", saved, "sample.one", LANG="C.UTF-8").stdout


def test_json_is_english_in_each_language(saved: Path) -> None:
    assert lab("show", saved, "--json", LANG="zh_CN.UTF-8").stdout == lab("show", saved, "--json").stdout


def test_a_message_has_the_language_too() -> None:
    done = lab("show", "/nothing/there", LANG="zh_CN.UTF-8")
    assert (done.returncode, done.stderr) == (2, "没有文件或文件夹 /nothing/there\n")
