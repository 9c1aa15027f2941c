"""Texts of views in more than one language.

A view's own texts are in `words.toml` and `html/words.toml`, by key. Texts of a recording, and messages of the rooms
below, are English there; `sentences.toml` has their translations, and a scenario brings those of its author's texts.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from lab.record.translations import NONE, Phrases, Translations, phrases

LANGUAGES = ("en", "zh")
_DEEPEST = 4
"""Levels of computed parts within computed parts that are translated."""


class Translator:
    """The texts of one language, and for a scenario also those that it brings."""

    def __init__(self, language: str, own: Translations = NONE) -> None:
        """`own` are the texts that a scenario brings. KeyError for an unknown language."""
        if language not in LANGUAGES:
            raise KeyError(language)
        self.language = language
        self._own = own.by_language.get(language) if language != "en" else None
        self._known: dict[str, str] = {}

    def __call__(self, key: str, /, **values: object) -> str:
        """The text for a key, with its placeholders filled in by name."""
        text = table()[key][self.language]
        return text.format_map(values) if values else text

    def own(self, text: str) -> str:
        """A text of the scenario's author: a title, a step, a conclusion."""
        return self._translated(text, [self._own])

    def text(self, text: str) -> str:
        """A text of a recording or of a message: of the scenario's author, or of the lab."""
        if self.language == "en":
            return text
        if text not in self._known:
            self._known[text] = self._translated(text, [self._own, sentences(self.language)])
        return self._known[text]

    def _translated(self, text: str, among: Sequence[Phrases | None], depth: int = 0) -> str:
        """The translation of a text that may end with three spaces and the section of a document.

        A part that the translation takes with `!s`, as in `{0!s}`, is a name and stays as it is.
        """
        sentence, gap, section = text.partition("   ")
        for each in among:
            found = each.find(sentence) if each is not None and depth < _DEEPEST else None
            if found is not None:
                translated, parts = found
                filled = [
                    part if f"{{{at}!s}}" in translated else self._translated(part, among, depth + 1)
                    for at, part in enumerate(parts)
                ]
                return (translated.format(*filled) if parts else translated) + gap + section
        return text


@cache
def translator(language: str, own: Translations = NONE) -> Translator:
    """The translator into one language, with the texts that a scenario brings. KeyError for an unknown language."""
    return Translator(language, own)


ENGLISH = translator("en")


@cache
def table() -> Mapping[str, Mapping[str, str]]:
    """All texts by key and language."""
    return {**_read("words.toml"), **_read("html/words.toml")}


@cache
def sentences(language: str) -> Phrases | None:
    """The lab's own English texts in a language; None for English."""
    return None if language == "en" else phrases(_read("sentences.toml"))


def preferred() -> str:
    """The language that the environment asks for, as gettext finds it; English if the lab does not have it."""
    named = next(filter(None, map(os.environ.get, ("LC_ALL", "LC_MESSAGES", "LANG"))), "")
    return next((language for language in LANGUAGES if named.lower().startswith(language)), "en")


def _read(name: str) -> dict[str, Any]:
    import tomllib  # not needed by most commands in English

    return tomllib.loads((Path(__file__).parent / name).read_text(encoding="utf-8"))
