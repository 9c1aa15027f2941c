"""Texts of `lab grade` in both languages, and signs."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from lab.exercise.progress import Status
from lab.grading.checking import Values

_LONGEST = 120
"""Most characters that are shown of a value from a file."""
SIGNS = {
    Status.SOLVED: "✓",
    Status.WRONG: "✗",
    Status.STARTED: "…",
    Status.SKIPPED: "»",
    Status.GIVEN_UP: "!",
    Status.NEW: "-",
}
"""Signs of exercises in a table."""


@cache
def table() -> Mapping[str, Mapping[str, str]]:
    """All texts by key and language."""
    return tomllib.loads(Path(__file__).with_name("words.toml").read_text(encoding="utf-8"))


def say(key: str, language: str, values: Mapping[str, object] | Values = ()) -> str:
    """A text with its placeholders filled in; long values are cut off."""
    return table()[key][language].format_map({name: shortened(str(each)) for name, each in dict(values).items()})


def shortened(text: str) -> str:
    """The text, cut off where it is very long."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
