"""What pictures and pages say in more than one language; the texts are in `words.toml`, here and beside the page."""

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

    folder = Path(__file__).parent
    read = [
        tomllib.loads(file.read_text(encoding="utf-8")) for file in (folder / "words.toml", folder / "html/words.toml")
    ]
    return {key: texts for each in read for key, texts in each.items()}


def words(language: str) -> Words:
    """The texts in one language; KeyError for one that there is not."""
    texts = {key: each[language] for key, each in table().items()}

    def say(key: str, /, **values: object) -> str:
        return texts[key].format_map(values) if values else texts[key]

    return say
