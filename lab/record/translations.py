"""Translations of the texts of a scenario file, and finding the one for a text.

They are in a file beside the scenario file for each language: `handshake.zh.toml` for `handshake.py`. It is one TOML
table: the English text is the key, and its translation the value. For a text that the scenario computes, the key has
`{}` in place of each computed part, and the translation has `{0}`, `{1}` and so on in place of the same parts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import cache, cached_property
from glob import escape
from pathlib import Path
from string import Formatter
from typing import Any

_PART = "{}"
_ENOUGH_LETTERS = 5
"""A text with fewer letters around its computed parts says little: then these parts have no spaces."""


class WrongTranslation(Exception):
    """A file of translations cannot be used; the message names the reason, without the file."""


class Phrases:
    """Texts of one language by the English text; texts with computed parts are found by their fixed parts."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        """Raises WrongTranslation for a translation with a part that the English text does not have."""
        self.texts = texts
        for english, translated in texts.items():
            if _PART in english:
                _ensure_parts(english, translated)

    def find(self, english: str) -> tuple[str, list[str]] | None:
        """The translation of a text, and the computed parts to be filled in; None if there is none."""
        if english in self.texts:
            return self.texts[english], []
        for longest, fixed, translated in self._computed:
            if longest in english and (parts := _parts(english, fixed)) is not None:
                return translated, parts
        return None

    @cached_property
    def _computed(self) -> list[tuple[str, list[str], str]]:
        """For each text with computed parts: the longest of its fixed parts, all of them, and the translation.

        The text with the longest fixed parts comes first.
        """
        listed = [(english.split(_PART), translated) for english, translated in self.texts.items() if _PART in english]
        listed.sort(key=lambda each: -sum(map(len, each[0])))
        return [(max(fixed, key=len), fixed, translated) for fixed, translated in listed]


class Translations:
    """Phrases by language; files are read when the first one is needed."""

    def __init__(self, read: Callable[[], Mapping[str, Phrases]] = dict) -> None:
        self._read = read

    @cached_property
    def by_language(self) -> Mapping[str, Phrases]:
        """The phrases of each language."""
        return self._read()


NONE = Translations()


@cache
def beside(file: Path) -> Translations:
    """The translations beside a scenario file."""
    return Translations(lambda: dict(_found_beside(file)))


def _found_beside(file: Path) -> Iterator[tuple[str, Phrases]]:
    for path in translation_files(file):
        with suppress(WrongTranslation):  # it was right when the scenario was loaded
            yield path.suffixes[-2][1:], phrases_in(path)


def translation_files(file: Path) -> list[Path]:
    """The files with translations of a scenario file."""
    return sorted(file.parent.glob(f"{escape(file.stem)}.[a-z][a-z].toml"))


def phrases(texts: Mapping[Any, object]) -> Phrases:
    """Phrases of a table that was read from a file. Raises WrongTranslation for anything but texts."""
    if not all(isinstance(text, str) for pair in texts.items() for text in pair):
        raise WrongTranslation("each line must be an English text, an equals sign and its translation, in quotes")
    return Phrases({str(english): str(translated) for english, translated in texts.items()})


def phrases_in(path: Path) -> Phrases:
    """The phrases in a file. Raises WrongTranslation."""
    import tomllib  # needed when a run is saved, or shown in another language

    try:
        return phrases(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as refused:
        raise WrongTranslation(refused.strerror or str(refused)) from None
    except ValueError as wrong:  # of TOML or UTF-8
        raise WrongTranslation(str(wrong)) from None


def _parts(text: str, fixed: list[str]) -> list[str] | None:
    """The computed parts of a text between these fixed ones, in linear time; None if the text is another one."""
    first, *inner, last = fixed
    at, end = len(first), len(text) - len(last)
    if at > end or not (text.startswith(first) and text.endswith(last)):
        return None
    parts = []
    for each in inner:
        found = text.find(each, at, end)
        if found < 0:
            return None
        parts.append(text[at:found])
        at = found + len(each)
    parts.append(text[at:end])
    says_enough = sum(map(str.isalpha, "".join(fixed))) >= _ENOUGH_LETTERS
    return parts if says_enough or not any(" " in part for part in parts) else None


def _ensure_parts(english: str, translated: str) -> None:
    try:
        parts = [part[1:] for part in Formatter().parse(translated) if part[1] is not None]
    except ValueError as wrong:
        raise WrongTranslation(f"{translated!r}: {wrong}") from None
    count = english.count(_PART)
    kept = {conversion for *_, conversion in parts} <= {None, "s"}
    if (
        english == _PART * count
        or not kept
        or {(name, form) for name, form, _ in parts} != {(str(number), "") for number in range(count)}
    ):
        raise WrongTranslation(f"{english!r} has {count} computed parts, and {translated!r} not the same")
