"""The sentences of the documents behind checks and rules, in both languages, each once."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

_GAP = "   "
"""What stands between a sentence and its section."""


@cache
def translations() -> Mapping[str, str]:
    """The Chinese of each English sentence."""
    table: dict[str, str] = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
    return table


class Sentences:
    """Numbers sentences as they come; number 0 is no sentence."""

    def __init__(self) -> None:
        self.listed: list[tuple[str, str, str]] = [("", "", "")]
        """Each in English, in Chinese (English where nobody translated it), and the section of the document."""
        self._numbers = {"": 0}

    def number(self, sentence: str) -> int:
        """The number of a sentence that ends with its section."""
        found = self._numbers.get(sentence)
        if found is None:
            found = self._numbers[sentence] = len(self.listed)
            text, _, section = sentence.rpartition(_GAP) if _GAP in sentence else (sentence, "", "")
            self.listed.append((text, translations().get(text, text), section))
        return found
