"""Texts of views in more than one language, from `words.toml` and `html/*.toml`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

LANGUAGES = ("en", "zh")
Translator = Callable[..., str]
"""Function that returns the text for a key, with its placeholders filled in by name."""


@cache
def table() -> Mapping[str, Mapping[str, str]]:
    """All texts by key and language."""
    return {**_read("words.toml"), **_read("html/words.toml")}


def translator(language: str, words: Mapping[str, Mapping[str, str]] | None = None) -> Translator:
    """The translator into one language, of the texts of views or of others. KeyError for an unknown language."""
    texts = {key: each[language] for key, each in (table() if words is None else words).items()}

    def translate(key: str, /, **values: object) -> str:
        return texts[key].format_map(values) if values else texts[key]

    return translate


@cache
def translations() -> Mapping[str, str]:
    """Chinese translations of the English sentences that explain checks and rules."""
    return _read("html/sentences.toml")


def sentence_and_section(sentence: str) -> tuple[str, str, str]:
    """Split "sentence   section" into the English sentence, the Chinese one (else the English one), and the section."""
    text, _, section = sentence.partition("   ")
    return text, translations().get(text, text), section


def _read(name: str) -> dict[str, Any]:
    import tomllib  # not needed by `lab run` without `--plain`

    return tomllib.loads((Path(__file__).parent / name).read_text(encoding="utf-8"))
