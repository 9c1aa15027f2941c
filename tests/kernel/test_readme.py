"""The examples of README.md and scenarios/README.md run, and what they show is what happens."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kernel.helpers import ROOT, run_lab

README, TUTORIAL = ROOT / "README.md", ROOT / "scenarios/README.md"
LINE_12 = 'expect("SA", seq=0, ack=1)', 'expect("SA", seq=0, ack=2)'
"""The change that the tutorial makes to its first scenario, to show a failure."""


def blocks(document: Path, language: str) -> list[str]:
    """All code blocks of that language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", document.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def without_figures(text: str) -> str:
    """Without times, windows, the kernel's version and a packet's place, which differ between machines and runs.

    Bars go too: the examples wait for no timer, so a bar shows a machine that was held up, for however long.
    """
    text = re.sub(r"^ +┊ +┊.*\n", "", text, flags=re.MULTILINE)
    text = re.sub(r"^ *-?\d+\.\d{3}(?=  )", "T", text, flags=re.MULTILINE)
    return re.sub(r"win \d+|in [\d.]+ s on Linux \S+|\(Linux \S+\)|(?<=packet      )\d+", "N", text)


def test_a_machine_that_is_held_up_changes_no_output() -> None:
    lane = "           ┊                     ┊"
    assert without_figures(f"a\n{lane}  0.105 s\nb\n{lane}  2.4 s, retransmission timer\n{lane}\nc\n") == "a\nb\nc\n"
    assert not any("┊" in block for file in (README, TUTORIAL) for block in blocks(file, "text"))


def name_of(block: str) -> str:
    """The name of the first function of a code block, after which its file is named."""
    return next(node.name for node in ast.parse(block).body if isinstance(node, ast.FunctionDef))


def edited(block: str, edits: list[tuple[int, int, str]]) -> Iterator[str]:
    """One copy of the block for each edit: line, column, and the text inserted there."""
    for line, column, text in edits:
        lines = block.splitlines(keepends=True)
        lines[line - 1] = lines[line - 1][:column] + text + lines[line - 1][column:]
        yield "".join(lines)


def misspelt(block: str) -> Iterator[str]:
    """The block with one letter too many in one of its words: each called method, each argument's name."""
    edits = []
    for node in ast.walk(ast.parse(block)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            edits.append((node.func.end_lineno or 0, node.func.end_col_offset or 0, "x"))
        elif isinstance(node, ast.keyword) and node.arg:
            edits.append((node.lineno, node.col_offset + len(node.arg), "x"))
    return edited(block, edits)


def wrong(block: str) -> Iterator[str]:
    """The block with one wrong expectation: other control bits, a number 1000 times as large, another state."""
    edits = []
    for node in ast.walk(ast.parse(block)):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        if node.func.attr == "expect":
            edits.append((node.args[0].lineno, node.args[0].col_offset + 1, "U"))
            numbers = [each.value for each in node.keywords if each.arg in {"seq", "ack"}]
            edits += [(each.end_lineno or 0, each.end_col_offset or 0, "001") for each in numbers]
        elif node.func.attr == "expect_state":
            edits.append((node.end_lineno or 0, (node.end_col_offset or 0) - 1, " if False else 'CLOSING'"))
    return (each.replace("=0001", "=1001") for each in edited(block, edits))


def outcomes(folder: Path, *options: str) -> dict[str, list[str]]:
    """The outcomes of all scenarios of a folder, by the stem of the file; each broken file is an error."""
    done = run_lab("run", "--json", "-", *options, folder)
    told: dict[str, Any] = json.loads(done.stdout)
    found: dict[str, list[str]] = {}
    for each in told["scenarios"]:
        found.setdefault(each["id"].partition(".")[0], []).append(each["outcome"])
    return found


@pytest.fixture
def tutorial(tmp_path: Path) -> dict[str, str]:
    """The tutorial's examples by name, each saved as a file."""
    examples = {name_of(block): block for block in blocks(TUTORIAL, "python")}
    assert len(examples) == len(blocks(TUTORIAL, "python")), "two examples have one name"
    for name, block in examples.items():
        (tmp_path / f"{name}.py").write_text(block, encoding="utf-8")
    return examples


def test_the_scenario_in_the_readme_passes(tmp_path: Path) -> None:
    file = tmp_path / "readme.py"
    (block,) = blocks(README, "python")
    file.write_text(block, encoding="utf-8")
    done = run_lab("run", "-q", file)
    assert done.returncode == 0, done.stdout
    assert done.stdout.startswith("2 passed; ")


def test_each_command_of_the_five_minutes_works_after_those_before_it(tmp_path: Path) -> None:
    _, _, tour = README.read_text(encoding="utf-8").partition("## Five minutes\n")
    commands = re.findall(r"^\$ (?:sudo )?scripts/lab (.*)$", tour.partition("\n## ")[0], re.MULTILINE)
    assert len(commands) == 5, commands
    commands.remove("run")  # of all scenarios; many tests make one
    for number, command in enumerate(commands):
        saved = ["--out", f"out/{number}"] if command.startswith("run ") else []
        done = run_lab(*command.split(), *saved, cwd=tmp_path)
        assert done.returncode == 0, (command, done.stdout, done.stderr)
    assert (tmp_path / "out/0/report.html").exists()


@pytest.mark.parametrize("number", [0, 1], ids=["run", "claims"])
def test_the_outputs_in_the_readme_are_what_is_printed(number: int) -> None:
    call = (("run", "kernel_closes_first", "-4"), ("claims", "C85", "-4"))[number]
    assert f"$ sudo scripts/lab {' '.join(call)}\n" in blocks(README, "console")
    done = run_lab(*call)
    assert done.returncode == 0
    assert without_figures(done.stdout) == without_figures(blocks(README, "text")[number])


def test_each_example_of_the_tutorial_passes(tutorial: dict[str, str], tmp_path: Path) -> None:
    passed = outcomes(tmp_path)
    assert passed.keys() == tutorial.keys()
    for name, found in passed.items():
        scenarios = tutorial[name].count("@scenario")
        only_one_family = tutorial[name].count("families=")
        assert found == ["pass"] * (2 * scenarios - only_one_family), name


def test_the_outputs_in_the_tutorial_are_what_is_printed(tutorial: dict[str, str], tmp_path: Path) -> None:
    passes, fails = blocks(TUTORIAL, "text")
    done = run_lab("run", "first.py", "-4", cwd=tmp_path)
    assert (done.returncode, without_figures(done.stdout)) == (0, without_figures(passes))
    assert LINE_12[0] in tutorial["first"].splitlines()[11]
    (tmp_path / "first.py").write_text(tutorial["first"].replace(*LINE_12), encoding="utf-8")
    done = run_lab("run", "first.py", "-4", cwd=tmp_path)
    assert (done.returncode, without_figures(done.stdout)) == (1, without_figures(fails))


@pytest.mark.parametrize(("variants", "outcome"), [(misspelt, "error"), (wrong, "fail")], ids=["misspelt", "wrong"])
def test_no_word_of_the_tutorial_can_be_changed(
    tutorial: dict[str, str], tmp_path: Path, variants: Callable[[str], Iterator[str]], outcome: str
) -> None:
    folder = tmp_path / "changed"
    folder.mkdir()
    for name, block in tutorial.items():
        changed = list(variants(block))
        assert changed, f"{name} has no word that could be changed"
        for number, text in enumerate(changed):
            (folder / f"{name}_{number}.py").write_text(text, encoding="utf-8")
    found = outcomes(folder, "-4")
    assert found.keys() == {file.stem for file in folder.glob("*.py")}
    assert {name: each for name, each in found.items() if outcome not in each} == {}
