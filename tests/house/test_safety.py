"""What code that runs as root must not do: shells with built strings, names that somebody else can guess."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [*ROOT.glob("lab/**/*.py"), *ROOT.glob("scripts/**/*.py"), *ROOT.glob("scenarios/*.py")]
SHELLS = [
    path
    for path in (ROOT / "scripts").iterdir()
    if path.is_file() and path.read_bytes().startswith((b"#!/bin", b"#!/usr/bin/env bash"))
]
FORBIDDEN = {
    ("os", "system"): "a shell",
    ("os", "popen"): "a shell",
    ("subprocess", "getoutput"): "a shell",
    ("subprocess", "getstatusoutput"): "a shell",
    ("asyncio", "create_subprocess_shell"): "a shell",
    ("tempfile", "mktemp"): "a temporary name that somebody else may take first",
    ("pickle", "load"): "code out of a file",
    ("pickle", "loads"): "code out of a file",
}
RUNS_WHAT_IT_IS_GIVEN = {"eval", "exec"}
SHARED_FOLDER = re.compile(r"^/(tmp|var/tmp|dev/shm)/[^{$]")


ABOUT_A_SHELL = {"get_completion_script"}
"""Functions whose argument `shell` is the name of one, in which they run nothing."""


def _runs_a_shell(keyword: ast.keyword) -> bool:
    return keyword.arg == "shell" and not (isinstance(keyword.value, ast.Constant) and keyword.value.value is False)


def faults(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and what is wrong there."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id=name)) if name in ABOUT_A_SHELL:
                continue
            case ast.Call(keywords=keywords) if any(_runs_a_shell(each) for each in keywords):
                yield node.lineno, "a shell"
            case ast.Attribute(value=ast.Name(id=module), attr=name) if (module, name) in FORBIDDEN:
                yield node.lineno, FORBIDDEN[module, name]
            case ast.Call(func=ast.Name(id=name)) if name in RUNS_WHAT_IT_IS_GIVEN:
                yield node.lineno, f"code made of a string ({name})"
            case ast.List(elts=[ast.Constant(value="sh" | "bash"), ast.Constant(value="-c"), script, *_]):
                if not isinstance(script, ast.Constant):
                    yield node.lineno, "a shell with a built string"
            case ast.Constant(value=str(text)) if SHARED_FOLDER.match(text):
                yield node.lineno, f"a name in a folder of everybody ({text})"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_shell_and_no_predictable_name(path: Path) -> None:
    assert list(faults(ast.parse(path.read_text(encoding="utf-8")))) == []


def test_scripts_make_no_name_that_can_be_guessed() -> None:
    assert {path.name for path in SHELLS} >= {"lab", "test", "check"}
    for path in SHELLS:
        assert re.findall(r"(?<![\w/])/(?:tmp|var/tmp)/\w+|\beval\b", path.read_text(encoding="utf-8")) == [], path


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("subprocess.run(f'ip link del {name}', shell=True)", "a shell"),
        ("subprocess.run(['ip', name], shell=False)", None),
        ("os.system('ip link')", "a shell"),
        ("subprocess.getoutput(text)", "a shell"),
        ("subprocess.run(['sh', '-c', f'rm {name}'])", "a shell with a built string"),
        ("subprocess.run(['sh', '-c', 'rm \"$1\"', 'sh', name])", None),
        ("tempfile.mktemp()", "a temporary name that somebody else may take first"),
        ("open('/tmp/lab.log')", "a name in a folder of everybody (/tmp/lab.log)"),
        ("eval(text)", "code made of a string (eval)"),
        ("pickle.loads(data)", "code out of a file"),
    ],
)
def test_the_checker_sees_it(source: str, fault: str | None) -> None:
    assert [found for _, found in faults(ast.parse(source))] == ([fault] if fault else [])
