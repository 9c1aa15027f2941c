"""Texts of views in more than one language, from `words.toml` and `html/*.toml`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

LANGUAGES = ("en", "zh")
Words = Callable[..., str]
"""Takes the key of a text, and by name what is to be filled in."""


@cache
def table() -> Mapping[str, Mapping[str, str]]:
    """Every text by its key and language."""
    return {**_read("words.toml"), **_read("html/words.toml")}


def words(language: str) -> Words:
    """The texts in one language; KeyError for one that there is not."""
    texts = {key: each[language] for key, each in table().items()}

    def say(key: str, /, **values: object) -> str:
        return texts[key].format_map(values) if values else texts[key]

    return say


@cache
def translations() -> Mapping[str, str]:
    """The Chinese of each English sentence behind checks and rules."""
    return _read("html/sentences.toml")


def sentence_and_section(sentence: str) -> tuple[str, str, str]:
    """A sentence that may end with its section: in English, in Chinese (else in English), and the section by itself."""
    text, _, section = sentence.partition("   ")
    return text, translations().get(text, text), section


def _read(name: str) -> dict[str, Any]:
    import tomllib  # `lab run` without `--plain` has no use for it

    return tomllib.loads((Path(__file__).parent / name).read_text(encoding="utf-8"))
