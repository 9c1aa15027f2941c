"""The catalogue of claims about TCP. Each has the statements of an article and of the RFCs, and Linux's behaviour.

The catalogue is read from `claims.toml` in the folder of the scenarios, in English and Chinese. Steps of scenarios name
claims by their ids.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

_PACKAGE = Path(__file__).resolve().parent.parent
_ID = re.compile(r"C[1-9][0-9]*")
_SIMILAR = 0.75
"""Share of characters that similar ids have in common: C99 is like C999, and C9 is not."""
_NEEDED = ("topic", "kind", "section", "article", "document")
_OPTIONAL = ("linux", "depends", "since")


class CatalogueError(Exception):
    """The catalogue is invalid; the message names the file, the entry and the error."""


class Kind(Enum):
    """Relation of a claim to the documents and to Linux."""

    HOLDS = "holds"
    IMPRECISE = "imprecise"
    DIFFERS = "not so on Linux"
    LEFT_OUT = "the article leaves it out"


class Text(NamedTuple):
    """A text in both languages."""

    en: str
    zh: str

    def of(self, language: str) -> str:
        """The text in "en" or "zh"."""
        return self.zh if language == "zh" else self.en


class Since(NamedTuple):
    """Behaviour of Linux that changed with a kernel version."""

    kernel: str
    text: Text


@dataclass(frozen=True, slots=True)
class Claim:
    """One statement about TCP, made or left out by the article."""

    id: str
    topic: str
    """A key of `Catalogue.topics`."""
    kind: Kind
    section: str
    """Sections of the documents: "RFC 9293 3.4, 3.10.7.2"."""
    article: Text
    document: Text
    linux: Text | None = None
    """Behaviour of Linux where it differs from the documents, or is more specific."""
    depends: tuple[str, ...] = ()
    """Sysctls and socket options that the behaviour depends on."""
    since: tuple[Since, ...] = ()


class Erratum(NamedTuple):
    """An erratum of the article."""

    printed: str
    meant: str
    text: Text


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Claims by id, in order; their topics; errata of the article."""

    topics: Mapping[str, Text]
    claims: Mapping[str, Claim]
    errata: tuple[Erratum, ...]

    def similar_ids(self, unknown: str) -> list[str]:
        """Up to five known ids similar to an unknown one."""
        return similar_ids(unknown, self.claims)


def similar_ids(unknown: str, known: Iterable[str]) -> list[str]:
    """Up to five ids that are like an unknown one but for a digit or two, the most similar first."""
    from difflib import get_close_matches

    return get_close_matches(unknown.upper(), known, n=5, cutoff=_SIMILAR)


def scenarios_folder() -> Path:
    """Folder of the lab's scenarios: inside an installed package, or next to it in a checkout."""
    installed = _PACKAGE / "scenarios"
    return installed if installed.is_dir() else _PACKAGE.parent / "scenarios"


@cache
def catalogue() -> Catalogue:
    """The catalogue of the lab's scenarios."""
    return load(scenarios_folder() / "claims.toml")


def load(file: Path) -> Catalogue:
    """Read a catalogue. Raises CatalogueError for the first invalid entry."""
    import tomllib

    try:
        read = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as refused:
        raise CatalogueError(f"{file}: {refused.strerror}") from None
    except ValueError as malformed:  # of TOML, or of UTF-8
        raise CatalogueError(f"{file}: {malformed}") from None
    try:
        return _catalogue(read)
    except CatalogueError as wrong:
        raise CatalogueError(f"{file}: {wrong}") from None


def _catalogue(read: dict[str, Any]) -> Catalogue:
    topics = {name: _text(f"topics.{name}", given) for name, given in _table("topics", read.pop("topics", {})).items()}
    errata = tuple(_erratum(number, given) for number, given in enumerate(read.pop("errata", ()), start=1))
    return Catalogue(topics, {name: _claim(name, _table(name, given), topics) for name, given in read.items()}, errata)


def _claim(name: str, given: dict[str, Any], topics: Mapping[str, Text]) -> Claim:
    if not _ID.fullmatch(name):
        raise CatalogueError(f"{name}: an id must be C followed by a number")
    for field in given:
        if field not in _NEEDED + _OPTIONAL:
            raise CatalogueError(f"{name}: unknown field {field!r}")
    for field in _NEEDED:
        if field not in given:
            raise CatalogueError(f"{name}: {field!r} is missing")
    if given["topic"] not in topics:
        raise CatalogueError(f"{name}: unknown topic {given['topic']!r}")
    kinds = [kind.value for kind in Kind]
    if given["kind"] not in kinds:
        raise CatalogueError(f"{name}: unknown kind {given['kind']!r}, use one of: {', '.join(kinds)}")
    if not all(isinstance(each, str) for each in given.get("depends", ())):
        raise CatalogueError(f"{name}: 'depends' must be a list of names")

    def text(field: str) -> Text:
        return _text(f"{name}: {field}", given[field])

    return Claim(
        id=name,
        topic=given["topic"],
        kind=Kind(given["kind"]),
        section=given["section"],
        article=text("article"),
        document=text("document"),
        linux=text("linux") if "linux" in given else None,
        depends=tuple(given.get("depends", ())),
        since=tuple(_since(name, each) for each in given.get("since", ())),
    )


def _since(name: str, given: Any) -> Since:
    if not isinstance(given, dict) or not re.fullmatch(r"\d+\.\d+", str(given.get("kernel"))):
        raise CatalogueError(f"{name}: each entry of 'since' must have a 'kernel', such as '6.5'")
    return Since(given["kernel"], _text(f"{name}: since {given['kernel']}", given))


def _erratum(number: int, given: Any) -> Erratum:
    entry = _table(f"errata {number}", given)
    if not (entry.get("printed") and entry.get("meant")):
        raise CatalogueError(f"errata {number}: 'printed' or 'meant' is missing")
    return Erratum(entry["printed"], entry["meant"], _text(f"errata {number}", entry))


def _text(what: str, given: Any) -> Text:
    for language in Text._fields:
        if not isinstance(given, dict) or not given.get(language):
            raise CatalogueError(f"{what} has no text in {language!r}")
    return Text(given["en"], given["zh"])


def _table(what: str, given: Any) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise CatalogueError(f"{what} must be a table")
    return given
