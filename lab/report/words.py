"""What pictures and pages say in more than one language; the texts are in `words.toml`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

LANGUAGES = ("en", "zh")
Words = Callable[..., str]
"""Takes the key of a text, and by name what is to be filled in."""


@cache
def table() -> Mapping[str, Mapping[str, str]]:
    """Every text by its key and language."""
    import tomllib  # `lab run` without `--plain` has no use for it

    return tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))


def words(language: str) -> Words:
    """The texts in one language; KeyError for one that there is not."""
    texts = {key: each[language] for key, each in table().items()}

    def say(key: str, /, **values: object) -> str:
        return texts[key].format_map(values) if values else texts[key]

    return say
