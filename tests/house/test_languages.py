"""Every English text of the lab is there in Chinese."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from lab.report.i18n import sentences

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "lab").rglob("*.py"))
WORDS = re.compile(r"[a-z]{2} [a-z{('\"]|[a-z] [a-z]{2}")
"""What has two words is a text, if it is no docstring and nothing of the list below."""
ELSEWHERE = {
    "lab/mutate": "`lab mutate` is a tool for authors of the lab, in English",
    "lab/cli/mutate.py": "`lab mutate` is a tool for authors of the lab, in English",
    "lab/cli/exercise_authors.py": "names of mutations, which are English",
    "lab/cli/help.py": "markup and commands; the texts of the help are looked for in tests/unit/test_help.py",
    "lab/cli/completion.py": "a script of zsh; what is printed is looked for in tests/kernel/test_completion.py",
    "lab/cli/playground.py": "commands to be typed, and texts in words.toml",
    "lab/pytest_plugin.py": "pytest is in English",
    "lab/report/html": "markup, and texts in words.toml",
    "lab/report/svg.py": "markup, and texts in words.toml",
    "lab/report/colours.py": "style",
    "lab/host/inet_diag.py": "names of fields",
    "lab/author/mistakes.py": "patterns of Python's messages",
    "lab/report/ci.py": "JUnit and annotations, for machines",
    "lab/report/i18n.py": "names no text",
    "lab/author/assertions.py": "Python's own words",
    "lab/exercise/template.py": "an exercise, which has its texts in both languages itself",
}

NO_TEXTS = {
    # notation of tcpdump, which is the same in each language
    "win {}", "ack {}", "urg {}", "mss {}", "wscale {}", "sack {}", "tfo {}", "tfo request", "TS val {} ecr {}",
    "kind {} {}",
    # mermaid
    "left of P", "right of K", "Note over P,K: {}", "Note right of K: {}", "Note {}: {}",
    # names in files
    "tcp-packet-lab run", "TCP packet lab", "tcp-packet-lab playground", "crossing over", "nothing left", "Linux {}",
    "TCP packet lab {}", "not run", "tcp-packet-lab progress", "gave up", "as known", "learner {}", "kernel differs",
    "could not be tried", "unearned verdict", "altered record", "foreign learner", "foreign class token", "given up",
    # commands
    "lab list", "lab show",
    # programs and bytes
    "import sys; sys.path.append(sys.argv[1]); from lab.exercise.make.inside import main; sys.exit(main())", "the last",
    # JUnit
    "lab exercise",
    # for developers: errors of the model, which no scenario shows
    "user timeout", "connection reset",
    "connection refused", "standing rule", "documented deviation",
}  # fmt: skip
"""Literals of two words that nobody reads as a sentence."""


def template(node: ast.AST) -> str | None:
    """The text of a literal, with {} for each computed part of an f-string."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        parts = (each.value if isinstance(each, ast.Constant) else "{}" for each in node.values)
        return "".join(map(str, parts))
    return None


def literals(tree: ast.AST) -> Iterator[str]:
    """Texts of all literals that are no docstrings and no parts of other literals."""
    hidden: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            hidden.add(id(node.value))
        elif isinstance(node, ast.JoinedStr):
            hidden |= {id(each) for each in node.values}
            hidden |= {id(each.format_spec) for each in node.values if isinstance(each, ast.FormattedValue)}
    for node in ast.walk(tree):
        text = template(node) if id(node) not in hidden else None
        if text is not None:
            yield text


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: str(file.relative_to(ROOT)))
def test_each_text_of_the_lab_is_there_in_chinese(file: Path) -> None:
    name = str(file.relative_to(ROOT))
    if any(name.startswith(each) for each in ELSEWHERE):
        return
    chinese = sentences("zh")
    assert chinese is not None
    found = {text.partition("   ")[0] for text in literals(ast.parse(file.read_text(encoding="utf-8")))} - NO_TEXTS
    read = {text for text in found if WORDS.search(text)}
    assert {text for text in read if not is_known(text, chinese.texts)} == set()


def is_known(text: str, texts: Mapping[str, str]) -> bool:
    """Whether there is a translation; what goes on in the middle of a sentence is part of a longer one."""
    if {text, f"{{}}: {text}", f"{text}: {{}}"} & texts.keys():
        return True
    return text.strip(" ,:;") != text and any(text.strip(" ,:;") in each for each in texts)
